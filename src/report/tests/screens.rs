//! Golden screens (`tests/screens`), one per situation, and what must hold of every screen.

use super::*;

fn screen(reports: &[Report], layout: Layout) -> String {
    let mut out = Vec::new();
    text::write_all(&mut anstream::StripStream::new(&mut out), reports, layout).unwrap();
    String::from_utf8(out).unwrap()
}

pub(super) fn rendered(report: &Report, detail: Detail) -> String {
    screen(std::slice::from_ref(report), Layout::new(None, false, detail))
}

fn named(report: Report, name: &str) -> Report {
    Report { target: name.into(), ..report }
}

/// Thirty targets: most are fine, some are not reached or do not have the required capability.
fn thirty() -> Vec<Report> {
    let of = |i: usize| {
        let report = match i {
            7 => explained(),
            19 => requiring_cdc(Basis::Guide),
            i if i % 3 == 0 => report(true, Basis::Server),
            _ => report(false, Basis::Guide),
        };
        named(report, &format!("orders-{i:02}"))
    };
    (0..30).map(of).collect()
}

/// `UPDATE=1 cargo test --lib` writes the screens; read the difference.
#[test]
fn screens_are_as_shown() {
    let layout = |detail| Layout::new(None, false, detail);
    let (normal, verbose) = (layout(Detail::Normal), layout(Detail::Verbose));
    let three = || {
        let two =
            [named(report(true, Basis::Server), "first"), named(requiring_cdc(Basis::Server), "second")];
        [&two[..], &[named(explained(), "third")]].concat()
    };
    for (name, reports, layout) in [
        ("guide-initial-load", vec![report(false, Basis::Guide)], normal),
        ("guide-server-allows-more", vec![report(true, Basis::Guide)], normal),
        ("server-cdc", vec![report(true, Basis::Server)], normal),
        ("not-met", vec![requiring_cdc(Basis::Guide)], normal),
        ("not-reached", vec![unreached("empty")], normal),
        ("aws-diagnostics", vec![explained()], normal),
        ("aws-diagnostics-verbose", vec![explained()], verbose),
        ("verbose", vec![report(false, Basis::Guide)], verbose),
        ("quiet", three(), layout(Detail::Quiet)),
        ("several", three(), normal),
        ("several-verbose", three(), verbose),
        ("thirty-targets", thirty(), normal),
        ("wide", vec![explained()], Layout { width: 120, ..normal }),
        ("narrow-ascii", three(), Layout { width: 60, ascii: true, ..normal }),
    ] {
        let path = format!("{}/tests/screens/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let screen = screen(&reports, layout);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &screen).unwrap();
        }
        assert_eq!(screen, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
        for line in screen.lines() {
            assert_eq!(line, line.trim_end(), "{name}");
            // ARNs and commands are never broken.
            let unbreakable =
                line.contains("aws ") || line.split_whitespace().any(|word| word.len() > layout.width - 20);
            assert!(textwrap::core::display_width(line) <= layout.width || unbreakable, "{name}: {line}");
            assert!(!layout.ascii || line.replace('…', "").is_ascii(), "{name}: {line}");
        }
    }
}

#[test]
fn the_verdict_comes_first_and_a_report_fits_a_screen() {
    for (report, first) in [
        (report(false, Basis::Guide), "Verdict: Initial Load Only — orders"),
        (report(true, Basis::Server), "Verdict: CDC — orders"),
        (explained(), "Verdict: Blocked — orders"),
    ] {
        assert_eq!(rendered(&report, Detail::Normal).lines().next(), Some(first));
    }
    for report in [report(false, Basis::Guide), report(true, Basis::Guide), report(true, Basis::Server)] {
        let screen = rendered(&report, Detail::Normal);
        assert!(screen.lines().count() <= 25, "{screen}");
        let rows = screen.lines().filter(|line| line.starts_with('×'));
        assert_eq!(rows.count(), 0, "nothing that is required failed: {screen}");
        for name in ["orders.abc123", "clickpipes_iam_user", "role/clickpipes-rds-access"] {
            assert!(screen.contains(name), "{name}: {screen}");
        }
    }
}

#[test]
fn only_checks_that_need_attention_are_shown_unless_verbose() {
    let report = requiring_cdc(Basis::Guide);
    let titles = |detail| {
        let screen = rendered(&report, detail);
        report.checks.iter().filter(|check| screen.contains(&format!(" {}", check.title))).count()
    };
    assert_eq!(titles(Detail::Normal), 1, "PG_DOCUMENTED_RULE");
    assert_eq!(titles(Detail::Verbose), report.checks.len());
    let quiet = rendered(&report, Detail::Quiet);
    assert_eq!(quiet, "× orders: Initial Load Only, not CDC (PG_DOCUMENTED_RULE)\n");
}

/// Every outcome, weight and basis of one check.
fn variants(report: &Report) -> Vec<Report> {
    use Outcome::{Fail, NotApplicable, NotReached, Pass, Unknown, Warn};
    let mut variants = Vec::new();
    for outcome in [Pass, Warn, Fail, Unknown, NotReached, NotApplicable] {
        for prevents in [Severity::Advisory, Severity::BlocksCdc, Severity::Blocks] {
            for applies in [true, false] {
                let mut report = report.clone();
                let check = &mut report.checks[5];
                (check.outcome, check.prevents, check.applies) = (outcome, prevents, applies);
                variants.push(report);
            }
        }
    }
    variants
}

#[test]
fn the_counts_of_a_group_add_up_to_its_checks() {
    let reports = [report(false, Basis::Guide), requiring_cdc(Basis::Guide), explained(), unreached("x")];
    for report in reports.iter().flat_map(variants) {
        let screen = rendered(&report, Detail::Normal);
        for group in Group::ALL {
            if !report.checks.iter().any(|check| check.group == group) {
                continue;
            }
            let start = format!("{}: ", group.name());
            let line = screen.lines().find_map(|line| line.split_once(' ')?.1.strip_prefix(&start));
            let line = line.unwrap_or_else(|| panic!("{start}{screen}"));
            let numbers = line.split(", ").filter_map(|part| part.split(' ').next()?.parse::<usize>().ok());
            let checks = report.checks.iter().filter(|check| check.group == group).count();
            assert_eq!(numbers.sum::<usize>(), checks, "{line}");
        }
    }
}

#[test]
fn a_check_that_blocks_what_is_required_is_shown_and_no_other_has_a_mark_of_failure() {
    for report in variants(&requiring_cdc(Basis::Server)) {
        let screen = rendered(&report, Detail::Normal);
        let check = &report.checks[5];
        let shown = screen.lines().any(|line| line.contains(&check.title));
        let attention = report.blocks_requirement(check) || check.status() == Status::Warning;
        assert_eq!(shown, attention, "{check:?}\n{screen}");
        let marks = screen.lines().filter(|line| line.starts_with('×')).count();
        let fails = check.outcome == Outcome::Fail && report.blocks_requirement(check);
        assert_eq!(marks, if fails { 2 } else { 0 }, "the check and its group: {check:?}\n{screen}");
    }
}

#[test]
fn several_targets_are_counted_by_what_they_allow_and_those_that_need_attention_come_first() {
    let cdc = || report(true, Basis::Server);
    let reports = [named(cdc(), "a"), named(cdc(), "b"), named(unreached("c"), "c")];
    let screen = screen(&reports, Layout::new(None, false, Detail::Normal));
    assert!(screen.contains("\n2 of 3 targets meet their requirement: 2 CDC, 1 Blocked\n"), "{screen}");
    let row = |i| screen.lines().nth(i).unwrap();
    assert!(
        row(1).starts_with("× c ") && row(2).starts_with("√ a ") && row(3).starts_with("√ b "),
        "{screen}"
    );
    assert_eq!(screen.matches("Verdict: ").count(), 1, "details of c only: {screen}");
}

#[test]
fn thirty_targets_fit_a_screen_even_if_all_fail() {
    let layout = Layout::new(Some(120), false, Detail::Normal);
    let lines = screen(&thirty(), layout).lines().count();
    assert!(lines <= 50, "{lines}");
    let failed: Vec<Report> = (0..30).map(|i| named(explained(), &format!("t{i:02}"))).collect();
    let screen = screen(&failed, layout);
    assert!(screen.lines().count() <= 55, "{screen}");
    assert_eq!(screen.matches("Verdict: ").count(), 3, "{screen}");
    assert!(
        screen.contains(
            "\n27 more targets need attention. For details, name a target, such as t00, or use -v.\n"
        ),
        "{screen}"
    );
}

#[test]
fn the_reason_is_a_sentence_without_evidence() {
    for report in [report(false, Basis::Guide), explained(), report(true, Basis::Server), unreached("x")] {
        let reason = &report.verdict.reason;
        for evidence in
            report.checks.iter().filter(|c| c.outcome == Outcome::Fail).filter_map(|c| c.found.as_ref())
        {
            assert!(!reason.contains(evidence.as_str()), "{reason}");
        }
        assert!(reason.ends_with('.') && reason.starts_with("ClickPipes can"), "{reason}");
    }
}

#[test]
fn the_width_follows_the_terminal_within_limits() {
    let width = |columns| Layout::new(columns, false, Detail::Normal).width;
    assert_eq!([width(None), width(Some(20)), width(Some(100)), width(Some(300))], [80, 60, 100, 120]);
}

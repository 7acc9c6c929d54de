//! Checks and AWS diagnostics as text.

use std::io::{self, Write};

use anstyle::Style;
use textwrap::core::display_width;

use super::layout::{DIM, Layout, Mark, STRONG, labeled, wrapped};
use crate::{
    checks::Group,
    cli::Detail,
    diagnostic::{Outcome, Severity},
    evidence::FIX,
    report::{AwsDiagnostics, CheckResult, Report, Status},
};

/// All checks by group, or only those that need attention and a line for each group.
pub(super) fn write(out: &mut impl Write, report: &Report, layout: Layout) -> io::Result<()> {
    if layout.detail == Detail::Verbose {
        for group in groups(report) {
            writeln!(out, "\n{STRONG}{}{STRONG:#}", group.name())?;
            for check in report.checks.iter().filter(|check| check.group == group) {
                check_row(out, report, check, layout)?;
            }
        }
        return Ok(());
    }
    let attention: Vec<_> = report.checks.iter().filter(|check| needs_attention(report, check)).collect();
    if !attention.is_empty() {
        writeln!(out)?;
    }
    for check in attention {
        check_row(out, report, check, layout)?;
    }
    writeln!(out)?;
    for group in groups(report) {
        group_line(out, report, group, layout)?;
    }
    Ok(())
}

/// The groups that the report has checks of.
fn groups(report: &Report) -> impl Iterator<Item = Group> {
    Group::ALL.into_iter().filter(|group| report.checks.iter().any(|check| check.group == *group))
}

/// The checks that need attention, with what was found only.
pub(super) fn write_brief(out: &mut impl Write, report: &Report, layout: Layout) -> io::Result<()> {
    for check in report.checks.iter().filter(|check| needs_attention(report, check)) {
        title_line(out, Mark::of(report, check), &check.title, check.cause_or_code(), layout)?;
        if let Some(found) = found_of(check, layout) {
            wrapped(out, layout.width, "  ", "  ", &found, Style::new())?;
        }
    }
    Ok(())
}

fn needs_attention(report: &Report, check: &CheckResult) -> bool {
    check.status() == Status::Warning || report.blocks_requirement(check)
}

/// Whether a check is counted.
type Is<'a> = &'a dyn Fn(&CheckResult) -> bool;

/// `√ connection: 5 passed`
fn group_line(out: &mut impl Write, report: &Report, group: Group, layout: Layout) -> io::Result<()> {
    let checks = || report.checks.iter().filter(|check| check.group == group);
    let required = report.verdict.required;
    let limits = |check: &CheckResult| check.status() == Status::Failed && !report.blocks_requirement(check);
    let counts_as =
        |outcome| move |check: &CheckResult| check.applies && check.outcome == outcome && !limits(check);
    let kinds: [(Is<'_>, String); 8] = [
        (&counts_as(Outcome::Pass), "passed".into()),
        (&counts_as(Outcome::Warn), "with a warning".into()),
        (&counts_as(Outcome::Fail), "failed".into()),
        (&counts_as(Outcome::Unknown), "unknown".into()),
        (&limits, format!("not needed for {required}")),
        (&counts_as(Outcome::NotReached), "not reached".into()),
        (&counts_as(Outcome::NotApplicable), "not applicable".into()),
        (&|check| !check.applies, format!("not part of --basis {}", report.verdict.basis.name())),
    ];
    let counts = kinds.iter().map(|(is, name)| (checks().filter(|check| is(check)).count(), name));
    let counts: Vec<String> =
        counts.filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    let worst = checks().map(|check| Mark::of(report, check)).max().unwrap_or(Mark::Neutral);
    let worst = if checks().any(limits) && worst == Mark::Neutral { Mark::Good } else { worst };
    writeln!(out, "{} {}: {}", worst.show(layout), group.name(), counts.join(", "))
}

fn check_row(out: &mut impl Write, report: &Report, check: &CheckResult, layout: Layout) -> io::Result<()> {
    let found = check.found.as_deref().unwrap_or_default();
    let status = check.status();
    let room = layout.width.saturating_sub(2 + display_width(&check.title) + 2);
    // What a passing check found is behind its title if it fits, otherwise below.
    let (note, below) = match (check.outcome, status) {
        (Outcome::NotReached, _) => ("not reached", found),
        (Outcome::NotApplicable, _) => ("not applicable", found),
        (_, Status::NotCounted) => ("not part of this basis", found),
        (_, Status::Passed) if display_width(found) <= room => (found, ""),
        (_, Status::Passed) => ("", found),
        _ => (check.cause_or_code(), ""),
    };
    title_line(out, Mark::of(report, check), &check.title, note, layout)?;
    if !below.is_empty() {
        wrapped(out, layout.width, "  ", "  ", below, DIM)?;
    }
    if !matches!(status, Status::Failed | Status::Warning) {
        return Ok(());
    }
    if status == Status::Failed && !report.blocks_requirement(check) {
        let prevented = if check.prevents == Severity::Blocks { "every pipe" } else { "CDC" };
        labeled(out, layout, "  effect   ", &format!("prevents {prevented}, which is not required"))?;
    }
    let remedy = check.remedy.as_deref().filter(|remedy| !is_above(report, remedy, layout));
    let all = (check.is_shortened && layout.detail == Detail::Verbose).then(|| check.listed.join(", "));
    for (label, text) in [
        ("  expected ", check.expected.as_deref()),
        ("  found    ", found_of(check, layout).as_deref()),
        ("  all      ", all.as_deref()),
        ("  fix      ", remedy),
    ] {
        if let Some(text) = text {
            labeled(out, layout, label, text)?;
        }
    }
    for (i, candidate) in check.candidates.iter().enumerate() {
        // The remedy of the first candidate is the remedy of the check.
        let text = match i {
            0 => format!("{}: {}", candidate.cause, candidate.because),
            _ => format!("{}: {}; {}", candidate.cause, candidate.because, candidate.remedy),
        };
        let label = if i == 0 { "  causes" } else { "        " };
        labeled(out, layout, &format!("{label}   {}. ", i + 1), &text)?;
    }
    Ok(())
}

/// What was found, and where the names are that it leaves out.
fn found_of(check: &CheckResult, layout: Layout) -> Option<String> {
    let found = check.found.clone()?;
    let has_more = check.is_shortened && layout.detail != Detail::Verbose;
    Some(if has_more { format!("{found} (-v and -o json list all)") } else { found })
}

/// Whether the remedy is one of the next steps, which are above the checks.
fn is_above(report: &Report, remedy: &str, layout: Layout) -> bool {
    layout.detail == Detail::Normal && report.verdict.next_steps.iter().any(|step| step == remedy)
}

/// A title, with a note at the right edge.
fn title_line(out: &mut impl Write, mark: Mark, title: &str, note: &str, layout: Layout) -> io::Result<()> {
    write!(out, "{} {title}", mark.show(layout))?;
    if note.is_empty() {
        return writeln!(out);
    }
    let taken = 2 + display_width(title) + display_width(note);
    writeln!(out, "{:gap$}{DIM}{note}{DIM:#}", "", gap = layout.width.saturating_sub(taken).max(2))
}

/// Findings that need attention and the conclusion; all findings and calls if verbose.
pub(super) fn write_aws(
    out: &mut impl Write,
    report: &Report,
    aws: &AwsDiagnostics,
    layout: Layout,
) -> io::Result<()> {
    let verbose = layout.detail == Detail::Verbose;
    writeln!(out, "\n{STRONG}AWS diagnostics{STRONG:#}")?;
    for finding in &aws.findings {
        if !verbose && finding.outcome == Outcome::Pass {
            continue;
        }
        let mark = Mark::of_outcome(finding.outcome);
        title_line(out, mark, finding.subject, finding.cause.map_or("", |cause| cause.code), layout)?;
        if finding.outcome == Outcome::Pass && finding.remedy.is_none() {
            wrapped(out, layout.width, "  ", "  ", &finding.found, DIM)?;
            continue;
        }
        let lines = finding.lines(FIX);
        for (label, text) in lines.filter(|(label, text)| *label != FIX || !is_above(report, text, layout)) {
            labeled(out, layout, &format!("  {label:<9}"), text)?;
        }
    }
    if verbose {
        if let Some(caller) = &aws.caller {
            labeled(out, layout, "  caller   ", caller)?;
        }
        let mut answered: Vec<&str> = Vec::new();
        for call in aws.calls.iter().filter(|call| call.refused.is_none()) {
            if !answered.contains(&call.call.as_str()) {
                answered.push(&call.call);
            }
        }
        if !answered.is_empty() {
            labeled(out, layout, "  calls    ", &answered.join(", "))?;
        }
        for call in &aws.calls {
            if let Some(error) = &call.refused {
                let text = format!("{}: {error}", call.call);
                wrapped(out, layout.width, "  failed   ", "           ", &text, Style::new())?;
            }
        }
    }
    labeled(out, layout, "  result   ", &aws.conclusion)
}

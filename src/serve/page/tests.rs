use jiff::SignedDuration;

use super::*;
use crate::serve::status_store::tests::after_results;

fn now() -> Timestamp {
    Timestamp::from_second(100).unwrap()
}

#[test]
fn the_index_says_how_many_and_what_to_fix() {
    let page = index(&after_results("--"), &Selection::default(), Timestamp::UNIX_EPOCH, now());
    assert!(page.contains("<h1>1 of 1 targets are unhealthy</h1>"), "{page}");
    assert!(page.contains("set rds.iam_auth_for_replication = 1"), "{page}");
    assert!(page.contains("last 2 checks: 0 met, 2 not met"), "{page}");
    let page = index(&after_results("+"), &Selection::default(), Timestamp::UNIX_EPOCH, now());
    assert!(page.contains("<h1>All 1 targets are healthy</h1>"), "{page}");
    let page = index(&after_results(""), &Selection::default(), Timestamp::UNIX_EPOCH, now());
    assert!(page.contains("not checked yet"), "{page}");
}

#[test]
fn what_to_fix_shows_the_remedy_of_the_check_that_it_names() {
    let status_store = after_results("-");
    let page = index(&status_store, &Selection::default(), Timestamp::UNIX_EPOCH, now());
    let report = status_store.entries().next().unwrap().1.last.clone().unwrap();
    let named: Vec<_> = report.blocking_checks().collect();
    assert_eq!(named.len(), 2);
    for check in named {
        let (code, remedy) = (check.cause_or_code(), check.remedy.as_deref().unwrap());
        let shown = format!("<code>{code}</code> {}", remedy.replace('"', "&quot;"));
        assert!(page.contains(&shown), "{shown}: {page}");
    }
}

#[test]
fn a_target_s_page_has_every_check() {
    let status_store = after_results("-+");
    let (_, entry) = status_store.entries().next().unwrap();
    let page = target(entry, now());
    for row in &entry.last.as_ref().unwrap().checks {
        assert!(page.contains(row.cause.unwrap_or(row.code)), "{}", row.code);
    }
    assert!(page.contains("Last 2 of 2 checks"), "{page}");
}

#[test]
fn pages_have_no_script_and_load_only_their_style() {
    let status_store = after_results("-+-");
    let pages = [
        index(&status_store, &Selection::default(), Timestamp::UNIX_EPOCH, now()),
        target(status_store.entries().next().unwrap().1, now()),
    ];
    for page in pages {
        assert!(
            !page.contains("<script") && !page.contains("http://") && !page.contains("https://"),
            "{page}"
        );
        assert_eq!(page.matches("<link").count(), 1);
    }
}

#[test]
fn words_from_outside_stay_words() {
    assert_eq!(path("a/b?<\"x"), "/targets/a%2Fb%3F%3C%22x");
    let mut status_store = after_results("-");
    let monitored = std::sync::Arc::clone(&status_store.entries().next().unwrap().1.monitored);
    let mut report = crate::report::tests::report(false, crate::diagnostic::Basis::Guide);
    report.verdict.met = false;
    report.verdict.next_steps = vec!["<script>alert(1)</script>".to_owned()];
    report.verdict.reason = "\"><img src=x>".to_owned();
    let thresholds = crate::config::Thresholds { healthy: 2, unhealthy: 1 };
    status_store.note(&monitored, report.into(), thresholds, 5, now());
    let page = index(&status_store, &Selection::default(), now(), now())
        + &target(status_store.entries().next().unwrap().1, now());
    assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;"), "{page}");
}

#[test]
fn how_long_ago_is_said_in_words() {
    let said = |seconds| in_words(SignedDuration::from_secs(seconds));
    assert_eq!(
        [said(-5), said(59), said(60), said(3600), said(90_000)],
        ["0 s", "59 s", "1 min", "1 h 0 min", "1 d 1 h"]
    );
}

#[test]
fn colours_are_told_from_their_ground_by_everyone() {
    for theme in STYLE.split("@media (prefers-color-scheme: dark)") {
        let color = |name: &str| {
            let (_, after) = theme.split_once(&format!("--{name}: #")).unwrap_or_else(|| panic!("{name}"));
            luminance(&after[..6])
        };
        let ground = color("ground");
        for name in ["text", "faint", "good", "bad", "warn"] {
            let (a, b) = (color(name).max(ground), color(name).min(ground));
            let contrast = (a + 0.05) / (b + 0.05);
            assert!(contrast >= 4.5, "--{name}: {contrast:.2}");
        }
    }
}

/// WCAG 2.1, relative luminance of `rrggbb`.
fn luminance(color: &str) -> f64 {
    let linear = |i: usize| {
        let value = f64::from(u8::from_str_radix(&color[i..i + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(0) + 0.7152 * linear(2) + 0.0722 * linear(4)
}

#[test]
fn a_page_of_two_hundred_targets_is_light() {
    let mut status_store = after_results("-+-+-+-+");
    let one = std::sync::Arc::clone(&status_store.entries().next().unwrap().1.monitored);
    let many: Vec<_> = (0..200)
        .map(|i| {
            let mut monitored = (*one).clone();
            monitored.target.name = format!("shop-{i:03}");
            std::sync::Arc::new(monitored)
        })
        .collect();
    status_store.watch(&many);
    let thresholds = crate::config::Thresholds { healthy: 2, unhealthy: 1 };
    let report = std::sync::Arc::new(crate::report::tests::report(false, crate::diagnostic::Basis::Guide));
    for monitored in &many {
        for _ in 0..STRIP {
            status_store.note(monitored, std::sync::Arc::clone(&report), thresholds, STRIP, now());
        }
    }
    let page = index(&status_store, &Selection::default(), Timestamp::UNIX_EPOCH, now());
    assert_eq!(page.matches("<a href=\"/targets/shop").count(), 200);
    assert!(page.len() < 1_500_000, "{}", page.len());
}

#[test]
fn times_are_said_as_they_are_read() {
    assert_eq!(
        [
            took(Duration::from_micros(40)),
            took(Duration::from_micros(171_200)),
            took(Duration::from_millis(12_778))
        ],
        ["0.0 ms", "171 ms", "12.8 s"]
    );
}

#[test]
fn the_index_is_filtered_and_says_what_it_leaves_out() {
    let of = |q: &str, health| {
        let selection = Selection { q: q.into(), health, ..Selection::default() };
        index(&after_results("-"), &selection, Timestamp::UNIX_EPOCH, now())
    };
    let page = of("\"><b>", HealthFilter::All);
    assert!(page.contains("0 of 1 targets. <a href=\"/\">Show all</a>"), "{page}");
    assert!(page.contains("value=\"&quot;&gt;&lt;b&gt;\""), "{page}");
    let page = of("", HealthFilter::Unhealthy);
    assert!(
        page.contains("<option value=\"unhealthy\" selected>") && page.contains("PG_REPLICATION_NOT_IAM"),
        "{page}"
    );
    assert!(!of("", HealthFilter::Healthy).contains("<a href=\"/targets/"));
}

#[test]
fn a_page_that_is_missing_links_back() {
    let page = missing("There is no target <a>", now());
    assert!(page.contains("There is no target &lt;a&gt;. <a href=\"/\">All targets</a>"), "{page}");
}

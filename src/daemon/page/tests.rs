use super::*;
use crate::daemon::board::tests::after_results;

fn now() -> Timestamp {
    Timestamp::from_second(100).unwrap()
}

#[test]
fn the_index_says_how_many_and_what_to_fix() {
    let page = index(&after_results("--"), Timestamp::UNIX_EPOCH, now());
    assert!(page.contains("<h1>1 of 1 targets are unhealthy</h1>"), "{page}");
    assert!(page.contains("set rds.iam_auth_for_replication = 1"), "{page}");
    assert!(page.contains("last 2 checks: 0 met, 2 not met"), "{page}");
    let page = index(&after_results("+"), Timestamp::UNIX_EPOCH, now());
    assert!(page.contains("<h1>All 1 targets are healthy</h1>"), "{page}");
    let page = index(&after_results(""), Timestamp::UNIX_EPOCH, now());
    assert!(page.contains("not checked yet"), "{page}");
}

#[test]
fn a_target_s_page_has_every_check() {
    let board = after_results("-+");
    let (_, entry) = board.entries().next().unwrap();
    let page = target(entry, now());
    for row in &entry.last.as_ref().unwrap().checks {
        assert!(page.contains(row.cause.as_deref().unwrap_or(&row.check)), "{}", row.check);
    }
    assert!(page.contains("The last 2 of 2 checks"), "{page}");
}

#[test]
fn pages_have_no_script_and_load_only_their_style() {
    let board = after_results("-+-");
    let pages =
        [index(&board, Timestamp::UNIX_EPOCH, now()), target(board.entries().next().unwrap().1, now())];
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
    let mut board = after_results("-");
    let watched = std::sync::Arc::clone(&board.entries().next().unwrap().1.watched);
    let mut report = crate::report::tests::report(false, crate::finding::Policy::Documented);
    report.verdict.met = false;
    report.verdict.next = vec!["<script>alert(1)</script>".to_owned()];
    report.verdict.why = "\"><img src=x>".to_owned();
    let thresholds = crate::config::Thresholds { healthy: 2, unhealthy: 1 };
    board.note(&watched, report.into(), thresholds, 5, now());
    let page = index(&board, now(), now()) + &target(board.entries().next().unwrap().1, now());
    assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;"), "{page}");
}

#[test]
fn how_long_ago_is_said_in_words() {
    let said = |seconds| words(SignedDuration::from_secs(seconds));
    assert_eq!(
        [said(-5), said(59), said(60), said(3600), said(90_000)],
        ["0 s", "59 s", "1 min", "1 h 0 min", "1 d 1 h"]
    );
}

use std::time::Duration;

use super::*;
use crate::{
    config::{Rhythm, tests::read},
    finding::{Policy, Terms},
    report::tests::report,
};

const THRESHOLDS: Thresholds = Thresholds { healthy: 2, unhealthy: 1 };

fn watched(interval: u64) -> Arc<Watched> {
    let host = "db.abc.eu-west-1.rds.amazonaws.com";
    let args = ["--type", "rdspostgres", "--host", host, "--iam-role", "arn:aws:iam::123456789012:role/r"];
    let target = read(&args).unwrap().targets.remove(0);
    let terms = Terms { policy: Policy::Documented, required: Capability::InitialLoadOnly };
    let rhythm = Rhythm { interval: Duration::from_secs(interval), full_interval: Duration::from_secs(600) };
    Arc::new(Watched { target, terms, rhythm })
}

/// A board with one target, and what a row of results (`+` met, `-` not met), a second apart, does to it.
fn after(results: &str, thresholds: Thresholds) -> (Board, Vec<(usize, Health)>) {
    let (mut board, watched) = (Board::default(), watched(30));
    board.watch(&[Arc::clone(&watched)]);
    let mut changes = Vec::new();
    for (i, result) in results.chars().enumerate() {
        let mut report = report(false, Policy::Documented);
        report.verdict.met = result == '+';
        let now = Timestamp::from_second(i as i64).unwrap();
        if let Some(change) = board.note(&watched, Arc::new(report), thresholds, 5, now) {
            changes.push((i, change.to));
        }
    }
    (board, changes)
}

fn entry(board: &Board) -> &Entry {
    board.entries().next().unwrap().1
}

#[test]
fn a_change_waits_for_as_many_results_as_the_thresholds_want() {
    use Health::{Healthy, Unhealthy};
    for (results, expected) in [
        ("", vec![]),
        ("+", vec![(0, Healthy)]),
        ("-", vec![(0, Unhealthy)]),
        ("++-", vec![(0, Healthy), (2, Unhealthy)]),
        ("-+", vec![(0, Unhealthy)]),
        ("-++", vec![(0, Unhealthy), (2, Healthy)]),
        ("-+-+-+", vec![(0, Unhealthy)]),
        ("+-++-", vec![(0, Healthy), (1, Unhealthy), (3, Healthy), (4, Unhealthy)]),
    ] {
        assert_eq!(after(results, THRESHOLDS).1, expected, "{results}");
    }
    let patient = Thresholds { healthy: 1, unhealthy: 3 };
    assert_eq!(after("+--+---", patient).1, [(0, Healthy), (6, Unhealthy)]);
}

#[test]
fn since_is_the_first_of_the_results_that_made_it_so() {
    let (board, _) = after("-++", THRESHOLDS);
    assert_eq!(entry(&board).since, Timestamp::from_second(1).ok());
}

#[test]
fn a_result_that_waits_to_be_confirmed_is_in_doubt() {
    assert!(entry(&after("-+", THRESHOLDS).0).is_in_doubt());
    assert!(!entry(&after("-++", THRESHOLDS).0).is_in_doubt());
    assert!(!entry(&after("-+-", THRESHOLDS).0).is_in_doubt());
}

#[test]
fn the_past_is_bounded_and_the_last_failure_stays() {
    let (board, _) = after("-++++++++", THRESHOLDS);
    let entry = entry(&board);
    assert_eq!(entry.past.len(), 5);
    assert!(entry.past.iter().all(|past| past.met));
    assert!(!entry.last_failure.as_ref().unwrap().verdict.met);
    assert_eq!(entry.failures, 0);
}

#[test]
fn a_reload_keeps_what_is_known_of_a_target_that_stays_as_it_was() {
    let (mut board, _) = after("+", THRESHOLDS);
    board.watch(&[watched(30)]);
    assert_eq!(entry(&board).health, Health::Healthy);
    board.watch(&[watched(31)]);
    assert_eq!(entry(&board).health, Health::Unknown, "it is another target now");
    // A check of the old one that was in flight says nothing of the new one.
    let late = Arc::new(report(false, Policy::Documented));
    assert_eq!(board.note(&watched(30), late, THRESHOLDS, 5, Timestamp::UNIX_EPOCH), None);
    assert_eq!(entry(&board).health, Health::Unknown);
    board.watch(&[]);
    assert_eq!(board.entries().len(), 0);
}

pub(in crate::daemon) fn after_results(results: &str) -> Board {
    after(results, THRESHOLDS).0
}

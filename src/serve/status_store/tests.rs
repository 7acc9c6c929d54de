use std::time::Duration;

use super::*;
use crate::{
    config::{Schedule, tests::read},
    diagnostic::{Basis, RequiredBy, Requirement},
    report::tests::report,
};

const THRESHOLDS: Thresholds = Thresholds { healthy: 2, unhealthy: 1 };

pub(in crate::serve) fn monitored(interval: u64) -> Arc<MonitoredTarget> {
    let host = "db.abc.eu-west-1.rds.amazonaws.com";
    let args = ["--type", "rdspostgres", "--host", host, "--iam-role", "arn:aws:iam::123456789012:role/r"];
    let target = read(&args).unwrap().targets.remove(0);
    let requirement = Requirement::new(Basis::Guide, Capability::InitialLoadOnly, RequiredBy::Require);
    let schedule =
        Schedule { interval: Duration::from_secs(interval), full_interval: Duration::from_secs(600) };
    Arc::new(MonitoredTarget { target, requirement, schedule })
}

/// A store with one target, and what a sequence of results (`+` met, `-` not met), a second apart, does to it.
fn after(results: &str, thresholds: Thresholds) -> (StatusStore, Vec<(usize, Health)>) {
    let (mut status_store, monitored) = (StatusStore::default(), monitored(30));
    status_store.watch(&[Arc::clone(&monitored)]);
    let mut changes = Vec::new();
    for (i, result) in results.chars().enumerate() {
        let mut report = report(false, Basis::Guide);
        report.verdict.met = result == '+';
        let now = Timestamp::from_second(i as i64).unwrap();
        if let Some(change) = status_store.note(&monitored, Arc::new(report), thresholds, 5, now) {
            changes.push((i, change.to));
        }
    }
    (status_store, changes)
}

#[test]
fn an_undeclared_target_is_held_to_the_best_it_has_had_until_the_configuration_changes() {
    use Capability::{Blocked, Cdc, InitialLoadOnly};
    let undeclared = Requirement::new(Basis::Guide, InitialLoadOnly, RequiredBy::Default);
    let held = |requirement: Requirement, found: &[(Capability, Capability)]| {
        let mut status_store = StatusStore::default();
        let monitored = Arc::new(MonitoredTarget { requirement, ..(*monitored(30)).clone() });
        status_store.watch(&[Arc::clone(&monitored)]);
        for (capability, server) in found {
            let mut report = report(false, Basis::Guide);
            (report.verdict.capability, report.verdict.server) = (*capability, *server);
            status_store.note(&monitored, Arc::new(report), THRESHOLDS, 5, Timestamp::UNIX_EPOCH);
        }
        status_store.watch(&[Arc::clone(&monitored)]);
        entry(&status_store).requirement()
    };
    assert_eq!(held(undeclared, &[]), undeclared);
    for (found, best, of_server) in [
        (&[(Blocked, Blocked)][..], InitialLoadOnly, Blocked),
        (&[(Cdc, Cdc)], Cdc, Cdc),
        (&[(InitialLoadOnly, Cdc), (InitialLoadOnly, InitialLoadOnly)], InitialLoadOnly, Cdc),
        (&[(Cdc, Cdc), (Blocked, Blocked), (InitialLoadOnly, InitialLoadOnly)], Cdc, Cdc),
    ] {
        let expected =
            Requirement { required: best, required_by: RequiredBy::BestSoFar, of_server, ..undeclared };
        assert_eq!(held(undeclared, found), expected, "{found:?}");
    }
    // What was declared is enough.
    for by in [RequiredBy::Require, RequiredBy::ReplicationMode] {
        let declared = Requirement::new(Basis::Guide, InitialLoadOnly, by);
        assert_eq!(held(declared, &[(Cdc, Cdc)]), declared);
    }
}

fn entry(status_store: &StatusStore) -> &Entry {
    status_store.entries().next().unwrap().1
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
    let (status_store, _) = after("-++", THRESHOLDS);
    assert_eq!(entry(&status_store).since, Timestamp::from_second(1).ok());
}

#[test]
fn a_result_that_waits_to_be_confirmed_is_in_doubt() {
    assert!(entry(&after("-+", THRESHOLDS).0).needs_confirmation());
    assert!(!entry(&after("-++", THRESHOLDS).0).needs_confirmation());
    assert!(!entry(&after("-+-", THRESHOLDS).0).needs_confirmation());
}

#[test]
fn the_past_is_bounded_and_the_last_failure_stays() {
    let (status_store, _) = after("-++++++++", THRESHOLDS);
    let entry = entry(&status_store);
    assert_eq!(entry.past.len(), 5);
    assert!(entry.past.iter().all(|past| past.met));
    assert!(!entry.last_failure.as_ref().unwrap().verdict.met);
    assert_eq!(entry.failures, 0);
}

#[test]
fn a_reload_keeps_what_is_known_of_a_target_that_stays_as_it_was() {
    let (mut status_store, _) = after("+", THRESHOLDS);
    status_store.watch(&[monitored(30)]);
    assert_eq!(entry(&status_store).health, Health::Healthy);
    status_store.watch(&[monitored(31)]);
    assert_eq!(entry(&status_store).health, Health::Unknown, "it is another target now");
    // A check of the old one that was in flight says nothing of the new one.
    let late = Arc::new(report(false, Basis::Guide));
    assert_eq!(status_store.note(&monitored(30), late, THRESHOLDS, 5, Timestamp::UNIX_EPOCH), None);
    assert_eq!(entry(&status_store).health, Health::Unknown);
    status_store.watch(&[]);
    assert_eq!(status_store.entries().len(), 0);
}

pub(in crate::serve) fn after_results(results: &str) -> StatusStore {
    after(results, THRESHOLDS).0
}

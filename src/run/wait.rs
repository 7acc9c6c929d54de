//! `--wait`: repeats the check of targets that do not meet their requirement yet.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{check::Checked, progress::Progress};
use crate::{
    report::{Report, Waited},
    target::Target,
};

/// Pauses between attempts: short while a server may be starting, long enough not to be a load.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Checks every target once. With `wait`, repeats the checks of targets that do not meet their requirement, until all
/// do or the time is over. The last attempt starts at the latest when the time is over.
pub(super) async fn until_met(
    targets: &[Target],
    wait: Option<Duration>,
    progress: &Progress,
    ask: impl AsyncFn(&[Target]) -> Vec<Checked>,
) -> Vec<Checked> {
    let start = Instant::now();
    let mut checked = ask(targets).await;
    let Some(wait) = wait else { return checked };
    let mut attempts = 1;
    let mut pause = FIRST_PAUSE;
    for one in &mut checked {
        one.report.waited = Some(Waited { attempts, duration: start.elapsed() });
    }
    loop {
        progress.attempt_ended(checked.iter().map(|one| &one.report));
        let open: Vec<usize> = (0..checked.len()).filter(|i| is_open(&checked[*i].report)).collect();
        let left = wait.saturating_sub(start.elapsed());
        if open.is_empty() || left.is_zero() {
            return checked;
        }
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        attempts += 1;
        let again: Vec<Target> = open.iter().map(|i| targets[*i].clone()).collect();
        for (i, mut fresh) in open.into_iter().zip(ask(&again).await) {
            fresh.report.waited = Some(Waited { attempts, duration: start.elapsed() });
            checked[i] = fresh;
        }
    }
}

/// Whether waiting can help.
fn is_open(report: &Report) -> bool {
    !report.verdict.met && report.blocking_rule().is_none()
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, iter::repeat_n};

    use super::*;
    use crate::{
        config::tests::read,
        diagnostic::Basis,
        report::tests::{report, unreached},
    };

    const MINUTE: Duration = Duration::from_mins(1);

    fn targets(n: usize) -> Vec<Target> {
        let role = "arn:aws:iam::123456789012:role/clickpipes-rds-access";
        let host = "orders.abc123.eu-west-1.rds.amazonaws.com";
        let args = ["--type", "rdspostgres", "--host", host, "--iam-role", role];
        let target = read(&args).unwrap().targets.remove(0);
        let named = |(i, target)| Target { name: format!("t{i}"), ..target };
        repeat_n(target, n).enumerate().map(named).collect()
    }

    /// Runs against targets that are met from that second on. Returns when each attempt started, and its targets.
    async fn run(
        met_from: &[u64],
        wait: Option<Duration>,
        round_takes: Duration,
    ) -> (Vec<Checked>, Vec<(Duration, Vec<String>)>) {
        let start = Instant::now();
        let rounds = RefCell::new(Vec::new());
        let ask = async |targets: &[Target]| {
            let began = start.elapsed();
            rounds.borrow_mut().push((began, targets.iter().map(|t| t.name.clone()).collect()));
            sleep(round_takes).await;
            let answer = |target: &Target| {
                let i: usize = target.name[1..].parse().unwrap();
                let mut report = match began >= Duration::from_secs(met_from[i]) {
                    true => report(true, Basis::Server),
                    false => unreached("x"),
                };
                report.target.clone_from(&target.name);
                Checked { report, broken: false }
            };
            targets.iter().map(answer).collect()
        };
        let checked = until_met(&targets(met_from.len()), wait, &Progress::new(), ask).await;
        (checked, rounds.into_inner())
    }

    fn seconds(rounds: &[(Duration, Vec<String>)]) -> Vec<u64> {
        rounds.iter().map(|(began, _)| began.as_secs()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn without_wait_there_is_one_attempt() {
        let (checked, rounds) = run(&[9], None, Duration::ZERO).await;
        assert_eq!((rounds.len(), checked[0].report.waited), (1, None));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_the_last_attempt_starts_when_the_time_is_over() {
        let (checked, rounds) = run(&[1000], Some(MINUTE), Duration::ZERO).await;
        assert_eq!(seconds(&rounds), [0, 1, 3, 7, 15, 30, 45, 60]);
        assert!(!checked[0].report.verdict.met);
        assert_eq!(checked[0].report.waited, Some(Waited { attempts: 8, duration: MINUTE }));
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_starts_after_the_time_is_over() {
        let (_, rounds) = run(&[1000], Some(Duration::from_secs(10)), Duration::from_secs(30)).await;
        assert_eq!(seconds(&rounds), [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn targets_that_are_met_are_not_checked_again_and_keep_their_order() {
        let (checked, rounds) = run(&[5, 0, 2], Some(MINUTE), Duration::ZERO).await;
        let asked: Vec<&[String]> = rounds.iter().map(|(_, names)| names.as_slice()).collect();
        assert_eq!(asked, [&["t0", "t1", "t2"][..], &["t0", "t2"], &["t0", "t2"], &["t0"]]);
        let names: Vec<&str> = checked.iter().map(|one| one.report.target.as_str()).collect();
        assert_eq!(names, ["t0", "t1", "t2"]);
        assert!(checked.iter().all(|one| one.report.verdict.met));
        let waited: Vec<u32> = checked.iter().filter_map(|one| Some(one.report.waited?.attempts)).collect();
        assert_eq!(waited, [4, 1, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rule_of_the_basis_is_not_waited_for() {
        let ask = async |_: &[Target]| {
            let report = crate::report::tests::requiring_cdc(Basis::Guide);
            vec![Checked { report, broken: false }]
        };
        let start = Instant::now();
        let checked = until_met(&targets(1), Some(MINUTE), &Progress::new(), ask).await;
        assert_eq!(checked[0].report.waited.map(|waited| waited.attempts), Some(1));
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(checked[0].report.blocking_rule().map(|check| check.code), Some("PG_DOCUMENTED_RULE"));
    }
}

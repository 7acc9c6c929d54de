//! When a target is checked next. Pure: the caller passes `unit`, a random number from 0 to 1.

use std::time::Duration;

use super::status_store::Entry;
use crate::config::Schedule;

/// Delay before a result that needs confirmation is checked again.
const CONFIRMATION: Duration = Duration::from_secs(5);
/// Maximum delay between checks of a target that keeps failing, in intervals.
const MOST_INTERVALS: u32 = 4;

/// How much each target adds to the time over which the first checks are spread.
const EACH: Duration = Duration::from_millis(20);

/// Delay before the first check: short if there are few targets, up to the whole interval if there are many.
pub(super) fn first(schedule: Schedule, scheduler: usize, unit: f64) -> Duration {
    schedule.interval.min(EACH.saturating_mul(u32::try_from(scheduler).unwrap_or(u32::MAX))).mul_f64(unit)
}

/// From the end of a check to the start of the next: the interval ±10 %, doubled with each
/// consecutive failure up to [`MOST_INTERVALS`].
pub(super) fn next(entry: &Entry, unit: f64) -> Duration {
    let interval = entry.monitored.schedule.interval;
    let pause = if entry.needs_confirmation() {
        interval.min(CONFIRMATION)
    } else {
        let doubled = 1u32.checked_shl(entry.failures.saturating_sub(1)).unwrap_or(MOST_INTERVALS);
        interval * doubled.clamp(1, MOST_INTERVALS)
    };
    pause.mul_f64(0.9 + unit / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::status_store::tests::after_results;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn few_targets_start_at_once_and_many_over_their_interval() {
        let schedule = Schedule { interval: 30 * SECOND, full_interval: 600 * SECOND };
        assert!(first(schedule, 4, 1.0) < SECOND);
        assert_eq!(first(schedule, 10_000, 0.0), Duration::ZERO);
        assert_eq!(first(schedule, 10_000, 0.5), 15 * SECOND);
        assert_eq!(first(schedule, usize::MAX, 1.0), 30 * SECOND);
    }

    #[test]
    fn what_keeps_failing_is_asked_less_often_and_what_is_in_doubt_soon() {
        for (results, seconds) in
            [("+", 30), ("-", 30), ("--", 60), ("---", 120), ("----", 120), (&"-".repeat(99), 120), ("-+", 5)]
        {
            let status_store = after_results(results);
            let entry = status_store.entries().next().unwrap().1;
            assert_eq!(next(entry, 0.5), seconds * SECOND, "{results}");
            assert!(next(entry, 0.0) < next(entry, 1.0));
        }
    }
}

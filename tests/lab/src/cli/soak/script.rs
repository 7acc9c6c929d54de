//! The events of a soak, and their expected effects.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

use super::journal::Change;

/// The effect of an event on the targets that it affects. All other targets must stay unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Unhealthy,
    Healthy,
    /// The health of no target changes.
    Unchanged,
    /// The event may be too short for a check to notice. At the end all targets are healthy.
    HealthyAgain,
}

/// One event. It is boxed because each event borrows different parts of the lab.
pub(crate) struct Event<'a> {
    pub(crate) what: String,
    pub(crate) touched: BTreeSet<String>,
    pub(crate) expected: Expected,
    /// The limit until the last change is noticed.
    pub(crate) within: Duration,
    pub(crate) act: Box<dyn Fn() -> io::Result<()> + 'a>,
    /// A further assertion at its end.
    pub(crate) proof: Option<Box<dyn Fn() -> io::Result<bool> + 'a>>,
}

/// The observed effect of an event.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Times from the end of the action to each expected change, in order.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) causes: BTreeMap<String, usize>,
    pub(crate) missing: Vec<String>,
    pub(crate) invented: Vec<Change>,
}

impl Seen {
    /// Compares the expected effect of an event with the changes since it began.
    pub(crate) fn of(
        expected: Expected,
        touched: &BTreeSet<String>,
        acted: Instant,
        changes: &[Change],
    ) -> Self {
        let mut seen = Self::default();
        let mut last: BTreeMap<&str, bool> = BTreeMap::new();
        for change in changes {
            let before = last.insert(&change.target, change.healthy);
            let is_expected = touched.contains(&change.target)
                && match expected {
                    Expected::Unhealthy => !change.healthy && before.is_none(),
                    Expected::Healthy => change.healthy && before.is_none(),
                    Expected::Unchanged => false,
                    // One change and its reversal.
                    Expected::HealthyAgain => match before {
                        None => !change.healthy,
                        Some(before) => change.healthy && !before,
                    },
                };
            if !is_expected {
                seen.invented.push(change.clone());
                continue;
            }
            seen.latencies.push(change.at.saturating_duration_since(acted));
            if !change.healthy {
                *seen.causes.entry(change.cause.clone()).or_default() += 1;
            }
        }
        seen.latencies.sort();
        let is_there = |target: &&String| match (expected, last.get(target.as_str())) {
            (Expected::Unhealthy, last) => last == Some(&false),
            (Expected::Healthy, last) => last == Some(&true),
            (Expected::HealthyAgain, last) => last != Some(&false),
            (Expected::Unchanged, _) => true,
        };
        seen.missing = touched.iter().filter(|target| !is_there(target)).cloned().collect();
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(expected: Expected, changes: &str) -> (usize, usize, usize) {
        let at = Instant::now();
        let touched = ["a", "b"].map(str::to_owned).into();
        let change = |word: &str| Change {
            at,
            target: word[1..].to_owned(),
            healthy: word.starts_with('+'),
            cause: "CODE".to_owned(),
        };
        let changes: Vec<Change> = changes.split_whitespace().map(change).collect();
        let seen = Seen::of(expected, &touched, at, &changes);
        (seen.latencies.len(), seen.missing.len(), seen.invented.len())
    }

    #[test]
    fn what_is_missing_and_what_is_invented() {
        use Expected::{Healthy, HealthyAgain, Unchanged, Unhealthy};
        for (expected, changes, wanted) in [
            (Unhealthy, "-a -b", (2, 0, 0)),
            (Unhealthy, "-a", (1, 1, 0)),
            (Unhealthy, "-a -b -c", (2, 0, 1)),
            (Unhealthy, "-a -b +b", (2, 1, 1)),
            (Unhealthy, "-a -b +b -b", (2, 0, 2)),
            (Healthy, "+b +a", (2, 0, 0)),
            (Healthy, "", (0, 2, 0)),
            (Unchanged, "", (0, 0, 0)),
            (Unchanged, "-a +a", (0, 0, 2)),
            (HealthyAgain, "", (0, 0, 0)),
            (HealthyAgain, "-a +a", (2, 0, 0)),
            (HealthyAgain, "-a +a -b", (3, 1, 0)),
            (HealthyAgain, "-c +c", (0, 0, 2)),
        ] {
            assert_eq!(seen(expected, changes), wanted, "{expected:?}: {changes}");
        }
    }
}

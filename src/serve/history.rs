//! The last results of one target, in 24 bytes each: there are a hundred of them for every target.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{
    diagnostic::{Capability, milliseconds},
    report::Report,
};

/// Oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct History(VecDeque<Packed>);

/// One result in the history.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct HistoryEntry {
    pub at: Timestamp,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
    pub capability: Capability,
    pub met: bool,
    /// Code of the cause, if the requirement was not met.
    pub cause: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct Packed {
    /// Microseconds since the epoch.
    at: i64,
    /// In microseconds: up to 71 minutes, which no check takes.
    duration: u32,
    capability: Capability,
    met: bool,
    /// Boxed, because most results have none.
    #[expect(clippy::redundant_allocation, reason = "half the size")]
    cause: Option<Box<&'static str>>,
}

impl Packed {
    fn entry(&self) -> HistoryEntry {
        HistoryEntry {
            at: Timestamp::from_microsecond(self.at).unwrap_or_default(),
            duration: Duration::from_micros(self.duration.into()),
            capability: self.capability,
            met: self.met,
            cause: self.cause.as_deref().copied(),
        }
    }
}

impl History {
    /// Removes the oldest results beyond the limit.
    pub(super) fn add(&mut self, report: &Report, limit: usize) {
        while self.0.len() >= limit {
            self.0.pop_front();
        }
        if self.0.len() == self.0.capacity() {
            // Doubling would reserve more than the limit.
            self.0.reserve_exact((limit - self.0.len()).min(self.0.len().max(4)));
        }
        self.0.push_back(Packed {
            at: report.started_at.as_microsecond(),
            duration: u32::try_from(report.duration.as_micros()).unwrap_or(u32::MAX),
            capability: report.verdict.capability,
            met: report.verdict.met,
            cause: report.cause().map(Box::new),
        });
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = HistoryEntry> + DoubleEndedIterator + Clone {
        self.0.iter().map(Packed::entry)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Basis, report::tests::report};

    #[test]
    fn an_entry_is_what_was_added_and_takes_24_bytes() {
        let report = report(false, Basis::Guide);
        let mut history = History::default();
        for _ in 0..7 {
            history.add(&report, 5);
        }
        assert_eq!(history.len(), 5);
        let entry = history.iter().next().unwrap();
        assert_eq!((entry.at, entry.duration), (report.started_at, report.duration));
        assert_eq!((entry.capability, entry.met), (report.verdict.capability, report.verdict.met));
        assert_eq!(entry.cause, report.cause());
        assert_eq!(size_of::<Packed>(), 24);
        assert!(history.0.capacity() <= 5, "{}", history.0.capacity());
    }
}

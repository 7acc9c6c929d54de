//! What is known of every target: its health, its last report, its past. Pure: reports and times in,
//! changes out.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    config::{MonitoredTarget, Thresholds},
    diagnostic::{Capability, milliseconds},
    report::Report,
};

/// Every target, by name. A clone is a cheap look at this moment, to be read without holding anybody up.
#[derive(Clone, Debug, Default)]
pub(super) struct StatusStore {
    entries: BTreeMap<String, Arc<Entry>>,
}

/// What is known of one target.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub watched: Arc<MonitoredTarget>,
    pub health: Health,
    /// When the health became so: the first of the results that made it so. `None` before the first result.
    pub since: Option<Timestamp>,
    pub last: Option<Arc<Report>>,
    /// The last report that did not meet what is required, which stays when all is well again.
    pub last_failure: Option<Arc<Report>>,
    /// Oldest first.
    pub past: VecDeque<HistoryEntry>,
    /// Consecutive results that do not fit the health, and when the first of them came.
    pending_change: Option<(u32, Timestamp)>,
    /// Consecutive results that did not meet what is required.
    pub failures: u32,
}

/// Whether a target meets what is required of it, by as many results as the thresholds want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Health {
    Unhealthy,
    /// Not checked yet.
    Unknown,
    Healthy,
}

impl Health {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "not checked yet",
            Self::Healthy => "healthy",
        }
    }
}

/// One result of the past.
#[derive(Clone, Debug, Serialize)]
pub(super) struct HistoryEntry {
    pub at: Timestamp,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
    pub capability: Capability,
    pub met: bool,
    /// Code of what held it back.
    pub cause: Option<&'static str>,
}

/// A health that is no longer what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub from: Health,
    pub to: Health,
}

impl StatusStore {
    /// Watches these from now on. What is known of a target that stays as it was, stays.
    pub(super) fn watch(&mut self, targets: &[Arc<MonitoredTarget>]) {
        let mut before = std::mem::take(&mut self.entries);
        for watched in targets {
            let name = watched.target.name.clone();
            let entry = before.remove(&name).filter(|entry| entry.watched == *watched);
            self.entries.insert(name, entry.unwrap_or_else(|| Arc::new(Entry::new(Arc::clone(watched)))));
        }
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name).map(Arc::as_ref)
    }

    /// In the order of names.
    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), &**entry))
    }

    /// Notes a result. A target that is not, or no longer, watched as it was is passed over.
    pub(super) fn note(
        &mut self,
        watched: &Arc<MonitoredTarget>,
        report: Arc<Report>,
        thresholds: Thresholds,
        history: usize,
        now: Timestamp,
    ) -> Option<Change> {
        let entry = self.entries.get_mut(&watched.target.name).filter(|entry| entry.watched == *watched)?;
        // Copied only while somebody reads it.
        Arc::make_mut(entry).note(report, thresholds, history, now)
    }
}

/// The entries alone, in the order of names.
impl Serialize for StatusStore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries.values().map(Arc::as_ref))
    }
}

impl Entry {
    fn new(watched: Arc<MonitoredTarget>) -> Self {
        Self {
            watched,
            health: Health::Unknown,
            since: None,
            last: None,
            last_failure: None,
            past: VecDeque::new(),
            pending_change: None,
            failures: 0,
        }
    }

    fn note(
        &mut self,
        report: Arc<Report>,
        thresholds: Thresholds,
        history: usize,
        now: Timestamp,
    ) -> Option<Change> {
        let met = report.verdict.met;
        while self.past.len() >= history {
            self.past.pop_front();
        }
        self.past.push_back(HistoryEntry {
            at: report.started_at,
            duration: report.duration,
            capability: report.verdict.capability,
            met,
            cause: report.cause(),
        });
        if met {
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.last_failure = Some(Arc::clone(&report));
        }
        self.last = Some(report);
        self.judge(met, thresholds, now)
    }

    fn judge(&mut self, met: bool, thresholds: Thresholds, now: Timestamp) -> Option<Change> {
        let (to, needed) = match met {
            true => (Health::Healthy, thresholds.healthy),
            false => (Health::Unhealthy, thresholds.unhealthy),
        };
        if self.health == to {
            self.pending_change = None;
            return None;
        }
        let (count, first) = self.pending_change.map_or((1, now), |(count, first)| (count + 1, first));
        // The first result of all is not a change of anything, and needs no confirmation.
        if count < needed && self.health != Health::Unknown {
            self.pending_change = Some((count, first));
            return None;
        }
        let from = std::mem::replace(&mut self.health, to);
        self.since = Some(first);
        self.pending_change = None;
        Some(Change { from, to })
    }

    /// A result that would change the health waits to be confirmed.
    pub(super) fn needs_confirmation(&self) -> bool {
        self.pending_change.is_some()
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let MonitoredTarget { target, schedule, .. } = &*self.watched;
        let mut map = serializer.serialize_struct("Entry", 9)?;
        map.serialize_field("name", &target.name)?;
        map.serialize_field("health", &self.health)?;
        map.serialize_field("since", &self.since)?;
        map.serialize_field("interval_seconds", &schedule.interval.as_secs_f64())?;
        map.serialize_field("full_interval_seconds", &schedule.full_interval.as_secs_f64())?;
        map.serialize_field("consecutive_failures", &self.failures)?;
        map.serialize_field("last", &self.last.as_deref())?;
        map.serialize_field("last_failure", &self.last_failure.as_deref())?;
        map.serialize_field("past", &self.past)?;
        map.end()
    }
}

#[cfg(test)]
pub(super) mod tests;

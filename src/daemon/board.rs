//! What is known of every target: its health, its last report, its past. Pure: reports and times in,
//! changes out.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    config::{Thresholds, Watched},
    finding::Capability,
    report::Report,
};

/// Every target, by name.
#[derive(Debug, Default)]
pub(super) struct Board {
    entries: BTreeMap<String, Entry>,
}

/// What is known of one target.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub watched: Arc<Watched>,
    pub health: Health,
    /// When the health became so: the first of the results that made it so. `None` before the first result.
    pub since: Option<Timestamp>,
    pub last: Option<Arc<Report>>,
    /// The last report that did not meet what is required, which stays when all is well again.
    pub last_failure: Option<Arc<Report>>,
    /// Oldest first.
    pub past: VecDeque<Past>,
    /// Consecutive results that do not fit the health, and when the first of them came.
    contrary: Option<(u32, Timestamp)>,
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
pub(super) struct Past {
    /// RFC 3339.
    pub at: String,
    pub duration_ms: f64,
    pub capability: Capability,
    pub met: bool,
    /// Code of what held it back.
    pub cause: Option<String>,
}

/// A health that is no longer what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub from: Health,
    pub to: Health,
}

impl Board {
    /// Watches these from now on. What is known of a target that stays as it was, stays.
    pub(super) fn watch(&mut self, targets: &[Arc<Watched>]) {
        let mut before = std::mem::take(&mut self.entries);
        for watched in targets {
            let name = watched.target.name.clone();
            let entry = before.remove(&name).filter(|entry| entry.watched == *watched);
            self.entries.insert(name, entry.unwrap_or_else(|| Entry::new(Arc::clone(watched))));
        }
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// In the order of names.
    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// Notes a result. A target that is not, or no longer, watched as it was is passed over.
    pub(super) fn note(
        &mut self,
        watched: &Arc<Watched>,
        report: Arc<Report>,
        thresholds: Thresholds,
        history: usize,
        now: Timestamp,
    ) -> Option<Change> {
        let entry = self.entries.get_mut(&watched.target.name).filter(|entry| entry.watched == *watched)?;
        entry.note(report, thresholds, history, now)
    }
}

impl Entry {
    fn new(watched: Arc<Watched>) -> Self {
        Self {
            watched,
            health: Health::Unknown,
            since: None,
            last: None,
            last_failure: None,
            past: VecDeque::new(),
            contrary: None,
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
        self.past.push_back(Past {
            at: report.started_at.clone(),
            duration_ms: report.duration_ms,
            capability: report.verdict.capability,
            met,
            cause: report.cause().map(str::to_owned),
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
            self.contrary = None;
            return None;
        }
        let (count, first) = self.contrary.map_or((1, now), |(count, first)| (count + 1, first));
        // The first result of all is not a change of anything, and needs no confirmation.
        if count < needed && self.health != Health::Unknown {
            self.contrary = Some((count, first));
            return None;
        }
        let from = std::mem::replace(&mut self.health, to);
        self.since = Some(first);
        self.contrary = None;
        Some(Change { from, to })
    }

    /// A result that would change the health waits to be confirmed.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.contrary.is_some()
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Watched { target, rhythm, .. } = &*self.watched;
        let mut map = serializer.serialize_struct("Entry", 9)?;
        map.serialize_field("name", &target.name)?;
        map.serialize_field("health", &self.health)?;
        map.serialize_field("since", &self.since.map(|at| at.to_string()))?;
        map.serialize_field("interval_seconds", &rhythm.interval.as_secs_f64())?;
        map.serialize_field("full_interval_seconds", &rhythm.full_interval.as_secs_f64())?;
        map.serialize_field("consecutive_failures", &self.failures)?;
        map.serialize_field("last", &self.last.as_deref())?;
        map.serialize_field("last_failure", &self.last_failure.as_deref())?;
        map.serialize_field("past", &self.past)?;
        map.end()
    }
}

#[cfg(test)]
pub(super) mod tests;

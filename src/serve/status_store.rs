//! Health, last report and history of each target. Pure: takes reports and times, returns
//! health changes.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::history::History;
use crate::{
    config::{MonitoredTarget, Thresholds},
    diagnostic::{Capability, RequiredBy, Requirement},
    facts::Position,
    report::{CheckResult, Report, Status},
};

/// All targets, by name. A clone is a cheap snapshot that can be read without a lock.
#[derive(Clone, Debug, Default)]
pub(super) struct StatusStore {
    entries: BTreeMap<String, Arc<Entry>>,
}

/// State of one target.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub monitored: Arc<MonitoredTarget>,
    pub health: Health,
    /// When the health last changed: the time of the first result that led to it. `None` before the first result.
    pub since: Option<Timestamp>,
    pub last: Option<Arc<Report>>,
    /// The last report that did not meet the requirement. It is kept after the target becomes healthy.
    pub last_failure: Option<Arc<Report>>,
    pub past: History,
    /// Number of consecutive results that contradict the health, and the time of the first one.
    pending_change: Option<(u32, Timestamp)>,
    /// Number of consecutive results that did not meet the requirement.
    pub failures: u32,
    /// The best that a check has found: on the basis of the target, and by the server.
    best: Option<(Capability, Capability)>,
    /// Of the last two full checks, the newer one last.
    positions: VecDeque<Position>,
}

/// Two are enough for a rate.
const POSITIONS: usize = 2;

/// Whether a target meets its requirement, confirmed by as many results as the thresholds require.
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

/// A change of health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub from: Health,
    pub to: Health,
}

impl StatusStore {
    /// Replaces the list of targets. Unchanged targets keep their state.
    pub(super) fn watch(&mut self, targets: &[Arc<MonitoredTarget>]) {
        let mut before = std::mem::take(&mut self.entries);
        for monitored in targets {
            let name = monitored.target.name.clone();
            let entry = before.remove(&name).filter(|entry| entry.monitored == *monitored);
            self.entries.insert(name, entry.unwrap_or_else(|| Arc::new(Entry::new(Arc::clone(monitored)))));
        }
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name).map(Arc::as_ref)
    }

    /// Of this very target: `None` if a reload has removed or changed it.
    pub(super) fn entry_of(&self, monitored: &Arc<MonitoredTarget>) -> Option<&Entry> {
        self.entry(&monitored.target.name).filter(|entry| entry.monitored == *monitored)
    }

    /// As [`Self::entry_of`]. Copies the entry only if a reader holds a snapshot.
    fn entry_to_change(&mut self, monitored: &Arc<MonitoredTarget>) -> Option<&mut Entry> {
        let entry =
            self.entries.get_mut(&monitored.target.name).filter(|entry| entry.monitored == *monitored);
        entry.map(Arc::make_mut)
    }

    /// Of these targets only.
    pub(super) fn filter(&self, has: impl Fn(&str, &Entry) -> bool) -> Self {
        let entries = self.entries.iter().filter(|(name, entry)| has(name, entry));
        Self { entries: entries.map(|(name, entry)| (name.clone(), Arc::clone(entry))).collect() }
    }

    /// Keeps the first ones. Returns the name of the last one that is kept, if there were more.
    pub(super) fn truncate(&mut self, limit: usize) -> Option<String> {
        let rest = self.entries.keys().nth(limit).cloned()?;
        drop(self.entries.split_off(&rest));
        self.entries.keys().next_back().cloned()
    }

    /// Sorted by name.
    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), &**entry))
    }

    /// Records what a check has seen of the pipe.
    pub(super) fn observe(&mut self, monitored: &Arc<MonitoredTarget>, position: Position) {
        if let Some(entry) = self.entry_to_change(monitored) {
            entry.observe(position);
        }
    }

    /// Records a result. Ignores targets that were removed or changed.
    pub(super) fn note(
        &mut self,
        monitored: &Arc<MonitoredTarget>,
        report: Arc<Report>,
        thresholds: Thresholds,
        history: usize,
        now: Timestamp,
    ) -> Option<Change> {
        self.entry_to_change(monitored)?.note(report, thresholds, history, now)
    }
}

/// The entries, sorted by name.
impl Serialize for StatusStore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries.values().map(Arc::as_ref))
    }
}

impl Entry {
    fn new(monitored: Arc<MonitoredTarget>) -> Self {
        Self {
            monitored,
            health: Health::Unknown,
            since: None,
            last: None,
            last_failure: None,
            past: History::default(),
            pending_change: None,
            failures: 0,
            best: None,
            positions: VecDeque::new(),
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
        let found = (report.verdict.capability, report.verdict.server);
        let best = self.best.unwrap_or(found);
        self.best = Some((best.0.max(found.0), best.1.max(found.1)));
        self.past.add(&report, history);
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
        // The first result is not a change and needs no confirmation.
        if count < needed && self.health != Health::Unknown {
            self.pending_change = Some((count, first));
            return None;
        }
        let from = std::mem::replace(&mut self.health, to);
        self.since = Some(first);
        self.pending_change = None;
        Some(Change { from, to })
    }

    /// Records what a full check has seen of the pipe. A light check repeats it.
    fn observe(&mut self, position: Position) {
        let position = match self.positions.back() {
            Some(last) if last.at >= position.at => return,
            Some(last) => position.after(last),
            None => position,
        };
        if self.positions.len() >= POSITIONS {
            self.positions.pop_front();
        }
        self.positions.push_back(position);
    }

    /// The last position before this time.
    pub(super) fn position_before(&self, at: Timestamp) -> Option<&Position> {
        self.positions.iter().rev().find(|position| position.at < at)
    }

    /// What the next check is judged by. If the configuration does not say what the target is for, it is held to the best
    /// that it has had: a pipe may use that.
    pub(super) fn requirement(&self) -> Requirement {
        let declared = self.monitored.requirement;
        match self.best {
            Some((best, of_server)) if declared.required_by.is_undeclared() => Requirement {
                required: declared.required.max(best),
                required_by: RequiredBy::BestSoFar,
                of_server,
                ..declared
            },
            _ => declared,
        }
    }

    /// Checks of the last report that passed with a warning.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &CheckResult> {
        let checks = self.last.iter().flat_map(|report| &report.checks);
        checks.filter(|check| check.status() == Status::Warning)
    }

    /// A result that would change the health still needs confirmation.
    pub(super) fn needs_confirmation(&self) -> bool {
        self.pending_change.is_some()
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let MonitoredTarget { target, schedule, .. } = &*self.monitored;
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

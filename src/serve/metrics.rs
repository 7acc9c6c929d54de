//! What `/metrics` of `serve` contains: the series of each target, and those of this process.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::status_store::{Change, Entry, Health};
use crate::{
    agent,
    diagnostic::printable,
    report::{
        Report,
        metrics::{
            Build, Sample, Samples, samples,
            series::{self, Format, Series},
            table::{self, Refusal},
        },
    },
    service::metrics::RefusedRequests,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfStage {
    stage: &'static str,
}

/// From one millisecond (a nearby database) to the login timeout.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

type Histograms = Family<OfStage, Histogram, fn() -> Histogram>;

pub(super) struct Metrics {
    /// Of the process.
    registry: Registry,
    targets: Mutex<BTreeMap<String, OfTarget>>,
    stages: Histograms,
    reload_succeeded: Gauge,
    reloaded_at: Gauge,
    refused: RefusedRequests,
    /// Increases with each change of the values above and of the status store, which is changed first.
    generation: AtomicU64,
}

/// What is counted of one target, and its series.
#[derive(Debug, Default)]
struct OfTarget {
    counts: Counts,
    /// What the last check found.
    last_check: Arc<Series>,
    monitoring: Arc<Series>,
}

#[derive(Debug, Default)]
struct Counts {
    checks: u64,
    failures: BTreeMap<&'static str, u64>,
    changes: u64,
    local_failures: u64,
}

/// The state of a target that has metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Monitored<'a> {
    pub(super) name: &'a str,
    pub(super) health: Health,
    pub(super) since: Option<Timestamp>,
    /// Of the last check, if it did not meet the requirement.
    pub(super) cause: Option<&'static str>,
    pub(super) interval: Duration,
}

impl<'a> From<&'a Entry> for Monitored<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self {
            name: &entry.monitored.target.name,
            health: entry.health,
            since: entry.since,
            cause: entry.last.as_ref().filter(|last| !last.verdict.met).and_then(|last| last.cause()),
            interval: entry.monitored.schedule.interval,
        }
    }
}

impl Counts {
    fn samples(&self, of: Monitored<'_>) -> Samples {
        let mut samples = Vec::new();
        let mut add = |metric, label: Option<&'static str>, value| {
            samples.push(Sample { metric, label: label.map(Cow::Borrowed), value });
        };
        if of.health != Health::Unknown {
            add(&table::HEALTHY, None, f64::from(u8::from(of.health == Health::Healthy)));
        }
        if let Some(since) = of.since {
            add(&table::HEALTH_SINCE, None, since.as_duration().as_secs_f64());
        }
        if of.cause.is_some() {
            add(&table::CAUSE, of.cause, 1.0);
        }
        add(&table::CHECK_INTERVAL, None, of.interval.as_secs_f64());
        // More than 2^53, which a float cannot count exactly, are 285 million years of one check a second.
        #[expect(clippy::cast_precision_loss)]
        let float = |count: u64| count as f64;
        // A series must exist before something is counted.
        if self.checks > 0 || self.local_failures > 0 {
            add(&table::LOCAL_FAILURES, None, float(self.local_failures));
        }
        if self.checks > 0 {
            add(&table::CHECKS, None, float(self.checks));
            add(&table::HEALTH_CHANGES, None, float(self.changes));
        }
        for (code, count) in &self.failures {
            add(&table::CHECK_FAILURES, Some(code), float(*count));
        }
        Samples { target: printable(of.name), samples }
    }
}

impl OfTarget {
    fn render(&mut self, of: Monitored<'_>) {
        let mut monitoring = Series::of(&table::OF_MONITORED_TARGET, self.counts.samples(of));
        monitoring.share(&self.monitoring);
        self.monitoring = Arc::new(monitoring);
    }
}

/// The series of a report.
pub(super) fn series_of(report: &Report) -> Series {
    Series::of(&table::OF_CHECK, samples(report))
}

impl Metrics {
    pub(super) fn new(now: Timestamp) -> Self {
        let metrics = Self {
            registry: Registry::default(),
            targets: Mutex::default(),
            stages: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            reload_succeeded: Gauge::default(),
            reloaded_at: Gauge::default(),
            refused: RefusedRequests::default(),
            generation: AtomicU64::default(),
        };
        metrics.reloaded(true, now);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Build));
        table::STAGE_DURATION.register(&mut registry, metrics.stages.clone());
        table::CONFIG_RELOADED.register(&mut registry, metrics.reload_succeeded.clone());
        table::CONFIG_RELOADED_AT.register(&mut registry, metrics.reloaded_at.clone());
        metrics.refused.register(&mut registry);
        Self { registry, ..metrics }
    }

    fn targets(&self) -> MutexGuard<'_, BTreeMap<String, OfTarget>> {
        // The map holds finished values only, so it is consistent after a panic in another thread.
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the state of a target.
    fn update(&self, of: Monitored<'_>, change: impl FnOnce(&mut OfTarget)) {
        let mut targets = self.targets();
        if !targets.contains_key(of.name) {
            targets.insert(of.name.to_owned(), OfTarget::default());
        }
        if let Some(target) = targets.get_mut(of.name) {
            change(target);
            target.render(of);
        }
        drop(targets);
        self.changed();
    }

    /// Shows a target that was not checked yet.
    pub(super) fn watch(&self, of: Monitored<'_>) {
        self.update(of, |_| {});
    }

    /// Records a result. `last_check` is the series of this report, made before any lock is held.
    pub(super) fn note(
        &self,
        of: Monitored<'_>,
        report: &Report,
        mut last_check: Series,
        change: Option<Change>,
    ) {
        self.update(of, |target| {
            last_check.share(&target.monitoring);
            target.last_check = Arc::new(last_check);
            let counts = &mut target.counts;
            counts.checks += 1;
            if !report.verdict.met {
                *counts.failures.entry(report.cause().unwrap_or_default()).or_default() += 1;
            }
            if change.is_some_and(|change| change.from != Health::Unknown) {
                counts.changes += 1;
            }
        });
        for timing in &report.timings {
            let stage = OfStage { stage: timing.stage.code() };
            self.stages.get_or_create(&stage).observe(timing.duration.as_secs_f64());
        }
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.refused.count(refusal);
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Another number means that reports or counters have changed.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Counts a check that a failure of this machine prevented.
    pub(super) fn failed_locally(&self, of: Monitored<'_>) {
        self.update(of, |target| target.counts.local_failures += 1);
    }

    /// Removes the series of a target that was removed.
    pub(super) fn forget(&self, target: &str) {
        self.targets().remove(target);
        self.changed();
    }

    pub(super) fn reloaded(&self, succeeded: bool, now: Timestamp) {
        self.reload_succeeded.set(i64::from(succeeded));
        if succeeded {
            self.reloaded_at.set(now.as_second());
        }
        self.changed();
    }

    /// All metrics, with those of the agent in this process.
    pub(super) fn text(&self, format: Format, agent: Option<&agent::Metrics>) -> Vec<u8> {
        // A copy, because a check must not wait until the text is complete.
        let (monitoring, last_checks): (Vec<_>, Vec<_>) = self
            .targets()
            .values()
            .map(|target| (Arc::clone(&target.monitoring), Arc::clone(&target.last_check)))
            .unzip();
        let mut out = Vec::new();
        series::write(&mut out, &table::OF_MONITORED_TARGET, &monitoring, format);
        series::write(&mut out, &table::OF_CHECK, &last_checks, format);
        series::write_registry(&mut out, &self.registry, format);
        if let Some(agent) = agent {
            series::write_registry(&mut out, agent.registry(), format);
        }
        series::write_end(&mut out, format);
        out
    }
}

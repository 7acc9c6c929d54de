//! Counters and histograms of this process, in addition to the gauges of [`crate::report::metrics`].

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::Registry,
};

use super::status_store::{Change, Entry, Health, StatusStore};
use crate::{
    checks::{self, CHECKS},
    diagnostic::printable,
    report::{
        Report,
        metrics::{
            Gauges,
            table::{self, MetricDef, Refusal},
        },
    },
    service::metrics::{OfTarget, RefusedRequests},
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByCode {
    target: String,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfStage {
    stage: &'static str,
}

/// From one millisecond (a nearby database) to the login timeout.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

type Histograms = Family<OfStage, Histogram, fn() -> Histogram>;

pub(super) struct Metrics {
    registry: Registry,
    gauges: Gauges,
    checks: Family<OfTarget, Counter>,
    failures: Family<ByCode, Counter>,
    changes: Family<OfTarget, Counter>,
    local_failures: Family<OfTarget, Counter>,
    stages: Histograms,
    reload_succeeded: Gauge,
    reloaded_at: Gauge,
    refused: RefusedRequests,
    /// Increases with each change of the values above and of the status store, which is changed first.
    generation: AtomicU64,
}

impl Metrics {
    pub(super) fn new(now: Timestamp) -> Self {
        let metrics = Self {
            registry: Registry::default(),
            gauges: Gauges::default(),
            checks: Family::default(),
            failures: Family::default(),
            changes: Family::default(),
            local_failures: Family::default(),
            stages: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            reload_succeeded: Gauge::default(),
            reloaded_at: Gauge::default(),
            refused: RefusedRequests::default(),
            generation: AtomicU64::default(),
        };
        metrics.reloaded(true, now);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(metrics.gauges.clone()));
        table::CHECKS.register(&mut registry, metrics.checks.clone());
        table::CHECK_FAILURES.register(&mut registry, metrics.failures.clone());
        table::HEALTH_CHANGES.register(&mut registry, metrics.changes.clone());
        table::LOCAL_FAILURES.register(&mut registry, metrics.local_failures.clone());
        table::STAGE_DURATION.register(&mut registry, metrics.stages.clone());
        table::CONFIG_RELOADED.register(&mut registry, metrics.reload_succeeded.clone());
        table::CONFIG_RELOADED_AT.register(&mut registry, metrics.reloaded_at.clone());
        metrics.refused.register(&mut registry);
        Self { registry, ..metrics }
    }

    pub(super) fn note(&self, report: &Report, change: Option<Change>) {
        self.gauges.observe(report);
        let target = OfTarget::named(&report.target);
        self.checks.get_or_create(&target).inc();
        if !report.verdict.met {
            let code = report.cause().unwrap_or_default().to_owned();
            self.failures.get_or_create(&ByCode { target: target.target.clone(), code }).inc();
        }
        let changes = self.changes.get_or_create(&target);
        // The series must exist before something is counted: the first result is not a change.
        drop(self.local_failures.get_or_create(&target));
        if change.is_some_and(|change| change.from != Health::Unknown) {
            changes.inc();
        }
        for timing in &report.timings {
            let stage = OfStage { stage: timing.stage.code() };
            self.stages.get_or_create(&stage).observe(timing.duration.as_secs_f64());
        }
        self.changed();
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
    pub(super) fn failed_locally(&self, target: &str) {
        self.local_failures.get_or_create(&OfTarget::named(target)).inc();
    }

    /// Removes the series of a target that was removed.
    pub(super) fn forget(&self, target: &str) {
        self.gauges.forget(target);
        let name = OfTarget::named(target);
        self.checks.remove(&name);
        self.changes.remove(&name);
        self.local_failures.remove(&name);
        for code in CHECKS.iter().map(|check| check.code).chain(checks::causes().map(|cause| cause.code)) {
            self.failures.remove(&ByCode { target: name.target.clone(), code: code.to_owned() });
        }
        self.changed();
    }

    pub(super) fn reloaded(&self, succeeded: bool, now: Timestamp) {
        self.reload_succeeded.set(i64::from(succeeded));
        if succeeded {
            self.reloaded_at.set(now.as_second());
        }
        self.changed();
    }

    /// All metrics, as OpenMetrics.
    pub(super) fn text(&self, status_store: &StatusStore) -> String {
        let mut target_registry = Registry::default();
        target_registry.register_collector(Box::new(Healths::of(status_store)));
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode_registry(&mut out, &target_registry)
            .and_then(|()| text::encode_registry(&mut out, &self.registry))
            .and_then(|()| text::encode_eof(&mut out));
        out
    }
}

/// Gauges of one target, from the status store.
#[derive(Debug)]
struct StatusCollector {
    target: String,
    health: Health,
    since: Option<Timestamp>,
    /// Of the last check, if it did not meet the requirement.
    cause: Option<&'static str>,
    interval: Duration,
}

#[derive(Debug)]
struct Healths(Vec<StatusCollector>);

impl Healths {
    fn of(status_store: &StatusStore) -> Self {
        let of_target = |(name, entry): (&str, &Entry)| StatusCollector {
            target: printable(name),
            health: entry.health,
            since: entry.since,
            cause: entry.last.as_ref().filter(|last| !last.verdict.met).and_then(|last| last.cause()),
            interval: entry.watched.schedule.interval,
        };
        Self(status_store.entries().map(of_target).collect())
    }
}

impl Collector for Healths {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let healthy = |it: &StatusCollector| {
            (it.health != Health::Unknown).then(|| f64::from(u8::from(it.health == Health::Healthy)))
        };
        family(encoder, &table::HEALTHY, self.0.iter().filter_map(|it| Some((it, None, healthy(it)?))))?;
        let since = |it: &StatusCollector| it.since.map(|since| since.as_duration().as_secs_f64());
        family(encoder, &table::HEALTH_SINCE, self.0.iter().filter_map(|it| Some((it, None, since(it)?))))?;
        let causes = self.0.iter().filter_map(|it| Some((it, Some(it.cause?), 1.0)));
        family(encoder, &table::CAUSE, causes)?;
        family(encoder, &table::CHECK_INTERVAL, self.0.iter().map(|it| (it, None, it.interval.as_secs_f64())))
    }
}

/// One value per target, with a code if there is one. Targets without a value are omitted.
fn family<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    metric: &MetricDef,
    values: impl Iterator<Item = (&'a StatusCollector, Option<&'a str>, f64)>,
) -> fmt::Result {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut family = metric.encode(encoder)?;
    for (of, code, value) in values {
        let labels: Vec<_> =
            [("target", of.target.as_str())].into_iter().chain(code.map(|code| ("code", code))).collect();
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

//! What is counted over the daemon's life, beside the gauges of [`crate::report::metrics`].

use std::{fmt, time::Duration};

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text},
    metrics::{
        MetricType,
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::{Metric, Registry, Unit},
};

use super::{
    board::{Board, Change, Entry, Health},
    served::{self, Served},
};
use crate::{
    checks::{CAUSES, CHECKS},
    finding::printable,
    report::{Report, metrics::Gauges},
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfTarget {
    target: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByCode {
    target: String,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfStage {
    stage: String,
}

/// From a millisecond, the best a database next door does, to the longest a login may take.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

type Histograms = Family<OfStage, Histogram, fn() -> Histogram>;

pub(super) struct Meters {
    registry: Registry,
    gauges: Gauges,
    checks: Family<OfTarget, Counter>,
    failures: Family<ByCode, Counter>,
    changes: Family<OfTarget, Counter>,
    stages: Histograms,
    reload_succeeded: Gauge,
    reloaded_at: Gauge,
}

impl Meters {
    pub(super) fn new(now: Timestamp) -> Self {
        let meters = Self {
            registry: Registry::default(),
            gauges: Gauges::default(),
            checks: Family::default(),
            failures: Family::default(),
            changes: Family::default(),
            stages: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            reload_succeeded: Gauge::default(),
            reloaded_at: Gauge::default(),
        };
        meters.reloaded(true, now);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(meters.gauges.clone()));
        register(&mut registry, &served::CHECKS, meters.checks.clone());
        register(&mut registry, &served::FAILURES, meters.failures.clone());
        register(&mut registry, &served::CHANGES, meters.changes.clone());
        register(&mut registry, &served::STAGES, meters.stages.clone());
        register(&mut registry, &served::RELOADED, meters.reload_succeeded.clone());
        register(&mut registry, &served::RELOADED_AT, meters.reloaded_at.clone());
        Self { registry, ..meters }
    }

    pub(super) fn note(&self, report: &Report, change: Option<Change>) {
        self.gauges.observe(report);
        let target = OfTarget { target: printable(&report.target) };
        self.checks.get_or_create(&target).inc();
        if !report.verdict.met {
            let code = report.cause().unwrap_or_default().to_owned();
            self.failures.get_or_create(&ByCode { target: target.target.clone(), code }).inc();
        }
        let changes = self.changes.get_or_create(&target);
        // A first result is no change, but the series begins.
        if change.is_some_and(|change| change.from != Health::Unknown) {
            changes.inc();
        }
        for timing in &report.timings {
            let stage = OfStage { stage: timing.step.replace(' ', "_") };
            self.stages.get_or_create(&stage).observe(timing.duration_ms / 1e3);
        }
    }

    /// Drops the series of a target that is no longer watched.
    pub(super) fn forget(&self, target: &str) {
        self.gauges.forget(target);
        let name = OfTarget { target: printable(target) };
        self.checks.remove(&name);
        self.changes.remove(&name);
        for code in CHECKS.iter().map(|check| check.code).chain(CAUSES.iter().map(|cause| cause.code)) {
            self.failures.remove(&ByCode { target: name.target.clone(), code: code.to_owned() });
        }
    }

    pub(super) fn reloaded(&self, succeeded: bool, now: Timestamp) {
        self.reload_succeeded.set(i64::from(succeeded));
        if succeeded {
            self.reloaded_at.set(now.as_second());
        }
    }

    /// Everything, as OpenMetrics.
    pub(super) fn text(&self, board: &Board) -> String {
        let mut of_board = Registry::default();
        of_board.register_collector(Box::new(Healths::of(board)));
        let mut out = String::new();
        // A String takes everything, and encoding has no error of its own.
        let _ = text::encode_registry(&mut out, &of_board)
            .and_then(|()| text::encode_registry(&mut out, &self.registry))
            .and_then(|()| text::encode_eof(&mut out));
        out
    }
}

fn register(registry: &mut Registry, served: &Served, metric: impl Metric) {
    match served.in_seconds {
        true => registry.register_with_unit(served.base, served.help, Unit::Seconds, metric),
        false => registry.register(served.base, served.help, metric),
    }
}

/// What the board knows of one target.
#[derive(Debug)]
struct OnBoard {
    target: String,
    health: Health,
    since: Option<Timestamp>,
    /// Of the last check, where it did not meet what is required.
    cause: Option<String>,
    interval: Duration,
}

#[derive(Debug)]
struct Healths(Vec<OnBoard>);

impl Healths {
    fn of(board: &Board) -> Self {
        let of_target = |(name, entry): (&str, &Entry)| OnBoard {
            target: printable(name),
            health: entry.health,
            since: entry.since,
            cause: entry
                .last
                .as_ref()
                .filter(|last| !last.verdict.met)
                .and_then(|last| last.cause())
                .map(str::to_owned),
            interval: entry.watched.rhythm.interval,
        };
        Self(board.entries().map(of_target).collect())
    }
}

impl Collector for Healths {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let healthy = |it: &OnBoard| {
            (it.health != Health::Unknown).then(|| f64::from(u8::from(it.health == Health::Healthy)))
        };
        family(encoder, &served::HEALTHY, self.0.iter().filter_map(|it| Some((it, None, healthy(it)?))))?;
        let since = |it: &OnBoard| it.since.map(|since| since.as_duration().as_secs_f64());
        family(encoder, &served::SINCE, self.0.iter().filter_map(|it| Some((it, None, since(it)?))))?;
        let causes = self.0.iter().filter_map(|it| Some((it, Some(it.cause.as_deref()?), 1.0)));
        family(encoder, &served::CAUSE, causes)?;
        family(encoder, &served::INTERVAL, self.0.iter().map(|it| (it, None, it.interval.as_secs_f64())))
    }
}

/// A value a target, with a code where there is one; nothing at all where there is no value.
fn family<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    served: &Served,
    values: impl Iterator<Item = (&'a OnBoard, Option<&'a str>, f64)>,
) -> fmt::Result {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let unit = served.in_seconds.then_some(&Unit::Seconds);
    let mut family = encoder.encode_descriptor(served.base, served.help, unit, MetricType::Gauge)?;
    for (of, code, value) in values {
        let labels: Vec<_> =
            [("target", of.target.as_str())].into_iter().chain(code.map(|code| ("code", code))).collect();
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

//! What is counted over the daemon's life, beside the gauges of [`crate::report::metrics`].

use std::fmt;

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
    registry::{Registry, Unit},
};

use super::board::{Board, Change, Health};
use crate::{
    checks::{CAUSES, CHECKS},
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
        registry.register("pipeprobe_checks", "Checks that ended, probes included", meters.checks.clone());
        registry.register(
            "pipeprobe_check_failures",
            "Checks that did not meet what is required, by the code of the cause",
            meters.failures.clone(),
        );
        registry.register(
            "pipeprobe_health_changes",
            "How often a target became healthy or unhealthy, by the thresholds",
            meters.changes.clone(),
        );
        registry.register_with_unit(
            "pipeprobe_stage_duration",
            "How long a stage of a check takes, over all targets",
            Unit::Seconds,
            meters.stages.clone(),
        );
        registry.register(
            "pipeprobe_config_last_reload_successful",
            "Whether the configuration could be used when it was last read: 1 or 0",
            meters.reload_succeeded.clone(),
        );
        registry.register_with_unit(
            "pipeprobe_config_last_reload_success_timestamp",
            "When a configuration was last taken over, since 1970",
            Unit::Seconds,
            meters.reloaded_at.clone(),
        );
        Self { registry, ..meters }
    }

    pub(super) fn note(&self, report: &Report, change: Option<Change>) {
        self.gauges.observe(report);
        let target = OfTarget { target: report.target.clone() };
        self.checks.get_or_create(&target).inc();
        if !report.verdict.met {
            let code = report.cause().unwrap_or_default().to_owned();
            self.failures.get_or_create(&ByCode { target: report.target.clone(), code }).inc();
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
        let name = OfTarget { target: target.to_owned() };
        self.checks.remove(&name);
        self.changes.remove(&name);
        for code in CHECKS.iter().map(|check| check.code).chain(CAUSES.iter().map(|cause| cause.code)) {
            self.failures.remove(&ByCode { target: target.to_owned(), code: code.to_owned() });
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

/// Each target's health, since when, and whether its last check was in full.
#[derive(Debug)]
struct Healths(Vec<(String, Health, Option<Timestamp>)>);

impl Healths {
    fn of(board: &Board) -> Self {
        Self(board.entries().map(|(name, entry)| (name.to_owned(), entry.health, entry.since)).collect())
    }
}

impl Collector for Healths {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Whether the target meets what is required of it, by the thresholds: 1 or 0; absent before the first check";
        let mut family = encoder.encode_descriptor("pipeprobe_healthy", help, None, MetricType::Gauge)?;
        for (target, health, _) in self.0.iter().filter(|(_, health, _)| *health != Health::Unknown) {
            let value = i64::from(*health == Health::Healthy);
            ConstGauge::new(value).encode(family.encode_family(&[("target", target.as_str())])?)?;
        }
        let help = "Since when the target has been as healthy or unhealthy as it is, since 1970";
        let unit = Some(&Unit::Seconds);
        let mut family =
            encoder.encode_descriptor("pipeprobe_health_since_timestamp", help, unit, MetricType::Gauge)?;
        for (target, _, since) in &self.0 {
            let Some(since) = since else { continue };
            ConstGauge::new(since.as_second())
                .encode(family.encode_family(&[("target", target.as_str())])?)?;
        }
        Ok(())
    }
}

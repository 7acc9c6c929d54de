//! Reports as metrics: what the last check of each target found.
//!
//! All of them are gauges, so the text is valid as OpenMetrics, which Prometheus scrapes, and in the older text format,
//! which the textfile collector of `node_exporter` reads.

pub(crate) mod series;
pub mod table;

use std::{borrow::Cow, fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    registry::Registry,
};

use super::{CheckResult, Report, Status};
use crate::{
    diagnostic::{Basis, Capability, printable},
    facts::{PipeBinlog, PipeSlot},
};
use table::MetricDef;

/// Values of one target.
#[derive(Debug)]
pub(crate) struct Samples {
    pub(crate) target: String,
    pub(crate) samples: Vec<Sample>,
}

/// One value of one metric of a target.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) metric: &'static MetricDef,
    /// Value of the second label; the first is `target`.
    pub(crate) label: Option<Cow<'static, str>>,
    /// A whole number if the metric is a counter.
    pub(crate) value: f64,
}

/// Values of some targets, for a registry. Names are complete, so the registry needs no prefix.
#[derive(Debug)]
pub(crate) struct Families {
    pub(crate) metrics: &'static [&'static MetricDef],
    pub(crate) targets: Vec<Samples>,
}

impl Families {
    pub(crate) fn of_reports<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Self {
        Self { metrics: &table::OF_CHECK, targets: reports.into_iter().map(samples).collect() }
    }
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in self.metrics {
            let samples = self
                .targets
                .iter()
                .flat_map(|of| of.samples.iter().map(|sample| (of.target.as_str(), sample)));
            let mut samples = samples.filter(|(_, sample)| std::ptr::eq(sample.metric, *metric)).peekable();
            if samples.peek().is_none() {
                continue;
            }
            let mut family = metric.encode(&mut encoder)?;
            for (target, sample) in samples {
                let values = [target].into_iter().chain(sample.label.as_deref());
                let labels: Vec<_> = metric.labels.iter().copied().zip(values).collect();
                metric.encode_value(sample.value, family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// The version of this program.
#[derive(Debug)]
pub(crate) struct Build;

impl Collector for Build {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        let mut family = table::BUILD_INFO.encode(&mut encoder)?;
        table::BUILD_INFO.encode_value(1.0, family.encode_family(&labels)?)
    }
}

/// These reports as OpenMetrics text.
pub fn exposition(reports: &[Report]) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families::of_reports(reports)));
    registry.register_collector(Box::new(Build));
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = text::encode(&mut out, &registry);
    out
}

/// What the last check of a target found.
pub(crate) fn samples(report: &Report) -> Samples {
    let mut samples = Vec::new();
    let mut add = |metric, label: Option<&'static str>, value| {
        samples.push(Sample { metric, label: label.map(Cow::Borrowed), value });
    };
    let verdict = &report.verdict;
    for (basis, capability) in [(Basis::Guide, verdict.guide), (Basis::Server, verdict.server)] {
        add(&table::CAPABILITY, Some(basis.name()), number(capability));
    }
    add(&table::SUCCESS, None, f64::from(u8::from(verdict.met)));
    let required = verdict.required.max(verdict.required_of_server.unwrap_or(verdict.required));
    add(&table::REQUIRED_CAPABILITY, Some(verdict.required_by.code()), number(required));
    for (metric, status) in [(&table::FAILURE, Status::Failed), (&table::WARNING, Status::Warning)] {
        for code in codes(report, status) {
            add(metric, Some(code), 1.0);
        }
    }
    let duration = report.duration.as_secs_f64();
    add(&table::CHECK_DURATION, None, duration);
    for timing in &report.timings {
        add(&table::CHECK_STAGE_DURATION, Some(timing.stage.code()), timing.duration.as_secs_f64());
    }
    let ended = unix(report.started_at) + duration;
    let remaining = |until: Option<Timestamp>| Some((unix(until?) - ended).max(0.0));
    // The last role that was assumed is the access role.
    let access_role = report.identity.hops.last();
    let measured = &report.measurements;
    for (metric, value) in [
        (&table::LAST_CHECK, Some(ended)),
        (&table::TOKEN_REMAINING, remaining(report.token.as_ref().map(|token| token.expires_at))),
        (&table::CREDENTIALS_REMAINING, remaining(access_role.and_then(|role| role.expires_at))),
        (&table::SOURCE_CREDENTIALS_REMAINING, remaining(report.identity.source_expires_at)),
        (&table::CERTIFICATE_EXPIRY, report.certificate_expires_at().map(unix)),
        (
            &table::CLOCK_OFFSET,
            report
                .identity
                .clock_offset_seconds
                .map(|seconds| SignedDuration::from_secs(seconds).as_secs_f64()),
        ),
        (&table::WAL_RATE, measured.wal_bytes_per_second),
        (&table::REPLICATION_SLOTS_FREE, measured.replication_slots_free.map(f64::from)),
        (&table::WAL_SENDERS_FREE, measured.wal_senders_free.map(f64::from)),
        (
            &table::BINLOG_RETENTION,
            measured.binlog_retention_seconds.map(|seconds| Duration::from_secs(seconds).as_secs_f64()),
        ),
    ] {
        if let Some(value) = value {
            add(metric, None, value);
        }
    }
    samples.extend(measured.binlog.iter().flat_map(|binlog| binlog_samples(binlog)));
    samples.extend(measured.slots.iter().flat_map(slot_samples));
    Samples { target: printable(&report.target), samples }
}

/// The binary log and its readers.
fn binlog_samples(binlog: &PipeBinlog) -> impl Iterator<Item = Sample> {
    let is = |yes: Option<bool>| yes.map(|yes| f64::from(u8::from(yes)));
    let count = |n: Option<usize>| n.and_then(|n| u32::try_from(n).ok()).map(f64::from);
    // More than 2^53 bytes, which a float cannot count exactly, are 9 petabytes.
    #[expect(clippy::cast_precision_loss)]
    let retained = binlog.retained_bytes.map(|bytes| bytes as f64);
    [
        (&table::BINLOG_READERS, count(binlog.readers)),
        (&table::BINLOG_READERS_CAUGHT_UP, is(binlog.readers_have_everything)),
        (&table::REGISTERED_REPLICAS, count(binlog.registered_replicas)),
        (&table::BINLOG_FILES, count(binlog.files)),
        (&table::BINLOG_RETAINED, retained),
        (&table::BINLOG_RATE, binlog.bytes_per_second),
        (&table::BINLOG_LOST, is(binlog.lost)),
        (&table::BINLOG_LOST_AFTER, binlog.lost_after_seconds),
    ]
    .into_iter()
    .filter_map(|(metric, value)| Some(Sample { metric, label: None, value: value? }))
}

/// The position of a pipe.
fn slot_samples(slot: &PipeSlot) -> impl Iterator<Item = Sample> {
    let label = printable(&slot.name);
    let is = |yes: bool| Some(f64::from(u8::from(yes)));
    // More than 2^53 bytes, which a float cannot count exactly, are 9 petabytes.
    #[expect(clippy::cast_precision_loss)]
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
    #[expect(clippy::cast_precision_loss)]
    let safe = slot.safe_wal_bytes.map(|bytes| bytes as f64);
    [
        (&table::SLOT_ACTIVE, is(slot.active)),
        (&table::SLOT_LOST, is(slot.lost)),
        (&table::SLOT_RETAINED, bytes(slot.retained_bytes)),
        (&table::SLOT_LAG, bytes(slot.lag_bytes)),
        (&table::SLOT_SAFE, safe),
        (&table::SLOT_INACTIVE, bytes(slot.inactive_seconds)),
        (&table::SLOT_LOST_AFTER, slot.lost_after_seconds),
        (&table::SLOT_XMIN_AGE, slot.catalog_xmin_age.map(f64::from)),
    ]
    .into_iter()
    .filter_map(move |(metric, value)| {
        Some(Sample { metric, label: Some(Cow::Owned(label.clone())), value: value? })
    })
}

/// Codes of the checks with this status, without duplicates: several checks may have the same cause.
fn codes(report: &Report, status: Status) -> Vec<&'static str> {
    let mut codes: Vec<&'static str> =
        report.checks.iter().filter(|row| row.status() == status).map(CheckResult::cause_or_code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn number(capability: Capability) -> f64 {
    match capability {
        Capability::Blocked => 0.0,
        Capability::InitialLoadOnly => 1.0,
        Capability::Cdc => 2.0,
    }
}

fn unix(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        checks::{self, CHECKS},
        report::tests::{report, unreached},
    };

    fn lines(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn the_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/metrics.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, table::page()).unwrap();
        }
        let shipped = std::fs::read_to_string(path).unwrap_or_default();
        assert!(shipped == table::page(), "src/report/metrics.md is not current: UPDATE=1 cargo test --lib");
    }

    #[test]
    fn a_report_becomes_samples() {
        let text = exposition(&[report(false, Basis::Guide)]);
        for expected in [
            "pipeprobe_capability{target=\"orders\",basis=\"guide\"} 1.0",
            "pipeprobe_capability{target=\"orders\",basis=\"server\"} 1.0",
            "pipeprobe_success{target=\"orders\"} 1.0",
            "pipeprobe_failure{target=\"orders\",code=\"PG_DOCUMENTED_RULE\"} 1.0",
            "pipeprobe_failure{target=\"orders\",code=\"PG_REPLICATION_NOT_IAM\"} 1.0",
            "pipeprobe_check_duration_seconds{target=\"orders\"} 0.171",
            "pipeprobe_check_stage_duration_seconds{target=\"orders\",stage=\"login\"} 0.048",
            "pipeprobe_last_check_timestamp_seconds{target=\"orders\"} 1767323045.171",
            "pipeprobe_token_remaining_seconds{target=\"orders\"} 899.8",
            "pipeprobe_credentials_remaining_seconds{target=\"orders\"} 899.8",
            "pipeprobe_certificate_expiry_timestamp_seconds{target=\"orders\"} 1798761600.0",
            "pipeprobe_clock_offset_seconds{target=\"orders\"} 0.0",
        ] {
            assert!(text.lines().any(|line| line.starts_with(expected)), "{expected}\n{text}");
        }
        assert!(text.contains("pipeprobe_build_info{version=\""), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn all_series_are_in_the_table_and_label_values_are_bounded() {
        let mut piped = report(false, Basis::Guide);
        piped.measurements.slots = vec![PipeSlot { name: "peerflow_slot_a".into(), ..PipeSlot::default() }];
        let text = exposition(&[piped, unreached("empty")]);
        assert!(
            text.contains("pipeprobe_slot_lost{target=\"orders\",slot=\"peerflow_slot_a\"} 0.0\n"),
            "{text}"
        );
        let codes: BTreeSet<&str> =
            CHECKS.iter().map(|c| c.code).chain(checks::causes().map(|c| c.code)).collect();
        for line in lines(&text) {
            let (name, rest) = line.split_once('{').unwrap();
            let metric = table::OF_CHECK
                .iter()
                .copied()
                .chain([&table::BUILD_INFO])
                .find(|m| m.name() == name)
                .unwrap_or_else(|| panic!("{name}"));
            let labels = rest.split_once('}').unwrap().0;
            let keys: Vec<&str> = labels.split(',').map(|l| l.split_once('=').unwrap().0).collect();
            assert_eq!(keys, metric.labels, "{line}");
            for (key, value) in labels.split(',').map(|label| label.split_once('=').unwrap()) {
                let value = value.trim_matches('"');
                match key {
                    "target" => assert!(["orders", "empty"].contains(&value)),
                    "slot" => assert_eq!(value, "peerflow_slot_a"),
                    "basis" => assert!(["guide", "server"].contains(&value)),
                    "by" => assert_eq!(value, "require"),
                    "code" => assert!(codes.contains(value), "{value}"),
                    "stage" => assert!(table::page().contains(&format!("`{value}`")), "{value}"),
                    "version" => assert_eq!(value, env!("CARGO_PKG_VERSION")),
                    other => panic!("{other}"),
                }
            }
        }
    }

    #[test]
    fn stages_that_were_not_reached_are_absent() {
        let text = exposition(&[unreached("empty")]);
        assert!(text.contains("pipeprobe_capability{target=\"empty\",basis=\"server\"} 0.0\n"), "{text}");
        assert!(text.contains("pipeprobe_success{target=\"empty\"} 0.0\n"), "{text}");
        for absent in ["token_remaining", "certificate", "stage", "clock_offset", "NaN"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        let text = exposition(&[unreached("a\"} 1\nevil{x=\"\\")]);
        assert!(text.contains("{target=\"a\\\"} 1 evil{x=\\\"\\\\\"}"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("evil")), "{text}");
    }
}

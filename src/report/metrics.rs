//! Reports as metrics: what each target's last check found, as gauges. Names and labels are listed in
//! `metrics.md`, made from [`METRICS`], and stable.
//!
//! Everything is a gauge, so that one text is both OpenMetrics and the older text format: what a server
//! scrapes, and what node_exporter's textfile collector reads.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use super::{CheckResult, Report, Stage, Status};
use crate::diagnostic::{Basis, Capability, printable};

/// What one metric is.
#[derive(Debug)]
pub struct Metric {
    /// Without its unit.
    base: &'static str,
    in_seconds: bool,
    pub labels: &'static [&'static str],
    /// What it means; the `# HELP` line.
    pub help: &'static str,
}

impl Metric {
    const fn of_target(base: &'static str, help: &'static str) -> Self {
        Self { base, in_seconds: false, labels: &["target"], help }
    }

    const fn seconds(self) -> Self {
        Self { in_seconds: true, ..self }
    }

    const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }

    /// As it is scraped.
    pub fn name(&self) -> String {
        let unit = if self.in_seconds { "_seconds" } else { "" };
        format!("{}{unit}", self.base)
    }
}

const CAPABILITY: &str = "pipeprobe_capability";
const SUCCESS: &str = "pipeprobe_success";
const FAILURE: &str = "pipeprobe_failure";
const WARNING: &str = "pipeprobe_warning";
const LAST_CHECK: &str = "pipeprobe_last_check_timestamp";
const CHECK_DURATION: &str = "pipeprobe_check_duration";
const STAGE_DURATION: &str = "pipeprobe_check_stage_duration";
const TOKEN: &str = "pipeprobe_token_remaining";
const CREDENTIALS: &str = "pipeprobe_credentials_remaining";
const SOURCE_CREDENTIALS: &str = "pipeprobe_source_credentials_remaining";
const CERTIFICATE: &str = "pipeprobe_certificate_expiry_timestamp";
const CLOCK_OFFSET: &str = "pipeprobe_clock_offset";
const SLOTS_FREE: &str = "pipeprobe_replication_slots_free";
const SENDERS_FREE: &str = "pipeprobe_wal_senders_free";
const RETENTION: &str = "pipeprobe_binlog_retention";
const BUILD: &str = "pipeprobe_build_info";

/// Every metric, in the order of the text.
#[rustfmt::skip]
pub static METRICS: &[Metric] = &[
    Metric::of_target(CAPABILITY,
        "What ClickPipes can do with the database, by each policy: 0 Blocked, 1 Initial Load Only, 2 CDC")
        .by(&["target", "basis"]),
    Metric::of_target(SUCCESS, "Whether the target meets what is required of it: 1 met, 0 not met"),
    Metric::of_target(FAILURE, "1 for each check that did not pass, by the code of its cause; absent where it passed")
        .by(&["target", "code"]),
    Metric::of_target(WARNING, "1 for each check that passed with a warning, by its code; absent where it passed")
        .by(&["target", "code"]),
    Metric::of_target(LAST_CHECK, "When the last check ended, since 1970").seconds(),
    Metric::of_target(CHECK_DURATION, "How long the last check took").seconds(),
    Metric::of_target(STAGE_DURATION, "How long a stage of the last check took; stages overlap")
        .by(&["target", "stage"]).seconds(),
    Metric::of_target(TOKEN, "Life that was left in the token when the check ended").seconds(),
    Metric::of_target(CREDENTIALS,
        "Life that was left in the assumed role's credentials when the check ended").seconds(),
    Metric::of_target(SOURCE_CREDENTIALS,
        "Life that was left in the caller's own credentials when the check ended; absent where they do not end")
        .seconds(),
    Metric::of_target(CERTIFICATE, "When the first certificate of the presented chain ends, since 1970").seconds(),
    Metric::of_target(CLOCK_OFFSET, "The clock of AWS minus the clock of the prober").seconds(),
    Metric::of_target(SLOTS_FREE, "PostgreSQL: replication slots that can still be made"),
    Metric::of_target(SENDERS_FREE, "PostgreSQL: WAL senders that can still run"),
    Metric::of_target(RETENTION,
        "MySQL, MariaDB: binlog retention hours as RDS has it; 0 where it is NULL, as soon as possible").seconds(),
    Metric::of_target(BUILD, "1, with the version of pipeprobe").by(&["version"]),
];

/// What one report comes to.
#[derive(Debug)]
struct Samples {
    target: String,
    samples: Vec<Sample>,
}

/// One value of a metric of a target.
#[derive(Debug)]
struct Sample {
    base: &'static str,
    /// Beside `target`.
    label: Option<(&'static str, String)>,
    value: f64,
}

/// The last report of every target, for a registry: `registry.register_collector(Box::new(gauges.clone()))`.
/// Names are whole, so the registry needs no prefix. Clones share what they hold.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    last: Arc<Mutex<BTreeMap<String, Arc<Samples>>>>,
}

impl Gauges {
    /// Takes the place of what was known of the report's target, codes that are gone included.
    pub fn observe(&self, report: &Report) {
        let samples = Arc::new(samples(report));
        self.last().insert(report.target.clone(), samples);
    }

    /// Drops a target that is no longer checked.
    pub fn forget(&self, target: &str) {
        self.last().remove(target);
    }

    fn last(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Samples>>> {
        // A map of finished values is whole whoever panicked beside it.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Of thousands of targets the text takes long; whoever observes does not wait for it.
        let last: Vec<_> = self.last().values().cloned().collect();
        for metric in METRICS {
            let samples =
                last.iter().flat_map(|of| of.samples.iter().map(|sample| (of.target.as_str(), sample)));
            let mut samples = samples.filter(|(_, sample)| sample.base == metric.base).peekable();
            let is_build = metric.base == BUILD;
            if samples.peek().is_none() && !is_build {
                continue;
            }
            let unit = metric.in_seconds.then_some(&Unit::Seconds);
            let mut family = encoder.encode_descriptor(metric.base, metric.help, unit, MetricType::Gauge)?;
            let mut encode = |labels: &[(&str, &str)], value: f64| {
                ConstGauge::new(value).encode(family.encode_family(&labels)?)
            };
            for (target, Sample { label, value, .. }) in samples {
                match label {
                    None => encode(&[("target", target)], *value)?,
                    Some((name, label)) => encode(&[("target", target), (name, label)], *value)?,
                }
            }
            if is_build {
                encode(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)?;
            }
        }
        Ok(())
    }
}

/// The text of these reports.
pub fn exposition(reports: &[Report]) -> String {
    let gauges = Gauges::default();
    for report in reports {
        gauges.observe(report);
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(gauges));
    let mut out = String::new();
    // A String takes everything, and encoding has no error of its own.
    let _ = text::encode(&mut out, &registry);
    out
}

fn samples(report: &Report) -> Samples {
    let mut samples = Vec::new();
    let mut add = |base, label: Option<(&'static str, &str)>, value: f64| {
        let label = label.map(|(name, value)| (name, value.to_owned()));
        samples.push(Sample { base, label, value });
    };
    let verdict = &report.verdict;
    for (basis, answer) in [(Basis::Guide, verdict.guide), (Basis::Server, verdict.server)] {
        add(CAPABILITY, Some(("basis", basis.name())), number(answer));
    }
    add(SUCCESS, None, f64::from(u8::from(verdict.met)));
    for (base, status) in [(FAILURE, Status::Failed), (WARNING, Status::Warning)] {
        for code in codes(report, status) {
            add(base, Some(("code", code)), 1.0);
        }
    }
    let took = report.duration.as_secs_f64();
    add(CHECK_DURATION, None, took);
    for timing in &report.timings {
        add(STAGE_DURATION, Some(("stage", timing.stage.code())), timing.duration.as_secs_f64());
    }
    let ended = since_1970(report.started_at) + took;
    let left = |until: Option<Timestamp>| Some((since_1970(until?) - ended).max(0.0));
    let roles = report.identity.hops.iter();
    for (base, value) in [
        (LAST_CHECK, Some(ended)),
        (TOKEN, left(report.token.as_ref().map(|token| token.expires_at))),
        // The last role assumed is the one that signs.
        (CREDENTIALS, left(roles.last().and_then(|role| role.expires_at))),
        (SOURCE_CREDENTIALS, left(report.identity.source_expires_at)),
        (CERTIFICATE, report.certificate_expires_at().map(since_1970)),
        (CLOCK_OFFSET, report.identity.clock_offset_seconds.map(|offset| offset as f64)),
        (SLOTS_FREE, report.measurements.replication_slots_free.map(f64::from)),
        (SENDERS_FREE, report.measurements.wal_senders_free.map(f64::from)),
        (RETENTION, report.measurements.binlog_retention_seconds.map(|seconds| seconds as f64)),
    ] {
        if let Some(value) = value {
            add(base, None, value);
        }
    }
    Samples { target: printable(&report.target), samples }
}

/// Codes of the checks that stand so, each once: several checks may share a cause.
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

fn since_1970(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

/// The page of metrics, in Markdown: `src/report/metrics.md`, which a test holds current.
pub fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\nWhat `pipeprobe check -o prometheus` prints, and `/metrics` shows, [beside what `serve` itself\n\
         counts](../daemon/metrics.md). Made from the table in\n\
         `src/report/metrics.rs`; change that. Names, labels and meanings are stable. All are gauges: what the last\n\
         check of a target found. Seconds are Prometheus' unit for times, points in time included.\n\n\
         | metric | labels | meaning |\n|---|---|---|\n",
    );
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(page, "| `{}` | {} | {} |", metric.name(), labels.join(", "), metric.help);
    }
    page += "\nLabels have few values: `target` is the target's name in the configuration file, else its host; `basis` is\n\
             `guide` or `server`; `code` is one of [the checks and causes](../checks/checks.md); `stage` is\n";
    page + &Stage::ALL.map(|stage| format!("`{}`", stage.code())).join(", ") + ".\n"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        checks::{CAUSES, CHECKS},
        report::tests::{report, unreached},
    };

    fn lines(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn the_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/metrics.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let shipped = std::fs::read_to_string(path).unwrap_or_default();
        assert!(shipped == page(), "src/report/metrics.md is not current: UPDATE=1 cargo test --lib");
    }

    #[test]
    fn a_report_says_all_it_knows() {
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
    fn every_series_is_in_the_table_and_every_label_is_bounded() {
        let text = exposition(&[report(false, Basis::Guide), unreached("empty")]);
        let codes: BTreeSet<&str> =
            CHECKS.iter().map(|c| c.code).chain(CAUSES.iter().map(|c| c.code)).collect();
        for line in lines(&text) {
            let (name, rest) = line.split_once('{').unwrap();
            let metric = METRICS.iter().find(|m| m.name() == name).unwrap_or_else(|| panic!("{name}"));
            let labels = rest.split_once('}').unwrap().0;
            let keys: Vec<&str> = labels.split(',').map(|l| l.split_once('=').unwrap().0).collect();
            assert_eq!(keys, metric.labels, "{line}");
            for (key, value) in labels.split(',').map(|label| label.split_once('=').unwrap()) {
                let value = value.trim_matches('"');
                match key {
                    "target" => assert!(["orders", "empty"].contains(&value)),
                    "basis" => assert!(["guide", "server"].contains(&value)),
                    "code" => assert!(codes.contains(value), "{value}"),
                    "stage" => assert!(page().contains(&format!("`{value}`")), "{value}"),
                    "version" => assert_eq!(value, env!("CARGO_PKG_VERSION")),
                    other => panic!("{other}"),
                }
            }
        }
    }

    #[test]
    fn what_was_not_reached_is_absent_and_blocked() {
        let text = exposition(&[unreached("empty")]);
        assert!(text.contains("pipeprobe_capability{target=\"empty\",basis=\"server\"} 0.0\n"), "{text}");
        assert!(text.contains("pipeprobe_success{target=\"empty\"} 0.0\n"), "{text}");
        for absent in ["token_remaining", "certificate", "stage", "clock_offset", "NaN"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }

    #[test]
    fn a_newer_report_takes_the_place_of_the_older_and_a_forgotten_target_is_gone() {
        let gauges = Gauges::default();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(gauges.clone()));
        let encode = || {
            let mut out = String::new();
            text::encode(&mut out, &registry).unwrap();
            out
        };
        gauges.observe(&report(false, Basis::Server));
        assert!(encode().contains("PG_REPLICATION_NOT_IAM"));
        gauges.observe(&report(true, Basis::Server));
        let text = encode();
        assert!(!text.contains("PG_REPLICATION_NOT_IAM"), "{text}");
        assert!(text.contains("{target=\"orders\",basis=\"server\"} 2.0"), "{text}");
        gauges.forget("orders");
        assert_eq!(lines(&encode()).len(), 1, "the build remains");
    }

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        let text = exposition(&[unreached("a\"} 1\nevil{x=\"\\")]);
        assert!(text.contains("{target=\"a\\\"} 1 evil{x=\\\"\\\\\"}"), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("evil")), "{text}");
    }
}

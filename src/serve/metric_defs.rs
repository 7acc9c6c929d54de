//! What `serve` serves beside [`crate::report::metrics::METRICS`], as a table: names, labels and meanings are
//! stable, and listed in `metrics.md`, which a test makes from it and holds current.

#[cfg(test)]
use std::fmt::Write;

/// One family of series.
#[derive(Clone, Copy, Debug)]
pub(super) struct MetricDef {
    /// As it is registered: without its unit, and without `_total`.
    pub base: &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "the page says it"))]
    kind: Kind,
    pub in_seconds: bool,
    #[cfg_attr(not(test), expect(dead_code, reason = "the page says it"))]
    labels: &'static [&'static str],
    /// The `# HELP` line.
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

const fn gauge(base: &'static str, labels: &'static [&'static str], help: &'static str) -> MetricDef {
    MetricDef { base, kind: Kind::Gauge, in_seconds: false, labels, help }
}

const fn counter(base: &'static str, labels: &'static [&'static str], help: &'static str) -> MetricDef {
    MetricDef { kind: Kind::Counter, ..gauge(base, labels, help) }
}

const fn seconds(metric_defs: MetricDef) -> MetricDef {
    MetricDef { in_seconds: true, ..metric_defs }
}

/// Labels of what is said of one target.
const TARGET: &[&str] = &["target"];

pub(super) const HEALTHY: MetricDef = gauge(
    "pipeprobe_healthy",
    TARGET,
    "Whether the target meets what is required of it, by the thresholds: 1 or 0; absent before the first check",
);
pub(super) const SINCE: MetricDef = seconds(gauge(
    "pipeprobe_health_since_timestamp",
    TARGET,
    "Since when the target has been as healthy or unhealthy as it is, since 1970",
));
pub(super) const CAUSE: MetricDef = gauge(
    "pipeprobe_cause",
    &["target", "code"],
    "1, with the code of what the target does not meet, by its last check; absent where it meets all",
);
pub(super) const INTERVAL: MetricDef = seconds(gauge(
    "pipeprobe_check_interval",
    TARGET,
    "From one check to the next, as configured; up to 4 times that while a target keeps failing",
));
pub(super) const CHECKS: MetricDef =
    counter("pipeprobe_checks", TARGET, "Checks that ended, probes included");
pub(super) const FAILURES: MetricDef = counter(
    "pipeprobe_check_failures",
    &["target", "code"],
    "Checks that did not meet what is required, by the code of the cause",
);
pub(super) const CHANGES: MetricDef = counter(
    "pipeprobe_health_changes",
    TARGET,
    "How often a target became healthy or unhealthy, by the thresholds",
);
pub(super) const STAGES: MetricDef = MetricDef {
    kind: Kind::Histogram,
    ..seconds(gauge(
        "pipeprobe_stage_duration",
        &["stage"],
        "How long a stage of a check takes, over all targets",
    ))
};
pub(super) const RELOADED: MetricDef = gauge(
    "pipeprobe_config_last_reload_successful",
    &[],
    "Whether the configuration could be used when it was last read: 1 or 0",
);
pub(super) const RELOADED_AT: MetricDef = seconds(gauge(
    "pipeprobe_config_last_reload_success_timestamp",
    &[],
    "When a configuration was last taken over, since 1970",
));

// By the names that every prober has, which carry no prefix.
pub(super) const PROBE_SUCCESS: MetricDef =
    gauge("probe_success", &[], "Whether the target meets what is required of it: 1 or 0");
pub(super) const PROBE_DURATION: MetricDef = gauge("probe_duration_seconds", &[], "How long the probe took");
pub(super) const PROBE_TIMEOUT: MetricDef =
    gauge("probe_timeout_seconds", &[], "How long it could have taken");
pub(super) const PROBE_CERTIFICATE: MetricDef = gauge(
    "probe_ssl_earliest_cert_expiry",
    &[],
    "When the first certificate of the chain ends, since 1970; absent where TLS was not reached",
);

#[cfg(test)]
const OF_METRICS: [MetricDef; 10] =
    [HEALTHY, SINCE, CAUSE, INTERVAL, CHECKS, FAILURES, CHANGES, STAGES, RELOADED, RELOADED_AT];
#[cfg(test)]
const OF_PROBE: [MetricDef; 4] = [PROBE_SUCCESS, PROBE_DURATION, PROBE_TIMEOUT, PROBE_CERTIFICATE];

#[cfg(test)]
impl MetricDef {
    /// As it is scraped.
    fn name(&self) -> String {
        let unit = if self.in_seconds { "_seconds" } else { "" };
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.base)
    }
}

/// The page, in Markdown.
#[cfg(test)]
fn page() -> String {
    let mut page = String::from(
        "# Metrics of `pipeprobe serve`\n\nMade from the table in `src/serve/metric_defs.rs`; change that. Names, labels and \
         meanings are stable.\n\n`/metrics` shows [what the last check of each target found](../report/metrics.md), and:\n\n",
    );
    table(&mut page, &OF_METRICS);
    page += "\nA histogram has `_bucket` (with the label `le`), `_count` and `_sum`.\n\n\
             `/probe?target=NAME` shows what its own check of that target found, by the same names, and what every \
             prober says:\n\n";
    table(&mut page, &OF_PROBE);
    page
}

#[cfg(test)]
fn table(page: &mut String, rows: &[MetricDef]) {
    page.push_str("| metric | kind | labels | meaning |\n|---|---|---|---|\n");
    for row in rows {
        let labels: Vec<String> = row.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = format!("{:?}", row.kind).to_lowercase();
        let _ = writeln!(page, "| `{}` | {kind} | {} | {} |", row.name(), labels.join(", "), row.help);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/metrics.md");
        let page = super::page();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let shipped = std::fs::read_to_string(path).unwrap_or_default();
        assert!(shipped == page, "src/serve/metrics.md is not current: UPDATE=1 cargo test --lib");
    }
}

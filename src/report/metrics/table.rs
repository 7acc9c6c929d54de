//! The table of all metrics. Names, labels and meanings are stable. `metrics.md` is generated from it.

use std::fmt::Write;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Metric, Registry, Unit},
};

use crate::report::Stage;

/// One metric family.
#[derive(Debug, PartialEq, Eq)]
pub struct MetricDef {
    /// The name without its unit and without `_total`.
    base: &'static str,
    kind: Kind,
    /// Whether the unit is seconds, which is then part of the name. Prometheus uses seconds for points in time too.
    in_seconds: bool,
    pub labels: &'static [&'static str],
    /// The `# HELP` line.
    help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const TARGET: &[&str] = &["target"];
const SLOT: &[&str] = &["target", "slot"];

impl MetricDef {
    const fn gauge(base: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { base, kind: Kind::Gauge, in_seconds: false, labels, help }
    }

    const fn counter(base: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { kind: Kind::Counter, ..Self::gauge(base, labels, help) }
    }

    const fn seconds(base: &'static str, labels: &'static [&'static str], help: &'static str) -> Self {
        Self { in_seconds: true, ..Self::gauge(base, labels, help) }
    }

    /// The name as it is scraped.
    pub fn name(&self) -> String {
        let unit = if self.in_seconds { "_seconds" } else { "" };
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.base)
    }

    pub fn register(&self, registry: &mut Registry, metric: impl Metric) {
        match self.in_seconds {
            true => registry.register_with_unit(self.base, self.help, Unit::Seconds, metric),
            false => registry.register(self.base, self.help, metric),
        }
    }

    /// Starts this family in a collector. It is not a histogram.
    ///
    /// # Errors
    /// The encoder's.
    pub fn encode<'a>(
        &'a self,
        encoder: &'a mut DescriptorEncoder<'_>,
    ) -> Result<MetricEncoder<'a>, std::fmt::Error> {
        let unit = self.in_seconds.then_some(&Unit::Seconds);
        let metric_type = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge | Kind::Histogram => MetricType::Gauge,
        };
        encoder.encode_descriptor(self.base, self.help, unit, metric_type)
    }

    /// Writes one value of this family. A counter is a whole number.
    ///
    /// # Errors
    /// The encoder's.
    pub fn encode_value(&self, value: f64, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        match self.kind {
            Kind::Counter => ConstCounter::new(value as u64).encode(encoder),
            Kind::Gauge | Kind::Histogram => ConstGauge::new(value).encode(encoder),
        }
    }
}

// What the last check of a target found.

pub static CAPABILITY: MetricDef = MetricDef::gauge(
    "pipeprobe_capability",
    &["target", "basis"],
    "What ClickPipes can do with the database, by each basis: 0 Blocked, 1 Initial Load Only, 2 CDC",
);
pub static SUCCESS: MetricDef =
    MetricDef::gauge("pipeprobe_success", TARGET, "Whether the target allows what is required: 1 or 0");
pub static REQUIRED_CAPABILITY: MetricDef = MetricDef::gauge(
    "pipeprobe_required_capability",
    &["target", "by"],
    "What is required of the target: 0 Blocked, 1 Initial Load Only, 2 CDC; `by`: what requires it",
);
pub static FAILURE: MetricDef = MetricDef::gauge(
    "pipeprobe_failure",
    &["target", "code"],
    "1 for each check that failed, by the code of its cause; absent if it passed",
);
pub static WARNING: MetricDef = MetricDef::gauge(
    "pipeprobe_warning",
    &["target", "code"],
    "1 for each check that passed with a warning, by the code of its cause; absent if it passed without",
);
pub static LAST_CHECK: MetricDef = MetricDef::seconds(
    "pipeprobe_last_check_timestamp",
    TARGET,
    "End of the last check, as a Unix timestamp",
);
pub static CHECK_DURATION: MetricDef =
    MetricDef::seconds("pipeprobe_check_duration", TARGET, "Duration of the last check");
pub static CHECK_STAGE_DURATION: MetricDef = MetricDef::seconds(
    "pipeprobe_check_stage_duration",
    &["target", "stage"],
    "Duration of each stage of the last check; stages overlap",
);
pub static TOKEN_REMAINING: MetricDef = MetricDef::seconds(
    "pipeprobe_token_remaining",
    TARGET,
    "Remaining validity of the IAM token at the end of the check",
);
pub static CREDENTIALS_REMAINING: MetricDef = MetricDef::seconds(
    "pipeprobe_credentials_remaining",
    TARGET,
    "Remaining validity of the access role's credentials at the end of the check",
);
pub static SOURCE_CREDENTIALS_REMAINING: MetricDef = MetricDef::seconds(
    "pipeprobe_source_credentials_remaining",
    TARGET,
    "Remaining validity of the caller's credentials at the end of the check; absent if they do not expire",
);
pub static CERTIFICATE_EXPIRY: MetricDef = MetricDef::seconds(
    "pipeprobe_certificate_expiry_timestamp",
    TARGET,
    "Expiry of the first certificate of the presented chain to expire, as a Unix timestamp",
);
pub static CLOCK_OFFSET: MetricDef =
    MetricDef::seconds("pipeprobe_clock_offset", TARGET, "Clock of AWS minus the clock of this machine");
pub static REPLICATION_SLOTS_FREE: MetricDef = MetricDef::gauge(
    "pipeprobe_replication_slots_free",
    TARGET,
    "PostgreSQL: max_replication_slots minus the existing replication slots",
);
pub static WAL_SENDERS_FREE: MetricDef = MetricDef::gauge(
    "pipeprobe_wal_senders_free",
    TARGET,
    "PostgreSQL: max_wal_senders minus the running WAL senders",
);
pub static BINLOG_RETENTION: MetricDef = MetricDef::seconds(
    "pipeprobe_binlog_retention",
    TARGET,
    "MySQL, MariaDB: binlog retention hours of RDS; 0 for NULL, which means as soon as possible",
);
pub static BINLOG_READERS: MetricDef = MetricDef::gauge(
    "pipeprobe_binlog_readers",
    TARGET,
    "MySQL, MariaDB: connections of the user that read the binary log, as the pipe does",
);
pub static BINLOG_READERS_CAUGHT_UP: MetricDef = MetricDef::gauge(
    "pipeprobe_binlog_readers_caught_up",
    TARGET,
    "MySQL, MariaDB: whether all of them were sent everything at one moment of the check: 1 or 0; absent without readers",
);
pub static REGISTERED_REPLICAS: MetricDef = MetricDef::gauge(
    "pipeprobe_registered_replicas",
    TARGET,
    "MySQL, MariaDB: registered replicas of all users; absent if the user may not see them",
);
pub static BINLOG_FILES: MetricDef =
    MetricDef::gauge("pipeprobe_binlog_files", TARGET, "MySQL, MariaDB: number of binary logs");
pub static BINLOG_RETAINED: MetricDef =
    MetricDef::gauge("pipeprobe_binlog_retained_bytes", TARGET, "MySQL, MariaDB: size of all binary logs");
pub static BINLOG_RATE: MetricDef = MetricDef::gauge(
    "pipeprobe_binlog_bytes_per_second",
    TARGET,
    "MySQL, MariaDB, `serve`: binary log per second between the last two full checks",
);
pub static BINLOG_LOST: MetricDef = MetricDef::gauge(
    "pipeprobe_binlog_lost",
    TARGET,
    "MySQL, MariaDB, `serve`: whether binary log was purged that was written after the reader had disconnected, so that the pipe needs a resync: 1 or 0; absent if no reader was seen",
);
pub static BINLOG_LOST_AFTER: MetricDef = MetricDef::seconds(
    "pipeprobe_binlog_lost_after",
    TARGET,
    "MySQL, MariaDB, `serve`: time that the pipe can be disconnected at least; absent if no reader was seen, if it was behind, or without a known retention",
);
pub static SLOT_ACTIVE: MetricDef = MetricDef::gauge(
    "pipeprobe_slot_active",
    SLOT,
    "PostgreSQL: whether a consumer reads the replication slot of the pipe: 1 or 0",
);
pub static SLOT_LOST: MetricDef = MetricDef::gauge(
    "pipeprobe_slot_lost",
    SLOT,
    "PostgreSQL: whether the replication slot of the pipe is lost, so that the pipe needs a resync: 1 or 0",
);
pub static SLOT_RETAINED: MetricDef = MetricDef::gauge(
    "pipeprobe_slot_retained_bytes",
    SLOT,
    "PostgreSQL: WAL that the server keeps for the replication slot of the pipe",
);
pub static SLOT_LAG: MetricDef =
    MetricDef::gauge("pipeprobe_slot_lag_bytes", SLOT, "PostgreSQL: WAL that the pipe has not confirmed yet");
pub static SLOT_SAFE: MetricDef = MetricDef::gauge(
    "pipeprobe_slot_safe_wal_bytes",
    SLOT,
    "PostgreSQL: WAL that can be written before the slot can be lost; absent without max_slot_wal_keep_size",
);
pub static SLOT_INACTIVE: MetricDef = MetricDef::seconds(
    "pipeprobe_slot_inactive",
    SLOT,
    "PostgreSQL 17 and newer: how long the slot has been inactive; absent if it is active",
);
pub static SLOT_LOST_AFTER: MetricDef = MetricDef::seconds(
    "pipeprobe_slot_lost_after",
    SLOT,
    "PostgreSQL, `serve`: time until the slot is lost if nothing more is read from it; absent without a limit or a rate",
);
pub static WAL_RATE: MetricDef = MetricDef::gauge(
    "pipeprobe_wal_bytes_per_second",
    TARGET,
    "PostgreSQL, `serve`: WAL per second between the last two full checks",
);
pub static SLOT_XMIN_AGE: MetricDef = MetricDef::gauge(
    "pipeprobe_slot_catalog_xmin_age",
    SLOT,
    "PostgreSQL: age of the slot's catalog_xmin, in transactions",
);
pub static BUILD_INFO: MetricDef =
    MetricDef::gauge("pipeprobe_build_info", &["version"], "1, with the version of pipeprobe");

/// From every check: `check -o prometheus`, `/metrics` and `/probe`.
pub static OF_CHECK: [&MetricDef; 33] = [
    &CAPABILITY,
    &SUCCESS,
    &REQUIRED_CAPABILITY,
    &FAILURE,
    &WARNING,
    &LAST_CHECK,
    &CHECK_DURATION,
    &CHECK_STAGE_DURATION,
    &TOKEN_REMAINING,
    &CREDENTIALS_REMAINING,
    &SOURCE_CREDENTIALS_REMAINING,
    &CERTIFICATE_EXPIRY,
    &CLOCK_OFFSET,
    &REPLICATION_SLOTS_FREE,
    &WAL_SENDERS_FREE,
    &BINLOG_RETENTION,
    &BINLOG_READERS,
    &BINLOG_READERS_CAUGHT_UP,
    &REGISTERED_REPLICAS,
    &BINLOG_FILES,
    &BINLOG_RETAINED,
    &BINLOG_RATE,
    &BINLOG_LOST,
    &BINLOG_LOST_AFTER,
    &SLOT_ACTIVE,
    &SLOT_LOST,
    &SLOT_RETAINED,
    &SLOT_LAG,
    &SLOT_SAFE,
    &SLOT_INACTIVE,
    &SLOT_LOST_AFTER,
    &WAL_RATE,
    &SLOT_XMIN_AGE,
];

// What `serve` adds.

pub static HEALTHY: MetricDef = MetricDef::gauge(
    "pipeprobe_healthy",
    TARGET,
    "Health of the target after the thresholds: 1 healthy, 0 unhealthy; absent before the first check",
);
pub static HEALTH_SINCE: MetricDef = MetricDef::seconds(
    "pipeprobe_health_since_timestamp",
    TARGET,
    "When the target became healthy or unhealthy, as a Unix timestamp",
);
pub static CAUSE: MetricDef = MetricDef::gauge(
    "pipeprobe_cause",
    &["target", "code"],
    "1, with the code of the cause, if the last check did not allow what is required; otherwise absent",
);
pub static CHECK_INTERVAL: MetricDef = MetricDef::seconds(
    "pipeprobe_check_interval",
    TARGET,
    "Configured interval between checks; up to 4 times as long while a target keeps failing",
);
pub static CHECKS: MetricDef = MetricDef::counter(
    "pipeprobe_checks",
    TARGET,
    "Number of scheduled checks; those of /probe do not count",
);
pub static CHECK_FAILURES: MetricDef = MetricDef::counter(
    "pipeprobe_check_failures",
    &["target", "code"],
    "Number of checks that did not allow what is required, by the code of the cause",
);
pub static HEALTH_CHANGES: MetricDef = MetricDef::counter(
    "pipeprobe_health_changes",
    TARGET,
    "Number of times that a target became healthy or unhealthy",
);
pub static LOCAL_FAILURES: MetricDef = MetricDef::counter(
    "pipeprobe_local_failures",
    TARGET,
    "Number of checks that a failure of this machine prevented, such as no free file descriptors; they change no other series",
);
pub static STAGE_DURATION: MetricDef = MetricDef {
    kind: Kind::Histogram,
    ..MetricDef::seconds(
        "pipeprobe_stage_duration",
        &["stage"],
        "Duration of each stage of the checks, over all targets",
    )
};
pub static CONFIG_RELOADED: MetricDef = MetricDef::gauge(
    "pipeprobe_config_last_reload_successful",
    &[],
    "Whether the configuration was valid when it was last read: 1 or 0",
);
pub static CONFIG_RELOADED_AT: MetricDef = MetricDef::seconds(
    "pipeprobe_config_last_reload_success_timestamp",
    &[],
    "When a valid configuration was last read, as a Unix timestamp",
);
pub static HTTP_REFUSED: MetricDef = MetricDef::counter(
    "pipeprobe_http_refused",
    &["reason"],
    "Number of HTTP requests that were refused, and connections that were closed early, by the reason",
);

/// Why `serve` refused a request or closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Host,
    CrossSite,
    Password,
    Guesses,
    Busy,
    Evicted,
    SlowRequest,
    SlowResponse,
}

impl Refusal {
    pub const ALL: [Self; 8] = [
        Self::Host,
        Self::CrossSite,
        Self::Password,
        Self::Guesses,
        Self::Busy,
        Self::Evicted,
        Self::SlowRequest,
        Self::SlowResponse,
    ];

    /// The value of the label `reason`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::CrossSite => "cross_site",
            Self::Password => "password",
            Self::Guesses => "guesses",
            Self::Busy => "busy",
            Self::Evicted => "evicted",
            Self::SlowRequest => "slow_request",
            Self::SlowResponse => "slow_response",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Host => "a name in `Host` that is not in `host_names` (status 403)",
            Self::CrossSite => "a probe or a reload that another web page requested (status 403)",
            Self::Password => "a wrong user name or password (status 401)",
            Self::Guesses => "too many wrong passwords of one client (status 429)",
            Self::Busy => "too many requests at once, in total or of one client (status 503)",
            Self::Evicted => "closed to make room for a new connection",
            Self::SlowRequest => "the TLS handshake and the request head took too long",
            Self::SlowResponse => "the client did not read the response in time",
        }
    }
}

/// Of each target, from `/metrics` only.
pub static OF_MONITORED_TARGET: [&MetricDef; 8] = [
    &HEALTHY,
    &HEALTH_SINCE,
    &CAUSE,
    &CHECK_INTERVAL,
    &CHECKS,
    &CHECK_FAILURES,
    &HEALTH_CHANGES,
    &LOCAL_FAILURES,
];

/// Of the process, from `/metrics` only.
pub static OF_SERVE: [&MetricDef; 4] =
    [&STAGE_DURATION, &CONFIG_RELOADED, &CONFIG_RELOADED_AT, &HTTP_REFUSED];

// Of the agent.

pub static AGENT_CONNECTIONS: MetricDef = MetricDef::counter(
    "pipeprobe_agent_connections",
    &["target", "result"],
    "Number of connections of local programs, by result: `logged_in`, `refused`",
);
pub static AGENT_SESSIONS: MetricDef =
    MetricDef::gauge("pipeprobe_agent_sessions", TARGET, "Number of open sessions");
pub static AGENT_LOGIN_DURATION: MetricDef = MetricDef {
    kind: Kind::Histogram,
    ..MetricDef::seconds(
        "pipeprobe_agent_login_duration",
        TARGET,
        "Duration of the logins of local programs, with the wait for the limit of logins",
    )
};
pub static AGENT_BYTES: MetricDef = MetricDef::counter(
    "pipeprobe_agent_bytes",
    &["target", "direction"],
    "Bytes that sessions have transferred after the login, by direction: `to_server`, `to_client`; counted when a session ends",
);

/// From `/metrics` of `agent` only.
pub static OF_AGENT: [&MetricDef; 4] =
    [&AGENT_CONNECTIONS, &AGENT_SESSIONS, &AGENT_LOGIN_DURATION, &AGENT_BYTES];

// The names that all probers use, without a prefix.

pub static PROBE_SUCCESS: MetricDef =
    MetricDef::gauge("probe_success", &[], "Whether the target allows what is required: 1 or 0");
pub static PROBE_DURATION: MetricDef =
    MetricDef::gauge("probe_duration_seconds", &[], "Duration of the probe");
pub static PROBE_TIMEOUT: MetricDef = MetricDef::gauge("probe_timeout_seconds", &[], "Timeout of the probe");
pub static PROBE_CERTIFICATE: MetricDef = MetricDef::gauge(
    "probe_ssl_earliest_cert_expiry",
    &[],
    "Expiry of the first certificate of the chain to expire, as a Unix timestamp; absent without TLS",
);

/// From `/probe` only.
pub static OF_PROBE: [&MetricDef; 4] = [&PROBE_SUCCESS, &PROBE_DURATION, &PROBE_TIMEOUT, &PROBE_CERTIFICATE];

/// OpenMetrics as the older text format of Prometheus: there, the name of a counter family ends in `_total`.
pub fn plain(openmetrics: &str) -> String {
    let all = || OF_MONITORED_TARGET.iter().chain(&OF_SERVE).chain(&OF_AGENT);
    let counters = || all().filter(|metric| metric.kind == Kind::Counter);
    let mut out = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("#"), Some("EOF" | "UNIT"), _) => {}
            (Some("#"), Some(kind), Some(name)) if counters().any(|metric| metric.base == name) => {
                let _ = writeln!(out, "# {kind} {name}_total {}", words.next().unwrap_or_default());
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

/// The page of metrics in Markdown: `src/report/metrics.md`.
pub fn page() -> String {
    let mut page = "# Metrics\n\n\
        Generated from `src/report/metrics/table.rs`. Names, labels and meanings are stable.\n"
        .to_owned();
    for (title, metrics) in [
        ("Of the last check of each target: `check -o prometheus`, `/metrics` and `/probe`", &OF_CHECK[..]),
        ("Of the program: everywhere", &[&BUILD_INFO]),
        ("Of each target of `serve`: `/metrics`", &OF_MONITORED_TARGET),
        ("Of `serve`: `/metrics`", &OF_SERVE),
        ("Of one probe: `/probe?target=NAME`", &OF_PROBE),
        ("Of `agent`: `/metrics`, which also has the counter of refused HTTP requests", &OF_AGENT),
    ] {
        let _ = write!(page, "\n## {title}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n");
        for metric in metrics {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, kind) = (metric.name(), metric.kind.name());
            let _ = writeln!(page, "| `{name}` | {kind} | {} | {} |", labels.join(", "), metric.help);
        }
    }
    let stages = Stage::ALL.map(|stage| format!("`{}`", stage.code())).join(", ");
    let reasons = Refusal::ALL.map(|reason| format!("`{}` ({})", reason.code(), reason.meaning())).join(", ");
    let _ = write!(
        page,
        "\n## Labels\n\n\
         - `target`: the target's name in the configuration file, or its host\n\
         - `basis`: `guide` or `server`\n\
         - `by`: `require`, `replication_mode`, `default` (neither is set), or `best_so_far` (neither is set, and `serve` has \
         found more or the same before)\n\
         - `code`: a code of [the checks and causes](../checks/checks.md)\n\
         - `slot`: name of the replication slot of a pipe\n\
         - `stage`: one of {stages}\n\
         - `reason`: {reasons}\n\n\
         A histogram has the series `_bucket` (with the label `le`), `_count` and `_sum`.\n"
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_their_suffix_in_the_older_format_and_nothing_else_changes() {
        let open = "# HELP pipeprobe_checks Number.\n# TYPE pipeprobe_checks counter\npipeprobe_checks_total{target=\"a\"} 3\n\
                    # HELP pipeprobe_check_interval_seconds Interval.\n# TYPE pipeprobe_check_interval_seconds gauge\n\
                    # UNIT pipeprobe_check_interval_seconds seconds\npipeprobe_check_interval_seconds{target=\"a\"} 30.0\n# EOF\n";
        let expected = "# HELP pipeprobe_checks_total Number.\n# TYPE pipeprobe_checks_total counter\n\
                        pipeprobe_checks_total{target=\"a\"} 3\n# HELP pipeprobe_check_interval_seconds Interval.\n\
                        # TYPE pipeprobe_check_interval_seconds gauge\npipeprobe_check_interval_seconds{target=\"a\"} 30.0\n";
        assert_eq!(plain(open), expected);
    }
}

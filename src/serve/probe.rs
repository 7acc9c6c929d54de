//! `GET /probe?target=NAME[&debug=true]`, compatible with blackbox_exporter: a full check of a configured target (never
//! of an address from the request). Concurrent probes of a target share one check, each waits for it within its own scrape
//! timeout, and status 200 is returned for any result. A probe records nothing.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{encoding::text, metrics::gauge::Gauge, registry::Registry};
use serde::Deserialize;

use super::{Monitor, http::exposition, status_store::StatusStore};
use crate::{
    cli::Detail,
    report::{
        Report,
        metrics::{
            Build, Families,
            table::{self, MetricDef},
        },
        text::{self as screen, Layout},
    },
    target::quoted,
};

#[derive(Debug, Deserialize)]
pub(super) struct ProbeQuery {
    target: Option<String>,
    #[serde(default)]
    debug: bool,
}

/// Time reserved for writing and reading the response.
const OFFSET: Duration = Duration::from_millis(500);
const LEAST: Duration = Duration::from_millis(500);

pub(super) async fn probe(
    State(monitor): State<Arc<Monitor>>,
    Query(query): Query<ProbeQuery>,
    headers: HeaderMap,
) -> Response {
    let bad = |words: String| (StatusCode::BAD_REQUEST, words).into_response();
    let name = query.target.unwrap_or_default();
    let monitored = {
        let status_store = monitor.status_store();
        match status_store.entry(&name) {
            Some(entry) => Arc::clone(&entry.monitored),
            None => return bad(no_such_target(&name, &status_store)),
        }
    };
    let most = monitor.shared().timeout;
    let timeout = match headers.get("X-Prometheus-Scrape-Timeout-Seconds") {
        None => most,
        Some(value) => match value.to_str().ok().and_then(seconds) {
            Some(given) => given.saturating_sub(OFFSET).clamp(LEAST, most),
            None => {
                return bad(
                    "X-Prometheus-Scrape-Timeout-Seconds: expected a number of seconds, such as 10\n"
                        .to_owned(),
                );
            }
        },
    };
    let permit = || Arc::clone(&monitor.probes).try_acquire_owned().ok();
    let Some(pending) = monitor.full_check(&monitored, permit) else {
        return later("too many probes at once");
    };
    let report = match tokio::time::timeout(timeout, pending.result()).await {
        Ok(Some(checked)) => Some(Arc::clone(&checked.report)),
        Ok(None) => return later("stopping, or the target was changed by a reload"),
        Err(_) => None,
    };
    let metrics = metrics(report.as_deref(), timeout);
    if !query.debug {
        return exposition(metrics);
    }
    let screen = report.map_or_else(|| unfinished(timeout), |report| rendered(&report));
    format!("{screen}\n\nMetrics that would have been returned:\n{metrics}").into_response()
}

fn later(why: &str) -> Response {
    let retry = [(header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, retry, format!("503: {why}\n")).into_response()
}

fn rendered(report: &Report) -> String {
    let mut screen = Vec::new();
    // Writing to memory cannot fail.
    let _ = screen::write(&mut screen, report, Layout::new(None, false, Detail::Verbose));
    String::from_utf8_lossy(&anstream::adapter::strip_bytes(&screen).into_vec()).into_owned()
}

fn unfinished(timeout: Duration) -> String {
    format!(
        "The check did not finish within {} s, the scrape timeout minus {} s. It continues; the next probe joins it.",
        timeout.as_secs_f64(),
        OFFSET.as_secs_f64()
    )
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok())
}

/// Names the unknown target and the known ones.
pub(super) fn no_such_target(name: &str, status_store: &StatusStore) -> String {
    let known: Vec<&str> = status_store.entries().take(20).map(|(name, _)| name).collect();
    let more = if status_store.entries().len() > known.len() { ", …" } else { "" };
    format!(
        "target: expected a target of the configuration ({}{more}), found {}\n",
        known.join(", "),
        quoted(name)
    )
}

/// The standard prober metrics without prefix, and pipeprobe's metrics for this target. Without a report the check did not
/// finish in time, so nothing is said about the target.
fn metrics(report: Option<&Report>, timeout: Duration) -> String {
    let mut registry = Registry::default();
    let mut add = |metric: &MetricDef, value: f64| {
        let gauge = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        gauge.set(value);
        metric.register(&mut registry, gauge);
    };
    let is_met = report.is_some_and(|report| report.verdict.met);
    add(&table::PROBE_SUCCESS, f64::from(u8::from(is_met)));
    add(&table::PROBE_DURATION, report.map_or(timeout, |report| report.duration).as_secs_f64());
    add(&table::PROBE_TIMEOUT, timeout.as_secs_f64());
    if let Some(at) = report.and_then(Report::certificate_expires_at) {
        add(&table::PROBE_CERTIFICATE, at.as_duration().as_secs_f64());
    }
    if let Some(report) = report {
        registry.register_collector(Box::new(Families::of_reports([report])));
        registry.register_collector(Box::new(Build));
    }
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = text::encode(&mut out, &registry);
    out
}

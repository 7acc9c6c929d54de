//! `GET /probe?target=NAME[&debug=true]`, compatible with blackbox_exporter: runs a new check of a configured
//! target (never of an address from the request) within the scrape timeout, and returns status 200 for any
//! result.

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
            Gauges,
            table::{self, MetricDef},
        },
        text::{self as screen, Layout},
    },
    target::quoted,
};

#[derive(Debug, Deserialize)]
pub(super) struct AuthRequest {
    target: Option<String>,
    #[serde(default)]
    debug: bool,
}

/// Time reserved for writing and reading the response.
const OFFSET: Duration = Duration::from_millis(500);
const LEAST: Duration = Duration::from_millis(500);

pub(super) async fn probe(
    State(serve): State<Arc<Monitor>>,
    Query(auth_request): Query<AuthRequest>,
    headers: HeaderMap,
) -> Response {
    let bad = |words: String| (StatusCode::BAD_REQUEST, words).into_response();
    let name = auth_request.target.unwrap_or_default();
    let watched = {
        let status_store = serve.status_store();
        match status_store.entry(&name) {
            Some(entry) => Arc::clone(&entry.watched),
            None => return bad(no_such_target(&name, &status_store)),
        }
    };
    let most = serve.shared().timeout;
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
    let Ok(_turn) = serve.probes.try_acquire() else {
        let later = [(header::RETRY_AFTER, "1")];
        return (StatusCode::SERVICE_UNAVAILABLE, later, "503: too many probes at once\n").into_response();
    };
    let (report, _) = serve.check(&watched, None, timeout).await;
    let metrics = metrics(&report, timeout);
    if !auth_request.debug {
        return exposition(metrics);
    }
    let mut screen = Vec::new();
    // Writing to memory cannot fail.
    let _ = screen::write(&mut screen, &report, Layout::new(None, false, Detail::Verbose));
    let screen = anstream::adapter::strip_bytes(&screen).into_vec();
    format!("{}\n\nMetrics that would have been returned:\n{metrics}", String::from_utf8_lossy(&screen))
        .into_response()
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

/// The standard prober metrics without prefix, and pipeprobe's metrics for this target.
fn metrics(report: &Report, timeout: Duration) -> String {
    let mut registry = Registry::default();
    let mut add = |metric: &MetricDef, value: f64| {
        let gauge = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        gauge.set(value);
        metric.register(&mut registry, gauge);
    };
    add(&table::PROBE_SUCCESS, f64::from(u8::from(report.verdict.met)));
    add(&table::PROBE_DURATION, report.duration.as_secs_f64());
    add(&table::PROBE_TIMEOUT, timeout.as_secs_f64());
    if let Some(at) = report.certificate_expires_at() {
        add(&table::PROBE_CERTIFICATE, at.as_duration().as_secs_f64());
    }
    let gauges = Gauges::default();
    gauges.observe(report);
    registry.register_collector(Box::new(gauges));
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = text::encode(&mut out, &registry);
    out
}

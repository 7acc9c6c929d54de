//! What the agent counts.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use super::relay::Totals;
use crate::{
    diagnostic::printable,
    report::metrics::table::{self, Refusal},
    service::metrics::{OfTarget, RefusedRequests},
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByResult {
    target: String,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByDirection {
    target: String,
    direction: &'static str,
}

/// From a login to a nearby database to the time limit of a login, in seconds.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Of all targets of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    connections: Family<ByResult, Counter>,
    sessions: Family<OfTarget, Gauge>,
    logins: Family<OfTarget, Histogram, fn() -> Histogram>,
    bytes: Family<ByDirection, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let logins: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let metrics = Self {
            registry: Registry::default(),
            connections: Family::default(),
            sessions: Family::default(),
            logins,
            bytes: Family::default(),
        };
        let mut registry = Registry::default();
        table::AGENT_CONNECTIONS.register(&mut registry, metrics.connections.clone());
        table::AGENT_SESSIONS.register(&mut registry, metrics.sessions.clone());
        table::AGENT_LOGIN_DURATION.register(&mut registry, metrics.logins.clone());
        table::AGENT_BYTES.register(&mut registry, metrics.bytes.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Creates the series of a target, so that they exist before its first connection.
    pub(super) fn add(&self, target: &str) {
        for result in ["logged_in", "refused"] {
            drop(self.connections.get_or_create(&ByResult { target: printable(target), result }));
        }
        for direction in ["to_server", "to_client"] {
            drop(self.bytes.get_or_create(&ByDirection { target: printable(target), direction }));
        }
        drop(self.sessions.get_or_create(&OfTarget::named(target)));
        drop(self.logins.get_or_create(&OfTarget::named(target)));
    }

    /// Counts a login, and the session until the result is dropped.
    pub(super) fn logged_in(&self, target: &str, took: Duration) -> OpenSession {
        let target = printable(target);
        self.connections.get_or_create(&ByResult { target: target.clone(), result: "logged_in" }).inc();
        let of = OfTarget { target };
        self.logins.get_or_create(&of).observe(took.as_secs_f64());
        let sessions = self.sessions.get_or_create(&of).clone();
        sessions.inc();
        OpenSession(sessions)
    }

    pub(super) fn refused(&self, target: &str) {
        self.connections.get_or_create(&ByResult { target: printable(target), result: "refused" }).inc();
    }

    /// Counts what a session has transferred.
    pub(super) fn transferred(&self, target: &str, totals: Totals) {
        for (direction, bytes) in [("to_server", totals.to_server), ("to_client", totals.to_client)] {
            self.bytes.get_or_create(&ByDirection { target: printable(target), direction }).inc_by(bytes);
        }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }
}

/// `/metrics` of a process that only has an agent.
#[derive(Debug)]
pub(super) struct Page {
    metrics: Arc<Metrics>,
    registry: Registry,
    refused_requests: RefusedRequests,
}

impl Page {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let (mut registry, refused_requests) = (Registry::default(), RefusedRequests::default());
        refused_requests.register(&mut registry);
        Self { metrics, registry, refused_requests }
    }

    pub(super) fn refused(&self, refusal: Refusal) {
        self.refused_requests.count(refusal);
    }

    /// As OpenMetrics.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode_registry(&mut out, self.metrics.registry())
            .and_then(|()| text::encode_registry(&mut out, &self.registry))
            .and_then(|()| text::encode_eof(&mut out));
        out
    }
}

/// Counts as open until it is dropped.
#[derive(Debug)]
pub(super) struct OpenSession(Gauge);

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.dec();
    }
}

//! What `serve` and `agent` count in the same way.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::{
    diagnostic::printable,
    report::metrics::table::{self, Refusal},
};

/// The label of a series that each target has.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct OfTarget {
    pub(crate) target: String,
}

impl OfTarget {
    pub(crate) fn named(target: &str) -> Self {
        Self { target: printable(target) }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

/// Requests over HTTP that were refused, by reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefusedRequests(Family<OfReason, Counter>);

impl RefusedRequests {
    /// All reasons exist from the start.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for refusal in Refusal::ALL {
            drop(self.0.get_or_create(&OfReason { reason: refusal.code() }));
        }
        table::HTTP_REFUSED.register(registry, self.0.clone());
    }

    pub(crate) fn count(&self, refusal: Refusal) {
        self.0.get_or_create(&OfReason { reason: refusal.code() }).inc();
    }
}

//! Health, readiness and metrics of the agent over HTTP. It has no secret and no effect.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio_rustls::TlsAcceptor;

use super::metrics::Page;
use crate::{
    report::metrics::table::{self, Refusal},
    service::http::{
        Application, HEALTHY, OPENMETRICS, PLAIN_METRICS, READY, accepts_openmetrics, harden, origin,
    },
};

/// What the requests are answered from.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) metrics: Page,
    /// No more clients are accepted.
    pub(super) is_stopping: AtomicBool,
}

impl Application for Status {
    fn router(self: &Arc<Self>) -> Router {
        let open = Router::new().route(HEALTHY, get(|| async { "healthy\n" })).route(READY, get(ready));
        Router::new()
            .route("/metrics", get(metrics))
            .fallback(|| async { (StatusCode::NOT_FOUND, "404: no such page; there is /metrics\n") })
            .layer(middleware::from_fn_with_state(Arc::clone(self), refuse_other_pages))
            .merge(open)
            .layer(middleware::from_fn(harden))
            .with_state(Arc::clone(self))
    }

    fn tls(&self) -> Option<TlsAcceptor> {
        None
    }

    fn refused(&self, refusal: Refusal) {
        self.metrics.refused(refusal);
    }
}

/// Listeners are bound before the first request. The databases do not matter: a load balancer in front of many agents would remove
/// them all at once.
async fn ready(State(status): State<Arc<Status>>) -> Response {
    match status.is_stopping.load(Ordering::Relaxed) {
        false => "ready\n".into_response(),
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

async fn refuse_other_pages(State(status): State<Arc<Status>>, request: Request, next: Next) -> Response {
    match origin::check_host(request.headers(), &BTreeSet::new()) {
        Ok(()) => next.run(request).await,
        Err(_) => {
            status.refused(Refusal::Host);
            (StatusCode::FORBIDDEN, "403: Host: expected an IP address or localhost\n").into_response()
        }
    }
}

async fn metrics(State(status): State<Arc<Status>>, headers: HeaderMap) -> Response {
    let text = status.metrics.text();
    match accepts_openmetrics(&headers) {
        true => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        false => ([(header::CONTENT_TYPE, PLAIN_METRICS)], table::plain(&text)).into_response(),
    }
}

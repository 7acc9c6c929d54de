//! The HTTP routes, their authentication, and the certificate.

use std::{io::Write, sync::Arc, time::Instant};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::{
    Monitor,
    bodies::{Body as SharedBody, Failed, Shared},
    guesses::Limited,
    page, probe,
    selection::Selection,
    status_store::{Entry, Health, StatusStore},
};
use crate::{
    config::Web,
    report::{
        json::SCHEMA_VERSION,
        metrics::{series::Format, table::Refusal},
    },
    service::http::{
        Application, Client, HEALTHY, OPENMETRICS, PLAIN_METRICS, READY, accepts_gzip, accepts_openmetrics,
        harden, origin,
    },
    target::Invalid,
    trust,
};

pub(super) type Acceptor = TlsAcceptor;

const PROBE: &str = "/probe";
const RELOAD: &str = "/-/reload";

/// The last bodies of the addresses that show all targets.
#[derive(Default)]
pub(super) struct SharedBodies {
    index: Shared,
    /// By the two formats, and by whether they are compressed.
    metrics: [[Shared; 2]; 2],
    targets: Shared,
}

/// # Errors
/// If the certificate or key cannot be read, or they do not belong together.
pub(super) fn acceptor(web: &Web) -> Result<Option<Acceptor>, Invalid> {
    let Some((chain, key)) = &web.tls else { return Ok(None) };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().map_err(|e| {
            Invalid::new("tls_certificate", "a PEM certificate chain, the server certificate first", e)
        })?;
    let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes())
        // The error text is not shown either: it may contain parts of the key.
        .map_err(|_| Invalid::new("tls_key", "a PEM private key", "something else"))?;
    let config = ServerConfig::builder_with_provider(trust::provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| Invalid::new("tls_certificate", "a certificate that matches the key in tls_key", e))?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

impl Application for Monitor {
    fn router(self: &Arc<Self>) -> Router {
        router(self)
    }

    fn tls(&self) -> Option<Acceptor> {
        self.shared().tls.clone()
    }

    fn refused(&self, refusal: Refusal) {
        self.metrics.refused(refusal);
    }
}

fn router(monitor: &Arc<Monitor>) -> Router {
    let open = Router::new().route(HEALTHY, get(|| async { "healthy\n" })).route(READY, get(ready));
    Router::new()
        .route("/", get(index))
        .route("/targets/{name}", get(target_page))
        .route("/style.css", get(style))
        .route("/metrics", get(metrics))
        .route(PROBE, get(probe::probe))
        .route("/api/v1/targets", get(targets))
        .route("/api/v1/targets/{name}", get(target))
        .route(RELOAD, post(reload))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(monitor), authenticate))
        .layer(middleware::from_fn_with_state(Arc::clone(monitor), refuse_other_pages))
        .merge(open)
        .layer(middleware::from_fn(harden))
        .with_state(Arc::clone(monitor))
}

/// Before authentication, because a browser adds the password by itself.
async fn refuse_other_pages(State(monitor): State<Arc<Monitor>>, request: Request, next: Next) -> Response {
    let (shared, headers) = (monitor.shared(), request.headers());
    let is_host = match &shared.tls {
        Some(_) => Ok(()),
        None => origin::check_host(headers, &shared.host_names),
    };
    let has_effect = [PROBE, RELOAD].contains(&request.uri().path());
    let is_site = if has_effect { origin::check_site(headers) } else { Ok(()) };
    let refused = |refusal, text: String| {
        monitor.metrics.refused(refusal);
        (StatusCode::FORBIDDEN, text).into_response()
    };
    match (is_host, is_site) {
        (Err(text), _) => refused(Refusal::Host, text),
        (_, Err(text)) => refused(Refusal::CrossSite, text),
        (Ok(()), Ok(())) => next.run(request).await,
    }
}

/// Health endpoints need no password. Everything else does, if users are configured.
async fn authenticate(
    State(monitor): State<Arc<Monitor>>,
    Extension(client): Extension<Client>,
    request: Request,
    next: Next,
) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let users = &monitor.shared().users;
    let refused =
        |status, name, value: &str, text: String| (status, [(name, value.to_owned())], text).into_response();
    match users.let_in(given, client, &monitor.guesses, Instant::now()).await {
        Ok(true) => next.run(request).await,
        Ok(false) => {
            if given.is_some() {
                monitor.metrics.refused(Refusal::Password);
            }
            let challenge = "Basic realm=\"pipeprobe\", charset=\"UTF-8\"";
            let text = "401: user name and password required\n".to_owned();
            refused(StatusCode::UNAUTHORIZED, header::WWW_AUTHENTICATE, challenge, text)
        }
        Err(Limited(wait)) => {
            monitor.metrics.refused(Refusal::Guesses);
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            let text = format!("429: too many wrong passwords from this address, try again in {seconds} s\n");
            refused(StatusCode::TOO_MANY_REQUESTS, header::RETRY_AFTER, &seconds.to_string(), text)
        }
    }
}

async fn ready(State(monitor): State<Arc<Monitor>>) -> Response {
    if monitor.stopping.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    let status_store = monitor.status_store();
    let waiting = status_store.entries().filter(|(_, entry)| entry.health == Health::Unknown).count();
    match waiting {
        0 => "ready\n".into_response(),
        n => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{n} of {} targets have not been checked yet\n", status_store.entries().len()),
        )
            .into_response(),
    }
}

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// The body of an address that shows all targets, rendered for several clients at a time.
async fn shared<R: FnOnce() -> Vec<u8> + Send + 'static>(
    monitor: &Monitor,
    kind: &'static str,
    of: impl FnOnce(&SharedBodies) -> &Shared,
    content: impl FnOnce() -> R,
) -> Response {
    let of = of(&monitor.shared_bodies);
    match of.get(&monitor.bodies, || monitor.metrics.generation(), content).await {
        Ok(body) => send(kind, &body),
        Err(Failed) => cannot_render(),
    }
}

fn send(kind: &'static str, body: &Arc<SharedBody>) -> Response {
    ([(header::CONTENT_TYPE, kind)], Extension(body.outdated()), Body::from(body.bytes())).into_response()
}

async fn index(State(monitor): State<Arc<Monitor>>, Query(selection): Query<Selection>) -> Response {
    let content = {
        let (monitor, selection) = (Arc::clone(&monitor), selection.clone());
        move || {
            let (status_store, now, started_at) =
                (monitor.status_store().clone(), (monitor.clock)(), monitor.started_at);
            move || page::index(&status_store, &selection, started_at, now).into_bytes()
        }
    };
    if selection.is_all() {
        return shared(&monitor, HTML, |bodies| &bodies.index, content).await;
    }
    rendered(&monitor, HTML, content()).await
}

/// A body that clients do not share.
async fn rendered(
    monitor: &Monitor,
    kind: &'static str,
    render: impl FnOnce() -> Vec<u8> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(render).await {
        Ok(bytes) => send(kind, &monitor.bodies.add(bytes)),
        Err(_) => cannot_render(),
    }
}

fn cannot_render() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "500: cannot render the response\n").into_response()
}

async fn target_page(State(monitor): State<Arc<Monitor>>, Path(name): Path<String>) -> Response {
    let now = (monitor.clock)();
    let status_store = monitor.status_store();
    match status_store.entry(&name) {
        Some(entry) => send(HTML, &monitor.bodies.add(page::target(entry, now).into_bytes())),
        None => no_page(&page::missing(&format!("There is no target {name}"), now)),
    }
}

async fn not_found(State(monitor): State<Arc<Monitor>>) -> Response {
    no_page(&page::missing("There is no such page", (monitor.clock)()))
}

fn no_page(page: &str) -> Response {
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, HTML)], page.to_owned()).into_response()
}

/// The response for one target.
fn one(monitor: &Monitor, name: &str, kind: &'static str, write: impl FnOnce(&Entry) -> Vec<u8>) -> Response {
    let status_store = monitor.status_store();
    match status_store.entry(name) {
        Some(entry) => send(kind, &monitor.bodies.add(write(entry))),
        None => unknown(name, &status_store),
    }
}

async fn style() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (kind, page::STYLE).into_response()
}

async fn metrics(State(monitor): State<Arc<Monitor>>, headers: HeaderMap) -> Response {
    let (is_open, is_compressed) = (accepts_openmetrics(&headers), accepts_gzip(&headers));
    let mut response = shared(
        &monitor,
        if is_open { OPENMETRICS } else { PLAIN_METRICS },
        |bodies| &bodies.metrics[usize::from(is_open)][usize::from(is_compressed)],
        || {
            let monitor = Arc::clone(&monitor);
            move || {
                let format = if is_open { Format::OpenMetrics } else { Format::Plain };
                let text = monitor.metrics.text(format, monitor.agent_metrics.as_deref());
                if is_compressed { gzip(&text) } else { text }
            }
        },
    )
    .await;
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    if is_compressed && response.status().is_success() {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Fast rather than small: the text repeats itself.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

pub(super) fn exposition(text: String) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], Body::from(text)).into_response()
}

#[derive(Serialize)]
struct Targets {
    schema_version: u32,
    /// `after` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    targets: StatusStore,
}

async fn targets(State(monitor): State<Arc<Monitor>>, Query(selection): Query<Selection>) -> Response {
    let content = {
        let (monitor, selection) = (Arc::clone(&monitor), selection.clone());
        move || {
            let all = monitor.status_store().clone();
            move || {
                let (targets, next) = all.select(&selection);
                json(&Targets { schema_version: SCHEMA_VERSION, next, targets })
            }
        }
    };
    if selection.is_all() {
        return shared(&monitor, JSON, |bodies| &bodies.targets, content).await;
    }
    rendered(&monitor, JSON, content()).await
}

async fn target(State(monitor): State<Arc<Monitor>>, Path(name): Path<String>) -> Response {
    one(&monitor, &name, JSON, json)
}

fn json(content: &impl Serialize) -> Vec<u8> {
    // A report contains nothing that JSON cannot express, and writing to memory cannot fail.
    serde_json::to_vec(content).unwrap_or_default()
}

/// Unknown target; the response lists the known ones.
fn unknown(name: &str, status_store: &StatusStore) -> Response {
    (StatusCode::NOT_FOUND, probe::no_such_target(name, status_store)).into_response()
}

async fn reload(State(monitor): State<Arc<Monitor>>) -> Response {
    let (answer, answered) = oneshot::channel();
    if monitor.reloads.send(answer).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match answered.await {
        Ok(Ok(())) => "reloaded\n".into_response(),
        Ok(Err(error)) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

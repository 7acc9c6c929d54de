//! The HTTP server: connections, TLS, authentication and routes.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, oneshot},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Monitor, page, probe,
    status_store::{Health, StatusStore},
};
use crate::{config::Web, report::json::SCHEMA_VERSION, target::Invalid, trust};

pub(super) type Acceptor = TlsAcceptor;

/// Maximum number of open connections; further ones wait.
const CONNECTIONS: usize = 256;
/// Timeout for a TLS handshake, and for reading a request head.
const TIMEOUT: Duration = Duration::from_secs(10);

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

/// Serves until `stop`; responses that have started are completed.
pub(super) async fn serve(listener: TcpListener, serve: Arc<Monitor>, stop: CancellationToken) {
    let router = router(&serve);
    let (places, open) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Most likely no file descriptors are free. Wait, instead of retrying in a busy loop.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (router, stop, tls) = (router.clone(), stop.clone(), serve.shared().tls.clone());
        open.spawn(async move {
            let _place = place;
            match tls {
                None => answer(stream, router, stop).await,
                Some(tls) => match tokio::time::timeout(TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => answer(stream, router, stop).await,
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                    Err(_) => tracing::debug!("TLS handshake timed out"),
                },
            }
        });
    }
    open.close();
    open.wait().await;
}

type Accepted = (tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    stop: CancellationToken,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended with an error");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn router(serve: &Arc<Monitor>) -> Router {
    let open = Router::new().route("/-/healthy", get(|| async { "healthy\n" })).route("/-/ready", get(ready));
    Router::new()
        .route("/", get(index))
        .route("/targets/{name}", get(target_page))
        .route("/style.css", get(style))
        .route("/metrics", get(metrics))
        .route("/probe", get(probe::probe))
        .route("/api/v1/targets", get(targets))
        .route("/api/v1/targets/{name}", get(target))
        .route("/-/reload", post(reload))
        .fallback(|| async { (StatusCode::NOT_FOUND, "404: no such page; / lists all targets\n") })
        .layer(middleware::from_fn_with_state(Arc::clone(serve), authenticate))
        .merge(open)
        .layer(middleware::from_fn(harden))
        .with_state(Arc::clone(serve))
}

/// Health endpoints need no password. Everything else does, if users are configured.
async fn authenticate(State(serve): State<Arc<Monitor>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if serve.shared().users.let_in(given).await {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"pipeprobe\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, challenge, "401: user name and password required\n").into_response()
}

/// Pages run no scripts and load no external resources.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn ready(State(serve): State<Arc<Monitor>>) -> Response {
    let status_store = serve.status_store();
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

/// A response for thousands of targets takes long, so it is rendered on a blocking thread while checks continue.
async fn aside<T: IntoResponse + Send + 'static>(write: impl FnOnce() -> T + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(write).await {
        Ok(written) => written.into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "500: cannot render the response\n").into_response(),
    }
}

async fn index(State(serve): State<Arc<Monitor>>) -> Response {
    let (status_store, now) = (serve.status_store().clone(), (serve.clock)());
    aside(move || Html(page::index(&status_store, serve.started_at, now))).await
}

async fn target_page(State(serve): State<Arc<Monitor>>, Path(name): Path<String>) -> Response {
    let now = (serve.clock)();
    let status_store = serve.status_store();
    match status_store.entry(&name) {
        Some(entry) => Html(page::target(entry, now)).into_response(),
        None => unknown(&name, &status_store),
    }
}

async fn style() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (kind, page::STYLE).into_response()
}

async fn metrics(State(serve): State<Arc<Monitor>>) -> Response {
    let status_store = serve.status_store().clone();
    aside(move || exposition(serve.metrics.text(&status_store))).await
}

/// OpenMetrics 1.0.
pub(super) fn exposition(text: String) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], Body::from(text)).into_response()
}

#[derive(Serialize)]
struct Targets {
    schema_version: u32,
    targets: StatusStore,
}

async fn targets(State(serve): State<Arc<Monitor>>) -> Response {
    let targets = serve.status_store().clone();
    aside(move || Json(Targets { schema_version: SCHEMA_VERSION, targets })).await
}

async fn target(State(serve): State<Arc<Monitor>>, Path(name): Path<String>) -> Response {
    let status_store = serve.status_store();
    match status_store.entry(&name) {
        Some(entry) => Json(entry.clone()).into_response(),
        None => unknown(&name, &status_store),
    }
}

/// Unknown target; the response lists the known ones.
fn unknown(name: &str, status_store: &StatusStore) -> Response {
    (StatusCode::NOT_FOUND, probe::no_such_target(name, status_store)).into_response()
}

async fn reload(State(serve): State<Arc<Monitor>>) -> Response {
    let (answer, answered) = oneshot::channel();
    if serve.reloads.send(answer).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match answered.await {
        Ok(Ok(())) => "reloaded\n".into_response(),
        Ok(Err(invalid)) => (
            StatusCode::BAD_REQUEST,
            format!("not reloaded, the previous configuration stays active\n{invalid}\n"),
        )
            .into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

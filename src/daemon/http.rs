//! Who is answered, and how: connections, TLS, authentication, the addresses there are.

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
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, oneshot},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Daemon, board::Health, page, probe};
use crate::{config::Web, target::Invalid, trust};

pub(super) type Acceptor = TlsAcceptor;

/// Connections that are open at once; the next one waits.
const CONNECTIONS: usize = 256;
/// For a TLS handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// # Errors
/// A certificate or key that cannot be read, or that do not belong together.
pub(super) fn acceptor(web: &Web) -> Result<Option<Acceptor>, Invalid> {
    let Some((chain, key)) = &web.tls else { return Ok(None) };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().map_err(|e| {
            Invalid::new("tls_certificate", "a certificate chain in PEM, the server's own first", e)
        })?;
    let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes())
        // Its words, too, are kept from the screen: they may quote the key.
        .map_err(|_| Invalid::new("tls_key", "a private key in PEM", "something else"))?;
    let config = ServerConfig::builder_with_provider(trust::provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| Invalid::new("tls_certificate", "a certificate, and in tls_key its key", e))?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// Answers until `stop`; answers that have begun are finished.
pub(super) async fn serve(listener: TcpListener, daemon: Arc<Daemon>, stop: CancellationToken) {
    let router = router(&daemon);
    let (places, open) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: a moment helps, and spinning does not.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (router, stop, tls) = (router.clone(), stop.clone(), daemon.shared().tls.clone());
        open.spawn(async move {
            let _place = place;
            match tls {
                None => answer(stream, router, stop).await,
                Some(tls) => match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => answer(stream, router, stop).await,
                    Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
                    Err(_) => tracing::debug!("no TLS handshake in time"),
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
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
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

fn router(daemon: &Arc<Daemon>) -> Router {
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
        .fallback(|| async { (StatusCode::NOT_FOUND, "404: nothing is here; / shows every target\n") })
        .layer(middleware::from_fn_with_state(Arc::clone(daemon), authenticate))
        .merge(open)
        .layer(middleware::from_fn(harden))
        .with_state(Arc::clone(daemon))
}

/// What an orchestrator asks needs no password; everything else does, where there are users.
async fn authenticate(State(daemon): State<Arc<Daemon>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if daemon.shared().users.let_in(given).await {
        return next.run(request).await;
    }
    let wanted = [(header::WWW_AUTHENTICATE, "Basic realm=\"pipeprobe\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, wanted, "401: a name and its password are wanted\n").into_response()
}

/// Pages run no script and load nothing from elsewhere.
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

async fn ready(State(daemon): State<Arc<Daemon>>) -> Response {
    let board = daemon.board();
    let waiting = board.entries().filter(|(_, entry)| entry.health == Health::Unknown).count();
    match waiting {
        0 => "ready\n".into_response(),
        n => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{n} of {} targets have not been checked yet\n", board.entries().len()),
        )
            .into_response(),
    }
}

async fn index(State(daemon): State<Arc<Daemon>>) -> Html<String> {
    let now = (daemon.clock)();
    Html(page::index(&daemon.board(), daemon.started_at, now))
}

async fn target_page(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Response {
    let now = (daemon.clock)();
    let board = daemon.board();
    match board.entry(&name) {
        Some(entry) => Html(page::target(entry, now)).into_response(),
        None => unknown(&name, &board),
    }
}

async fn style() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (kind, page::STYLE).into_response()
}

async fn metrics(State(daemon): State<Arc<Daemon>>) -> Response {
    exposition(daemon.meters.text(&daemon.board()))
}

/// OpenMetrics 1.0.
pub(super) fn exposition(text: String) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], Body::from(text)).into_response()
}

async fn targets(State(daemon): State<Arc<Daemon>>) -> Json<serde_json::Value> {
    let entries: Vec<_> = daemon.board().entries().map(|(_, entry)| entry.clone()).collect();
    Json(json!({ "schema_version": 1, "targets": entries }))
}

async fn target(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Response {
    let board = daemon.board();
    match board.entry(&name) {
        Some(entry) => Json(entry.clone()).into_response(),
        None => unknown(&name, &board),
    }
}

/// There is no target of that name; these there are.
fn unknown(name: &str, board: &super::board::Board) -> Response {
    (StatusCode::NOT_FOUND, probe::no_such_target(name, board)).into_response()
}

async fn reload(State(daemon): State<Arc<Daemon>>) -> Response {
    let (answer, answered) = oneshot::channel();
    if daemon.reloads.send(answer).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match answered.await {
        Ok(Ok(())) => "reloaded\n".into_response(),
        Ok(Err(invalid)) => {
            (StatusCode::BAD_REQUEST, format!("not reloaded, the old configuration stays\n{invalid}\n"))
                .into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}

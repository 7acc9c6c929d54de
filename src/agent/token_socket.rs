//! A socket that answers `GET /token` with a new token as JSON, over HTTP: for programs that connect to the database themselves and
//! can ask for a password at each connection.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::UnixStream, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    Endpoint,
    listener::UnixSocket,
    login::{TIMEOUT, new_token},
};
use crate::{
    checks::TokenError,
    config::AgentTarget,
    identity::IdentityEvidence,
    report::{
        json::Document,
        signed_token::{SignedToken, not_signed},
    },
    service::http::{answer_one, harden},
    target::{ConfigErrors, Invalid},
};

const SOCKET: &str = "token.sock";

/// Requests at the same time. Others wait.
const AT_ONCE: usize = 64;

/// For a request, the token, and the response.
const EXCHANGE: Duration = Duration::from_secs(40);

/// # Errors
/// If the socket cannot be created.
pub(super) fn bind(wanted: &AgentTarget, directory: &Path) -> Result<UnixSocket, Invalid> {
    UnixSocket::bind(&directory.join(&wanted.target.name), SOCKET, wanted.group)
}

/// Answers until `stop`.
pub(super) async fn serve(endpoint: Arc<Endpoint>, socket: UnixSocket, stop: CancellationToken) {
    let router = Router::new()
        .route("/token", get(token))
        .fallback(|| async { (StatusCode::NOT_FOUND, "404: there is only /token\n") })
        .layer(middleware::from_fn(harden))
        .with_state(Arc::clone(&endpoint));
    let mut exchanges = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = exchanges.join_next() => continue,
            accepted = socket.accept(), if exchanges.len() < AT_ONCE => accepted,
        };
        match accepted {
            Ok(client) => {
                let exchange = exchange(client, Arc::clone(&endpoint), socket.group(), router.clone());
                exchanges.spawn(exchange);
            }
            Err(error) => {
                // Most likely no file descriptors are free. Wait, instead of retrying in a busy loop.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn exchange(client: UnixStream, endpoint: Arc<Endpoint>, group: Option<u32>, router: Router) {
    let target = &endpoint.target.name;
    let Some(caller) = endpoint.caller(&client, group) else { return };
    tracing::info!(target, pid = caller.pid, "a token is requested");
    if let Err(error) = answer_one(client, router, EXCHANGE).await {
        tracing::debug!(target, %error, "a request of a token ended with an error");
    }
}

async fn token(State(endpoint): State<Arc<Endpoint>>) -> Response {
    let redactor = endpoint.shared.sessions.redactor().for_run();
    let mut evidence = IdentityEvidence::default();
    let target = &endpoint.target;
    let invalid = match new_token(&endpoint, &redactor, Instant::now() + TIMEOUT, &mut evidence).await {
        Ok(signed) => {
            let document = SignedToken::of(target, &signed, &evidence, (endpoint.shared.clock)());
            return json(StatusCode::OK, serde_json::to_string(&document).unwrap_or_default());
        }
        Err(TokenError::NoIdentity(error)) => not_signed(target, evidence, error),
        Err(TokenError::NotSigned(_)) => {
            Invalid::new("token", "a token that can be signed", "an internal error; please report it")
        }
    };
    let errors = ConfigErrors::from(invalid);
    let document = serde_json::to_string(&Document::of_errors(&errors)).unwrap_or_default();
    tracing::warn!(target = target.name, why = %errors, "no token");
    json(StatusCode::BAD_GATEWAY, redactor.clean(&document).into_owned())
}

fn json(status: StatusCode, document: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], document).into_response()
}

//! The auth token agent: private local endpoints that log in to a database with a new IAM token for each connection.
//!
//! ```text
//! client ─▶ Listener ─▶ caller ─▶ postgres | mysql: the client's first words ─▶ login ─▶ relay: bytes, both ways
//!          (Unix socket) (uid)                      ▲ a refusal in the client's protocol ◀┘ (same causes as `check`)
//! ```
//!
//! The client gets no secret. The token is sent only to a server whose TLS certificate is verified and that requests it, as
//! in `check`. The client learns that it is logged in only after the server has said so, so every failure can be
//! explained in its own protocol.

mod caller;
mod cancel_keys;
mod client;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
mod listener;
mod login;
mod metrics;
mod mysql;
mod password;
mod postgres;
mod refusal;
mod relay;
mod supervisor;
mod token_file;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rustls::RootCertStore;
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};

use crate::{
    connection::RateLimit,
    identity::Sessions,
    target::{Engine, Invalid, Target},
    trust,
    verify::Clock,
};

use caller::Caller;
use cancel_keys::CancelKeys;
use client::Client;
pub use listener::{Listener, PrivateDirectory, TcpSocket, UnixSocket};
pub use metrics::Metrics;
use mysql::option_value;
pub use password::Password;
pub use supervisor::{Reread, RunError, run};

/// How a program reaches an endpoint.
#[derive(Clone, Copy, Debug)]
pub enum Reach<'a> {
    /// By the socket in its directory.
    Socket,
    /// At this address, with this password.
    Tcp(SocketAddr, &'a Password),
}

/// What one target's connections share.
#[derive(Debug)]
pub struct Endpoint {
    target: Target,
    roots: Arc<RootCertStore>,
    sessions: Arc<Sessions>,
    rate_limit: Arc<RateLimit>,
    metrics: Arc<Metrics>,
    clock: Clock,
    cancel_keys: Arc<CancelKeys>,
}

impl Endpoint {
    /// # Errors
    /// If the trust anchors of the database cannot be used.
    pub fn new(
        target: Target,
        sessions: Arc<Sessions>,
        rate_limit: Arc<RateLimit>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<Self, Invalid> {
        let roots = Arc::new(trust::database_roots(&target)?);
        metrics.add(&target.name);
        Ok(Self { target, roots, sessions, rate_limit, metrics, clock, cancel_keys: Arc::default() })
    }

    /// With the open sessions of an endpoint that it replaces: their queries can still be cancelled.
    #[must_use]
    fn after(self, before: Option<&Self>) -> Self {
        match before {
            Some(before) => Self { cancel_keys: Arc::clone(&before.cancel_keys), ..self },
            None => self,
        }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The name of the socket, by which clients find it in its directory.
    pub fn socket_name(&self) -> &'static str {
        match self.target.engine() {
            Engine::Postgres => postgres::SOCKET,
            Engine::Mysql | Engine::Mariadb => mysql::SOCKET,
        }
    }

    /// The environment of a program that is to use this endpoint: variables with their values, and variables that would lead it
    /// elsewhere (`None`). Files that it needs are created in the directory.
    ///
    /// # Errors
    /// If no program can use this endpoint.
    pub fn environment(
        &self,
        directory: &Path,
        by: Reach<'_>,
    ) -> Result<Vec<(&'static str, Option<String>)>, Invalid> {
        match self.target.engine() {
            Engine::Postgres => Ok(postgres::environment(&self.target, directory, by)),
            Engine::Mysql | Engine::Mariadb => mysql::environment(&self.target, directory, by),
        }
    }

    /// Accepts clients until `stop`. Their sessions end with `end`, or when one of both sides closes.
    pub async fn serve(
        self: Arc<Self>,
        listener: Listener,
        sessions: TaskTracker,
        stop: CancellationToken,
        end: CancellationToken,
    ) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let client = match accepted {
                Ok(client) => client,
                Err(error) => {
                    // Most likely no file descriptors are free. Wait, instead of retrying in a busy loop.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (endpoint, end) = (Arc::clone(&self), end.clone());
            let (group, password) = (listener.group(), listener.password());
            sessions.spawn(async move {
                end.run_until_cancelled(endpoint.welcome(client, group, password.as_deref())).await
            });
        }
    }

    async fn welcome(&self, client: Client, group: Option<u32>, password: Option<&Password>) {
        let target = &self.target.name;
        let caller = match &client {
            Either::Left(socket) => match Caller::of(socket) {
                Ok(caller) if caller.is_allowed(group) => Some(caller),
                Ok(caller) => return tracing::warn!(target, ?caller, "refused: another user"),
                Err(error) => return tracing::warn!(target, %error, "refused: the caller is not known"),
            },
            Either::Right(_) if password.is_some() => None,
            Either::Right(_) => return tracing::error!(target, "refused: a TCP listener without a password"),
        };
        tracing::debug!(target, ?caller, "a client connected");
        match self.target.engine() {
            Engine::Postgres => postgres::serve(client, self, caller, password).await,
            Engine::Mysql | Engine::Mariadb => mysql::serve(client, self, caller, password).await,
        }
    }
}

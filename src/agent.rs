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
mod token_socket;
mod unproven;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rustls::RootCertStore;
use tokio::net::UnixStream;
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};

use crate::{
    config::LOGINS_PER_SECOND,
    connection::RateLimits,
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
pub(crate) use supervisor::Supervisor;
pub use supervisor::{Reread, RunError, run};

/// How a program reaches an endpoint.
#[derive(Clone, Copy, Debug)]
pub enum Reach<'a> {
    /// By the socket in its directory.
    Socket,
    /// At this address, with this password.
    Tcp(SocketAddr, &'a Password),
}

/// What all targets of a process share.
#[derive(Clone, Debug)]
pub struct Shared {
    pub sessions: Arc<Sessions>,
    pub rate_limits: Arc<RateLimits>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
}

impl Shared {
    /// Of a process that only has an agent.
    pub fn new(clock: Clock) -> Self {
        let rate_limits = Arc::new(RateLimits::new(LOGINS_PER_SECOND));
        Self { sessions: Arc::default(), rate_limits, metrics: Arc::default(), clock }
    }
}

/// What one target's connections share.
#[derive(Debug)]
pub struct Endpoint {
    target: Target,
    roots: Arc<RootCertStore>,
    shared: Shared,
    cancel_keys: Arc<CancelKeys>,
}

impl Endpoint {
    /// # Errors
    /// If the trust anchors of the database cannot be used.
    pub fn new(target: Target, shared: &Shared) -> Result<Self, Invalid> {
        let roots = Arc::new(trust::database_roots(&target)?);
        shared.metrics.add(&target.name);
        Ok(Self { target, roots, shared: shared.clone(), cancel_keys: Arc::default() })
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

    /// For log lines about a connection to the database.
    fn span(&self) -> tracing::Span {
        tracing::debug_span!("agent", target = self.target.name)
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

    /// Who has connected to a socket, if this user may.
    fn caller(&self, client: &UnixStream, group: Option<u32>) -> Option<Caller> {
        let target = &self.target.name;
        match Caller::of(client) {
            Ok(caller) if caller.is_allowed(group) => return Some(caller),
            Ok(caller) => tracing::warn!(target, ?caller, "refused: another user"),
            Err(error) => tracing::warn!(target, %error, "refused: the caller is not known"),
        }
        None
    }

    async fn welcome(&self, client: Client, group: Option<u32>, password: Option<&Password>) {
        let target = &self.target.name;
        let caller = match &client {
            Either::Left(socket) => match self.caller(socket, group) {
                Some(caller) => Some(caller),
                None => return,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read;

    const TARGET: [&str; 6] = [
        "--type",
        "rdspostgres",
        "--host",
        "db.abc.eu-west-1.rds.amazonaws.com",
        "--iam-role",
        "arn:aws:iam::123456789012:role/r",
    ];

    /// Its memory is that of an idle session as long as the session is open.
    #[tokio::test]
    async fn the_task_of_a_session_is_small() {
        let target = read(&TARGET).unwrap().targets.remove(0);
        let endpoint = Endpoint::new(target, &Shared::new(|| jiff::Timestamp::UNIX_EPOCH)).unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        let size = size_of_val(&endpoint.welcome(Either::Left(near), None, None));
        assert!(size < 10 * 1024, "{size} bytes");
    }
}

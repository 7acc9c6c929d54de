//! One login: identity and connection in parallel, then the token.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_credential_types::Credentials;
use rustls::RootCertStore;
use tracing::Instrument;

use super::{Endpoint, refusal::Refusal};
use crate::{
    checks::{self, Observations, Reached, TokenError},
    connection::{Authenticated, ConnectError, ConnectionEvidence, PendingAuth, Purpose},
    identity::{self, IdentityError, IdentityEvidence},
    secret::Redactor,
    target::{Access, Target},
    token::{self, AuthToken},
    trust,
};

/// From the first words of a client to the server's OK, also the wait for the rate limit.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// A session from which bytes can be copied.
pub(super) struct LoggedIn {
    pub(super) session: Authenticated,
    /// The address of the server.
    pub(super) peer: Option<SocketAddr>,
}

/// Logs in to the endpoint's target. The purpose only matters to the explanation of a refusal. `connect` opens a connection with what the client announced.
///
/// # Errors
/// Why, in words for the client.
pub(super) async fn log_in(
    endpoint: &Endpoint,
    purpose: Purpose,
    connect: impl AsyncFnOnce(&Redactor, Instant, &mut ConnectionEvidence) -> Result<PendingAuth, ConnectError>,
) -> Result<LoggedIn, Refusal> {
    let deadline = Instant::now() + TIMEOUT;
    let redactor = endpoint.shared.sessions.redactor().for_run();
    let mut seen = Observations::default();
    let attempt = attempt(endpoint, &redactor, deadline, connect, &mut seen);
    match attempt.instrument(endpoint.span()).await {
        Ok(logged_in) => return Ok(logged_in),
        Err(reached) => seen.reached = reached,
    }
    if let Some(Err(ConnectError::Refused { refusal, .. })) = seen.login()
        && checks::is_refused_token(refusal)
    {
        // The next login has a token of a new session. This one is not tried again: an account may be locked after a few
        // refusals (FAILED_LOGIN_ATTEMPTS).
        let Target { access, region, .. } = &endpoint.target;
        endpoint.shared.sessions.renew(access, region, || web_roots(access));
    }
    Err(Refusal::of(&endpoint.target, purpose, &seen, &redactor))
}

fn web_roots(access: &Access) -> Arc<RootCertStore> {
    Arc::new(trust::web_roots(access.ca_bundle.as_ref()).unwrap_or_else(|_| RootCertStore::empty()))
}

async fn attempt(
    endpoint: &Endpoint,
    redactor: &Redactor,
    deadline: Instant,
    connect: impl AsyncFnOnce(&Redactor, Instant, &mut ConnectionEvidence) -> Result<PendingAuth, ConnectError>,
    seen: &mut Observations,
) -> Result<LoggedIn, Reached> {
    // The first failure ends both: a client does not wait for an STS that hangs if the database refused.
    let pending = async {
        // After a long wait no time is left to connect; the connection stage reports that timeout.
        wait_for_rate_limit(endpoint, deadline).await;
        connect(redactor, deadline, &mut seen.connection).await.map_err(Reached::no_connection)
    };
    let credentials = async {
        let credentials = credentials(endpoint, redactor, deadline, &mut seen.identity_evidence).await;
        credentials.map_err(|error| Reached::no_token(TokenError::NoIdentity(error)))
    };
    let (pending, credentials) = tokio::try_join!(pending, credentials)?;
    let token = sign(endpoint, &credentials).map_err(Reached::no_token)?;
    match pending.authenticate(&token.text, deadline, &mut seen.connection).await {
        Ok(session) => Ok(LoggedIn { session, peer: seen.connection.peer }),
        Err(error) => Err(Reached::LoginFailed { token, first_refusal: None, error }),
    }
}

/// A new token without a connection.
///
/// # Errors
/// If there is no identity, or nothing can be signed with it.
pub(super) async fn new_token(
    endpoint: &Endpoint,
    redactor: &Redactor,
    deadline: Instant,
    evidence: &mut IdentityEvidence,
) -> Result<AuthToken, TokenError> {
    wait_for_rate_limit(endpoint, deadline).await;
    let credentials = credentials(endpoint, redactor, deadline, evidence).await;
    sign(endpoint, &credentials.map_err(TokenError::NoIdentity)?)
}

async fn wait_for_rate_limit(endpoint: &Endpoint, deadline: Instant) {
    let rate_limit = endpoint.shared.rate_limits.of(&endpoint.target.sign);
    let _ = tokio::time::timeout_at(deadline.into(), rate_limit.acquire()).await;
}

fn sign(endpoint: &Endpoint, credentials: &Credentials) -> Result<AuthToken, TokenError> {
    let (target, now) = (&endpoint.target, (endpoint.shared.clock)());
    let token = token::sign(credentials, &target.sign, &target.region, &target.user, now);
    token.map_err(TokenError::NotSigned)
}

async fn credentials(
    endpoint: &Endpoint,
    redactor: &Redactor,
    deadline: Instant,
    evidence: &mut IdentityEvidence,
) -> Result<Credentials, IdentityError> {
    let access = &endpoint.target.access;
    let roots = || web_roots(access);
    let (region, now) = (&endpoint.target.region, (endpoint.shared.clock)());
    let assume = endpoint.shared.sessions.assume(access, region, roots, Duration::MAX, now, evidence);
    let assumed = tokio::time::timeout_at(deadline.into(), assume).await;
    let identity = assumed.unwrap_or_else(|_| Err(endpoint.shared.sessions.late(access, region, TIMEOUT)))?;
    identity::learn(redactor, &identity.credentials);
    Ok(identity.credentials)
}

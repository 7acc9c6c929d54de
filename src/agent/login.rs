//! One login: identity and connection in parallel, then the token.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_credential_types::Credentials;
use rustls::RootCertStore;

use super::{Endpoint, refusal::Refusal};
use crate::{
    checks::{self, Observations},
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
    let result = attempt(endpoint, &redactor, deadline, connect, &mut seen).await;
    if let Some(Err(ConnectError::Refused { refusal, .. })) = &seen.login
        && checks::is_refused_token(refusal)
    {
        // The next login has a token of a new session. This one is not tried again: an account may be locked after a few
        // refusals (FAILED_LOGIN_ATTEMPTS).
        let Target { access, region, .. } = &endpoint.target;
        endpoint.shared.sessions.renew(access, region, || web_roots(access));
    }
    result.ok_or_else(|| Refusal::of(&endpoint.target, purpose, &seen, &redactor))
}

fn web_roots(access: &Access) -> Arc<RootCertStore> {
    Arc::new(trust::web_roots(access.ca_bundle.as_ref()).unwrap_or_else(|_| RootCertStore::empty()))
}

/// `None` after a stage failed; `seen` says which.
async fn attempt(
    endpoint: &Endpoint,
    redactor: &Redactor,
    deadline: Instant,
    connect: impl AsyncFnOnce(&Redactor, Instant, &mut ConnectionEvidence) -> Result<PendingAuth, ConnectError>,
    seen: &mut Observations,
) -> Option<LoggedIn> {
    let target = &endpoint.target;
    let Observations { connect: connected, connection, identity, identity_evidence, .. } = seen;
    // The first failure ends both: a client does not wait for an STS that hangs if the database refused.
    let pending = async {
        // After a long wait no time is left to connect; the connection stage reports that timeout.
        let _ = tokio::time::timeout_at(
            deadline.into(),
            endpoint.shared.rate_limits.of(&endpoint.target.sign).acquire(),
        )
        .await;
        let pending = connect(redactor, deadline, connection).await;
        *connected = Some(pending.as_ref().map(drop).map_err(Clone::clone));
        pending.ok().ok_or(())
    };
    let credentials = async {
        let credentials = credentials(endpoint, redactor, deadline, identity_evidence).await;
        *identity = Some(credentials.as_ref().map(drop).map_err(Clone::clone));
        credentials.ok().ok_or(())
    };
    let (pending, credentials) = tokio::try_join!(pending, credentials).ok()?;
    let token =
        token::sign(&credentials, &target.sign, &target.region, &target.user, (endpoint.shared.clock)());
    seen.token = Some(token.clone());
    let session = pending.authenticate(&token.ok()?.text, deadline, &mut seen.connection).await;
    seen.login = Some(session.as_ref().map(drop).map_err(Clone::clone));
    Some(LoggedIn { session: session.ok()?, peer: seen.connection.peer })
}

/// A new token without a connection. `None` after a stage failed; `seen` says which.
pub(super) async fn new_token(
    endpoint: &Endpoint,
    redactor: &Redactor,
    deadline: Instant,
    seen: &mut Observations,
) -> Option<AuthToken> {
    let _ = tokio::time::timeout_at(
        deadline.into(),
        endpoint.shared.rate_limits.of(&endpoint.target.sign).acquire(),
    )
    .await;
    let credentials = credentials(endpoint, redactor, deadline, &mut seen.identity_evidence).await;
    seen.identity = Some(credentials.as_ref().map(drop).map_err(Clone::clone));
    let target = &endpoint.target;
    let token = token::sign(
        &credentials.ok()?,
        &target.sign,
        &target.region,
        &target.user,
        (endpoint.shared.clock)(),
    );
    seen.token = Some(token.clone());
    token.ok()
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

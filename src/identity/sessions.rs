//! Sessions that are kept between runs: assumed once for all targets of the same role, and renewed in the background.
//!
//! A session is used until it ends. If STS fails, the error is kept beside the session, not in its place. Only a
//! decision of STS about the role, such as AccessDenied, ends a session early: ClickPipes would be refused too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustls::RootCertStore;
use tokio::{sync::watch, time::Instant};
use tracing::Instrument;

use super::{Identity, IdentityError, IdentityEvidence, ProviderFailure, Waiting, assume, learn};
use crate::{
    secret::Redactor,
    target::{Access, Region},
};

/// After an error, STS is not called for this time: a role of many targets that is refused, or an STS that hangs, costs one
/// call and not one per target.
const PAUSE: Duration = Duration::from_secs(10);

/// The most a renewal may take, with all roles and the source of credentials.
const RENEWAL: Duration = Duration::from_secs(60);

/// A session that ends within this time is not used: the login could come after its end.
const MARGIN: Duration = Duration::from_secs(15);

/// The sessions of a process, one per role.
#[derive(Debug, Default)]
pub struct Sessions {
    slots: Mutex<HashMap<(Access, Region), Arc<Slot>>>,
    redactor: Redactor,
}

/// The session of one role, and what the last call of STS returned.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    /// Apart from the state, which is locked when a renewal starts.
    waiting: Waiting,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Session>,
    failure: Option<Failure>,
    /// Closed when the renewal has ended.
    renewal: Option<watch::Receiver<()>>,
}

#[derive(Debug)]
struct Session {
    identity: Identity,
    evidence: IdentityEvidence,
    assumed_at: Instant,
}

/// A failed renewal. A later success removes it.
#[derive(Clone, Debug)]
pub struct Failure {
    pub error: IdentityError,
    pub evidence: IdentityEvidence,
    at: Instant,
}

/// What one call of STS returned.
type Answer = (Result<Identity, IdentityError>, IdentityEvidence);

impl Sessions {
    /// Forgets the sessions of roles that are no longer used.
    pub fn retain(&self, is_used: impl Fn(&Access, &Region) -> bool) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|(access, region), _| is_used(access, region));
    }

    /// Knows the sessions of the process, also those that have been renewed: they have not ended by that.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// As [`assume`], unless there is a session that has not ended; then its evidence says [`IdentityEvidence::kept`]. If that
    /// session was assumed more than `oldest` ago, or half of its life is over, it is renewed in the background.
    /// `roots` are made when STS is called.
    ///
    /// # Errors
    /// As [`assume`].
    pub async fn assume(
        &self,
        access: &Access,
        region: &Region,
        roots: impl FnOnce() -> Arc<RootCertStore>,
        oldest: Duration,
        now: Timestamp,
        evidence: &mut IdentityEvidence,
    ) -> Result<Identity, IdentityError> {
        let renew = || self.renewal(access, region, roots());
        self.slot(access, region).identity(oldest, now, renew, evidence).await
    }

    /// The error of a caller that has waited for `limit`.
    pub fn late(&self, access: &Access, region: &Region, limit: Duration) -> IdentityError {
        let waiting = self.slot(access, region).waiting.clone();
        waiting.late(access, limit)
    }

    /// Renews the session of a role in the background, because a database refused a token of it: AWS may have revoked the
    /// sessions of the role that were assumed before some time (IAM User Guide, "Revoke IAM role temporary security
    /// credentials"). A session that is younger than a few seconds is left alone, as after a failure.
    pub fn renew(&self, access: &Access, region: &Region, roots: impl FnOnce() -> Arc<RootCertStore>) {
        self.slot(access, region).renew_early(|| self.renewal(access, region, roots()));
    }

    fn renewal(
        &self,
        access: &Access,
        region: &Region,
        roots: Arc<RootCertStore>,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let waiting = self.slot(access, region).waiting.clone();
        let (access, region, redactor) = (access.clone(), region.clone(), self.redactor.clone());
        // For all targets with this role.
        let role = access.roles.last().map(tracing::field::display);
        let span = tracing::debug_span!(parent: None, "renewal", role);
        let renew = async move {
            let mut evidence = IdentityEvidence::default();
            let result = assume(&access, &region, roots, true, &waiting, &mut evidence).await;
            if let Ok(identity) = &result {
                learn(&redactor, &identity.credentials);
            }
            (result, evidence)
        };
        renew.instrument(span)
    }

    /// Waits for the renewal of a role's session that is in progress, at most until `deadline`. Returns the failure if STS
    /// refused the role.
    pub async fn refusal(&self, access: &Access, region: &Region, deadline: Instant) -> Option<Failure> {
        let slot = self.slot(access, region);
        let renewal = {
            let state = slot.state();
            // If STS failed before, it will not respond now either.
            state.renewal.clone().filter(|_| state.failure.is_none())
        };
        if let Some(mut renewal) = renewal {
            let _ = tokio::time::timeout_at(deadline, renewal.changed()).await;
        }
        slot.state().failure.clone().filter(|failure| failure.error.is_decision())
    }

    fn slot(&self, access: &Access, region: &Region) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry((access.clone(), region.clone())).or_default())
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn identity<F>(
        self: &Arc<Self>,
        oldest: Duration,
        now: Timestamp,
        renew: impl FnOnce() -> F,
        evidence: &mut IdentityEvidence,
    ) -> Result<Identity, IdentityError>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let (mut renewal, ours) = {
            let mut state = self.state();
            if let Some(session) = state.session.as_ref().filter(|session| session.is_valid(now)) {
                let identity = session.identity.clone();
                *evidence = kept(&session.evidence);
                if session.is_due(oldest, now) && !state.pauses() && state.renewal.is_none() {
                    state.renewal = Some(self.start(renew()));
                }
                return Ok(identity);
            }
            if let Some(failure) = state.failure.as_ref().filter(|_| state.pauses()) {
                *evidence = kept(&failure.evidence);
                return Err(failure.error.clone());
            }
            match &state.renewal {
                Some(renewal) => (renewal.clone(), false),
                None => (state.renewal.insert(self.start(renew())).clone(), true),
            }
        };
        let _ = renewal.changed().await; // an error means that it has ended
        let state = self.state();
        let (result, of) = match (&state.failure, &state.session) {
            (Some(failure), _) => (Err(failure.error.clone()), &failure.evidence),
            (None, Some(session)) => (Ok(session.identity.clone()), &session.evidence),
            (None, None) => {
                return Err(IdentityError::NoCredentials(ProviderFailure::other("the renewal was stopped")));
            }
        };
        *evidence = if ours { of.clone() } else { kept(of) };
        result
    }

    fn renew_early<F>(self: &Arc<Self>, renew: impl FnOnce() -> F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let mut state = self.state();
        let is_old = state.session.as_ref().is_some_and(|session| session.assumed_at.elapsed() >= PAUSE);
        if is_old && !state.pauses() && state.renewal.is_none() {
            state.renewal = Some(self.start(renew()));
        }
    }

    /// Starts a renewal that does not depend on the caller.
    fn start(self: &Arc<Self>, renew: impl Future<Output = Answer> + Send + 'static) -> watch::Receiver<()> {
        let (ended, renewal) = watch::channel(());
        let slot = Arc::clone(self);
        tokio::spawn(async move {
            // Dropped last, even if the renewal panics or is stopped.
            let _ended = Ended { slot: Arc::clone(&slot), _sender: ended };
            let answer = tokio::time::timeout(RENEWAL, renew).await.unwrap_or_else(|_| {
                let what = format!("no answer within {} s", RENEWAL.as_secs());
                (Err(IdentityError::NoCredentials(ProviderFailure::other(what))), IdentityEvidence::default())
            });
            slot.state().note(answer);
        });
        renewal
    }
}

/// Marks the end of a renewal when it is dropped.
struct Ended {
    slot: Arc<Slot>,
    _sender: watch::Sender<()>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.slot.state().renewal = None;
    }
}

impl State {
    fn note(&mut self, (result, evidence): Answer) {
        let now = Instant::now();
        match result {
            Ok(identity) => {
                self.session = Some(Session { identity, evidence, assumed_at: now });
                self.failure = None;
            }
            Err(error) => {
                if error.is_decision() {
                    self.session = None;
                } else if self.session.is_some() {
                    tracing::warn!(cause = error.code(), "session not renewed; it is used until it ends");
                }
                self.failure = Some(Failure { error, evidence, at: now });
            }
        }
    }

    /// Whether STS failed a short time ago.
    fn pauses(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.at.elapsed() < PAUSE)
    }
}

impl Session {
    fn is_valid(&self, now: Timestamp) -> bool {
        self.left(now).is_none_or(|left| left > MARGIN)
    }

    /// Whether it is older than `oldest`, or has less than half of its life left.
    fn is_due(&self, oldest: Duration, now: Timestamp) -> bool {
        let age = self.assumed_at.elapsed();
        age >= oldest || self.left(now).is_some_and(|left| left <= age)
    }

    /// `None` if it does not end.
    fn left(&self, now: Timestamp) -> Option<Duration> {
        self.identity.expires_at.map(|end| Duration::try_from(end.duration_since(now)).unwrap_or_default())
    }
}

fn kept(evidence: &IdentityEvidence) -> IdentityEvidence {
    IdentityEvidence { kept: true, took: Duration::ZERO, ..evidence.clone() }
}

#[cfg(test)]
mod tests;

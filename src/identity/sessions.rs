//! Sessions that are kept between runs: assumed once for all targets of the same role, and again before
//! they could end under a token.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rustls::RootCertStore;

use super::{Identity, IdentityError, IdentityEvidence, assume, learn};
use crate::{
    secret::Redactor,
    target::{Access, Region},
};

/// A refusal is the answer for all who ask within this time, so that a role of many targets that is
/// refused, or an STS that hangs, costs one call and not one a target.
const REFUSED_FOR: Duration = Duration::from_secs(10);

/// The sessions of a process, one per role.
#[derive(Debug, Default)]
pub struct Sessions {
    kept: Mutex<HashMap<(Access, Region), Arc<Slot>>>,
    redactor: Redactor,
}

/// Locked during the STS call, so that other tasks wait for the same session.
type Slot = tokio::sync::Mutex<Option<Kept>>;

#[derive(Debug)]
struct Kept {
    taken: Instant,
    result: Result<Identity, IdentityError>,
    evidence: IdentityEvidence,
}

impl Sessions {
    /// Knows the sessions of the process, also those that have been renewed: they have not ended by that.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// As [`assume`], unless there is a session that was assumed less than `oldest` ago and has more than
    /// half of its life left; then its evidence says [`IdentityEvidence::kept`]. `roots` are made when STS is asked.
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
        let slot = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(kept.entry((access.clone(), region.clone())).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(kept) = slot.as_ref().filter(|kept| kept.serves(oldest, now)) {
            *evidence = IdentityEvidence { kept: true, took: Duration::ZERO, ..kept.evidence.clone() };
            return kept.result.clone();
        }
        let result = assume(access, region, roots(), true, evidence).await;
        if let Ok(identity) = &result {
            learn(&self.redactor, &identity.credentials);
        }
        *slot = Some(Kept { taken: Instant::now(), result: result.clone(), evidence: evidence.clone() });
        result
    }
}

impl Kept {
    fn serves(&self, oldest: Duration, now: Timestamp) -> bool {
        let age = self.taken.elapsed();
        match &self.result {
            Ok(identity) => age < oldest && identity.expires_at.is_none_or(|end| fresh(end, age, now)),
            Err(_) => age < REFUSED_FOR,
        }
    }
}

/// Whether more than half of the lifetime remains.
fn fresh(end: Timestamp, age: Duration, now: Timestamp) -> bool {
    Duration::try_from(end.duration_since(now)).is_ok_and(|left| left > age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_renewed_at_half_of_its_life() {
        let end: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        let at = |minutes: i64| end - jiff::SignedDuration::from_mins(60 - minutes);
        let minutes = |n: u64| Duration::from_secs(60 * n);
        assert!(fresh(end, minutes(0), at(0)));
        assert!(fresh(end, minutes(29), at(29)));
        assert!(!fresh(end, minutes(30), at(30)));
        assert!(!fresh(end, minutes(61), at(61)), "it has ended");
    }
}

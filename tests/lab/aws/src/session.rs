//! Sessions that AssumeRole issued, and their keys.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use crate::clock;

/// A session tag. Keys are compared without case and keep the one they came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub key: String,
    pub value: String,
}

impl Tag {
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// Temporary keys. `Debug` shows none of the secret parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `ASIA…`
    pub access_key_id: String,
    pub secret_access_key: String,
    /// 1–2 KB of base64.
    pub session_token: String,
    /// By AWS's clock.
    pub expires: SystemTime,
}

/// One assumed role.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) credentials: Credentials,
    pub(crate) role: String,
    pub(crate) name: String,
    pub(crate) tags: Vec<Tag>,
    /// Keys of the tags that the next role inherits.
    pub(crate) transitive: Vec<String>,
    /// The session policies; `None` if the role's own apply alone.
    pub(crate) policies: Option<Vec<Value>>,
    pub(crate) source_identity: Option<String>,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
}

impl Session {
    pub(crate) fn inherited(&self) -> impl Iterator<Item = &Tag> {
        self.tags.iter().filter(|tag| self.transitive.iter().any(|key| same_key(key, &tag.key)))
    }
}

/// Expired sessions stay known, so that their use can be told from a key that never was; up to this many.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

impl Sessions {
    pub(crate) fn add(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.retain(|_, old| old.expires > session.issued);
        }
        all.insert(session.credentials.access_key_id.clone(), Arc::clone(&session));
        session
    }

    pub(crate) fn all(&self) -> Vec<Credentials> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|session| session.credentials.clone()).collect()
    }

    pub(crate) fn find(&self, access_key_id: &str) -> Option<Arc<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned()
    }
}

impl Credentials {
    /// Fresh keys. `packed`: bytes of tags and session policy, which AWS carries inside the token.
    pub(crate) fn issue(packed: usize, expires: Timestamp) -> Self {
        Self {
            access_key_id: format!("ASIA{}", base32(&random(16))),
            secret_access_key: STANDARD.encode(random(30)),
            session_token: session_token(packed),
            expires: clock::system(expires),
        }
    }
}

/// 1024–2048 characters that every encoder on the way has to get right: `+`, `/` and a padding of `=` are in it.
fn session_token(packed: usize) -> String {
    let wanted = (766 + packed).min(1534);
    let length = wanted - wanted % 3 + 1; // one byte over a multiple of three: two `=` at the end
    loop {
        let mut bytes = random(length);
        // AWS's tokens of today begin alike, with what decodes to a length and a region.
        bytes[..13].copy_from_slice(b"\x17\x0a\x06origin_ec\x10");
        let token = STANDARD.encode(bytes);
        if token.contains('+') && token.contains('/') {
            return token;
        }
    }
}

/// 16 characters or so of the alphabet that key ids and unique ids use.
pub(crate) fn base32(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(byte % 32)])).collect()
}

pub(crate) fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

pub(crate) fn same_key(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_tokens_are_long_and_hard_to_carry() {
        for packed in [0, 1, 2, 500, 100_000] {
            let token = session_token(packed);
            assert!((1024..=2048).contains(&token.len()), "{}", token.len());
            assert!(token.contains('+') && token.contains('/') && token.ends_with("=="));
        }
    }

    #[test]
    fn keys_have_the_usual_shape_and_a_silent_debug() {
        let keys = Credentials::issue(0, Timestamp::UNIX_EPOCH);
        assert!(keys.access_key_id.starts_with("ASIA") && keys.access_key_id.len() == 20);
        assert_eq!(keys.secret_access_key.len(), 40);
        let shown = format!("{keys:?}");
        assert!(!shown.contains(&keys.secret_access_key) && !shown.contains(&keys.session_token));
    }
}

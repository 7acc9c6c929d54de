//! HTTP basic authentication (RFC 7617) against bcrypt hashes, as in the Prometheus web configuration.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::secret::Secret;

/// Hashing takes about 0.1 s of CPU time, so only a few passwords are hashed at the same time.
const HASHED_AT_ONCE: usize = 2;

pub(super) struct Users {
    hashes: BTreeMap<String, String>,
    /// The last correct password, so that a scrape needs no hashing.
    right: Mutex<HashMap<String, Secret>>,
    hashing: Semaphore,
}

impl Users {
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Self {
        Self { hashes, right: Mutex::default(), hashing: Semaphore::new(HASHED_AT_ONCE) }
    }

    /// Whether the header contains a valid user and password.
    pub(super) async fn let_in(&self, authorization: Option<&str>) -> bool {
        if self.hashes.is_empty() {
            return true;
        }
        let Some((name, password)) = authorization.and_then(credentials) else { return false };
        let is_known = {
            let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
            right.get(&name).is_some_and(|known| {
                bool::from(known.reveal().as_bytes().ct_eq(password.reveal().as_bytes()))
            })
        };
        if is_known {
            return true;
        }
        // An unknown user takes as long as a known one, so that timing does not reveal user names.
        let hash =
            self.hashes.get(&name).or_else(|| self.hashes.values().next()).cloned().unwrap_or_default();
        let Ok(_turn) = self.hashing.acquire().await else { return false };
        let given = password.clone();
        let checked = tokio::task::spawn_blocking(move || bcrypt::verify(given.reveal(), &hash));
        let fits =
            checked.await.is_ok_and(|result| result.unwrap_or(false)) && self.hashes.contains_key(&name);
        if fits {
            self.right.lock().unwrap_or_else(PoisonError::into_inner).insert(name, password);
        }
        fits
    }
}

/// `Basic base64(name:password)`.
fn credentials(header: &str) -> Option<(String, Secret)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), Secret::new(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[tokio::test]
    async fn only_the_right_password_of_the_right_name_is_let_in() {
        let hash = bcrypt::hash("open: sesame", 4).unwrap();
        let users = Users::new([("ali".to_owned(), hash)].into());
        for _ in 0..2 {
            // the second time from memory
            assert!(users.let_in(Some(&header("ali:open: sesame"))).await);
            for wrong in ["ali:open barley", "kasim:open: sesame", "ali", ":", ""] {
                assert!(!users.let_in(Some(&header(wrong))).await, "{wrong}");
            }
            assert!(!users.let_in(Some("Bearer ali")).await);
            assert!(!users.let_in(None).await);
        }
    }

    #[tokio::test]
    async fn without_users_everyone_is() {
        assert!(Users::new(BTreeMap::new()).let_in(None).await);
    }
}

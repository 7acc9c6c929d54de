//! HTTP basic authentication (RFC 7617) against bcrypt hashes, as in the Prometheus web configuration.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;

use super::guesses::{Guesses, Limited};
use crate::{secret::Secret, service::http::Client};

/// Clients that are remembered for one user.
const CLIENTS: usize = 1024;

pub(super) struct Users {
    hashes: BTreeMap<String, String>,
    /// The last correct password, so that a scrape needs no hashing.
    right: Mutex<HashMap<String, Known>>,
}

/// A correct password, and the clients that have sent it. For other clients it is hashed.
#[derive(Clone)]
struct Known {
    password: Secret,
    clients: HashSet<Client>,
}

impl Users {
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Self {
        Self { hashes, right: Mutex::default() }
    }

    /// The users after a reload. Keeps everything if no hash changed, and otherwise the remembered passwords of users whose
    /// hash did not.
    pub(super) fn updated(self: &Arc<Self>, hashes: &BTreeMap<String, String>) -> Arc<Self> {
        if self.hashes == *hashes {
            return Arc::clone(self);
        }
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner).clone();
        right.retain(|name, _| self.hashes.get(name) == hashes.get(name));
        Arc::new(Self { right: Mutex::new(right), ..Self::new(hashes.clone()) })
    }

    /// Whether the header contains a valid user and password.
    ///
    /// # Errors
    /// If this client has sent too many wrong passwords.
    pub(super) async fn let_in(
        &self,
        authorization: Option<&str>,
        client: Client,
        guesses: &Guesses,
        now: Instant,
    ) -> Result<bool, Limited> {
        if self.hashes.is_empty() {
            return Ok(true);
        }
        let Some((name, password)) = authorization.and_then(credentials) else { return Ok(false) };
        if let Some(known) = self.known(&name, client) {
            let fits = || bool::from(known.reveal().as_bytes().ct_eq(password.reveal().as_bytes()));
            if guesses.compare(client, now, fits)? {
                return Ok(true);
            }
        }
        // An unknown user takes as long as a known one, so that timing does not reveal user names.
        let hash =
            self.hashes.get(&name).or_else(|| self.hashes.values().next()).cloned().unwrap_or_default();
        let (given, is_user) = (password.clone(), self.hashes.contains_key(&name));
        let check = move || bcrypt::verify(given.reveal(), &hash).unwrap_or(false) && is_user;
        let fits = guesses.check(client, now, check).await?;
        if fits {
            self.remember(name, password, client);
        }
        Ok(fits)
    }

    /// The remembered password of a user, if this client has sent it before.
    fn known(&self, name: &str, client: Client) -> Option<Secret> {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.get(name).filter(|known| known.clients.contains(&client)).map(|known| known.password.clone())
    }

    fn remember(&self, name: String, password: Secret, client: Client) {
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        let known = right
            .entry(name)
            .or_insert_with(|| Known { password: password.clone(), clients: HashSet::new() });
        // A hash can have two passwords: bcrypt reads 72 bytes.
        if known.password != password || known.clients.len() >= CLIENTS {
            known.password = password;
            known.clients.clear();
        }
        known.clients.insert(client);
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
    use std::time::Duration;

    use super::*;

    fn header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    fn client(host: u8) -> Client {
        Client::new([127, 0, 0, host].into())
    }

    async fn let_in(users: &Users, header: Option<&str>) -> bool {
        users.let_in(header, client(1), &Guesses::default(), Instant::now()).await.unwrap()
    }

    #[tokio::test]
    async fn only_the_right_password_of_the_right_name_is_let_in() {
        let hash = bcrypt::hash("open: sesame", 4).unwrap();
        let users = Users::new([("ali".to_owned(), hash)].into());
        for _ in 0..2 {
            // the second time from memory
            assert!(let_in(&users, Some(&header("ali:open: sesame"))).await);
            for wrong in ["ali:open barley", "kasim:open: sesame", "ali", ":", ""] {
                assert!(!let_in(&users, Some(&header(wrong))).await, "{wrong}");
            }
            assert!(!let_in(&users, Some("Bearer ali")).await);
            assert!(!let_in(&users, None).await);
        }
    }

    #[tokio::test]
    async fn a_reload_forgets_only_the_passwords_of_users_that_changed() {
        let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
        let before: BTreeMap<_, _> = ["stays", "changes", "goes"].map(|n| (n.to_owned(), hash(n))).into();
        let users = Arc::new(Users::new(before.clone()));
        for name in before.keys() {
            assert!(let_in(&users, Some(&header(&format!("{name}:{name}")))).await);
        }
        assert!(Arc::ptr_eq(&users.updated(&before), &users));

        let mut after = before;
        after.remove("goes");
        after.insert("changes".to_owned(), hash("new"));
        let users = users.updated(&after);
        assert_eq!(users.right.lock().unwrap().keys().collect::<Vec<_>>(), ["stays"]);
        assert!(let_in(&users, Some(&header("stays:stays"))).await);
        assert!(let_in(&users, Some(&header("changes:new"))).await);
        for gone in ["changes:changes", "goes:goes"] {
            assert!(!let_in(&users, Some(&header(gone))).await, "{gone}");
        }
    }

    #[tokio::test]
    async fn without_users_everyone_is() {
        assert!(let_in(&Users::new(BTreeMap::new()), None).await);
    }

    #[tokio::test]
    async fn a_client_that_has_logged_in_needs_no_hash_and_another_one_does() {
        let users = Users::new([("ali".to_owned(), bcrypt::hash("sesame", 4).unwrap())].into());
        let (guesses, now) = (Guesses::default(), Instant::now());
        let login = async |password: &str, host| {
            let header = header(&format!("ali:{password}"));
            users.let_in(Some(&header), client(host), &guesses, now).await
        };
        assert_eq!(login("sesame", 1).await, Ok(true));
        for host in [1, 2] {
            while login("barley", host).await.is_ok() {}
        }
        assert_eq!(login("sesame", 1).await, Ok(true), "it is remembered");
        assert!(login("sesame", 2).await.is_err(), "it guesses");
        assert_eq!(login("sesame", 3).await, Ok(true));
    }

    /// Two programs at one address: one knows the password, and the other one guesses.
    #[tokio::test]
    async fn a_client_that_has_logged_in_cannot_guess_without_a_limit() {
        let users = Users::new([("ali".to_owned(), bcrypt::hash("sesame", 4).unwrap())].into());
        let (guesses, start) = (Guesses::default(), Instant::now());
        let login = async |password: &str, now| {
            users.let_in(Some(&header(&format!("ali:{password}"))), client(1), &guesses, now).await
        };
        assert_eq!(login("sesame", start).await, Ok(true));
        // The remembered password is compared with at most 60 guesses, and then it is compared with none.
        for _ in 0..100 {
            assert_ne!(login("barley", start).await, Ok(true));
        }
        assert!(login("sesame", start).await.is_err());
        // A program with an old password that asks less often than once a second locks no other one out.
        let mut now = start + Duration::from_secs(60);
        for _ in 0..200 {
            now += Duration::from_millis(1100);
            assert_ne!(login("barley", now).await, Ok(true));
            assert_eq!(login("sesame", now).await, Ok(true));
        }
    }
}

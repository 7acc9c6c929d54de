//! Limits how often a client can guess a password, and how much CPU time its guesses take from other clients.
//!
//! Each client address has a token bucket of wrong passwords. Of each client, one password is hashed at a time, so the
//! first login of another client waits for at most one hash of each client that guesses. A second, larger bucket is for
//! passwords that are compared with a remembered one, which needs no hash: a program with an old password must not lock
//! out another program at the same address.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use crate::service::http::Client;

/// Wrong passwords at once, and the time until the next one.
const HASHED: Rate = Rate { burst: 10.0, refill: Duration::from_secs(5) };
/// The same for passwords that are compared with a remembered one.
const COMPARED: Rate = Rate { burst: 60.0, refill: Duration::from_secs(1) };
/// Hashing takes about 0.1 s of CPU time, so only a few passwords are hashed at the same time.
const HASHED_AT_ONCE: usize = 2;
/// Clients that are remembered.
const CLIENTS: usize = 4096;

#[derive(Debug)]
pub(super) struct Guesses {
    clients: Mutex<HashMap<Client, Guesser>>,
    hashing: Arc<Semaphore>,
}

#[derive(Clone, Debug)]
struct Guesser {
    bucket: Bucket,
    compared: Bucket,
    turn: Arc<Semaphore>,
}

/// Too many wrong passwords; the next one is possible after this time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limited(pub(super) Duration);

impl Default for Guesses {
    fn default() -> Self {
        Self { clients: Mutex::default(), hashing: Arc::new(Semaphore::new(HASHED_AT_ONCE)) }
    }
}

impl Guesses {
    /// Whether `check` accepts the password. It is run on a blocking thread.
    ///
    /// # Errors
    /// If the client has sent too many wrong passwords; `check` is then not run.
    pub(super) async fn check(
        &self,
        client: Client,
        now: Instant,
        check: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<bool, Limited> {
        let turn = self.take(client, now)?;
        // They are never closed.
        let (Ok(turn), Ok(hashing)) =
            (turn.acquire_owned().await, Arc::clone(&self.hashing).acquire_owned().await)
        else {
            return Ok(false);
        };
        let checked = tokio::task::spawn_blocking(move || {
            // Released when the hash is complete, even if the client has disconnected.
            let _permits = (turn, hashing);
            check()
        });
        let accepted = checked.await.unwrap_or(false);
        if accepted && let Some(guesser) = self.clients().get_mut(&client) {
            guesser.bucket.give_back();
        }
        Ok(accepted)
    }

    fn take(&self, client: Client, now: Instant) -> Result<Arc<Semaphore>, Limited> {
        self.of_client(client, now, |guesser| guesser.bucket.take(now).map(|()| Arc::clone(&guesser.turn)))
    }

    /// Whether `fits` accepts the password, which takes no time.
    ///
    /// # Errors
    /// If the client has sent too many wrong passwords; `fits` is then not run.
    pub(super) fn compare(
        &self,
        client: Client,
        now: Instant,
        fits: impl FnOnce() -> bool,
    ) -> Result<bool, Limited> {
        self.of_client(client, now, |guesser| {
            guesser.compared.take(now)?;
            let fits = fits();
            if fits {
                guesser.compared.give_back();
            }
            Ok(fits)
        })
    }

    /// A token is taken before a password is checked, so that concurrent guesses count too.
    fn of_client<T>(
        &self,
        client: Client,
        now: Instant,
        of: impl FnOnce(&mut Guesser) -> Result<T, Limited>,
    ) -> Result<T, Limited> {
        let mut clients = self.clients();
        if clients.len() >= CLIENTS && !clients.contains_key(&client) {
            clients.retain(|_, guesser| !(guesser.bucket.is_full(now) && guesser.compared.is_full(now)));
            let last = |guesser: &Guesser| guesser.bucket.at.max(guesser.compared.at);
            let oldest = clients.iter().min_by_key(|(_, guesser)| last(guesser)).map(|(client, _)| *client);
            if clients.len() >= CLIENTS {
                oldest.and_then(|client| clients.remove(&client));
            }
        }
        of(clients.entry(client).or_insert_with(|| Guesser {
            bucket: Bucket::new(HASHED, now),
            compared: Bucket::new(COMPARED, now),
            turn: Arc::new(Semaphore::new(1)),
        }))
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<Client, Guesser>> {
        // A panic cannot leave a partial entry: each change is one step.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokens at once, and the time until the next one.
#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: f64,
    refill: Duration,
}

/// A token bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: Rate,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, tokens: rate.burst, at: now }
    }

    fn take(&mut self, now: Instant) -> Result<(), Limited> {
        self.tokens = self.tokens_at(now);
        self.at = self.at.max(now);
        if self.tokens < 1.0 {
            return Err(Limited(self.rate.refill.mul_f64(1.0 - self.tokens)));
        }
        self.tokens -= 1.0;
        Ok(())
    }

    fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.rate.burst);
    }

    fn is_full(&self, now: Instant) -> bool {
        self.tokens_at(now) >= self.rate.burst
    }

    fn tokens_at(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at);
        (self.tokens + passed.as_secs_f64() / self.rate.refill.as_secs_f64()).min(self.rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::{FutureExt, future::join_all};

    use super::*;

    fn client(host: u8) -> Client {
        Client::new([10, 0, 0, host].into())
    }

    #[tokio::test]
    async fn wrong_passwords_are_limited_per_client_and_right_ones_are_not() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let wrong = async |host, now| guesses.check(client(host), now, || false).await;
        for _ in 0..30 {
            assert_eq!(guesses.check(client(1), now, || true).await, Ok(true));
        }
        for _ in 0..10 {
            assert_eq!(wrong(1, now).await, Ok(false));
        }
        assert_eq!(wrong(1, now).await, Err(Limited(HASHED.refill)));
        // Nothing is hashed, so the right password is refused too.
        assert_eq!(guesses.check(client(1), now, || unreachable!()).await, Err(Limited(HASHED.refill)));
        assert_eq!(wrong(2, now).await, Ok(false));
        let later = now + HASHED.refill;
        assert_eq!(wrong(1, later).await, Ok(false));
        assert_eq!(wrong(1, later + HASHED.refill / 2).await, Err(Limited(HASHED.refill / 2)));
        let later = now + 60 * HASHED.refill;
        for _ in 0..10 {
            assert_eq!(wrong(1, later).await, Ok(false));
        }
        assert!(wrong(1, later).await.is_err());
    }

    #[tokio::test]
    async fn concurrent_guesses_count_before_they_are_checked() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let results = join_all((0..100).map(|_| guesses.check(client(1), now, || false))).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 10);
    }

    #[tokio::test]
    async fn guesses_of_one_client_leave_a_place_for_others() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let (finish, finished) = mpsc::channel::<()>();
        let finished = Arc::new(Mutex::new(finished));
        let slow = || {
            let finished = Arc::clone(&finished);
            guesses.check(client(1), now, move || finished.lock().unwrap().recv().is_ok())
        };
        let mut guessing: Vec<_> = (0..9).map(|_| Box::pin(slow())).collect();
        assert!(guessing.iter_mut().all(|guess| guess.now_or_never().is_none()));
        assert_eq!(guesses.check(client(2), now, || true).await, Ok(true));
        drop(finish);
        assert!(join_all(guessing).await.iter().all(|guess| *guess == Ok(false)));
    }

    #[tokio::test]
    async fn a_client_that_disconnects_does_not_start_more_hashes() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let (finish, finished) = mpsc::channel::<()>();
        let guess = guesses.check(client(1), now, move || finished.recv().is_ok());
        assert!(Box::pin(guess).now_or_never().is_none());
        assert_eq!(guesses.hashing.available_permits(), HASHED_AT_ONCE - 1);
        drop(finish);
        assert_eq!(guesses.check(client(1), now, || true).await, Ok(true));
    }

    #[tokio::test]
    async fn the_number_of_clients_is_bounded() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for i in 0..=CLIENTS {
            let client = Client::new(std::net::Ipv4Addr::from_bits(i as u32).into());
            guesses.take(client, now + Duration::from_micros(i as u64)).unwrap();
        }
        assert_eq!(guesses.clients().len(), CLIENTS);
        // Those that have waited long enough are forgotten first.
        guesses.take(client(1), now + 60 * HASHED.refill).unwrap();
        assert_eq!(guesses.clients().len(), 1);
    }
}

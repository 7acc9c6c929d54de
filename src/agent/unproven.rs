//! Clients of a TCP listener that have not yet proved that they know the password.
//!
//! Every user of the machine can connect, so they are limited in number. A place is kept for a second at least; after that, a client
//! that waits takes it. The newest client is the next one: those that connect first and say nothing do not keep it out.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};

/// Places of one listener. With the delay after a wrong password they bound how many passwords can be tried, and how many
/// connections to a MySQL server clients without the password can cause.
const PLACES: usize = 32;

/// Clients that wait for a place. One more closes the one that has waited longest.
const WAITING: usize = 256;

/// How long a place is kept even if others wait. A client on the same machine needs a few milliseconds.
const AT_LEAST: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Unproven {
    state: Mutex<State>,
    /// A client has begun to wait.
    waits: Notify,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    /// Places that were taken from their clients, and are not free yet.
    withdrawn: usize,
    /// The newest is the last one.
    waiting: Vec<oneshot::Sender<Place>>,
}

/// Others have come later, and are served first.
#[derive(Debug)]
pub(super) struct TooMany;

/// The place of a client. It becomes free when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    of: Arc<Unproven>,
    since: Instant,
    is_withdrawn: bool,
}

impl Unproven {
    /// Waits for a place.
    ///
    /// # Errors
    /// If too many others wait.
    pub(super) async fn place(self: &Arc<Self>) -> Result<Place, TooMany> {
        let waiting = {
            let mut state = self.state();
            if state.taken < PLACES {
                state.taken += 1;
                return Ok(Place::new(self));
            }
            state.waiting.retain(|waiting| !waiting.is_closed());
            if state.waiting.len() == WAITING {
                drop(state.waiting.remove(0));
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(sender);
            receiver
        };
        self.waits.notify_one();
        waiting.await.map_err(|_| TooMany)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn new(of: &Arc<Unproven>) -> Self {
        Self { of: Arc::clone(of), since: Instant::now(), is_withdrawn: false }
    }

    /// Completes when another client needs the place. Never without a place.
    pub(super) async fn withdrawn(place: &mut Option<Self>) {
        let Some(place) = place else { return std::future::pending().await };
        sleep_until(place.since + AT_LEAST).await;
        while !place.is_needed() {
            // In the order of their arrival here, so the oldest place is taken first.
            place.of.waits.notified().await;
        }
    }

    fn is_needed(&mut self) -> bool {
        let mut state = self.of.state();
        state.waiting.retain(|waiting| !waiting.is_closed());
        self.is_withdrawn = state.waiting.len() > state.withdrawn;
        state.withdrawn += usize::from(self.is_withdrawn);
        self.is_withdrawn
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let next = {
            let mut state = self.of.state();
            state.withdrawn -= usize::from(self.is_withdrawn);
            let next = state.waiting.pop();
            if next.is_none() {
                state.taken -= 1;
            }
            next
        };
        // Outside the lock: a place that cannot be given is dropped, and goes to the next one.
        if let Some(next) = next {
            drop(next.send(Self::new(&self.of)));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    /// Clients that are waiting for a place, in the order of their arrival.
    fn clients(unproven: &Arc<Unproven>, count: usize) -> Vec<JoinHandle<Result<Place, TooMany>>> {
        let client = |_| {
            let unproven = Arc::clone(unproven);
            tokio::spawn(async move { unproven.place().await })
        };
        (0..count).map(client).collect()
    }

    async fn settle() {
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silent_clients_delay_a_new_one_by_a_second_and_only_as_many_places_are_taken_as_needed() {
        let unproven = Arc::new(Unproven::default());
        let mut silent = Vec::new();
        for _ in 0..PLACES {
            let mut place = Some(unproven.place().await.unwrap());
            silent.push(tokio::spawn(async move { Place::withdrawn(&mut place).await }));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let start = Instant::now();
        let place = unproven.place().await.unwrap();
        assert!(start.elapsed() < AT_LEAST, "{:?}", start.elapsed());
        settle().await;
        assert!(silent[0].is_finished(), "the oldest");
        assert_eq!(silent.iter().filter(|silent| silent.is_finished()).count(), 1);
        tokio::time::advance(AT_LEAST).await;
        let start = Instant::now();
        let another = unproven.place().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "the others have had their second");
        drop((place, another));
        let state = unproven.state();
        assert_eq!((state.taken, state.withdrawn), (PLACES - 2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_is_next_and_the_longest_waiting_is_closed() {
        let unproven = Arc::new(Unproven::default());
        let mut places = Vec::new();
        for _ in 0..PLACES {
            places.push(unproven.place().await.unwrap());
        }
        let mut waiting = clients(&unproven, WAITING);
        settle().await;
        let newest = clients(&unproven, 1).remove(0);
        settle().await;
        assert!(waiting.remove(0).await.unwrap().is_err(), "one more than can wait");
        places.pop();
        assert!(newest.await.unwrap().is_ok());
        assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_its_client_did_not_wait_for_goes_to_the_next_one() {
        let unproven = Arc::new(Unproven::default());
        let mut places = Vec::new();
        for _ in 0..PLACES {
            places.push(unproven.place().await.unwrap());
        }
        let waiting = clients(&unproven, 3);
        settle().await;
        waiting[2].abort();
        settle().await;
        places.pop();
        settle().await;
        assert!(waiting[1].is_finished() && !waiting[0].is_finished());
        places.clear();
        for waiting in waiting {
            drop(waiting.await);
        }
        assert_eq!(unproven.state().taken, 0);
    }
}

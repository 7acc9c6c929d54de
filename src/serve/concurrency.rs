//! How many checks are in flight at once. More than the processor can serve within the patience of a step would
//! all be late together, and healthy databases be called silent: what is too much waits before its clock starts.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// A full check takes a few milliseconds of a core, and a step has 5 seconds; a target that hangs keeps its place
/// for as long as a check may take.
const AT_ONCE: usize = 256;
/// A wait that is worth a word, and the least time from one word to the next.
const LONG: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    places: Semaphore,
    said_at: Mutex<Option<Instant>>,
}

impl Default for ConcurrencyLimit {
    fn default() -> Self {
        Self { places: Semaphore::new(AT_ONCE), said_at: Mutex::default() }
    }
}

impl ConcurrencyLimit {
    /// Waits for a place, which is free again when the value is dropped. First come, first served.
    pub(super) async fn next(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.places.try_acquire() {
            return Some(turn);
        }
        let start = Instant::now();
        let turn = self.places.acquire().await.ok()?; // it is never closed
        self.waited(start.elapsed());
        Some(turn)
    }

    fn waited(&self, long: Duration) {
        let mut said_at = self.said_at.lock().unwrap_or_else(PoisonError::into_inner);
        if long >= LONG && said_at.is_none_or(|at| at.elapsed() >= SILENCE) {
            *said_at = Some(Instant::now());
            tracing::warn!(
                waited = ?long,
                "checks wait for their turn: too many targets hang, or there are more than one process can check \
                 in their intervals; give them longer ones, or part them over more processes"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn what_is_too_much_waits_until_a_place_is_free() {
        let concurrency = ConcurrencyLimit::default();
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE {
            taken.push(concurrency.next().now_or_never().expect("a free place"));
        }
        assert!(concurrency.next().now_or_never().is_none());
        taken.pop();
        assert!(concurrency.next().now_or_never().is_some());
    }
}

//! Limits concurrent checks. With more checks than the CPU can handle, stages would time out and healthy databases
//! would be reported as unreachable. Excess checks wait before their deadline starts.

use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::log_limit::LogLimit;

/// A full check takes a few milliseconds of CPU time, and a stage has 5 seconds. A target that hangs keeps its permit
/// for as long as a check may take.
const AT_ONCE: usize = 256;
/// A wait that is logged.
const LONG: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    places: Semaphore,
    log_limit: LogLimit,
}

impl Default for ConcurrencyLimit {
    fn default() -> Self {
        Self { places: Semaphore::new(AT_ONCE), log_limit: LogLimit::default() }
    }
}

impl ConcurrencyLimit {
    /// Waits for a permit, which is released when the value is dropped. First come, first served.
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
        if long >= LONG && self.log_limit.allows() {
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

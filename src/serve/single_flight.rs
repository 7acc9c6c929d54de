//! One full check per target at a time. Concurrent callers share it: the first starts it, later ones wait for its result.
//! The check is a separate task, so the deadline of a caller shortens only that caller's wait.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::config::MonitoredTarget;

/// Running checks, by target name.
pub(super) struct SingleFlight<T>(Arc<Mutex<HashMap<String, Flight<T>>>>);

struct Flight<T> {
    monitored: Arc<MonitoredTarget>,
    result: watch::Receiver<Option<T>>,
}

/// The result of a running check.
pub(super) struct Pending<T>(watch::Receiver<Option<T>>);

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    /// Joins the running check of this target, or starts one with `start`. `None` if `start` returns none.
    pub(super) fn join<F>(
        &self,
        monitored: &Arc<MonitoredTarget>,
        start: impl FnOnce() -> Option<F>,
    ) -> Option<Pending<T>>
    where
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let name = &monitored.target.name;
        let mut running = lock(&self.0);
        // A reload may have changed the target of this name. A closed channel: that check panicked.
        let is_same =
            |flight: &&Flight<T>| flight.monitored == *monitored && flight.result.has_changed().is_ok();
        if let Some(flight) = running.get(name).filter(is_same) {
            return Some(Pending(flight.result.clone()));
        }
        let work = start()?;
        let (sender, result) = watch::channel(None);
        let flight = Flight { monitored: Arc::clone(monitored), result: result.clone() };
        running.insert(name.clone(), flight);
        let (running, name, own) = (Arc::clone(&self.0), name.clone(), result.clone());
        tokio::spawn(async move {
            let done = work.await;
            // Removed before it is answered: a later caller needs a new check.
            let mut running = lock(&running);
            if running.get(&name).is_some_and(|flight| flight.result.same_channel(&own)) {
                running.remove(&name);
            }
            drop(running);
            sender.send_replace(done);
        });
        Some(Pending(result))
    }
}

impl<T: Clone> Pending<T> {
    /// Waits for the check. `None` if it was not run.
    pub(super) async fn result(mut self) -> Option<T> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

fn lock<T>(running: &Mutex<HashMap<String, Flight<T>>>) -> MutexGuard<'_, HashMap<String, Flight<T>>> {
    // Entries are inserted and removed in one step, so a panic leaves no partial one.
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;
    use crate::serve::status_store::tests::monitored;

    /// A check that takes one second and counts itself.
    fn check(started: &Arc<AtomicUsize>) -> Option<impl Future<Output = Option<usize>> + Send + use<>> {
        let number = started.fetch_add(1, Ordering::Relaxed) + 1;
        Some(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some(number)
        })
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_a_check_and_a_later_caller_gets_a_new_one() {
        let (flights, started) = (SingleFlight::default(), Arc::default());
        let target = monitored(30);
        let callers: Vec<_> = (0..70).map(|_| flights.join(&target, || check(&started)).unwrap()).collect();
        for caller in callers {
            assert_eq!(caller.result().await, Some(1));
        }
        assert_eq!(flights.join(&target, || check(&started)).unwrap().result().await, Some(2));
        assert!(lock(&flights.0).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_gives_up_does_not_shorten_the_check() {
        let (flights, started) = (SingleFlight::default(), Arc::default());
        let target = monitored(30);
        let hasty = flights.join(&target, || check(&started)).unwrap();
        let short = Duration::from_millis(1);
        assert!(tokio::time::timeout(short, hasty.result()).await.is_err());
        assert_eq!(flights.join(&target, || check(&started)).unwrap().result().await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_a_reload_changed_gets_its_own_check() {
        let (flights, started) = (SingleFlight::default(), Arc::default());
        let before = flights.join(&monitored(30), || check(&started)).unwrap();
        let after = flights.join(&monitored(31), || check(&started)).unwrap();
        assert_eq!((before.result().await, after.result().await), (Some(1), Some(2)));
        assert!(lock(&flights.0).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_was_not_run_or_panicked_is_no_result_and_does_not_stay() {
        let (flights, started) = (SingleFlight::default(), Arc::default());
        let target = monitored(30);
        let none = flights.join(&target, || Some(async { None::<usize> })).unwrap();
        assert_eq!(none.result().await, None);
        let panicked = flights.join(&target, || Some(async { panic!("on purpose") })).unwrap();
        assert_eq!(panicked.result().await, None);
        assert!(flights.join(&target, || None::<std::future::Ready<Option<usize>>>).is_none());
        assert_eq!(flights.join(&target, || check(&started)).unwrap().result().await, Some(1));
    }
}

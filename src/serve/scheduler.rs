//! One task per target: waits, checks, repeats.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Monitor, schedule};
use crate::config::MonitoredTarget;

/// The tasks of the monitored targets.
#[derive(Default)]
pub(super) struct Scheduler {
    watchers: HashMap<String, (Arc<MonitoredTarget>, CancellationToken)>,
    tasks: TaskTracker,
}

impl Scheduler {
    pub(super) fn len(&self) -> usize {
        self.watchers.len()
    }

    /// Replaces the list of targets. Tasks of unchanged targets keep running.
    pub(super) fn apply(&mut self, monitor: &Arc<Monitor>, targets: Vec<MonitoredTarget>) {
        let mut before = std::mem::take(&mut self.watchers);
        let mut new = Vec::new();
        for monitored in targets {
            let name = monitored.target.name.clone();
            let watcher = match before.remove(&name) {
                Some((old, stop)) if *old == monitored => (old, stop),
                changed => {
                    if let Some((_, stop)) = changed {
                        stop.cancel();
                    }
                    let (monitored, stop) = (Arc::new(monitored), monitor.stopping.child_token());
                    new.push((Arc::clone(&monitored), stop.clone()));
                    (monitored, stop)
                }
            };
            self.watchers.insert(name, watcher);
        }
        for (name, (_, stop)) in &before {
            stop.cancel();
            monitor.metrics.forget(name);
        }
        let all: Vec<_> = self.watchers.values().map(|(monitored, _)| Arc::clone(monitored)).collect();
        let mut status_store = monitor.status_store();
        status_store.watch(&all);
        for (monitored, _) in &new {
            status_store
                .entry(&monitored.target.name)
                .into_iter()
                .for_each(|entry| monitor.metrics.watch(entry.into()));
        }
        drop(status_store);
        let size = new.len();
        for (monitored, stop) in new {
            let first = schedule::first(monitored.schedule, size, fastrand::f64());
            self.tasks.spawn(watch(Arc::clone(monitor), monitored, stop, first));
        }
    }

    /// Waits for running checks, after [`Monitor::stopping`].
    pub(super) async fn stop(self, longest: Duration) {
        self.tasks.close();
        if tokio::time::timeout(longest, self.tasks.wait()).await.is_err() {
            tracing::warn!("aborted checks that did not finish in time");
        }
    }
}

/// Delay after a check that a reload prevented although the target is still monitored.
const AGAIN: Duration = Duration::from_secs(1);

async fn watch(
    monitor: Arc<Monitor>,
    monitored: Arc<MonitoredTarget>,
    stop: CancellationToken,
    first: Duration,
) {
    let (mut known, mut full_at) = (None, Instant::now());
    let mut pause = first;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if full_at.elapsed() >= monitored.schedule.full_interval {
            known = None;
        }
        let is_full = known.is_none();
        // Boxed, so that a target that waits for its next check takes little memory.
        let checked = Box::pin(async {
            match known.take() {
                Some(facts) => monitor.check(&monitored, Some(facts), &stop).await.map(Arc::new),
                None => monitor.full_check(&monitored, || Some(()))?.result().await,
            }
        })
        .await;
        let Some(checked) = checked else {
            // Otherwise the next turn ends at the token.
            pause = AGAIN;
            continue;
        };
        monitor.note(&monitored, &checked);
        known.clone_from(&checked.facts);
        if is_full {
            full_at = Instant::now();
        }
        let Some(next) =
            monitor.status_store().entry(&monitored.target.name).map(|e| schedule::next(e, fastrand::f64()))
        else {
            return;
        };
        pause = next;
    }
}

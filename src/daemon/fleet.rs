//! A task for every target: it waits, checks, and waits again.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Daemon, schedule};
use crate::config::Watched;

/// The targets that are being watched.
#[derive(Default)]
pub(super) struct Fleet {
    watchers: HashMap<String, (Arc<Watched>, CancellationToken)>,
    tasks: TaskTracker,
}

impl Fleet {
    pub(super) fn len(&self) -> usize {
        self.watchers.len()
    }

    /// Watches these from now on. A target that stays as it was is not disturbed.
    pub(super) fn adopt(&mut self, daemon: &Arc<Daemon>, targets: Vec<Watched>) {
        let mut before = std::mem::take(&mut self.watchers);
        let mut new = Vec::new();
        for watched in targets {
            let name = watched.target.name.clone();
            let watcher = before.remove(&name).filter(|(old, _)| **old == watched);
            let watcher = watcher.unwrap_or_else(|| {
                let (watched, stop) = (Arc::new(watched), CancellationToken::new());
                new.push((Arc::clone(&watched), stop.clone()));
                (watched, stop)
            });
            self.watchers.insert(name, watcher);
        }
        for (name, (_, stop)) in &before {
            stop.cancel();
            daemon.meters.forget(name);
        }
        let all: Vec<_> = self.watchers.values().map(|(watched, _)| Arc::clone(watched)).collect();
        daemon.board().watch(&all);
        let size = new.len();
        for (watched, stop) in new {
            let first = schedule::first(watched.rhythm, size, fastrand::f64());
            self.tasks.spawn(watch(Arc::clone(daemon), watched, stop, first));
        }
    }

    /// Starts no check any more, and waits for those in flight.
    pub(super) async fn stop(self, longest: Duration) {
        for (_, stop) in self.watchers.values() {
            stop.cancel();
        }
        self.tasks.close();
        if tokio::time::timeout(longest, self.tasks.wait()).await.is_err() {
            tracing::warn!("checks that did not end in time were cut off");
        }
    }
}

async fn watch(daemon: Arc<Daemon>, watched: Arc<Watched>, stop: CancellationToken, first: Duration) {
    let (mut known, mut full_at) = (None, Instant::now());
    let mut pause = first;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if full_at.elapsed() >= watched.rhythm.full_interval {
            known = None;
        }
        let is_full = known.is_none();
        (_, known) = daemon.check(&watched, known, daemon.shared().timeout).await;
        if is_full {
            full_at = Instant::now();
        }
        let Some(next) =
            daemon.board().entry(&watched.target.name).map(|e| schedule::next(e, fastrand::f64()))
        else {
            return;
        };
        pause = next;
    }
}

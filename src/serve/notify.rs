//! Notifications to systemd (sd_notify(3)). Without systemd, does nothing.

use std::{future::pending, time::Duration};

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}

pub(super) fn ready(targets: usize) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("watching {targets} targets"))]);
}

pub(super) fn reloading() {
    let Ok(now) = NotifyState::monotonic_usec_now() else { return };
    tell(&[NotifyState::Reloading, now]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Sends watchdog notifications, twice as often as the service manager requires.
pub(super) struct Watchdog(Option<Interval>);

pub(super) fn watchdog() -> Watchdog {
    Watchdog(sd_notify::watchdog_enabled().map(|every: Duration| {
        let mut beats = interval(every / 2);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats
    }))
}

impl Watchdog {
    /// Never completes if the watchdog is off.
    pub(super) async fn tick(&mut self) {
        match &mut self.0 {
            Some(beats) => {
                beats.tick().await;
                tell(&[NotifyState::Watchdog]);
            }
            None => pending().await,
        }
    }
}

//! Notifications to systemd (sd_notify(3)). Without systemd, does nothing.

use std::{future::pending, time::Duration};

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}

pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

pub(crate) fn reloading() {
    let Ok(now) = NotifyState::monotonic_usec_now() else { return };
    tell(&[NotifyState::Reloading, now]);
}

pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Sends watchdog notifications, twice as often as the service manager requires.
pub(crate) struct Watchdog(Option<Interval>);

pub(crate) fn watchdog() -> Watchdog {
    Watchdog(sd_notify::watchdog_enabled().map(|every: Duration| {
        let mut beats = interval(every / 2);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats
    }))
}

impl Watchdog {
    /// Never completes if the watchdog is off.
    pub(crate) async fn tick(&mut self) {
        match &mut self.0 {
            Some(beats) => {
                beats.tick().await;
                tell(&[NotifyState::Watchdog]);
            }
            None => pending().await,
        }
    }
}

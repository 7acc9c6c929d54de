//! Limits how often a repeated condition is logged.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Minimum time between two log entries of one condition.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct LogLimit(Mutex<Option<Instant>>);

impl LogLimit {
    /// Whether to log now. If so, it is false for the next minute.
    pub(super) fn allows(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let allows = last.is_none_or(|at| at.elapsed() >= SILENCE);
        if allows {
            *last = Some(Instant::now());
        }
        allows
    }
}

//! What `serve` noticed: every change of health that its log tells, when it came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

/// A target that became healthy, or unhealthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: Instant,
    pub(crate) target: String,
    pub(crate) healthy: bool,
    /// Code of what held it back.
    pub(crate) cause: String,
}

/// Clones share what they hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
pub(crate) struct Pages {
    pub(crate) changes: Vec<Change>,
    /// Lines of any kind.
    pub(crate) lines: u64,
    /// What was said at level ERROR.
    pub(crate) errors: Vec<String>,
}

impl Journal {
    /// Notes a line of the log, in JSON.
    pub(crate) fn note(&self, line: &str, at: Instant) {
        let mut pages = self.pages();
        pages.lines += 1;
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            pages.errors.push(format!("a line that is not JSON: {line}"));
            return;
        };
        let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        match line["message"].as_str() {
            Some(health @ ("healthy" | "unhealthy")) => pages.changes.push(Change {
                at,
                target: word("name"),
                healthy: health == "healthy",
                cause: word("cause"),
            }),
            _ if word("level") == "ERROR" => pages.errors.push(line.to_string()),
            _ => {}
        }
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many changes there were so far: where the next ones begin.
    pub(crate) fn position(&self) -> usize {
        self.pages().changes.len()
    }

    pub(crate) fn since(&self, position: usize) -> Vec<Change> {
        self.pages().changes[position..].to_vec()
    }

    /// What each target became last.
    pub(crate) fn health(&self) -> BTreeMap<String, bool> {
        self.pages().changes.iter().map(|change| (change.target.clone(), change.healthy)).collect()
    }
}

//! Every change of health in the log of `serve`, with its time.

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
    /// Code of the cause.
    pub(crate) cause: String,
}

/// Clones share their content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal(Arc<Mutex<Pages>>);

#[derive(Debug, Default)]
pub(crate) struct Pages {
    pub(crate) changes: Vec<Change>,
    /// Lines of any kind.
    pub(crate) lines: u64,
    /// Log lines of level ERROR.
    pub(crate) errors: Vec<String>,
}

impl Journal {
    /// Records a JSON log line.
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

    /// The number of changes so far, which is the index of the next one.
    pub(crate) fn position(&self) -> usize {
        self.pages().changes.len()
    }

    pub(crate) fn since(&self, position: usize) -> Vec<Change> {
        self.pages().changes[position..].to_vec()
    }

    /// The last state of each target.
    pub(crate) fn health(&self) -> BTreeMap<String, bool> {
        self.pages().changes.iter().map(|change| (change.target.clone(), change.healthy)).collect()
    }
}

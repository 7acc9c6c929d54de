//! File descriptor limit of this process: each running check needs one or two.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard limit. The soft limit is low for programs that use select(2).
pub(super) fn raise_limit() {
    let before = getrlimit(Resource::Nofile);
    if before.current == before.maximum {
        return;
    }
    let raised = rustix::process::Rlimit { current: before.maximum, ..before };
    // `None` means unlimited.
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => {
            tracing::info!(from = before.current, to = before.maximum, "raised the file descriptor limit");
        }
        Err(error) => {
            tracing::warn!(%error, limit = before.current, "cannot raise the file descriptor limit");
        }
    }
}

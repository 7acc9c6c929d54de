//! File descriptor limit of this process: a running check needs one or two, a session of the agent two.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard limit, and returns it. The soft limit is low for programs that use select(2).
pub(crate) fn raise_limit() -> usize {
    let before = getrlimit(Resource::Nofile);
    // `None` means unlimited.
    let number =
        |limit: Option<u64>| limit.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX));
    if before.current == before.maximum {
        return number(before.current);
    }
    let raised = rustix::process::Rlimit { current: before.maximum, ..before };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => {
            tracing::info!(from = before.current, to = before.maximum, "raised the file descriptor limit");
            number(before.maximum)
        }
        Err(error) => {
            tracing::warn!(%error, limit = before.current, "cannot raise the file descriptor limit");
            number(before.current)
        }
    }
}

//! How many descriptors this process may hold: each check in flight has one or two.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit, which is low for the sake of programs that use select(2), to the hard one.
pub(super) fn raise_limit() {
    let before = getrlimit(Resource::Nofile);
    if before.current == before.maximum {
        return;
    }
    let expected = rustix::process::Rlimit { current: before.maximum, ..before };
    // `None` is no limit.
    match setrlimit(Resource::Nofile, expected) {
        Ok(()) => tracing::info!(from = before.current, to = before.maximum, "descriptors that may be open"),
        Err(error) => tracing::warn!(%error, limit = before.current, "the limit of descriptors stays"),
    }
}

//! What every long-running command needs: notifications to systemd, file descriptors, and an HTTP server.

pub(crate) mod descriptors;
pub(crate) mod http;
pub(crate) mod metrics;
pub(crate) mod notify;

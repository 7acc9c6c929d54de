//! What every long-running command needs: notifications to systemd, signals, file descriptors, and an HTTP server.

pub(crate) mod descriptors;
pub(crate) mod http;
pub(crate) mod metrics;
pub(crate) mod notify;
pub(crate) mod shared_logins;
pub(crate) mod stop_signal;

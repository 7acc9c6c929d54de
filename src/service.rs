//! What every long-running command needs from the system: notifications to systemd, and file descriptors.

pub(crate) mod descriptors;
pub(crate) mod notify;

//! A standby or replica of a lab server.

use std::io;
use std::ops::Deref;
use std::time::{Duration, Instant};

use crate::instance::Instance;

/// Limit until a standby has caught up with its primary. Only a machine under load comes near it.
const BEHIND: Duration = Duration::from_secs(30);

/// A read replica, as on RDS: a separate server with its own endpoint, certificate and resource id that
/// follows its primary and is read-only. Dropping it stops it; its lab cannot be dropped before.
///
/// It has its primary's tables, users and grants, but its own settings: the lab's, and on PostgreSQL those that [`Instance::set`] had
/// changed on the primary before. On MySQL and MariaDB the primary gets a user `rdsrepladmin_…`, as on RDS.
#[derive(Debug)]
pub struct Standby<'lab> {
    pub(crate) instance: Instance,
    pub(crate) primary: &'lab Instance,
}

impl Standby<'_> {
    /// Waits until everything that the primary has committed is visible here.
    ///
    /// # Errors
    /// If that takes more than 30 s (replication may have stopped), or if a server does not answer.
    pub fn catch_up(&self) -> io::Result<()> {
        let deadline = Instant::now() + BEHIND;
        let reached = self.primary.position()?;
        while !self.instance.has(&reached)? {
            if Instant::now() > deadline {
                let text = format!("{} does not follow {}", self.instance.name, self.primary.name);
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Deref for Standby<'_> {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.instance
    }
}

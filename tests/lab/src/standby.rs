//! A second server that repeats what a first one does.

use std::io;
use std::ops::Deref;
use std::time::{Duration, Instant};

use crate::instance::Instance;

/// How long a standby may take to catch up with its primary. Only a machine under load comes near.
const BEHIND: Duration = Duration::from_secs(30);

/// A read replica, as RDS makes one of an instance: a server of its own, with its own endpoint, certificate and resource id, that
/// follows its primary and can only be read. Dropping it ends it; its lab cannot be dropped before.
///
/// It has its primary's tables, users and grants, but its own settings: the lab's, and on PostgreSQL what [`Instance::set`] had
/// changed on the primary by then. On MySQL and MariaDB the primary keeps a user `rdsrepladmin_…`, as one of RDS does.
#[derive(Debug)]
pub struct Standby<'lab> {
    pub(crate) instance: Instance,
    pub(crate) primary: &'lab Instance,
}

impl Standby<'_> {
    /// Waits until what the primary has committed by now is to be seen here.
    ///
    /// # Errors
    /// If that takes half a minute, as it does when replication has stopped, or if either does not answer.
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

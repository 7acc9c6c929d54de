//! The operating system user that runs the servers. PostgreSQL refuses to run as root, so root switches to another user.

use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The user that runs the servers.
#[derive(Clone, Debug)]
pub(crate) struct ServerUser {
    /// Part of template names, because a data directory belongs to one user.
    pub(crate) name: String,
    /// Set if this process must switch to that user.
    ids: Option<(u32, u32)>,
}

impl ServerUser {
    pub(crate) fn we_are_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// As root: `postgres` if that user exists, else `nobody`. Otherwise the current user.
    pub(crate) fn find() -> io::Result<Self> {
        if !Self::we_are_root() {
            return Ok(Self { name: format!("uid{}", rustix::process::geteuid().as_raw()), ids: None });
        }
        // initdb requires the user to be listed in this file.
        let users = std::fs::read_to_string("/etc/passwd")?;
        let find = |name: &str| {
            let line = users.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
            let mut fields = line.split(':').skip(1);
            let ids = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            Some(Self { name: name.to_owned(), ids: Some(ids) })
        };
        find("postgres")
            .or_else(|| find("nobody"))
            .ok_or_else(|| io::Error::other("servers refuse root, and there is no user postgres or nobody"))
    }

    /// Makes the command run as this user.
    pub(crate) fn runs(&self, command: &mut Command) {
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
    }

    /// Gives a file or folder to this user.
    pub(crate) fn owns(&self, path: &Path) -> io::Result<()> {
        match self.ids {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }
}

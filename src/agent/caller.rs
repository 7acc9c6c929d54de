//! Who connected to a socket, as the kernel says (SO_PEERCRED).

use std::io;

use rustix::process::geteuid;
use tokio::net::UnixStream;

/// The process at the other end, at the time when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) uid: u32,
    /// `None` on systems that do not say it.
    pub(super) pid: Option<i32>,
}

impl Caller {
    pub(super) fn of(client: &UnixStream) -> io::Result<Self> {
        let credentials = client.peer_cred()?;
        Ok(Self { uid: credentials.uid(), pid: credentials.pid() })
    }

    /// The user of this process, and root. A user of another user namespace appears as the overflow user, which is neither.
    pub(super) fn is_allowed(self) -> bool {
        self.uid == geteuid().as_raw() || self.uid == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_own_user_and_root_are_allowed_and_others_are_not() {
        let (_near, far) = UnixStream::pair().unwrap();
        let own = Caller::of(&far).unwrap();
        assert_eq!(own.uid, geteuid().as_raw());
        assert!(own.is_allowed());
        assert!(Caller { uid: 0, ..own }.is_allowed());
        assert!(!Caller { uid: own.uid + 1, ..own }.is_allowed());
    }
}

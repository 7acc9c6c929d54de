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

    /// The user of this process, and root. If the socket has a group, also others that the kernel let connect: SO_PEERCRED does not say of
    /// which groups they are. Users of another user namespace appear as the overflow user, and are refused.
    pub(super) fn is_allowed(self, group: Option<u32>) -> bool {
        self.uid == geteuid().as_raw() || self.uid == 0 || (group.is_some() && self.uid != OVERFLOW)
    }
}

/// user_namespaces(7), /proc/sys/kernel/overflowuid. Debian also has a user with this number.
const OVERFLOW: u32 = 65_534;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_own_user_and_root_are_allowed_and_others_are_not() {
        let (_near, far) = UnixStream::pair().unwrap();
        let own = Caller::of(&far).unwrap();
        assert_eq!(own.uid, geteuid().as_raw());
        let other = Caller { uid: own.uid + 1, ..own };
        for group in [None, Some(7)] {
            assert!(own.is_allowed(group));
            assert!(Caller { uid: 0, ..own }.is_allowed(group));
            assert_eq!(other.is_allowed(group), group.is_some());
            assert!(!Caller { uid: OVERFLOW, ..own }.is_allowed(group));
        }
    }
}

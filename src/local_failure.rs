//! Failures of this machine: it has no file descriptors, memory, socket buffers, ports or permissions left. They say
//! nothing about the network, AWS or the database.

use std::{error::Error, fmt, io, sync::Arc};

use rustix::io::Errno;

/// What this machine could not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalFailure {
    pub what: String,
    pub remedy: &'static str,
    /// It concerns one address: a connection to another one can succeed.
    pub is_of_address: bool,
}

impl LocalFailure {
    /// For an error that only this machine can cause.
    pub fn new(doing: &str, error: &(dyn Error + 'static)) -> Self {
        Self {
            what: format!("{doing}: {error}"),
            remedy: Self::of(error)
                .map_or("check the limits and permissions of this process", |failure| failure.remedy),
            is_of_address: false,
        }
    }

    /// If the error, or one that it contains, says that descriptors, memory or buffers are exhausted.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(failure) = error.downcast_ref::<Self>() {
            return Some(failure.clone());
        }
        let shared = || error.downcast_ref::<Arc<io::Error>>().map(Arc::as_ref);
        if let Some(io) = error.downcast_ref::<io::Error>().or_else(shared) {
            // `source` skips the error that an `io::Error` wraps.
            let wrapped = || io.get_ref().and_then(|wrapped| Self::of(wrapped));
            return exhausted(io).or_else(wrapped);
        }
        error.source().and_then(Self::of)
    }

    /// The same for an error of connect(2), where missing permissions and ports are failures of this machine too, or of the
    /// name lookup before it.
    pub fn of_connect(error: &io::Error) -> Option<Self> {
        let lookup = || error.raw_os_error().is_none().then(without_descriptors).flatten();
        Self::of(error).or_else(|| of_address(error)).or_else(lookup)
    }
}

impl fmt::Display for LocalFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on this machine: {}", self.what)
    }
}

impl Error for LocalFailure {}

/// getaddrinfo(3) reports a name that does not exist if it had no descriptor to read /etc/hosts or to ask a name server. It
/// needs a few at the same time.
fn without_descriptors() -> Option<LocalFailure> {
    let opened: io::Result<Vec<_>> = (0..4).map(|_| std::fs::File::open("/")).collect();
    exhausted(&opened.err()?)
}

fn exhausted(error: &io::Error) -> Option<LocalFailure> {
    let memory = "free memory on this machine, or raise its limits (container memory, net.ipv4.tcp_mem)";
    let (what, remedy) = match Errno::from_io_error(error)? {
        Errno::MFILE => (
            "this process has no free file descriptors (EMFILE)",
            "raise its limit of open files: `ulimit -n`, LimitNOFILE= in a systemd unit",
        ),
        Errno::NFILE => (
            "there are no free file descriptors (ENFILE)",
            "raise fs.file-max, or find the process that has too many open files: lsof",
        ),
        Errno::NOBUFS => ("there are no free socket buffers (ENOBUFS)", memory),
        Errno::NOMEM => ("there is no free memory (ENOMEM)", memory),
        _ => return None,
    };
    Some(LocalFailure { what: what.to_owned(), remedy, is_of_address: false })
}

fn of_address(error: &io::Error) -> Option<LocalFailure> {
    let permission = "allow this process to open connections: look at its sandbox (RestrictAddressFamilies= and \
                      IPAddressDeny= in a systemd unit, seccomp, SELinux, AppArmor) and the local firewall";
    let (what, remedy) = match Errno::from_io_error(error)? {
        Errno::ACCESS => ("the connection is not permitted (EACCES)", permission),
        Errno::PERM => ("the connection is not permitted (EPERM)", permission),
        Errno::ADDRNOTAVAIL => (
            "there is no free local port, or no local address of this family (EADDRNOTAVAIL)",
            "close connections or widen net.ipv4.ip_local_port_range; if this machine has no IPv6, connect to an IPv4 \
             address",
        ),
        _ => return None,
    };
    Some(LocalFailure { what: what.to_owned(), remedy, is_of_address: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn what_this_machine_lacks_is_found_in_every_layer_of_an_error() {
        for (errno, name) in [
            (Errno::MFILE, "EMFILE"),
            (Errno::NFILE, "ENFILE"),
            (Errno::NOBUFS, "ENOBUFS"),
            (Errno::NOMEM, "ENOMEM"),
        ] {
            let wrapped = io::Error::other(io::Error::other(error(errno)));
            let shared: Box<dyn Error> = Box::new(Arc::new(error(errno)));
            let direct = LocalFailure::of_connect(&error(errno)).unwrap();
            assert!(direct.what.contains(name) && !direct.is_of_address, "{direct}");
            assert_eq!(LocalFailure::of(&wrapped).as_ref(), Some(&direct));
            assert_eq!(LocalFailure::of(&*shared).as_ref(), Some(&direct));
            let boxed = io::Error::other(direct.clone());
            assert_eq!(LocalFailure::of(&boxed).as_ref(), Some(&direct));
        }
    }

    #[test]
    fn permissions_and_ports_count_only_for_a_connection() {
        for errno in [Errno::ACCESS, Errno::PERM, Errno::ADDRNOTAVAIL] {
            assert_eq!(LocalFailure::of(&error(errno)), None, "a file may have the same error");
            assert!(LocalFailure::of_connect(&error(errno)).unwrap().is_of_address);
        }
    }

    #[test]
    fn what_the_network_or_the_server_did_is_not_local() {
        for errno in [
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::HOSTUNREACH,
            Errno::NETUNREACH,
            Errno::TIMEDOUT,
            Errno::PIPE,
        ] {
            assert_eq!(LocalFailure::of_connect(&error(errno)), None, "{errno}");
        }
        assert_eq!(LocalFailure::of(&io::Error::from(io::ErrorKind::UnexpectedEof)), None);
    }
}

//! Sockets that the service manager has opened (sd_listen_fds(3)).

use std::{
    collections::BTreeMap,
    io,
    net::TcpListener,
    os::{fd::AsFd, unix::net::UnixListener},
};

use listenfd::ListenFd;

use crate::target::{Invalid, quoted};

/// By name of the target, which is the FileDescriptorName of the socket unit. They stay open while this process runs.
#[derive(Debug, Default)]
pub(in crate::agent) struct Inherited(BTreeMap<String, Vec<Socket>>);

#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Inherited {
    /// Takes the sockets of this process.
    ///
    /// # Errors
    /// If the manager has passed something else.
    pub(in crate::agent) fn take() -> Result<Self, Invalid> {
        let failed = |error: io::Error| Invalid::new("LISTEN_FDS", "listening sockets", error);
        // This one reads the names and keeps programs that are run from inheriting the sockets; the other one owns the sockets.
        let names: Vec<_> =
            sd_notify::listen_fds_with_names().map_err(failed)?.map(|(_, name)| name).collect();
        let mut sockets: BTreeMap<String, Vec<Socket>> = BTreeMap::new();
        if names.is_empty() {
            return Ok(Self::default());
        }
        let mut passed = ListenFd::from_env();
        for (index, name) in names.into_iter().enumerate() {
            let socket = match passed.take_unix_listener(index) {
                Ok(found) => found.map(Socket::Unix),
                Err(_) => passed.take_tcp_listener(index).map_err(failed)?.map(Socket::Tcp),
            };
            let socket = socket.ok_or_else(|| failed(io::Error::other("a socket is missing")))?;
            sockets.entry(name).or_default().push(socket);
        }
        Ok(Self(sockets))
    }

    /// # Errors
    /// If a socket has the name of no target.
    pub(in crate::agent) fn check<'a>(&self, targets: impl Iterator<Item = &'a str>) -> Result<(), Invalid> {
        let targets: Vec<_> = targets.collect();
        let mut unknown = self.0.keys().filter(|name| !targets.contains(&name.as_str()));
        unknown.next().map_or(Ok(()), |name| {
            let expected = format!("the name of a target: {}", targets.join(", "));
            Err(Invalid::new("LISTEN_FDNAMES", expected, quoted(name))
                .remedy("set FileDescriptorName= of the socket unit to the name of the target"))
        })
    }

    /// Copies of the sockets of a target.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn of(&self, target: &str) -> io::Result<Vec<Socket>> {
        let copy = |socket: &Socket| {
            Ok(match socket {
                Socket::Unix(listener) => Socket::Unix(listener.as_fd().try_clone_to_owned()?.into()),
                Socket::Tcp(listener) => Socket::Tcp(listener.as_fd().try_clone_to_owned()?.into()),
            })
        };
        self.0.get(target).into_iter().flatten().map(copy).collect()
    }
}

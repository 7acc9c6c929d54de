//! Where clients connect.

mod inherited;
mod tcp;
mod unix;

use std::{fmt, io, path::Path, sync::Arc};

use tokio_util::either::Either;

use super::{client::Client, password::Password};
use crate::{config::AgentTarget, secret::Secret, target::Invalid};
pub(super) use inherited::Inherited;
pub use tcp::TcpSocket;
pub use unix::{PrivateDirectory, UnixSocket};
pub(super) use unix::{create_parent, described, is_own};

/// A listening socket of a target.
#[derive(Debug)]
pub enum Listener {
    Unix(UnixSocket),
    Tcp(TcpSocket),
}

impl Listener {
    /// All listeners of a target: the sockets of the service manager, otherwise one in this directory, and TCP if it is requested.
    ///
    /// # Errors
    /// If one of them cannot be used.
    pub(super) fn all(
        wanted: &AgentTarget,
        directory: &Path,
        name: &str,
        inherited: &Inherited,
    ) -> Result<Vec<Self>, Invalid> {
        let AgentTarget { target, tcp, group, .. } = wanted;
        let password = tcp.as_ref().map(|tcp| password(&tcp.password)).transpose()?;
        let passed = inherited.of(&target.name);
        let passed = passed.map_err(|error| Invalid::new("LISTEN_FDS", "sockets that can be used", error))?;
        let mut listeners = Vec::new();
        for socket in passed {
            listeners.push(match socket {
                inherited::Socket::Unix(socket) => Self::Unix(UnixSocket::inherited(socket, *group)?),
                inherited::Socket::Tcp(socket) => {
                    let Some(password) = &password else {
                        let expected =
                            format!("agent_password_file of target {} for a TCP socket", target.name);
                        return Err(Invalid::new("LISTEN_FDS", expected, "none"));
                    };
                    Self::Tcp(TcpSocket::inherited(socket, Arc::clone(password))?)
                }
            });
        }
        let has_tcp = listeners.iter().any(|listener| matches!(listener, Self::Tcp(_)));
        if listeners.is_empty() {
            listeners.push(Self::Unix(UnixSocket::bind(&directory.join(&target.name), name, *group)?));
        }
        if let (Some(tcp), Some(password), false) = (tcp, password, has_tcp) {
            listeners.push(Self::Tcp(TcpSocket::bind(tcp.listen, password)?));
        }
        Ok(listeners)
    }

    pub(super) async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Unix(socket) => socket.accept().await.map(Either::Left),
            Self::Tcp(socket) => socket.accept().await.map(Either::Right),
        }
    }

    /// The group whose members can connect too.
    pub(super) fn group(&self) -> Option<u32> {
        match self {
            Self::Unix(socket) => socket.group(),
            Self::Tcp(_) => None,
        }
    }

    /// What a client must know.
    pub(super) fn password(&self) -> Option<Arc<Password>> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(socket) => Some(socket.password()),
        }
    }
}

fn password(text: &Secret) -> Result<Arc<Password>, Invalid> {
    let password = Password::chosen(text.clone());
    password
        .map(Arc::new)
        .map_err(|error| Invalid::new("agent_password_file", "a password that can be used", error))
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(socket) => socket.path().display().fmt(f),
            Self::Tcp(socket) => socket.address().fmt(f),
        }
    }
}

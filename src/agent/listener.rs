//! Where clients connect.

mod tcp;
mod unix;

use std::{fmt, io, sync::Arc};

use tokio_util::either::Either;

use super::{client::Client, password::Password};
pub use tcp::TcpSocket;
pub(super) use unix::create_parent;
pub use unix::{PrivateDirectory, UnixSocket};

/// A listening socket of a target.
#[derive(Debug)]
pub enum Listener {
    Unix(UnixSocket),
    Tcp(TcpSocket),
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Client> {
        match self {
            Self::Unix(socket) => socket.accept().await.map(Either::Left),
            Self::Tcp(socket) => socket.accept().await.map(Either::Right),
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

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(socket) => socket.path().display().fmt(f),
            Self::Tcp(socket) => socket.address().fmt(f),
        }
    }
}

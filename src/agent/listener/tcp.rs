//! TCP on the loopback interface. Every user of the machine can connect, so a client must know a password.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::net::{TcpListener, TcpStream};

use crate::{agent::password::Password, target::Invalid};

#[derive(Debug)]
pub struct TcpSocket {
    listener: TcpListener,
    address: SocketAddr,
    password: Arc<Password>,
}

impl TcpSocket {
    /// At a free port.
    ///
    /// # Errors
    /// If no socket can be created.
    pub fn bind_anywhere(password: Arc<Password>) -> Result<Self, Invalid> {
        Self::bind((Ipv4Addr::LOCALHOST, 0).into(), password)
    }

    /// # Errors
    /// If the address is not of the loopback interface, or is in use.
    pub fn bind(address: SocketAddr, password: Arc<Password>) -> Result<Self, Invalid> {
        check_loopback(address)?;
        // With SO_REUSEADDR, so that closed connections of an earlier agent do not matter.
        let bound = std::net::TcpListener::bind(address);
        bound.and_then(|listener| Self::of(listener, password)).map_err(|error| {
            Invalid::new("agent_listen", "an address that can be used", format!("{address}: {error}"))
        })
    }

    /// A socket of the service manager.
    ///
    /// # Errors
    /// If its address is not of the loopback interface.
    pub(super) fn inherited(
        listener: std::net::TcpListener,
        password: Arc<Password>,
    ) -> Result<Self, Invalid> {
        let socket = Self::of(listener, password)
            .map_err(|error| Invalid::new("LISTEN_FDS", "a TCP socket that can be used", error))?;
        check_loopback(socket.address)?;
        Ok(socket)
    }

    fn of(listener: std::net::TcpListener, password: Arc<Password>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, password })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn password(&self) -> Arc<Password> {
        Arc::clone(&self.password)
    }

    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        let (client, _) = self.listener.accept().await?;
        client.set_nodelay(true)?;
        Ok(client)
    }
}

fn check_loopback(address: SocketAddr) -> Result<(), Invalid> {
    match address.ip().is_loopback() {
        true => Ok(()),
        false => Err(Invalid::new("agent_listen", "an address of the loopback interface", address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn other_machines_cannot_connect() {
        let password = Arc::new(Password::generate().unwrap());
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let refused = TcpSocket::bind(address.parse().unwrap(), Arc::clone(&password)).unwrap_err();
            assert!(refused.expected.contains("loopback"), "{refused}");
        }
        let first = TcpSocket::bind_anywhere(Arc::clone(&password)).unwrap();
        assert!(first.address().ip().is_loopback());
        TcpSocket::bind(first.address(), password).unwrap_err();
    }
}

//! `health`: whether a `serve` with this configuration runs here. For orchestrators that can only start a program in the container.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::Exit;
use crate::{config::Serve, trust};

/// A response takes milliseconds. Orchestrators wait for seconds.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Requests `/-/healthy` from the address of `serve`. With TLS only the handshake is done, because the certificate is not
/// verified: no data is sent.
///
/// # Errors
/// `out` fails.
pub async fn health(config: &Serve, out: &mut impl Write) -> io::Result<Exit> {
    let address = reachable(config.web.listen);
    let auth_request = async {
        match config.web.tls {
            Some(_) => shake_hands(address).await,
            None => ask(address).await,
        }
    };
    let answer = tokio::time::timeout(TIMEOUT, auth_request)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match answer {
        Ok(()) => {
            writeln!(out, "√ answers on {address}")?;
            Ok(Exit::Met)
        }
        Err(error) => {
            writeln!(out, "× does not answer on {address}: {error}")?;
            Ok(Exit::NotMet)
        }
    }
}

/// A server that listens on all addresses is reached on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /-/healthy HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    match &status {
        b"HTTP/1.1 200" => Ok(()),
        _ => Err(io::Error::other(format!("it said {:?}", String::from_utf8_lossy(&status)))),
    }
}

async fn shake_hands(address: SocketAddr) -> io::Result<()> {
    // No anchors: every certificate is refused, so that no connection comes of it.
    let config = ClientConfig::builder_with_provider(trust::provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::from(address.ip());
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(_) => Ok(()),
        Err(error) => match error.get_ref().and_then(|e| e.downcast_ref()) {
            Some(rustls::Error::InvalidCertificate(_)) => Ok(()),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_addresses_is_reached_on_loopback() {
        for (listen, auth_request) in [
            ("0.0.0.0:9719", "127.0.0.1:9719"),
            ("[::]:1", "[::1]:1"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("127.0.0.1:9719", "127.0.0.1:9719"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), auth_request.parse().unwrap());
        }
    }
}

//! The rungs but TLS on any stream, for tests/fuzz.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixStream,
};

use super::{
    AuthRequest, Can, ConnectError, Greeted, MysqlSession, Packets, Stage, ask, greeting, refused, relay,
};
use crate::{secret::Secret, target::Target};

/// Reads a greeting, asks, and logs in where a cleartext password is asked for.
///
/// # Errors
/// How the stream was no server.
pub async fn connect_until_auth(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    target: &Target,
    token: &Secret,
) -> Result<MysqlSession, ConnectError> {
    let stage = Stage::Tls;
    let mut packets = Packets { stream, sequence: 0 };
    let packet = packets.read(stage).await?;
    if packet.first() == Some(&0xFF) {
        return Err(refused(stage, &packet, Can::empty()));
    }
    let greeting = greeting(&packet).ok_or_else(|| ConnectError::protocol(stage, "sent no greeting"))?;
    let agreed = super::expected() | Can::CLIENT_LONG_PASSWORD | Can::CLIENT_CONNECT_WITH_DB;
    match ask(Greeted { packets, greeting, agreed }, target).await? {
        (AuthRequest::Cleartext, pending) => pending.log_in(token).await,
        (auth_request, _) => Err(ConnectError::NotIam(auth_request)),
    }
}

/// What reaches the driver of what a server sends.
pub async fn relayed(driver: UnixStream, session: impl AsyncRead + AsyncWrite + Send, dumping: bool) {
    relay::relay(driver, session, std::sync::Arc::new(dumping.into())).await;
}

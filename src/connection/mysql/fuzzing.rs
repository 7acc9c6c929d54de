//! All connection stages except TLS, on any stream, for tests/fuzz.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::UnixStream,
};

use super::{
    AuthRequest, Can, ConnectError, Greeted, MysqlSession, Opening, Packets, Purpose, Stage, greeting,
    refused, relay, request_auth,
};
use crate::{secret::Secret, target::Target};

/// Reads a greeting and logs in if the server requests a cleartext password.
///
/// # Errors
/// What is wrong with the stream.
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
    let greeting =
        greeting(&packet).ok_or_else(|| ConnectError::protocol(stage, "did not send a greeting"))?;
    match request_auth(Greeted { packets, greeting }, &Opening::of(target), target.engine()).await? {
        (AuthRequest::Cleartext, pending) => {
            pending
                .authenticate(token)
                .await?
                .into_session(Purpose::Queries, crate::secret::Redactor::default())
                .await
        }
        (auth_request, _) => Err(ConnectError::NotIam(auth_request)),
    }
}

/// Forwards to the driver what a server sends.
pub async fn relayed(driver: UnixStream, session: impl AsyncRead + AsyncWrite + Send, binlog_mode: bool) {
    relay::relay(driver, session, std::sync::Arc::new(binlog_mode.into())).await;
}

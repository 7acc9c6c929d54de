//! mysql_async takes no stream, but it connects to Unix sockets. So it is given one of ours, in a
//! private folder, on which it finds a server that lets it in at once; behind that the authenticated
//! session is relayed byte by byte. The driver needs no TLS, no cleartext plugin and no token.

use std::io;

use mysql_async::{Conn, OptsBuilder};
use mysql_common::{
    constants::{CapabilityFlags, StatusFlags},
    packets::HandshakePacket,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

use super::{ConnectError, MAX_ALLOWED_PACKET, Packets, Stage, serialized};

/// OK_Packet: no rows, no insert id, autocommit, no warnings.
const OK: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];

/// The driver's connection, and the task that relays it.
pub(super) async fn to_driver<S>(
    session: S,
    greeting: &HandshakePacket<'_>,
    agreed: CapabilityFlags,
) -> Result<(Conn, JoinHandle<()>), ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let internal =
        |what: &str, e: &dyn std::fmt::Display| ConnectError::protocol(Stage::LogIn, format!("{what}: {e}"));
    // Mode 0700: nobody else can find the authenticated session.
    let folder = tempfile::Builder::new()
        .prefix("pipeprobe-")
        .tempdir()
        .map_err(|e| internal("no folder for the driver's socket", &e))?;
    let path = folder.path().join("session");
    let listener = UnixListener::bind(&path).map_err(|e| internal("no socket for the driver", &e))?;

    // The driver negotiates what this greeting offers: exactly what the real server agreed to with us.
    let greeting = HandshakePacket::new(
        10,
        greeting.server_version_ref().to_vec(),
        greeting.connection_id(),
        [1; 8], // a scramble for a password there is not
        Some([1; 13].to_vec()),
        agreed,
        greeting.default_collation(),
        StatusFlags::SERVER_STATUS_AUTOCOMMIT,
        Some(b"mysql_native_password".to_vec()),
    );
    let options = OptsBuilder::default()
        .socket(path.to_str())
        .prefer_socket(false) // never reconnect to a path the server names
        .max_allowed_packet(Some(MAX_ALLOWED_PACKET as usize)) // given, so not asked for
        .wait_timeout(Some(28_800))
        .stmt_cache_size(0);
    let welcome = async {
        let (stream, _) = listener.accept().await?;
        let mut packets = Packets { stream, sequence: 0 };
        welcome(&mut packets, &greeting).await?;
        Ok::<_, io::Error>(packets.stream)
    };
    let (conn, stream) = tokio::join!(Conn::new(options), welcome);
    let mut stream: UnixStream = stream.map_err(|e| internal("the driver did not come", &e))?;
    let conn = conn.map_err(|e| internal("the driver turned the session down", &e))?;
    let relay = tokio::spawn(async move {
        let mut session = session;
        // Either end may go first; what it said last is the driver's to report.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut session).await;
    });
    Ok((conn, relay))
}

/// Greeting, the driver's response (which says nothing new), OK.
async fn welcome(packets: &mut Packets<UnixStream>, greeting: &HandshakePacket<'_>) -> io::Result<()> {
    let broke = |e: ConnectError| io::Error::other(format!("{e:?}"));
    packets.write(Stage::LogIn, &serialized(greeting)).await.map_err(broke)?;
    packets.read(Stage::LogIn).await.map_err(broke)?;
    packets.write(Stage::LogIn, &OK).await.map_err(broke)
}

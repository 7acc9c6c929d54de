//! mysql_async takes no stream, but it connects to Unix sockets. So it is given one of ours, in a
//! private folder, on which it finds a server that lets it in at once; behind that the authenticated
//! session is relayed. The driver needs no TLS, no cleartext plugin and no token.

use mysql_async::{Conn, OptsBuilder};
use mysql_common::{
    constants::{CapabilityFlags, StatusFlags},
    packets::HandshakePacket,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{UnixListener, UnixStream},
};

use super::{
    COLLATION, ConnectError, MAX_ALLOWED_PACKET, Packets, Stage, Task,
    relay::{BinlogMode, relay},
    serialized,
};
use crate::target::Engine;

/// OK_Packet: no rows, no insert id, autocommit, no warnings.
const OK: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];

/// The driver's connection, and the task that relays it.
pub(super) async fn to_driver<S>(
    session: S,
    engine: Engine,
    connection_id: u32,
    agreed: CapabilityFlags,
    dumping: BinlogMode,
) -> Result<(Conn, Task<()>), ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let local = |what: &str, e: &dyn std::fmt::Display| ConnectError::Local(format!("{what}: {e}"));
    // Mode 0700: nobody else can find the authenticated session.
    let folder = tempfile::Builder::new()
        .prefix("pipeprobe-")
        .tempdir()
        .map_err(|e| local("no folder for the driver's socket", &e))?;
    let path = folder.path().join("session");
    // Without a path mysql_async would dial a server of its own.
    let Some(name) = path.to_str() else { return Err(ConnectError::Local("TMPDIR is no UTF-8".into())) };
    let listener = UnixListener::bind(&path).map_err(|e| local("no socket for the driver", &e))?;

    // The driver negotiates what this greeting offers: exactly what the real server agreed to with us. It
    // needs to know the engine; the server's own version is an outsider's text, and its parser's to choke on.
    let version: &[u8] = match engine {
        Engine::Mariadb => b"5.5.5-10.6.0-MariaDB",
        Engine::Mysql | Engine::Postgres => b"8.0.0",
    };
    let greeting = HandshakePacket::new(
        10,
        version,
        connection_id,
        [1; 8], // a scramble for a password there is not
        Some([1; 13].to_vec()),
        agreed,
        COLLATION,
        StatusFlags::SERVER_STATUS_AUTOCOMMIT,
        Some(b"mysql_native_password".to_vec()),
    );
    let options = OptsBuilder::default()
        .socket(Some(name))
        .prefer_socket(false) // never reconnect to a path the server names
        .max_allowed_packet(Some(MAX_ALLOWED_PACKET as usize)) // given, so not asked for
        .wait_timeout(Some(28_800))
        .stmt_cache_size(0);
    let welcome = async {
        let (stream, _) = listener.accept().await.map_err(|e| local("the driver did not come", &e))?;
        let mut packets = Packets { stream, sequence: 0 };
        welcome(&mut packets, &greeting).await?;
        Ok(packets.stream)
    };
    let conn =
        async { Conn::new(options).await.map_err(|e| local("the driver turned the session down", &e)) };
    let (conn, stream) = tokio::try_join!(conn, welcome)?;
    let relay = Task::spawn(relay(stream, session, dumping));
    Ok((conn, relay))
}

/// Greeting, the driver's response (which says nothing new), OK.
async fn welcome(
    packets: &mut Packets<UnixStream>,
    greeting: &HandshakePacket<'_>,
) -> Result<(), ConnectError> {
    packets.write(Stage::Login, &serialized(greeting)).await?;
    packets.read(Stage::Login).await?;
    packets.write(Stage::Login, &OK).await
}

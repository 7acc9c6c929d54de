//! Hands the authenticated session to mysql_async, which only connects to addresses.
//!
//! The driver connects to a Unix socket of this process, is greeted there by a server that accepts it without a
//! password, and its packets are then relayed to the real server. So the driver needs no TLS, no cleartext plugin
//! and no token.
//!
//! A process that connects to that socket gets the session, and a process that replaces the socket can pretend to be the
//! server. On Linux the socket therefore has a name in the abstract namespace (unix(7)): there is no file that another user
//! could replace or that a killed process leaves behind, and no umask that could open it. On other systems it is a
//! file in a folder with mode 0700. On all systems only a connection from this very process is accepted.

use std::{error::Error, io, process};

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
use crate::{local_failure::LocalFailure, target::Engine};

/// OK_Packet: no rows, no insert id, autocommit, no warnings.
const OK: [u8; 7] = [0, 0, 0, 2, 0, 0, 0];

/// The driver's connection, and the task that relays it.
pub(super) struct Handover {
    pub(super) conn: Conn,
    pub(super) relay: Task<()>,
}

/// Connects the driver to a session that is already authenticated.
///
/// `connection_id` and `agreed` are what the real server announced and agreed to.
///
/// # Errors
/// [`ConnectError::Local`] if this machine refuses the socket.
pub(super) async fn to_driver<S>(
    session: S,
    engine: Engine,
    connection_id: u32,
    agreed: CapabilityFlags,
    binlog_mode: BinlogMode,
) -> Result<Handover, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let socket = PrivateSocket::bind().map_err(|e| local("cannot create the driver's socket", &e))?;

    // The driver negotiates what this greeting offers: exactly what the real server agreed to with us. It needs
    // to know the engine. The real version stays out: it is untrusted text, and the driver would parse it.
    let version: &[u8] = match engine {
        Engine::Mariadb => b"5.5.5-10.6.0-MariaDB",
        Engine::Mysql | Engine::Postgres => b"8.0.0",
    };
    let greeting = HandshakePacket::new(
        10,
        version,
        connection_id,
        [1; 8], // the scramble, for a password that does not exist
        Some([1; 13].to_vec()),
        agreed,
        COLLATION,
        StatusFlags::SERVER_STATUS_AUTOCOMMIT,
        Some(b"mysql_native_password".to_vec()),
    );
    let options = OptsBuilder::default()
        .socket(Some(socket.address.as_str()))
        .prefer_socket(false) // never reconnect to a path that the server names
        .max_allowed_packet(Some(MAX_ALLOWED_PACKET as usize)) // given, so the driver does not query it
        .wait_timeout(Some(28_800))
        .stmt_cache_size(0);
    let welcome = async {
        let stream = socket.accept().await.map_err(|e| local("the driver did not connect", &e))?;
        let mut packets = Packets { stream, sequence: 0 };
        welcome(&mut packets, &greeting).await?;
        Ok(packets.stream)
    };
    let conn = async { Conn::new(options).await.map_err(|e| local("the driver rejected the session", &e)) };
    let (conn, stream) = tokio::try_join!(conn, welcome)?;
    let relay = Task::spawn(relay(stream, session, binlog_mode));
    Ok(Handover { conn, relay })
}

fn local(doing: &str, error: &(dyn Error + 'static)) -> ConnectError {
    ConnectError::Local { stage: Stage::Login, failure: LocalFailure::new(doing, error) }
}

/// Greeting, the driver's response (which adds nothing), OK.
async fn welcome(
    packets: &mut Packets<UnixStream>,
    greeting: &HandshakePacket<'_>,
) -> Result<(), ConnectError> {
    packets.write(Stage::Login, &serialized(greeting)).await?;
    packets.read(Stage::Login).await?;
    packets.write(Stage::Login, &OK).await
}

/// A listening Unix socket that only this process can use.
struct PrivateSocket {
    listener: UnixListener,
    /// As mysql_async takes it. A leading NUL means the abstract namespace, in tokio as well.
    address: String,
    #[cfg(any(test, not(target_os = "linux")))]
    _folder: Option<tempfile::TempDir>,
}

impl PrivateSocket {
    #[cfg(target_os = "linux")]
    fn bind() -> io::Result<Self> {
        use std::hash::{BuildHasher, RandomState};
        // std draws a random key for it: a name that another process can guess could be taken before.
        let random = RandomState::new().hash_one(process::id());
        let address = format!("\0pipeprobe-{random:016x}");
        Ok(Self {
            listener: UnixListener::bind(&address)?,
            address,
            #[cfg(test)]
            _folder: None,
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn bind() -> io::Result<Self> {
        Self::bind_in_folder()
    }

    #[cfg(any(test, not(target_os = "linux")))]
    fn bind_in_folder() -> io::Result<Self> {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt};
        // Without this, mkdir would use 0777 less the umask.
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("pipeprobe-").permissions(private).tempdir()?;
        let path = folder.path().join("session");
        let address = path.to_str().ok_or_else(|| io::Error::other("TMPDIR is not UTF-8"))?.to_owned();
        Ok(Self { listener: UnixListener::bind(&path)?, address, _folder: Some(folder) })
    }

    /// The first connection from this process (`SO_PEERCRED`). Others are closed without a byte.
    async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?;
            if peer.pid().is_some_and(|pid| u32::try_from(pid) == Ok(process::id())) {
                return Ok(stream);
            }
            tracing::warn!(uid = peer.uid(), "another process connected to the driver's socket; closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::unix::{fs::PermissionsExt, process::CommandExt},
        process::{Child, Command, Stdio},
    };

    use tokio::io::AsyncReadExt;

    use super::*;

    const ADDRESS: &str = "PIPEPROBE_TEST_ADDRESS";
    const NOBODY: u32 = 65_534;

    /// Not a test by itself: the other process of the test below. It prints what it receives.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the address for the test's child process")]
    async fn intruder() {
        let Ok(address) = std::env::var(ADDRESS) else { return };
        let mut stream = UnixStream::connect(address.replace('@', "\0")).await.unwrap();
        println!("connected");
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        println!("received {} bytes", received.len());
    }

    /// The same program as another process, and as another user if this one may become that.
    fn start_intruder(address: &str) -> Child {
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["--exact", "connection::mysql::handover::tests::intruder", "--nocapture"])
            .env(ADDRESS, address.replace('\0', "@"))
            .stdout(Stdio::piped());
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.spawn().unwrap()
    }

    async fn only_this_process_is_accepted(socket: PrivateSocket) {
        let mut intruder = start_intruder(&socket.address);
        // It is first in the queue: it has connected before the driver does.
        let mut output = io::BufReader::new(intruder.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("connected") {
            line.clear();
            assert!(
                io::BufRead::read_line(&mut output, &mut line).unwrap() > 0,
                "the intruder did not start"
            );
        }
        let driver = UnixStream::connect(&socket.address);
        let (accepted, driver) = tokio::join!(socket.accept(), driver);
        let (accepted, driver) = (accepted.unwrap(), driver.unwrap());
        driver.try_write(b"ours").unwrap();
        accepted.readable().await.unwrap();
        let mut received = [0; 4];
        accepted.try_read(&mut received).unwrap();
        assert_eq!(&received, b"ours");

        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("received 0 bytes"), "{rest}");
        assert!(intruder.wait().unwrap().success());
    }

    #[tokio::test]
    async fn a_connection_from_another_process_is_closed_without_a_byte() {
        only_this_process_is_accepted(PrivateSocket::bind().unwrap()).await;
    }

    #[tokio::test]
    async fn the_folder_of_other_systems_is_private_under_any_umask() {
        use rustix::{fs::Mode, process::umask};
        // The umask belongs to the process: the folder is made between two changes of it.
        let before = umask(Mode::empty());
        let socket = PrivateSocket::bind_in_folder();
        umask(before);
        let socket = socket.unwrap();
        let folder = std::path::Path::new(&socket.address).parent().unwrap();
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}

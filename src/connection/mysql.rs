//! Connection stages of MySQL and MariaDB: greeting, SSLRequest, HandshakeResponse41, AuthSwitchRequest, and the
//! handover to mysql_async.
//!
//! Sources: MySQL Internals Manual, "Connection Phase"; MariaDB Knowledge Base, "Connection". The packet types come
//! from mysql_common, the framing is in this file.

mod client;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handover;
mod local_password;
mod relay;

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

pub use client::{COM_CHANGE_USER, ChangeUser, ClientResponse};
use futures_util::StreamExt;
use handover::Handover;
pub(super) use local_password::with_scramble;
pub use local_password::{LocalPlugin, Scramble};
use mysql_async::{BinlogStreamRequest, Conn, Row, Value, from_value_opt, prelude::Queryable};
use mysql_common::{
    collations::CollationId,
    constants::CapabilityFlags as Can,
    io::ParseBuf,
    packets::{AuthPlugin, AuthSwitchRequest, ErrPacket, HandshakePacket, HandshakeResponse, SslRequest},
    proto::MySerialize,
};
use relay::BinlogMode;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::{
    AuthRequest, ConnectError, Greeting, Purpose, Refusal, Rows, Sample, SampleLimits, Stage, close_timeout,
    handshake, limited_stream::LimitedStream, logged, sample, task::Task,
};
use crate::{
    diagnostic::printable,
    secret::{Redactor, Secret},
    sql::ServerText,
    target::{Engine, Target},
};

/// Longest packet accepted before the session is authenticated, in bytes.
const LONGEST: usize = 64 * 1024;
const MAX_ALLOWED_PACKET: u32 = 16 << 20;
/// utf8mb4_general_ci, as in HandshakeResponse: MySQL refuses a handshake (1043) if the two packets differ.
const COLLATION: u8 = CollationId::UTF8MB4_GENERAL_CI as u8;

/// The capabilities that we require. None of them changes the framing of results, so the driver can be told the
/// same ones. Without CLIENT_LOCAL_FILES a server cannot request local files.
fn required() -> Can {
    Can::CLIENT_PROTOCOL_41
        | Can::CLIENT_SSL
        | Can::CLIENT_SECURE_CONNECTION
        | Can::CLIENT_TRANSACTIONS
        | Can::CLIENT_PLUGIN_AUTH
}

/// A plugin that does not exist. Whatever plugin the account uses, the server must send an AuthSwitchRequest with
/// its name, before it has received anything secret.
const NO_PLUGIN: &[u8] = b"pipeprobe";

/// What the client side announces, in answer to the greeting. It contains no secret.
pub(super) struct Opening {
    /// The capabilities of both packets.
    pub(super) agreed: Can,
    /// The payload of SSLRequest. MySQL reads the capabilities of this packet only.
    pub(super) ssl_request: Vec<u8>,
    /// The payload of HandshakeResponse41: the target's user, character set, database and attributes, and a plugin that
    /// makes the server send an AuthSwitchRequest.
    pub(super) response: Vec<u8>,
}

impl Opening {
    /// Of a check.
    pub(super) fn of(target: &Target) -> Self {
        // MariaDB omits CLIENT_LONG_PASSWORD in its greeting; a client that sets it has no extended capabilities. The
        // flag for a database must be set in SSLRequest.
        let with_database =
            if target.database.is_some() { Can::CLIENT_CONNECT_WITH_DB } else { Can::empty() };
        let agreed = required() | Can::CLIENT_LONG_PASSWORD | with_database;
        let response = HandshakeResponse::new(
            None::<&[u8]>,
            (8, 0, 0), // only selects the collation
            Some(target.user.as_str().as_bytes()),
            target.database.as_deref().map(str::as_bytes),
            Some(AuthPlugin::Other(NO_PLUGIN.into())),
            agreed,
            None,
            MAX_ALLOWED_PACKET,
        );
        Self {
            agreed,
            ssl_request: serialized(&SslRequest::new(agreed, MAX_ALLOWED_PACKET, COLLATION)),
            response: serialized(&response),
        }
    }
}

/// A connection after the server's greeting, before TLS or after it.
pub(super) struct Greeted<S = TlsStream<TcpStream>> {
    packets: Packets<S>,
    greeting: HandshakePacket<'static>,
}

impl Greeted {
    pub(super) fn stream(&self) -> &TlsStream<TcpStream> {
        &self.packets.stream
    }
}

impl Opening {
    /// Of a client that speaks the protocol itself.
    pub(super) fn of_client(response: &ClientResponse<'_>, target: &Target) -> Self {
        response.opening(target.user.as_str())
    }
}

/// The greeting, in plaintext, and what a client can be offered of it.
pub(super) async fn greet(
    stream: TcpStream,
    seen: &mut Option<Greeting>,
) -> Result<(Greeted<TcpStream>, Vec<u8>), ConnectError> {
    let stage = Stage::Tls;
    let mut packets = Packets { stream, sequence: 0 };
    let packet = packets.read(stage).await?;
    if packet.first() == Some(&0xFF) {
        return Err(refused(stage, &packet, Can::empty())); // blocked host, too many connections
    }
    let (greeting, offer) = greeting(&packet)
        .zip(client::offer(&packet))
        .ok_or_else(|| ConnectError::protocol(stage, "did not send a greeting"))?;
    *seen = Some(Greeting {
        version: printable(&greeting.server_version_str()),
        default_plugin: printable(&greeting.auth_plugin_name_str().unwrap_or_default()),
    });
    let missing = required() - greeting.capabilities();
    if missing.contains(Can::CLIENT_SSL) {
        return Err(ConnectError::PlaintextOnly);
    }
    if !missing.is_empty() {
        return Err(ConnectError::protocol(stage, format!("does not support {missing:?}")));
    }
    Ok((Greeted { packets, greeting }, offer))
}

/// SSLRequest in plaintext, then TLS.
pub(super) async fn start_tls(
    greeted: Greeted<TcpStream>,
    opening: &Opening,
    tls: Arc<ClientConfig>,
    target: &Target,
) -> Result<Greeted, ConnectError> {
    let Greeted { mut packets, greeting } = greeted;
    packets.write(Stage::Tls, &opening.ssl_request).await?;
    let stream = handshake(packets.stream, tls, target).await?;
    Ok(Greeted { packets: Packets { stream, sequence: packets.sequence }, greeting })
}

/// The greeting, if the packet is one of protocol 10. The length of the scramble is checked first, because
/// mysql_common counts it in a signed byte, which overflows from 0x80 on.
fn greeting(packet: &[u8]) -> Option<HandshakePacket<'static>> {
    let version = packet.strip_prefix(&[10])?.iter().position(|byte| *byte == 0)?;
    // After the NUL of the version: connection id 4, scramble 8, filler 1, flags 2, collation 1, status 2, flags 2.
    let scramble_length = *packet.get(1 + version + 1 + 20)?;
    if scramble_length > 0x7f {
        return None;
    }
    ParseBuf(packet).parse::<HandshakePacket<'_>>(()).ok().map(HandshakePacket::into_owned)
}

/// A server that knows the user name and waits for the token.
pub(super) struct PendingAuth<S = TlsStream<TcpStream>> {
    greeted: Greeted<S>,
    agreed: Can,
    engine: Engine,
}

/// Sends HandshakeResponse41 without a secret and reads the AuthSwitchRequest.
pub(super) async fn request_auth<S: AsyncRead + AsyncWrite + Unpin>(
    mut greeted: Greeted<S>,
    opening: &Opening,
    engine: Engine,
) -> Result<(AuthRequest, PendingAuth<S>), ConnectError> {
    let stage = Stage::AuthRequest;
    greeted.packets.write(stage, &opening.response).await?;
    let packet = greeted.packets.read(stage).await?;
    let auth_request = match packet.first() {
        Some(0x00) => AuthRequest::Nothing,
        Some(0xFE) => switch_request(stage, &packet)?,
        Some(0xFF) => return Err(refused(stage, &packet, opening.agreed)),
        _ => return Err(ConnectError::protocol(stage, "did not send an authentication request")),
    };
    Ok((auth_request, PendingAuth { greeted, agreed: opening.agreed, engine }))
}

impl<S: AsyncRead + AsyncWrite + Unpin> PendingAuth<S> {
    /// Sends the token and reads OK.
    pub(super) async fn authenticate(mut self, token: &Secret) -> Result<Authenticated<S>, ConnectError> {
        let ok = send_token(&mut self.greeted.packets, self.agreed, token).await?;
        let Self { greeted, agreed, engine } = self;
        Ok(Authenticated { greeted, agreed, engine, ok })
    }
}

/// The authentication that an AuthSwitchRequest asks for.
fn switch_request(stage: Stage, packet: &[u8]) -> Result<AuthRequest, ConnectError> {
    let request = ParseBuf(packet)
        .parse::<AuthSwitchRequest<'_>>(())
        .map_err(|_| ConnectError::protocol(stage, "sent a malformed AuthSwitchRequest"))?;
    Ok(match request.auth_plugin() {
        AuthPlugin::MysqlClearPassword => AuthRequest::Cleartext,
        other => AuthRequest::Plugin(printable(&String::from_utf8_lossy(other.as_bytes()))),
    })
}

/// Sends the token, NUL-terminated as `mysql_clear_password` requires, and returns the payload of OK.
async fn send_token<S: AsyncRead + AsyncWrite + Unpin>(
    packets: &mut Packets<S>,
    agreed: Can,
    token: &Secret,
) -> Result<Vec<u8>, ConnectError> {
    let stage = Stage::Login;
    let mut password = [token.reveal().as_bytes(), &[0]].concat();
    let sent = packets.write(stage, &password).await;
    password.fill(0);
    sent?;
    let packet = packets.read(stage).await?;
    match packet.first() {
        Some(0x00) => Ok(packet),
        Some(0xFF) => Err(refused(stage, &packet, agreed)),
        Some(0xFE) => Err(ConnectError::protocol(stage, "switched the authentication a second time")),
        _ => Err(ConnectError::protocol(stage, "sent neither OK nor an error after the token")),
    }
}

/// Authenticates an open session again, with COM_CHANGE_USER. The token is sent only if the server requests it.
pub(super) async fn change_user(
    stream: &mut TlsStream<TcpStream>,
    change: &ChangeUser<'_>,
    target: &Target,
    token: &Secret,
) -> Result<Vec<u8>, ConnectError> {
    let stage = Stage::Login;
    let mut packets = Packets { stream, sequence: 0 };
    packets.write(stage, &change.request(target.user.as_str())).await?;
    let packet = packets.read(stage).await?;
    let auth_request = match packet.first() {
        Some(0x00) => AuthRequest::Nothing,
        Some(0xFE) => switch_request(stage, &packet)?,
        Some(0xFF) => return Err(refused(stage, &packet, Can::CLIENT_PROTOCOL_41)),
        _ => return Err(ConnectError::protocol(stage, "did not send an authentication request")),
    };
    if auth_request != AuthRequest::Cleartext {
        return Err(ConnectError::NotIam(auth_request));
    }
    send_token(&mut packets, Can::CLIENT_PROTOCOL_41, token).await
}

/// A session after the server's OK.
pub(super) struct Authenticated<S = TlsStream<TcpStream>> {
    greeted: Greeted<S>,
    agreed: Can,
    engine: Engine,
    /// The payload of OK.
    ok: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Authenticated<S> {
    /// The stream, and the payload of OK. A client has its own sequence number for it.
    pub(super) fn into_relay(self) -> (S, Vec<u8>) {
        (self.greeted.packets.stream, self.ok)
    }

    /// Hands the session to the driver.
    pub(super) async fn into_session(
        self,
        purpose: Purpose,
        redactor: Redactor,
    ) -> Result<MysqlSession, ConnectError> {
        let Greeted { packets, greeting } = self.greeted;
        let session = LimitedStream::new(packets.stream, purpose.limit());
        let agreed = self.agreed - Can::CLIENT_SSL;
        let (id, binlog_mode) = (greeting.connection_id(), BinlogMode::default());
        let Handover { conn, relay } =
            handover::to_driver(session, self.engine, id, agreed, binlog_mode.clone()).await?;
        Ok(MysqlSession { conn, relay, binlog_mode, redactor })
    }
}

/// A position in the binary log (`SHOW BINARY LOG STATUS`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct BinlogPosition {
    pub file: String,
    /// Offset in the file, in bytes.
    pub position: u64,
}

/// An authenticated session and the task that relays it to the driver.
#[derive(Debug)]
pub struct MysqlSession {
    conn: Conn,
    relay: Task<()>,
    binlog_mode: BinlogMode,
    redactor: Redactor,
}

impl MysqlSession {
    /// Runs one statement and returns its rows.
    ///
    /// # Errors
    /// The server's refusal of this statement, or no response until `deadline`.
    pub async fn rows(&mut self, sql: &str, deadline: Instant) -> Result<Rows, Refusal> {
        logged(sql, self.query(sql, deadline)).await
    }

    async fn query(&mut self, sql: &str, deadline: Instant) -> Result<Rows, Refusal> {
        let answer = tokio::time::timeout_at(deadline.into(), self.conn.query::<Row, _>(sql)).await;
        let refused = |error| driver_refusal(&error).redacted(&self.redactor);
        let rows = answer.map_err(|_| Refusal::silence())?.map_err(refused)?;
        let clean = |text: String| ServerText::new(self.redactor.clean(&text));
        let text = |value| from_value_opt::<Option<String>>(value).unwrap_or_default().map(clean);
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }

    /// Reads rows of a query and measures how long that takes. Afterwards the session is of no use.
    ///
    /// # Errors
    /// The server's refusal, or no row until the limit.
    pub async fn sample(mut self, query: &str, limits: SampleLimits) -> Result<Sample, Refusal> {
        let start = Instant::now();
        let refused = |error| driver_refusal(&error).redacted(&self.redactor);
        // NULL: the text protocol has no other values.
        let size = |value: &Value| if let Value::Bytes(bytes) = value { bytes.len() } else { 1 };
        let rows =
            tokio::time::timeout_at(limits.until.into(), self.conn.query_stream::<Row, _>(query)).await;
        let rows = rows.map_err(|_| Refusal::silence())?.map_err(refused)?;
        sample::read(
            start,
            rows.map(|row| row.map(|row| row.unwrap().iter().map(size).sum()).map_err(refused)),
            limits,
        )
        .await
    }

    /// Becomes a replica for a moment: registers (COM_REGISTER_SLAVE, with an empty report password, because a
    /// token is too long for it) and requests the binary log from `from` to its end (COM_BINLOG_DUMP, not
    /// blocking). Returns the number of events, at least one.
    ///
    /// # Errors
    /// The server's refusal, or no response until `deadline`.
    pub async fn stream_binlog(
        self,
        server_id: u32,
        from: &BinlogPosition,
        deadline: Instant,
        close_by: Instant,
    ) -> Result<usize, Refusal> {
        self.binlog_mode.store(true, Ordering::Relaxed);
        // In a task, because mysql_async may panic on an event: the facts collected before must survive that.
        let from = from.clone();
        let events = Task::spawn(async move {
            let request = BinlogStreamRequest::new(server_id)
                .with_filename(from.file.as_bytes())
                .with_pos(from.position)
                .with_non_blocking();
            let mut stream = self.conn.get_binlog_stream(request).await?;
            let mut events = 0;
            while let Some(event) = stream.next().await {
                event?;
                events += 1;
            }
            // The server closes the connection after the last event.
            let _ = stream.close().await;
            Ok(events)
        });
        let streamed =
            tokio::time::timeout_at(deadline.into(), events).await.map_err(|_| Refusal::silence())?;
        let _ = tokio::time::timeout_at(close_timeout(close_by), self.relay).await;
        let unreadable = || Refusal::of_driver("the server sent an event that the driver cannot read");
        let streamed = streamed.map_err(|_| unreadable())?;
        match streamed.map_err(|e: mysql_async::Error| driver_refusal(&e).redacted(&self.redactor))? {
            0 => Err(Refusal {
                code: "connection".into(),
                message: "the binary log ended before its first event".into(),
                ..Refusal::default()
            }),
            events => Ok(events),
        }
    }

    /// Sends COM_QUIT and waits until the connection is closed, at most a second and not after `by`.
    pub async fn close(self, by: Instant) {
        let _ = tokio::time::timeout_at(close_timeout(by), async {
            let _ = self.conn.disconnect().await;
            let _ = self.relay.await;
        })
        .await;
    }
}

fn driver_refusal(error: &mysql_async::Error) -> Refusal {
    match error {
        mysql_async::Error::Server(e) => {
            Refusal { code: e.code.to_string(), message: printable(&e.message), ..Refusal::default() }
        }
        other => Refusal {
            code: "connection".into(),
            message: printable(&other.to_string()),
            ..Refusal::default()
        },
    }
}

fn refused(stage: Stage, packet: &[u8], agreed: Can) -> ConnectError {
    match ParseBuf(packet).parse::<ErrPacket<'_>>(agreed) {
        Ok(ErrPacket::Error(e)) => ConnectError::Refused {
            stage,
            refusal: Refusal {
                code: e.error_code().to_string(),
                // Before the handshake an error has no SQLSTATE, but some servers send one.
                message: printable(&e.message_str()).trim_start_matches("#08004").to_owned(),
                ..Refusal::default()
            },
        },
        _ => ConnectError::protocol(stage, "sent a malformed error packet"),
    }
}

fn serialized(packet: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.serialize(&mut bytes);
    bytes
}

/// Packets on a stream: 3 bytes length, 1 byte sequence number, payload.
struct Packets<S> {
    stream: S,
    sequence: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Packets<S> {
    async fn read(&mut self, stage: Stage) -> Result<Vec<u8>, ConnectError> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await.map_err(|e| ConnectError::io(stage, &e))?;
        let [a, b, c, sequence] = head;
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        if length == 0 || length > LONGEST {
            return Err(ConnectError::protocol(stage, format!("sent a packet of {length} bytes")));
        }
        if sequence != self.sequence {
            return Err(ConnectError::protocol(
                stage,
                format!("sent packet number {sequence} instead of {}", self.sequence),
            ));
        }
        self.sequence = sequence.wrapping_add(1);
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.map_err(|e| ConnectError::io(stage, &e))?;
        Ok(payload)
    }

    async fn write(&mut self, stage: Stage, payload: &[u8]) -> Result<(), ConnectError> {
        let io = |e: io::Error| ConnectError::io(stage, &e);
        let [a, b, c, _] = (payload.len() as u32).to_le_bytes(); // we only send short packets
        self.stream.write_all(&[a, b, c, self.sequence]).await.map_err(io)?;
        self.stream.write_all(payload).await.map_err(io)?;
        self.stream.flush().await.map_err(io)?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(version: &str, scramble_length: u8) -> Vec<u8> {
        let mut packet =
            [b"\x0a", version.as_bytes(), b"\0\x01\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\xdf"].concat();
        packet.push(scramble_length);
        packet.extend([0; 10]);
        packet.extend(b"ijklmnopqrst\0caching_sha2_password\0");
        packet
    }

    #[test]
    fn malformed_greetings_are_refused_without_a_panic() {
        let good = packet("8.0.39", 21);
        assert_eq!(greeting(&good).unwrap().server_version_ref(), b"8.0.39");
        assert!(greeting(&packet("\u{663}.\u{663}.\u{663}", 21)).is_some()); // its version is never parsed
        for length in 0..=255 {
            assert!(length < 0x80 || greeting(&packet("8.0.39", length)).is_none(), "{length}");
        }
        for cut in 0..good.len() {
            let _ = greeting(&good[..cut]);
        }
        for at in 0..good.len() {
            for byte in [0, 0x7f, 0x80, 0xff] {
                let mut bent = good.clone();
                bent[at] = byte;
                let _ = greeting(&bent);
            }
        }
    }
}

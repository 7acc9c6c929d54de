//! PostgreSQL connection stages: SSLRequest, StartupMessage, password, and the hand-over to tokio-postgres.
//! Source: PostgreSQL documentation, "Frontend/Backend Protocol: Message Flow".

#[cfg(fuzzing)]
pub mod fuzzing;
mod pre_authenticated;

use std::{error::Error, io, sync::Arc, time::Instant};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use futures_util::StreamExt;
use postgres_protocol::message::{
    backend::{ErrorResponseBody, Message},
    frontend,
};
use pre_authenticated::PreAuthenticated;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow, config::SslMode};
use tokio_rustls::client::TlsStream;

use super::{
    AuthRequest, ConnectError, Purpose, Refusal, Rows, Sample, SampleLimits, Stage, close_timeout, handshake,
    limited_stream::LimitedStream, logged, sample, task::Task,
};
use crate::{
    diagnostic::printable,
    secret::{Redactor, Secret},
    sql::ServerText,
    target::Target,
};

/// Maximum message length before the session is established. A regular message has at most 2 kilobytes.
const LONGEST: usize = 64 * 1024;

/// SSLRequest, then TLS. Exactly one byte is read in the clear, so bytes injected before the
/// handshake can only break it (CVE-2021-23222).
pub(super) async fn start_tls(
    mut stream: TcpStream,
    tls: Arc<ClientConfig>,
    target: &Target,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let stage = Stage::Tls;
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(|e| ConnectError::io(stage, &e))?;
    match stream.read_u8().await.map_err(|e| ConnectError::io(stage, &e))? {
        b'S' => handshake(stream, tls, target).await,
        b'N' => Err(ConnectError::PlaintextOnly),
        // An ErrorResponse here comes unencrypted from anyone; its words are not repeated (CVE-2024-10977).
        b'E' => Err(ConnectError::protocol(stage, "answered SSLRequest with an error")),
        other => Err(ConnectError::protocol(stage, format!("answered SSLRequest with byte 0x{other:02x}"))),
    }
}

/// The startup message of a check.
pub(super) fn startup(target: &Target, purpose: Purpose) -> Result<BytesMut, ConnectError> {
    let mut parameters = vec![
        ("user", target.user.as_str()),
        ("database", target.database.as_deref().unwrap_or_default()),
        ("client_encoding", "UTF8"),
        ("application_name", "pipeprobe"),
    ];
    if purpose == Purpose::Replication {
        parameters.push(("replication", "database"));
    }
    let mut startup = BytesMut::new();
    frontend::startup_message(parameters, &mut startup)
        .map_err(|e| ConnectError::io(Stage::AuthRequest, &e))?;
    Ok(startup)
}

/// A server that received the user name and requested the token.
pub(super) struct PendingAuth<S = TlsStream<TcpStream>> {
    stream: S,
    buffer: BytesMut,
    /// For a client's startup message: messages that it expects before AuthenticationOk, complete.
    kept: Option<Vec<u8>>,
}

/// Sends the startup message and reads the authentication request that answers it. `keep`: keep the messages that a client
/// expects (NegotiateProtocolVersion, notices) instead of refusing or dropping them.
pub(super) async fn request_auth<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    startup: &[u8],
    keep: bool,
) -> Result<(AuthRequest, PendingAuth<S>), ConnectError> {
    let stage = Stage::AuthRequest;
    let mut pending = PendingAuth { stream, buffer: BytesMut::new(), kept: keep.then(Vec::new) };
    pending.send(stage, startup).await?;
    let auth_request = match pending.message(stage).await? {
        Message::AuthenticationCleartextPassword => AuthRequest::Cleartext,
        Message::AuthenticationOk => AuthRequest::Nothing,
        Message::AuthenticationMd5Password(_) => AuthRequest::Md5,
        Message::AuthenticationSasl(body) => {
            let names = body.mechanisms().take(8).map(|name| Ok(printable(name))).collect();
            AuthRequest::Sasl(names.map_err(|e: io::Error| malformed(stage, &e))?)
        }
        Message::AuthenticationGss => AuthRequest::Other("GSSAPI"),
        Message::AuthenticationSspi => AuthRequest::Other("SSPI"),
        Message::AuthenticationKerberosV5 => AuthRequest::Other("Kerberos V5"),
        Message::AuthenticationScmCredential => AuthRequest::Other("SCM credentials"),
        _ => return Err(ConnectError::protocol(stage, "sent no authentication request")),
    };
    Ok((auth_request, pending))
}

impl<S: AsyncRead + AsyncWrite + Unpin> PendingAuth<S> {
    /// Sends the password message and reads AuthenticationOk.
    pub(super) async fn authenticate(mut self, token: &Secret) -> Result<Authenticated<S>, ConnectError> {
        let stage = Stage::Login;
        let mut password = BytesMut::new();
        frontend::password_message(token.reveal().as_bytes(), &mut password)
            .map_err(|e| ConnectError::io(stage, &e))?;
        let sent = self.send(stage, &password).await;
        password.fill(0);
        sent?;
        match self.message(stage).await? {
            Message::AuthenticationOk => {}
            _ => return Err(ConnectError::protocol(stage, "sent no AuthenticationOk after the token")),
        }
        Ok(Authenticated {
            stream: self.stream,
            read_beyond: self.buffer,
            kept: self.kept.unwrap_or_default(),
        })
    }

    async fn send(&mut self, stage: Stage, message: &[u8]) -> Result<(), ConnectError> {
        self.stream.write_all(message).await.map_err(|e| ConnectError::io(stage, &e))?;
        self.stream.flush().await.map_err(|e| ConnectError::io(stage, &e))
    }

    /// The next message that is not a notice. An ErrorResponse is the server's refusal.
    async fn message(&mut self, stage: Stage) -> Result<Message, ConnectError> {
        loop {
            if let [_, a, b, c, d, ..] = self.buffer[..]
                && u32::from_be_bytes([a, b, c, d]) as usize > LONGEST
            {
                return Err(ConnectError::protocol(stage, "sent a message of more than 64 KiB"));
            }
            if let Some(kept) = &mut self.kept
                && let Some(message) = for_client(&mut self.buffer)
            {
                if kept.len() + message.len() > LONGEST {
                    return Err(ConnectError::protocol(
                        stage,
                        "sent more than 64 KiB before it authenticated",
                    ));
                }
                kept.extend_from_slice(&message);
                continue;
            }
            match Message::parse(&mut self.buffer).map_err(|e| malformed(stage, &e))? {
                Some(Message::ErrorResponse(body)) => {
                    return Err(ConnectError::Refused { stage, refusal: refusal(&body) });
                }
                Some(Message::NoticeResponse(_)) => {}
                Some(message) => return Ok(message),
                None => {
                    let read = self
                        .stream
                        .read_buf(&mut self.buffer)
                        .await
                        .map_err(|e| ConnectError::io(stage, &e))?;
                    if read == 0 {
                        return Err(ConnectError::Closed { stage });
                    }
                }
            }
        }
    }
}

/// The first message of the buffer, if it is complete and is a notice or NegotiateProtocolVersion.
fn for_client(buffer: &mut BytesMut) -> Option<BytesMut> {
    let [b'N' | b'v', a, b, c, d, ..] = buffer[..] else { return None };
    let length = 1 + u32::from_be_bytes([a, b, c, d]) as usize;
    (length >= 5 && buffer.len() >= length).then(|| buffer.split_to(length))
}

/// A session after AuthenticationOk.
pub(super) struct Authenticated<S = TlsStream<TcpStream>> {
    stream: S,
    read_beyond: BytesMut,
    kept: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Authenticated<S> {
    /// The stream, and what a client that sent the startup message must read before it.
    pub(super) fn into_relay(self) -> (S, Vec<u8>) {
        let said = [&self.kept[..], &pre_authenticated::AUTHENTICATION_OK, &self.read_beyond].concat();
        (self.stream, said)
    }

    /// Passes the session to the driver.
    pub(super) async fn into_session(
        self,
        purpose: Purpose,
        redactor: Redactor,
    ) -> Result<PostgresSession, ConnectError>
    where
        S: Send + 'static,
    {
        let stream = LimitedStream::new(self.stream, purpose.limit());
        let pre_authenticated = PreAuthenticated::new(stream, &self.read_beyond);
        let mut config = tokio_postgres::Config::new();
        config.user("pipeprobe").ssl_mode(SslMode::Disable); // TLS and login are behind us
        let (client, connection) =
            config.connect_raw(pre_authenticated, NoTls).await.map_err(|e| driver_error(&e))?;
        let server_version = connection.parameter("server_version").unwrap_or_default();
        let server_version = redactor.clean(server_version).into_owned();
        let driver = Task::spawn(async move { drop(connection.await) });
        Ok(PostgresSession { client, driver, server_version, redactor })
    }
}

/// Sends a request to cancel a query. The server closes the connection when it has processed the request.
pub(super) async fn cancel(mut stream: TlsStream<TcpStream>, request: &[u8]) -> Result<(), ConnectError> {
    let io = |e: io::Error| ConnectError::io(Stage::AuthRequest, &e);
    stream.write_all(request).await.map_err(io)?;
    stream.flush().await.map_err(io)?;
    // Nothing is expected. A connection that the server resets has also been processed.
    let mut nothing = [0; 64];
    while stream.read(&mut nothing).await.is_ok_and(|read| read > 0) {}
    Ok(())
}

/// An authenticated session and the task that drives it.
pub struct PostgresSession {
    client: Client,
    driver: Task<()>,
    pub server_version: String,
    redactor: Redactor,
}

impl PostgresSession {
    /// One statement in the simple query protocol: its rows, each column as text.
    /// Statements awaited together go out together, in one round trip.
    ///
    /// # Errors
    /// The server's refusal of this statement, or its silence until `deadline`; others in flight are not lost.
    pub async fn rows(&self, sql: &str, deadline: Instant) -> Result<Rows, Refusal> {
        logged(sql, self.query(sql, deadline)).await
    }

    async fn query(&self, sql: &str, deadline: Instant) -> Result<Rows, Refusal> {
        let answer = tokio::time::timeout_at(deadline.into(), self.client.simple_query(sql)).await;
        let refused = |error| driver_refusal(&error).redacted(&self.redactor);
        let messages = answer.map_err(|_| Refusal::silence())?.map_err(refused)?;
        let text = |text: &str| ServerText::new(self.redactor.clean(text));
        // The queried columns contain only UTF-8.
        let column = |row: &SimpleQueryRow, i| row.try_get(i).ok().flatten().map(text);
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|i| column(row, i)).collect()),
            _ => None,
        };
        Ok(messages.iter().filter_map(row).collect())
    }

    /// Reads rows of a query and measures how long that takes. Afterwards the session is of no use: drop it.
    ///
    /// # Errors
    /// The server's refusal, or no row until the limit.
    pub async fn sample(&self, query: &str, limits: SampleLimits) -> Result<Sample, Refusal> {
        let start = Instant::now();
        let refused = |error| driver_refusal(&error).redacted(&self.redactor);
        // The server sends one message for each row (PostgreSQL documentation, "COPY Operations"), and the driver does not
        // read more than is taken from it.
        let copy = format!("COPY ({query}) TO STDOUT");
        let rows = tokio::time::timeout_at(limits.until.into(), self.client.copy_out(&copy)).await;
        let rows = rows.map_err(|_| Refusal::silence())?.map_err(refused)?;
        sample::read(start, rows.map(|row| row.map(|row| row.len()).map_err(refused)), limits).await
    }

    /// Sends Terminate and waits until the connection is closed, at most a short time and not beyond `by`.
    pub async fn close(self, by: Instant) {
        drop(self.client);
        let _ = tokio::time::timeout_at(close_timeout(by), self.driver).await;
    }
}

/// The error for a message that cannot be parsed.
fn malformed(stage: Stage, error: &io::Error) -> ConnectError {
    ConnectError::protocol(stage, format!("sent a malformed message: {error}"))
}

fn refusal(body: &ErrorResponseBody) -> Refusal {
    let mut refusal = Refusal::default();
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        let text = printable(&String::from_utf8_lossy(field.value_bytes()));
        match field.type_() {
            b'C' => refusal.code = text,
            b'M' => refusal.message = text,
            b'D' => refusal.detail = Some(text),
            b'H' => refusal.hint = Some(text),
            b'R' => refusal.routine = Some(text.into()),
            _ => {}
        }
    }
    refusal
}

fn driver_refusal(error: &tokio_postgres::Error) -> Refusal {
    match error.as_db_error() {
        Some(db) => Refusal {
            code: printable(db.code().code()),
            message: printable(db.message()),
            detail: db.detail().map(printable),
            hint: db.hint().map(printable),
            routine: db.routine().map(|name| printable(name).into()),
        },
        None => Refusal {
            code: "connection".into(),
            message: printable(&error.to_string()),
            ..Refusal::default()
        },
    }
}

fn driver_error(error: &tokio_postgres::Error) -> ConnectError {
    let stage = Stage::Login;
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match (error.as_db_error(), io) {
        (Some(_), _) => ConnectError::Refused { stage, refusal: driver_refusal(error) },
        (None, Some(io)) => ConnectError::io(stage, io),
        (None, None) if error.is_closed() => ConnectError::Closed { stage },
        (None, None) => ConnectError::protocol(stage, format!("broke its protocol: {error}")),
    }
}

impl std::fmt::Debug for PostgresSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresSession({})", self.server_version)
    }
}

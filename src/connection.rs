//! Connection stages: resolve → connect → TLS → authentication request → login.
//!
//! These stages run here, on one connection. The driver (tokio-postgres, mysql_async) gets the session
//! only after authentication. So the drivers never see the token, the server's
//! certificate and the authentication it asks for are evidence for every engine alike, and the
//! token can be withheld unless (1) TLS is verified and (2) the server asks for it.
//!
//! Drivers' and TLS errors become plain data here ([`ConnectError`]) and go no further.

mod limited_stream;
mod tcp;
mod mysql;
mod rate_limit;
mod postgres;
mod sample;
pub(crate) mod task;
mod tls;

use std::{
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tracing::Instrument;

#[cfg(fuzzing)]
pub use mysql::fuzzing as mysql_fuzzing;
pub use mysql::{
    BinlogPosition, COM_CHANGE_USER, ChangeUser, ClientResponse, LocalPlugin, MysqlSession, Scramble,
};
pub use postgres::PostgresSession;
#[cfg(fuzzing)]
pub use postgres::fuzzing as postgres_fuzzing;
pub use rate_limit::{RateLimit, RateLimits};
pub use sample::{Sample, SampleLimits};
pub use tls::{CertificateSummary, TlsEvidence, TlsFailure};

use task::Task;

use crate::{
    local_failure::LocalFailure,
    secret::{Redactor, Secret},
    sql::ServerText,
    target::{Engine, Target},
    trust,
};

/// A connection stage, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Resolve,
    Connect,
    Tls,
    /// The user name is sent; the server requests an authentication method.
    AuthRequest,
    Login,
}

impl Stage {
    /// The name in texts and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "TLS",
            Self::AuthRequest => "authentication request",
            Self::Login => "login",
        }
    }

    /// Timeout of a stage, within the overall deadline. Login takes longer, because RDS calls IAM.
    fn budget(self) -> Duration {
        Duration::from_secs(match self {
            Self::Resolve | Self::Connect | Self::Tls | Self::AuthRequest => 5,
            Self::Login => 15,
        })
    }
}

/// Rows of a result, each column as text. NULL is `None`.
pub type Rows = Vec<Vec<Option<ServerText>>>;

/// A server's error: its code and message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default))]
pub struct Refusal {
    /// SQLSTATE for PostgreSQL, error number for MySQL and MariaDB.
    pub code: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// The function of PostgreSQL that reports the error (field `R`). It is never translated.
    pub routine: Option<Box<str>>,
}

impl Refusal {
    /// Whether that routine reports it, or the message contains these English words: a proxy names no routine.
    pub fn is_by(&self, routine: &str, english: &str) -> bool {
        self.routine.as_deref() == Some(routine) || self.message.contains(english)
    }

    /// Of the driver, not of the server: it stopped at what the server sent.
    pub(crate) fn of_driver(message: &str) -> Self {
        Self { code: "driver".into(), message: message.into(), ..Self::default() }
    }

    /// Timed out.
    fn silence() -> Self {
        Self { code: "no answer".into(), message: "no answer in time".into(), ..Self::default() }
    }

    fn redacted(self, redactor: &Redactor) -> Self {
        let clean = |text: String| redactor.clean(&text).into_owned();
        Self {
            code: clean(self.code),
            message: clean(self.message),
            detail: self.detail.map(clean),
            hint: self.hint.map(clean),
            routine: self.routine.map(|name| clean(name.into()).into()),
        }
    }

    pub fn is_silence(&self) -> bool {
        *self == Self::silence()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.message.as_str(), self.code.as_str()) {
            ("", "") => f.write_str("it gave no reason")?,
            ("", code) => write!(f, "it gave no reason ({code})")?,
            (message, "") => f.write_str(message)?,
            (message, code) => write!(f, "{message} ({code})")?,
        }
        for more in [&self.detail, &self.hint].into_iter().flatten() {
            write!(f, " — {more}")?;
        }
        Ok(())
    }
}

/// The authentication a server asked for, before any secret was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthRequest {
    /// PostgreSQL `AuthenticationCleartextPassword` (PAM), or the plugin `mysql_clear_password`: IAM is in force.
    Cleartext,
    /// Let in without any authentication.
    Nothing,
    /// PostgreSQL `AuthenticationMD5Password`.
    Md5,
    /// PostgreSQL `AuthenticationSASL`, with its mechanisms.
    Sasl(Vec<String>),
    /// PostgreSQL GSSAPI, SSPI, Kerberos V5 or SCM credentials, by name.
    Other(&'static str),
    /// A MySQL authentication plugin other than `mysql_clear_password`, by name.
    Plugin(String),
}

impl AuthRequest {
    fn redacted(self, redactor: &Redactor) -> Self {
        let clean = |text: String| redactor.clean(&text).into_owned();
        match self {
            Self::Sasl(mechanisms) => Self::Sasl(mechanisms.into_iter().map(clean).collect()),
            Self::Plugin(name) => Self::Plugin(clean(name)),
            Self::Cleartext | Self::Nothing | Self::Md5 | Self::Other(_) => self,
        }
    }
}

impl fmt::Display for AuthRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cleartext => f.write_str("a cleartext password (the token)"),
            Self::Nothing => f.write_str("no authentication at all"),
            Self::Md5 => f.write_str("an MD5 password"),
            Self::Sasl(mechanisms) => write!(f, "a password ({})", mechanisms.join(", ")),
            Self::Other(name) => f.write_str(name),
            Self::Plugin(name) => write!(f, "the plugin {name}"),
        }
    }
}

/// Why a stage failed. Plain data, without driver types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The name has no address. Contains the resolver's message.
    Resolve(String),
    /// The resolver came to no answer, so whether the name has one is not known. Its words.
    Resolver(String),
    /// No address could be connected to; the attempts are in [`ConnectionEvidence::attempts`].
    NotConnected,
    /// The server does not offer TLS, so nothing was said to it.
    PlaintextOnly,
    Tls(TlsFailure),
    /// The server asks for something other than the token: IAM is not in force for this user.
    NotIam(AuthRequest),
    /// The server rejected this stage.
    Refused {
        stage: Stage,
        refusal: Refusal,
    },
    /// The server broke its protocol.
    Protocol {
        stage: Stage,
        what: String,
    },
    /// This machine could not do its part.
    Local {
        stage: Stage,
        failure: LocalFailure,
    },
    /// The server closed the connection.
    Closed {
        stage: Stage,
    },
    Timeout {
        stage: Stage,
        after: Duration,
    },
    /// No access credentials in time to log in; the identity's own error says why.
    NoToken,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(why) => write!(f, "the name does not resolve: {why}"),
            Self::Resolver(why) => write!(f, "the resolver has no answer: {why}"),
            Self::NotConnected => f.write_str("no address could be connected to"),
            Self::PlaintextOnly => f.write_str("the server offers no TLS"),
            Self::Tls(failure) => failure.fmt(f),
            Self::NotIam(auth_request) => write!(f, "the server asks for {auth_request}"),
            Self::Refused { refusal, .. } => refusal.fmt(f),
            Self::Protocol { what, .. } => write!(f, "the server {what}"),
            Self::Local { failure, .. } => failure.fmt(f),
            Self::Closed { stage } => write!(f, "the server closed the connection ({})", stage.name()),
            Self::Timeout { stage, after } => {
                write!(f, "no answer within {:.1} s ({})", after.as_secs_f32(), stage.name())
            }
            Self::NoToken => f.write_str("there was no token to send"),
        }
    }
}

impl ConnectError {
    fn io(stage: Stage, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{
            BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData, InvalidInput, UnexpectedEof,
        };
        if let Some(failure) = LocalFailure::of(error) {
            return Self::Local { stage, failure };
        }
        match error.kind() {
            UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => Self::Closed { stage },
            InvalidData | InvalidInput => Self::protocol(stage, format!("broke its protocol: {error}")),
            _ => Self::protocol(stage, format!("could not be heard: {error}")),
        }
    }

    fn protocol(stage: Stage, what: impl Into<String>) -> Self {
        Self::Protocol { stage, what: what.into() }
    }

    /// Without the secrets of this run, which a server knows after the first login.
    fn redacted(self, redactor: &Redactor) -> Self {
        let clean = |text: String| redactor.clean(&text).into_owned();
        match self {
            Self::Refused { stage, refusal } => Self::Refused { stage, refusal: refusal.redacted(redactor) },
            Self::Protocol { stage, what } => Self::Protocol { stage, what: clean(what) },
            Self::NotIam(auth_request) => Self::NotIam(auth_request.redacted(redactor)),
            Self::Tls(failure) => Self::Tls(failure.redacted(redactor)),
            Self::Resolve(_)
            | Self::Resolver(_)
            | Self::NotConnected
            | Self::PlaintextOnly
            | Self::Local { .. }
            | Self::Closed { .. }
            | Self::Timeout { .. }
            | Self::NoToken => self,
        }
    }
}

/// One attempt to connect to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub address: SocketAddr,
    /// `None` if it connected.
    pub error: Option<String>,
}

/// Evidence of the connection stages; kept on success and on failure.
#[derive(Clone, Debug, Default)]
pub struct ConnectionEvidence {
    pub addresses: Vec<IpAddr>,
    /// The canonical name, if the host name is an alias (CNAME). Comes from DNS: shown and
    /// suggested, never believed.
    pub alias_of: Option<String>,
    pub attempts: Vec<Attempt>,
    pub peer: Option<SocketAddr>,
    pub tls: Option<TlsEvidence>,
    /// MySQL and MariaDB greet before TLS: version and default authentication plugin as greeted.
    pub greeting: Option<Greeting>,
    pub auth_request: Option<AuthRequest>,
    pub stage_durations: Vec<(Stage, Duration)>,
}

impl ConnectionEvidence {
    fn redact(&mut self, redactor: &Redactor) {
        let clean = |text: &mut String| *text = redactor.clean(text).into_owned();
        if let Some(greeting) = &mut self.greeting {
            clean(&mut greeting.version);
            clean(&mut greeting.default_plugin);
        }
        for certificate in self.tls.iter_mut().flat_map(|tls| &mut tls.chain) {
            clean(&mut certificate.subject);
            clean(&mut certificate.issuer);
            certificate.names.iter_mut().for_each(clean);
        }
        self.auth_request = self.auth_request.take().map(|auth_request| auth_request.redacted(redactor));
    }

    pub fn took(&self, stage: Stage) -> Option<Duration> {
        self.stage_durations.iter().find(|(s, _)| *s == stage).map(|(_, took)| *took)
    }
}

/// The first packet of a MySQL or MariaDB server. It comes unencrypted, from anyone: shown, never believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    pub version: String,
    pub default_plugin: String,
}

/// A verified, encrypted connection whose server has asked for the token.
pub struct PendingAuth {
    inner: Box<Inner>,
    purpose: Purpose,
    redactor: Redactor,
}

enum Inner {
    Postgres(postgres::PendingAuth),
    Mysql(mysql::PendingAuth),
}

impl fmt::Debug for PendingAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingAuth")
    }
}

/// An authenticated session, in the driver's hands.
#[derive(Debug)]
pub enum Session {
    Postgres(PostgresSession),
    Mysql(MysqlSession),
}

impl Session {
    /// Says goodbye, by then at the latest.
    pub async fn close(self, by: Instant) {
        match self {
            Self::Postgres(session) => session.close(by).await,
            // Apart, because mysql_async may panic on what a server sends.
            Self::Mysql(session) => drop(Task::spawn(session.close(by)).await),
        }
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Queries,
    /// A logical walsender (`replication=database`), as CDC opens.
    Replication,
    /// To read a part of a table and measure how long that takes.
    Sample,
}

impl Purpose {
    /// Most bytes that a driver reads in such a session: more than all responses to the statements of a check, or more
    /// than a sample.
    fn limit(self) -> usize {
        match self {
            Self::Queries | Self::Replication => 8 << 20,
            Self::Sample => 64 << 20,
        }
    }
}

/// The data with which a connection starts. It comes from the caller.
#[derive(Clone, Copy, Debug)]
pub enum Opening<'a> {
    /// Of a check.
    Check(Purpose),
    /// PostgreSQL: the startup message of a client, which is sent unchanged.
    Startup(&'a [u8]),
}

/// Runs all stages that need no token. `redactor` knows the secrets that the server could repeat.
///
/// # Errors
/// The first stage that failed; `evidence` contains the results of the stages before it.
pub async fn connect_until_auth(
    target: &Target,
    opening: Opening<'_>,
    roots: &Arc<RootCertStore>,
    redactor: &Redactor,
    deadline: Instant,
    evidence: &mut ConnectionEvidence,
) -> Result<PendingAuth, ConnectError> {
    let pending = until_auth(target, opening, roots, deadline, evidence).await;
    evidence.redact(redactor);
    let inner = pending.map_err(|error| error.redacted(redactor))?;
    let purpose = match opening {
        Opening::Check(purpose) => purpose,
        Opening::Startup(_) => Purpose::Queries,
    };
    Ok(PendingAuth { inner: Box::new(inner), purpose, redactor: redactor.clone() })
}

async fn until_auth(
    target: &Target,
    opening: Opening<'_>,
    roots: &Arc<RootCertStore>,
    deadline: Instant,
    evidence: &mut ConnectionEvidence,
) -> Result<Inner, ConnectError> {
    let stream = connect(target, deadline, evidence).await?;
    let (auth_request, pending) = match target.engine() {
        Engine::Postgres => {
            let tls = |tls| postgres::start_tls(stream, tls, target);
            let stream = tls_stage(roots, deadline, evidence, tls, |stream| stream).await?;
            timed(Stage::AuthRequest, deadline, &mut evidence.stage_durations, async {
                let (auth_request, pending) = match opening {
                    Opening::Check(purpose) => {
                        postgres::request_auth(stream, &postgres::startup(target, purpose)?, false).await?
                    }
                    Opening::Startup(message) => postgres::request_auth(stream, message, true).await?,
                };
                Ok((auth_request, Inner::Postgres(pending)))
            })
            .await?
        }
        Engine::Mysql | Engine::Mariadb => {
            let opening = match opening {
                Opening::Check(_) => mysql::Opening::of(target),
                Opening::Startup(_) => {
                    return Err(ConnectError::protocol(Stage::Tls, "is no PostgreSQL"));
                }
            };
            let greeting = &mut evidence.greeting.take();
            let tls = async |tls| {
                let (greeted, _) = mysql::greet(stream, greeting).await?;
                mysql::start_tls(greeted, &opening, tls, target).await
            };
            let greeted = tls_stage(roots, deadline, evidence, tls, mysql::Greeted::stream).await;
            evidence.greeting = greeting.take();
            request_mysql_auth(greeted?, &opening, target, deadline, evidence).await?
        }
    };
    only_cleartext(auth_request, pending, evidence)
}

async fn request_mysql_auth(
    greeted: mysql::Greeted,
    opening: &mysql::Opening,
    target: &Target,
    deadline: Instant,
    evidence: &mut ConnectionEvidence,
) -> Result<(AuthRequest, Inner), ConnectError> {
    timed(Stage::AuthRequest, deadline, &mut evidence.stage_durations, async {
        let (auth_request, pending) = mysql::request_auth(greeted, opening, target.engine()).await?;
        Ok((auth_request, Inner::Mysql(pending)))
    })
    .await
}

fn only_cleartext(
    auth_request: AuthRequest,
    pending: Inner,
    evidence: &mut ConnectionEvidence,
) -> Result<Inner, ConnectError> {
    evidence.auth_request = Some(auth_request.clone());
    if auth_request == AuthRequest::Cleartext { Ok(pending) } else { Err(ConnectError::NotIam(auth_request)) }
}

/// A MySQL or MariaDB server that has greeted. TLS has not started.
pub struct MysqlGreeted {
    greeted: mysql::Greeted<TcpStream>,
    /// The payload of the greeting for a client on a local socket.
    pub offer: Vec<u8>,
}

impl MysqlGreeted {
    /// The greeting for a client that must prove that it knows a password, with this challenge for [`LocalPlugin::Native`].
    pub fn challenge(&self, scramble: &Scramble) -> Option<Vec<u8>> {
        mysql::with_scramble(&self.offer, scramble)
    }
}

impl fmt::Debug for MysqlGreeted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MysqlGreeted")
    }
}

/// MySQL and MariaDB: connects and reads the greeting, which a client needs before it says anything.
///
/// # Errors
/// The first stage that failed.
pub async fn greet(
    target: &Target,
    redactor: &Redactor,
    deadline: Instant,
    evidence: &mut ConnectionEvidence,
) -> Result<MysqlGreeted, ConnectError> {
    let greeted = async {
        let stream = connect(target, deadline, evidence).await?;
        let greet = mysql::greet(stream, &mut evidence.greeting);
        timed(Stage::Tls, deadline, &mut evidence.stage_durations, greet).await
    };
    let greeted = greeted.await;
    evidence.redact(redactor);
    let (greeted, offer) = greeted.map_err(|error| error.redacted(redactor))?;
    Ok(MysqlGreeted { greeted, offer })
}

/// Continues after [`greet`] with what the client answered, as [`connect_until_auth`]. Without a client, the answer is that of
/// a check.
///
/// # Errors
/// The first stage that failed.
pub async fn answer(
    greeted: MysqlGreeted,
    client: Option<&ClientResponse<'_>>,
    target: &Target,
    roots: &Arc<RootCertStore>,
    redactor: &Redactor,
    deadline: Instant,
    evidence: &mut ConnectionEvidence,
) -> Result<PendingAuth, ConnectError> {
    let opening = match client {
        Some(response) => mysql::Opening::of_client(response, target),
        None => mysql::Opening::of(target),
    };
    let pending = async {
        let tls = |tls| mysql::start_tls(greeted.greeted, &opening, tls, target);
        let greeted = tls_stage(roots, deadline, evidence, tls, mysql::Greeted::stream).await?;
        let (auth_request, pending) =
            request_mysql_auth(greeted, &opening, target, deadline, evidence).await?;
        only_cleartext(auth_request, pending, evidence)
    };
    let pending = pending.await;
    evidence.redact(redactor);
    let inner = pending.map_err(|error| error.redacted(redactor))?;
    Ok(PendingAuth { inner: Box::new(inner), purpose: Purpose::Queries, redactor: redactor.clone() })
}

/// MySQL and MariaDB: authenticates an open session again, with a new token. Returns the payload of the server's OK.
///
/// # Errors
/// If the server rejects it, or asks for something else than the token.
pub async fn change_user(
    stream: &mut TlsStream<TcpStream>,
    change: &ChangeUser<'_>,
    target: &Target,
    token: &Secret,
    redactor: &Redactor,
    deadline: Instant,
) -> Result<Vec<u8>, ConnectError> {
    redactor.learn_token(token);
    let mut stage_durations = Vec::new();
    let changed = mysql::change_user(stream, change, target, token);
    let changed = timed(Stage::Login, deadline, &mut stage_durations, changed).await;
    changed.map_err(|error| error.redacted(redactor))
}

/// Resolves the name and connects to one of its addresses.
async fn connect(
    target: &Target,
    deadline: Instant,
    evidence: &mut ConnectionEvidence,
) -> Result<TcpStream, ConnectError> {
    let resolve = tcp::resolve(&target.dial, &mut evidence.alias_of);
    let addresses = timed(Stage::Resolve, deadline, &mut evidence.stage_durations, resolve).await?;
    evidence.addresses = addresses.iter().map(SocketAddr::ip).collect();
    let race = tcp::race(&addresses, &mut evidence.attempts);
    let stream = timed(Stage::Connect, deadline, &mut evidence.stage_durations, race).await?;
    evidence.peer = stream.peer_addr().ok();
    Ok(stream)
}

/// Runs the stage of TLS with a new configuration, and records what the server presented.
async fn tls_stage<T, F: Future<Output = Result<T, ConnectError>>>(
    roots: &Arc<RootCertStore>,
    deadline: Instant,
    evidence: &mut ConnectionEvidence,
    handshake: impl FnOnce(Arc<ClientConfig>) -> F,
    stream: impl Fn(&T) -> &TlsStream<TcpStream>,
) -> Result<T, ConnectError> {
    let (tls, captured) = trust::client_config(Arc::clone(roots))
        .map_err(|e| ConnectError::Tls(TlsFailure::Other(e.to_string())))?;
    let encrypted = timed(Stage::Tls, deadline, &mut evidence.stage_durations, handshake(tls)).await;
    evidence.tls = tls::seen(encrypted.as_ref().ok().map(stream), &captured.presented());
    encrypted
}

/// PostgreSQL: sends a request to cancel a query to this address of the target, over verified TLS.
///
/// # Errors
/// The first stage that failed.
pub async fn cancel(
    target: &Target,
    address: SocketAddr,
    request: &[u8],
    roots: &Arc<RootCertStore>,
    deadline: Instant,
) -> Result<(), ConnectError> {
    let mut evidence = ConnectionEvidence::default();
    let addresses = [address];
    let race = tcp::race(&addresses, &mut evidence.attempts);
    let stream = timed(Stage::Connect, deadline, &mut evidence.stage_durations, race).await?;
    let tls = |tls| postgres::start_tls(stream, tls, target);
    let stream = tls_stage(roots, deadline, &mut evidence, tls, |stream| stream).await?;
    let cancel = postgres::cancel(stream, request);
    timed(Stage::AuthRequest, deadline, &mut evidence.stage_durations, cancel).await
}

impl PendingAuth {
    /// Sends the token and hands the session to the driver.
    ///
    /// # Errors
    /// If the server rejects the login or the connection breaks.
    pub async fn log_in(
        self,
        token: &Secret,
        deadline: Instant,
        evidence: &mut ConnectionEvidence,
    ) -> Result<Session, ConnectError> {
        let Self { inner, purpose, redactor } = self;
        // From here on the server can repeat the token.
        redactor.learn_token(token);
        let logged_in = timed(Stage::Login, deadline, &mut evidence.stage_durations, async {
            let (token, redactor) = (token.clone(), redactor.clone());
            let work = Task::spawn(async move {
                match *inner {
                    Inner::Postgres(pending) => {
                        let authenticated = pending.authenticate(&token).await?;
                        authenticated.into_session(purpose, redactor).await.map(Session::Postgres)
                    }
                    Inner::Mysql(pending) => {
                        let authenticated = pending.authenticate(&token).await?;
                        authenticated.into_session(purpose, redactor).await.map(Session::Mysql)
                    }
                }
            });
            work.await.unwrap_or_else(|_| {
                Err(ConnectError::protocol(Stage::Login, "sent what its driver cannot read"))
            })
        });
        logged_in.await.map_err(|error| error.redacted(&redactor))
    }

    /// Sends the token and waits for the server's OK. No driver sees the session: a client takes it over.
    ///
    /// # Errors
    /// If the server rejects the login or the connection breaks.
    pub async fn authenticate(
        self,
        token: &Secret,
        deadline: Instant,
        evidence: &mut ConnectionEvidence,
    ) -> Result<Authenticated, ConnectError> {
        let Self { inner, redactor, .. } = self;
        redactor.learn_token(token);
        let authenticated = timed(Stage::Login, deadline, &mut evidence.stage_durations, async {
            let (stream, said) = match *inner {
                Inner::Postgres(pending) => pending.authenticate(token).await?.into_relay(),
                Inner::Mysql(pending) => pending.authenticate(token).await?.into_relay(),
            };
            Ok(Authenticated { stream, said })
        });
        authenticated.await.map_err(|error| error.redacted(&redactor))
    }
}

/// An authenticated session for a client that speaks the protocol itself.
pub struct Authenticated {
    pub stream: TlsStream<TcpStream>,
    /// PostgreSQL: the messages that the client must read before those of the stream, up to AuthenticationOk and beyond.
    /// MySQL and MariaDB: the payload of the server's OK.
    pub said: Vec<u8>,
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticated")
    }
}

/// Runs one stage within its timeout and the overall deadline, and records its duration.
async fn timed<T>(
    stage: Stage,
    deadline: Instant,
    stage_durations: &mut Vec<(Stage, Duration)>,
    step: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let span = tracing::debug_span!("stage", stage = stage.name());
    let start = Instant::now();
    let budget = stage.budget().min(deadline.saturating_duration_since(start));
    // No async block around it, which would contain the future twice.
    let result = tokio::time::timeout(budget, step).instrument(span.clone()).await;
    let took = start.elapsed();
    stage_durations.push((stage, took));
    let result = result.unwrap_or(Err(ConnectError::Timeout { stage, after: took }));
    // Without the words of the server, which are redacted later.
    span.in_scope(|| tracing::debug!(?took, passed = result.is_ok(), "stage finished"));
    result
}

/// Runs a query and logs its duration. A query contains names and no secrets. Of its answer, only the size or the code is logged.
async fn logged(sql: &str, query: impl Future<Output = Result<Rows, Refusal>>) -> Result<Rows, Refusal> {
    let span = tracing::debug_span!("query", sql);
    let start = Instant::now();
    let answer = query.instrument(span.clone()).await;
    let took = start.elapsed();
    span.in_scope(|| match &answer {
        Ok(rows) => tracing::trace!(?took, rows = rows.len(), "query answered"),
        Err(refusal) => tracing::debug!(?took, code = refusal.code, "query refused"),
    });
    answer
}

/// One TLS handshake with the name `target.tls_host`.
async fn handshake(
    stream: TcpStream,
    tls: Arc<ClientConfig>,
    target: &Target,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    tls::connect(stream, tls, &target.tls_host).await
}

/// Timeout for closing a session: one second, and not beyond `by`.
fn close_timeout(by: Instant) -> tokio::time::Instant {
    by.min(Instant::now() + Duration::from_secs(1)).into()
}

/// For tests/fuzz.
#[cfg(fuzzing)]
pub fn certificate_summary(der: &[u8]) -> Option<CertificateSummary> {
    tls::summary(der)
}

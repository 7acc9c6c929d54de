//! Clients of MySQL and MariaDB: the greeting, the login, and COM_CHANGE_USER.
//!
//! The server speaks first, so it is connected before the client says anything. The client gets the server's greeting with the real
//! connection id (KILL QUERY needs it), and the server gets the client's capabilities, so that bytes can be copied
//! afterwards.

mod option_file;
mod packet;
mod password;
mod requests;

use std::{
    io,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use percent_encoding::utf8_percent_encode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;
use tracing::Instrument;

use super::{
    Endpoint, Reach,
    caller::Caller,
    client::Client,
    login::{LoggedIn, TIMEOUT, log_in, new_token},
    password::Password,
    refusal::{Class, Refusal},
    relay::Relay,
    unproven::Place,
};
use crate::{
    checks::{Observations, Reached},
    connection::{self, ChangeUser, ClientResponse, ConnectionEvidence, MysqlGreeted, Purpose},
    target::{Engine, Invalid, Target},
    token::RESERVED,
};
pub(super) use option_file::value as option_value;
use packet::Packet;
pub(super) use requests::Headers;

pub(super) const SOCKET: &str = "mysql.sock";

/// For a client to answer the greeting. The server waits 10 s by default (`connect_timeout`).
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(8);

/// The second packet of `caching_sha2_password`: the password is accepted.
const FAST_AUTH_OK: [u8; 2] = [1, 3];

const COM_QUIT: [u8; 1] = [1];

/// Variables that would lead a program elsewhere, or that contain a secret that the program does not need. Sources: MySQL Reference
/// Manual, "Environment Variables"; MariaDB Knowledge Base, "MariaDB Environment Variables".
const REMOVED: &[&str] =
    &["MYSQL_HOST", "MYSQL_PWD", "MYSQL_GROUP_SUFFIX", "MARIADB_HOME", "LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN"];

/// Creates the option file that MYSQL_HOME leads to.
pub(super) fn environment(
    target: &Target,
    directory: &Path,
    by: Reach<'_>,
) -> Result<Vec<(&'static str, Option<String>)>, Invalid> {
    let socket = directory.join(SOCKET);
    option_file::create(target, directory, &socket, by)?;
    let mut variables: Vec<_> = REMOVED.iter().map(|name| (*name, None)).collect();
    variables.push(("MYSQL_HOME", Some(directory.display().to_string())));
    match by {
        Reach::Socket => variables.push(("MYSQL_UNIX_PORT", Some(socket.display().to_string()))),
        Reach::Tcp(address, password) => {
            let (url, jdbc) = urls(target, address, password);
            variables.extend([
                ("MYSQL_HOST", Some(address.ip().to_string())),
                ("MYSQL_TCP_PORT", Some(address.port().to_string())),
                ("MYSQL_UNIX_PORT", None),
                ("DATABASE_URL", Some(url)),
                ("JDBC_DATABASE_URL", Some(jdbc)),
            ]);
        }
    }
    Ok(variables)
}

/// For programs that read no option file, and for JDBC: the drivers of MySQL and of MariaDB each have their own scheme and their own name for
/// "no TLS".
fn urls(target: &Target, address: SocketAddr, password: &Password) -> (String, String) {
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let (user, password) = (encoded(target.user.as_str()), encoded(password.text().reveal()));
    let database = encoded(target.database.as_deref().unwrap_or_default());
    let (scheme, no_tls) = match target.engine() {
        Engine::Mariadb => ("mariadb", "sslMode=disable"),
        Engine::Mysql | Engine::Postgres => ("mysql", "sslMode=DISABLED"),
    };
    (
        format!("mysql://{user}:{password}@{address}/{database}"),
        format!("jdbc:{scheme}://{address}/{database}?user={user}&password={password}&{no_tls}"),
    )
}

/// Serves one client until its session has ended.
pub(super) async fn serve(
    mut client: Client,
    endpoint: &Endpoint,
    caller: Option<Caller>,
    password: Option<&Password>,
) {
    let target = &endpoint.target;
    let Ok(mut place) = Password::begin(password).await else {
        return tracing::debug!(target = target.name, "closed: too many clients have not logged in");
    };
    let start = Instant::now();
    // What is needed only before the session, or rarely, is in memory that is freed.
    let (greeted, seen) = match Box::pin(greet(endpoint)).await {
        Ok(greeted) => greeted,
        Err(refusal) => {
            let error = packet::error(&refusal, false);
            return refuse(&mut client, endpoint, 0, &error, &refusal).await;
        }
    };
    let Some(offer) = password::Offer::new(&greeted, password) else {
        return Box::pin(finish(endpoint, greeted, seen)).await;
    };
    let hello = async {
        packet::write(&mut client, 0, &offer.greeting).await?;
        packet::read(&mut client).await
    };
    let hello = tokio::select! {
        hello = tokio::time::timeout(HANDSHAKE_TIMEOUT, hello) => hello,
        () = Place::withdrawn(&mut place) => Ok(Err(io::ErrorKind::TimedOut.into())),
    };
    let Packet { sequence, payload } = match hello {
        Ok(Ok(packet)) => packet,
        Ok(Err(error)) => {
            tracing::debug!(target = target.name, %error, "the client closed, or others wait");
            return Box::pin(finish(endpoint, greeted, seen)).await;
        }
        Err(_) => Packet { sequence: 0, payload: Vec::new() },
    };
    let mut sequence = sequence.wrapping_add(1);
    let proved = async {
        let response = understand(&payload, target)?;
        let proof = offer.check(&mut client, &response, &mut sequence);
        let proved = tokio::select! {
            proved = tokio::time::timeout(HANDSHAKE_TIMEOUT, proof) => proved.unwrap_or(Ok(None)),
            () = Place::withdrawn(&mut place) => return Err(Refusal::slow()),
        };
        match proved {
            Ok(Some(expects_fast_auth)) => Ok((response, expects_fast_auth)),
            Ok(None) => {
                Password::delay().await;
                Err(Refusal::wrong_password())
            }
            Err(error) => {
                Err(Refusal::new(Class::Protocol, format!("pipeprobe: no proof of the password: {error}")))
            }
        }
    };
    let (response, expects_fast_auth) = match proved.await {
        Ok(proved) => proved,
        Err(refusal) => {
            let error = packet::error(&refusal, true);
            let finish = async {
                Box::pin(finish(endpoint, greeted, seen)).await;
                drop(place);
            };
            tokio::join!(refuse(&mut client, endpoint, sequence, &error, &refusal), finish);
            return;
        }
    };
    drop(place);
    // A client that does not wait is noticed after the login: a handshake that ends early counts against this host.
    let LoggedIn { session, .. } =
        match Box::pin(log_in_after(endpoint, greeted, seen, Some(&response))).await {
            Ok(logged_in) => logged_in,
            Err(refusal) => {
                let error = packet::error(&refusal, true);
                return refuse(&mut client, endpoint, sequence, &error, &refusal).await;
            }
        };
    let pid = caller.and_then(|caller| caller.pid);
    tracing::info!(
        target = target.name,
        pid,
        database = response.database().map(|database| String::from_utf8_lossy(database).into_owned()),
        took = start.elapsed().as_millis(),
        "logged in"
    );
    let _open = endpoint.shared.metrics.logged_in(&target.name, start.elapsed());
    let mut stream = session.stream;
    if welcome(&mut client, sequence, expects_fast_auth, &session.said).await.is_err() {
        return quit(stream).await;
    }
    let (mut relay, mut headers) = (Relay::default(), Headers::default());
    while let Some(request) = relay.run(&mut client, &mut stream, |bytes| headers.scan(bytes), |_| {}).await {
        let changed = async {
            let change = requests::change_user(&mut client, &request).await?;
            relay.finish_responses(&mut client).await?;
            io::Result::Ok(Box::pin(change_user(endpoint, &mut stream, &change, response.flags())).await)
        };
        match changed.await {
            Ok(Ok((expects_fast_auth, ok))) => {
                if welcome(&mut client, 1, expects_fast_auth, &ok).await.is_err() {
                    break;
                }
            }
            Ok(Err(refusal)) => {
                refuse(&mut client, endpoint, 1, &packet::error(&refusal, true), &refusal).await;
                break;
            }
            Err(_) => break,
        }
    }
    let _ = stream.shutdown().await;
    let totals = relay.totals();
    endpoint.shared.metrics.transferred(&target.name, totals);
    tracing::info!(
        target = target.name,
        pid,
        sent = totals.to_server,
        received = totals.to_client,
        took = start.elapsed().as_secs(),
        "session ended"
    );
}

/// Sends the server's OK.
async fn welcome(
    client: &mut Client,
    mut sequence: u8,
    expects_fast_auth: bool,
    ok: &[u8],
) -> io::Result<()> {
    if expects_fast_auth {
        packet::write(client, sequence, &FAST_AUTH_OK).await?;
        sequence = sequence.wrapping_add(1);
    }
    packet::write(client, sequence, ok).await
}

/// Connects, and reads the server's greeting.
async fn greet(endpoint: &Endpoint) -> Result<(MysqlGreeted, ConnectionEvidence), Refusal> {
    let redactor = endpoint.shared.sessions.redactor().for_run();
    let mut seen = Observations::default();
    let deadline = Instant::now() + TIMEOUT;
    let greeted = connection::greet(&endpoint.target, &redactor, deadline, &mut seen.connection);
    match greeted.instrument(endpoint.span()).await {
        Ok(greeted) => Ok((greeted, seen.connection)),
        Err(error) => {
            seen.reached = Reached::no_connection(error);
            Err(Refusal::of(&endpoint.target, Purpose::Queries, &seen, &redactor))
        }
    }
}

/// The answer to the greeting, if it is for the target's user.
fn understand<'a>(payload: &'a [u8], target: &Target) -> Result<ClientResponse<'a>, Refusal> {
    if payload.is_empty() {
        return Err(Refusal::new(Class::Protocol, "pipeprobe: no handshake response within 8 s"));
    }
    let response = ClientResponse::parse(payload)
        .map_err(|what| Refusal::new(Class::Protocol, format!("pipeprobe: the handshake response {what}")))?;
    check_user(response.user(), target)?;
    Ok(response)
}

fn check_user(user: &[u8], target: &Target) -> Result<(), Refusal> {
    let expected = target.user.as_str();
    if user == expected.as_bytes() {
        return Ok(());
    }
    let user: String = String::from_utf8_lossy(user).chars().filter(|c| !c.is_control()).take(80).collect();
    let message = format!("pipeprobe logs in as user {expected} only, not as {user}");
    Err(Refusal::new(Class::NotAuthorized, message).hint(format!("connect with --user={expected}")))
}

/// Logs in after the greeting.
async fn log_in_after(
    endpoint: &Endpoint,
    greeted: MysqlGreeted,
    greeting_seen: ConnectionEvidence,
    response: Option<&ClientResponse<'_>>,
) -> Result<LoggedIn, Refusal> {
    let (target, roots) = (&endpoint.target, &endpoint.roots);
    let connect = async move |redactor: &_, deadline, seen: &mut _| {
        *seen = greeting_seen;
        connection::answer(greeted, response, target, roots, redactor, deadline, seen).await
    };
    log_in(endpoint, Purpose::Queries, connect).await
}

/// Completes the handshake without a client. The server would count it as an error of this host, and block the host after 100
/// (`max_connect_errors`).
async fn finish(endpoint: &Endpoint, greeted: MysqlGreeted, seen: ConnectionEvidence) {
    match log_in_after(endpoint, greeted, seen, None).await {
        Ok(LoggedIn { session, .. }) => quit(session.stream).await,
        Err(refusal) => {
            tracing::debug!(target = endpoint.target.name, why = refusal.message, "unfinished handshake");
        }
    }
}

async fn quit(mut stream: TlsStream<TcpStream>) {
    let goodbye = async {
        packet::write(&mut stream, 0, &COM_QUIT).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
}

/// Answers COM_CHANGE_USER. Returns whether the client expects the second packet of `caching_sha2_password`, and the payload of the
/// server's OK. The client has logged in as the same user, so it does not prove again that it knows a password.
async fn change_user(
    endpoint: &Endpoint,
    stream: &mut TlsStream<TcpStream>,
    payload: &[u8],
    flags: u32,
) -> Result<(bool, Vec<u8>), Refusal> {
    let target = &endpoint.target;
    let change = ChangeUser::parse(payload, flags)
        .ok_or_else(|| Refusal::new(Class::Protocol, "pipeprobe: COM_CHANGE_USER is cut off"))?;
    check_user(change.user(), target)?;
    let redactor = endpoint.shared.sessions.redactor().for_run();
    let deadline = Instant::now() + TIMEOUT;
    let mut seen = Observations::default();
    seen.reached = match new_token(endpoint, &redactor, deadline, &mut seen.identity_evidence).await {
        Ok(token) => {
            let changed = connection::change_user(stream, &change, target, &token.text, &redactor, deadline);
            match changed.instrument(endpoint.span()).await {
                Ok(ok) => return Ok((change.expects_fast_auth(), ok)),
                Err(error) => Reached::LoginFailed { token, first_refusal: None, error },
            }
        }
        Err(error) => Reached::no_token(error),
    };
    Err(Refusal::of(target, Purpose::Queries, &seen, &redactor))
}

/// Sends an error packet and closes.
async fn refuse(client: &mut Client, endpoint: &Endpoint, sequence: u8, error: &[u8], refusal: &Refusal) {
    endpoint.shared.metrics.refused(&endpoint.target.name);
    tracing::warn!(target = endpoint.target.name, why = refusal.message, detail = refusal.detail, "refused");
    let sent = async {
        packet::write(client, sequence, error).await?;
        client.shutdown().await?;
        // What the client still sends is read, so that closing does not discard the error.
        let mut rest = [0; 1024];
        while client.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), sent).await;
}

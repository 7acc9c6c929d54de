//! Clients of PostgreSQL: what they send first, the login, and the cancellation of queries.
//!
//! Source: PostgreSQL documentation, "Frontend/Backend Protocol: Message Flow" and "Message Formats".

mod backend_key;
mod password;
mod scram;
mod startup;

use std::{io, net::SocketAddr, path::Path, time::Duration};

use percent_encoding::utf8_percent_encode;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::Instant,
};
use tracing::Instrument;

use super::{
    Endpoint, Reach,
    caller::Caller,
    client::{self, Client},
    login::{LoggedIn, log_in},
    password::Password,
    refusal::{Class, Refusal},
    relay::{Pass, Relay},
    unproven::Place,
};
use crate::{
    connection::{self, Opening},
    target::Target,
    token::RESERVED,
};
use backend_key::BackendKey;
pub(super) use scram::Verifier;
use startup::{First, Startup};

/// What libpq appends to a directory in PGHOST, with the port that [`environment`] names.
pub(super) const SOCKET: &str = ".s.PGSQL.5432";

/// For a client to send its startup message.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);

/// For a request to cancel a query, until the server has processed it.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// Variables of libpq that take precedence over those that are set, that demand what a local socket does not have, or that
/// contain a secret that the program does not need. Source: PostgreSQL documentation, "Environment Variables".
const REMOVED: &[&str] = &[
    "PGHOSTADDR",
    "PGSERVICE",
    "PGPASSWORD",
    "PGREQUIREAUTH",
    "PGCHANNELBINDING",
    "PGSSLNEGOTIATION",
    "PGGSSENCMODE",
    "PGREQUIRESSL",
];

pub(super) fn environment(
    target: &Target,
    directory: &Path,
    by: Reach<'_>,
) -> Vec<(&'static str, Option<String>)> {
    let set = |name, value: &str| (name, Some(value.to_owned()));
    let mut variables: Vec<_> = REMOVED.iter().map(|name| (*name, None)).collect();
    variables.extend([
        set("PGUSER", target.user.as_str()),
        // Neither a socket nor loopback leaves this machine. From here on the agent encrypts and verifies.
        set("PGSSLMODE", "disable"),
    ]);
    match by {
        Reach::Socket => {
            variables.extend([("PGHOST", Some(directory.display().to_string())), set("PGPORT", "5432")]);
        }
        Reach::Tcp(address, password) => {
            let (url, jdbc) = urls(target, address, password);
            variables.extend([
                ("PGHOST", Some(address.ip().to_string())),
                ("PGPORT", Some(address.port().to_string())),
                set("PGPASSWORD", password.text().reveal()),
                ("DATABASE_URL", Some(url)),
                ("JDBC_DATABASE_URL", Some(jdbc)),
            ]);
        }
    }
    variables.extend(target.database.as_deref().map(|database| set("PGDATABASE", database)));
    variables
}

/// For programs that do not use libpq, and for JDBC (the driver's own form, and the name that Heroku gave it).
fn urls(target: &Target, address: SocketAddr, password: &Password) -> (String, String) {
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let (user, password) = (encoded(target.user.as_str()), encoded(password.text().reveal()));
    let database = encoded(target.database.as_deref().unwrap_or_default());
    (
        format!("postgresql://{user}:{password}@{address}/{database}?sslmode=disable"),
        format!("jdbc:postgresql://{address}/{database}?user={user}&password={password}&sslmode=disable"),
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
    let opened = tokio::select! {
        opened = tokio::time::timeout(STARTUP_TIMEOUT, open(&mut client, target, password)) => {
            let late = Refusal::new(Class::Protocol, "pipeprobe: no startup message, or no password, within 10 s");
            opened.unwrap_or(Ok(Opened::Invalid(late)))
        }
        () = Place::withdrawn(&mut place) => Ok(Opened::Invalid(Refusal::slow())),
    };
    let startup = match opened {
        Ok(Opened::Startup(startup)) => startup,
        Ok(Opened::Cancel(request)) => return Box::pin(cancel(endpoint, &request)).await,
        Ok(Opened::Nothing) => return,
        Ok(Opened::Invalid(refusal)) => {
            drop(place);
            return refuse(&mut client, endpoint, &refusal).await;
        }
        Ok(Opened::WrongPassword) => {
            Password::delay().await;
            drop(place);
            return refuse(&mut client, endpoint, &Refusal::wrong_password()).await;
        }
        Err(error) => return tracing::debug!(target = target.name, %error, "the client closed"),
    };
    drop(place);
    let connect = async |redactor: &_, deadline, evidence: &mut _| {
        let opening = Opening::Startup(startup.message());
        connection::connect_until_auth(target, opening, &endpoint.roots, redactor, deadline, evidence).await
    };
    let start = Instant::now();
    // In memory that is freed before the session: it needs twenty kilobytes.
    let login = Box::pin(log_in(endpoint, startup.purpose(), connect));
    let LoggedIn { session, peer } = tokio::select! {
        result = login => match result {
            Ok(logged_in) => logged_in,
            Err(refusal) => return refuse(&mut client, endpoint, &refusal).await,
        },
        () = closed(&client) => return tracing::debug!(target = target.name, "the client did not wait"),
    };
    tracing::info!(
        target = target.name,
        pid = caller.and_then(|caller| caller.pid),
        database = startup.database(),
        took = start.elapsed().as_millis(),
        "logged in"
    );
    let _open = endpoint.shared.metrics.logged_in(&target.name, start.elapsed());
    let mut key = BackendKey::default();
    let mut remembered = None;
    let mut inspect = |bytes: &[u8]| {
        if let (Some(key), Some(peer)) = (key.find(bytes), peer) {
            remembered = Some(endpoint.cancel_keys.remember(key, peer));
        }
    };
    inspect(&session.said);
    if client.write_all(&session.said).await.is_err() {
        return;
    }
    let (mut relay, mut server) = (Relay::default(), session.stream);
    relay.run(&mut client, &mut server, Pass::all, inspect).await;
    let totals = relay.totals();
    endpoint.shared.metrics.transferred(&target.name, totals);
    tracing::info!(
        target = target.name,
        pid = caller.and_then(|caller| caller.pid),
        sent = totals.to_server,
        received = totals.to_client,
        took = start.elapsed().as_secs(),
        "session ended"
    );
}

/// What a client wants.
enum Opened {
    /// To log in; it has proved that it knows the password, if there is one.
    Startup(Startup),
    Cancel(Vec<u8>),
    /// It only tried the socket, or expects TLS.
    Nothing,
    Invalid(Refusal),
    WrongPassword,
}

/// # Errors
/// If the client closes.
async fn open(client: &mut Client, target: &Target, password: Option<&Password>) -> io::Result<Opened> {
    let startup = match first(client).await? {
        Some(First::Startup(startup)) => startup,
        Some(First::Cancel(request)) => return Ok(Opened::Cancel(request)),
        Some(First::Invalid(refusal)) => return Ok(Opened::Invalid(refusal)),
        // A third request for encryption is not answered.
        Some(First::Encryption) | None => return Ok(Opened::Nothing),
    };
    if let Err(refusal) = startup.check_user(target.user.as_str()) {
        return Ok(Opened::Invalid(refusal));
    }
    Ok(match password {
        Some(password) if !password::is_known(client, password).await? => Opened::WrongPassword,
        _ => Opened::Startup(startup),
    })
}

/// The first message that is no request for encryption. Both kinds of encryption are declined, at most once each.
async fn first(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Option<First>> {
    for _ in 0..3 {
        match startup::read(client).await? {
            Some(First::Encryption) => client.write_all(b"N").await?,
            first => return Ok(first),
        }
    }
    Ok(Some(First::Encryption))
}

/// Waits until the client has closed its socket.
async fn closed(client: &Client) {
    while !client::is_closed(client).await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends a request to cancel a query to the address of the backend that it names. An unknown key goes nowhere.
async fn cancel(endpoint: &Endpoint, request: &[u8]) {
    let target = &endpoint.target;
    let Some(address) = endpoint.cancel_keys.address(startup::key(request)) else {
        return tracing::warn!(target = target.name, "a request to cancel a query has an unknown key");
    };
    let deadline = std::time::Instant::now() + CANCEL_TIMEOUT;
    let cancel = connection::cancel(target, address, request, &endpoint.roots, deadline);
    match cancel.instrument(endpoint.span()).await {
        Ok(()) => tracing::debug!(target = target.name, "forwarded a request to cancel a query"),
        Err(error) => tracing::error!(target = target.name, %error, "cannot cancel a query"),
    }
}

/// Sends an ErrorResponse and closes.
async fn refuse(client: &mut Client, endpoint: &Endpoint, refusal: &Refusal) {
    endpoint.shared.metrics.refused(&endpoint.target.name);
    tracing::warn!(target = endpoint.target.name, why = refusal.message, detail = refusal.detail, "refused");
    let sent = async {
        client.write_all(&error_response(refusal)).await?;
        client.shutdown().await?;
        // What the client still sends is read, so that closing does not discard the error.
        let mut rest = [0; 1024];
        while client.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), sent).await;
}

fn error_response(refusal: &Refusal) -> Vec<u8> {
    // Appendix A, "PostgreSQL Error Codes".
    let code = match &refusal.class {
        Class::Server(code) if code.len() == 5 => code,
        Class::Server(_) | Class::NotConnected => "08006",
        Class::NotAuthorized => "28000",
        Class::WrongPassword => "28P01",
        Class::Resources => "53000",
        Class::Protocol => "08P01",
        Class::NotSupported => "0A000",
    };
    let fields = [
        (b'S', Some("FATAL")),
        (b'V', Some("FATAL")),
        (b'C', Some(code)),
        (b'M', Some(refusal.message.as_str())),
        (b'D', refusal.detail.as_deref()),
        (b'H', refusal.hint.as_deref()),
    ];
    let mut body = Vec::new();
    for (name, value) in fields {
        let Some(value) = value else { continue };
        body.push(name);
        body.extend(value.bytes().filter(|byte| *byte != 0));
        body.push(0);
    }
    body.push(0);
    [b"E", &(body.len() as u32 + 4).to_be_bytes()[..], &body].concat()
}

/// For tests/fuzz.
#[cfg(fuzzing)]
pub(super) mod fuzzing {
    use super::{First, Verifier, startup};

    pub(in crate::agent) async fn read(mut bytes: &[u8]) {
        match startup::read(&mut bytes).await {
            Ok(Some(First::Startup(startup))) => {
                let _ = (startup.purpose(), startup.database());
                let named = |user: &[u8]| startup.message().windows(user.len()).any(|part| part == user);
                assert!(startup.check_user("u").is_err() || named(b"user\0u\0"), "another user");
            }
            Ok(Some(First::Cancel(request))) => assert!(startup::key(&request).len() >= 8),
            _ => {}
        }
    }

    pub(in crate::agent) fn is_proof(verifier: &Verifier, first: &[u8], last: &[u8]) -> bool {
        verifier.challenge(first, "nonce").is_some_and(|challenge| challenge.verify(last).is_some())
    }
}

#[cfg(test)]
mod tests;

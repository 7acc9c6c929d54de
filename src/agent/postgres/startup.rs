//! The first message of a client: a startup message, or one of three requests.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    agent::refusal::{Class, Refusal},
    connection::Purpose,
    target::quoted,
};

/// PostgreSQL's own limit (MAX_STARTUP_PACKET_LENGTH, src/include/libpq/pqcomm.h).
const LONGEST: usize = 10_000;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// A CancelRequest before its key: length and code.
const CANCEL_HEAD: usize = 8;
/// Process ID, and 4 to 256 bytes of secret key.
const KEY: std::ops::RangeInclusive<usize> = 8..=260;

/// What a client sends first.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First {
    /// SSLRequest or GSSENCRequest.
    Encryption,
    /// The complete CancelRequest.
    Cancel(Vec<u8>),
    Startup(Startup),
    Invalid(Refusal),
}

/// A startup message of protocol 3, as it was received.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Startup(Vec<u8>);

/// `None` if the client closes without a word, or sends a TLS handshake.
pub(super) async fn read(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<First>> {
    let mut head = [0; 4];
    match client.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    if head[0] == 0x16 {
        return Ok(None); // sslnegotiation=direct: it would not understand another answer
    }
    let length = u32::from_be_bytes(head) as usize;
    if !(8..=LONGEST).contains(&length) {
        return Ok(Some(invalid(format!("a startup message of {length} bytes"))));
    }
    let mut message = vec![0; length];
    message[..4].copy_from_slice(&head);
    client.read_exact(&mut message[4..]).await?;
    Ok(Some(classify(message)))
}

fn classify(message: Vec<u8>) -> First {
    let code = u32::from_be_bytes([message[4], message[5], message[6], message[7]]);
    match (code, message.len()) {
        (SSL_REQUEST | GSSENC_REQUEST, 8) => First::Encryption,
        (CANCEL_REQUEST, length) if KEY.contains(&(length - CANCEL_HEAD)) => First::Cancel(message),
        (SSL_REQUEST | GSSENC_REQUEST | CANCEL_REQUEST, length) => {
            invalid(format!("request {code} with {length} bytes"))
        }
        (code, _) if code >> 16 == 3 => {
            let startup = Startup(message);
            if startup.parameters().is_none() {
                return invalid("a startup message with incomplete parameters".to_owned());
            }
            First::Startup(startup)
        }
        (code, _) => First::Invalid(Refusal::new(
            Class::NotSupported,
            format!("pipeprobe: protocol {}.{} is not supported", code >> 16, code & 0xffff),
        )),
    }
}

fn invalid(what: String) -> First {
    First::Invalid(Refusal::new(Class::Protocol, format!("pipeprobe: the client sent {what}")))
}

/// The key of a CancelRequest.
pub(super) fn key(request: &[u8]) -> &[u8] {
    request.get(CANCEL_HEAD..).unwrap_or_default()
}

impl Startup {
    pub(super) fn message(&self) -> &[u8] {
        &self.0
    }

    /// Names and values. `None` if the layout is not exactly what the server accepts, so that both read the same user.
    fn parameters(&self) -> Option<Vec<(&[u8], &[u8])>> {
        let mut words = self.0[8..].strip_suffix(&[0])?.split(|byte| *byte == 0);
        let mut parameters = Vec::new();
        loop {
            match words.next()? {
                // The empty name ends the list, and nothing follows it.
                [] => return words.next().is_none().then_some(parameters),
                name => parameters.push((name, words.next()?)),
            }
        }
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let parameters = self.parameters().unwrap_or_default().into_iter();
        parameters.filter(move |(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    /// A replication connection has `replication` with another value than false, in one of the spellings of a boolean.
    pub(super) fn purpose(&self) -> Purpose {
        let is_false = |value: &[u8]| {
            let value = value.to_ascii_lowercase();
            value == b"0"
                || value == b"off"
                || [&b"false"[..], b"no"].iter().any(|word| word.starts_with(&value))
        };
        match self.values("replication").last() {
            Some(value) if !is_false(value) => Purpose::Replication,
            _ => Purpose::Queries,
        }
    }

    /// For the log.
    pub(super) fn database(&self) -> Option<String> {
        let last = self.values("database").last();
        last.map(|name| crate::diagnostic::printable(&String::from_utf8_lossy(name)))
    }

    /// A token is for one user. Another one would be asked for a password by the server, and could not log in.
    ///
    /// # Errors
    /// If the message names no user, or another one.
    pub(super) fn check_user(&self, expected: &str) -> Result<(), Refusal> {
        let mut users = self.values("user").peekable();
        if users.peek().is_none() {
            return Err(Refusal::new(Class::NotAuthorized, "pipeprobe: the client named no user")
                .hint(format!("connect as {expected}")));
        }
        match users.find(|user| *user != expected.as_bytes()) {
            None => Ok(()),
            Some(other) => {
                let other = quoted(String::from_utf8_lossy(other));
                let message = format!("pipeprobe: user {other} is not the user of this target, `{expected}`");
                let hint = format!("connect as {expected} (PGUSER, -U), or use the target of the other user");
                Err(Refusal::new(Class::NotAuthorized, message).hint(hint))
            }
        }
    }
}

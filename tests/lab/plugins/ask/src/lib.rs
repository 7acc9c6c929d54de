//! What both plugins share: one question, "may this user in with this token?", put to the verifier of an instance on a
//! Unix socket.
//!
//! The question is one HTTP/1.1 request, so that anything can play the verifier:
//!
//! ```text
//! POST /verify HTTP/1.1
//! X-Engine: postgres | mysql | mariadb
//! X-User: the database user
//! X-Rhost: where the client comes from
//! X-Replication: none | database | physical, or nothing where the engine does not tell
//! X-Tls: yes | no | unknown
//! Content-Length: bytes of the token, which is the body
//! ```
//!
//! Status 200 means yes. Anything else, silence included, means no. This code runs inside a database server, so it never
//! panics, reads a bounded number of bytes, and gives up after [`PATIENCE`].

#![allow(clippy::missing_errors_doc, reason = "every error is an I/O error of the socket")]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a verifier may take, in all, from the moment it was reached.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// One login, as the server sees it.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// `postgres`, `mysql` or `mariadb`.
    pub engine: &'a str,
    /// The database user who logs in.
    pub user: &'a str,
    /// Address of the client, as the server words it.
    pub remote: &'a str,
    /// `none`, `database` (logical) or `physical`; empty where the engine does not tell.
    pub replication: &'a str,
    /// Whether the token came over TLS: `yes`, `no` or `unknown`.
    pub tls: &'a str,
    /// What the client sent as its password.
    pub token: &'a [u8],
}

impl std::fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Question({} {}, {} bytes)", self.engine, self.user, self.token.len())
    }
}

/// Asks the verifier that listens on `socket`. `Ok(true)` lets the user in; an error means that there was no answer, which
/// the caller must treat as a refusal.
pub fn ask(socket: &Path, question: &Question<'_>) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    let deadline = Instant::now() + PATIENCE;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&head(question))?;
    stream.write_all(question.token)?;

    // The status line is all that counts: `HTTP/1.1 200`.
    let mut line = [0_u8; 12];
    let mut filled = 0;
    while filled < line.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let rest = line.get_mut(filled..).unwrap_or_default();
        match stream.read(rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(&line == b"HTTP/1.1 200" || &line == b"HTTP/1.0 200")
}

fn head(question: &Question<'_>) -> Vec<u8> {
    let mut head = String::from("POST /verify HTTP/1.1\r\nHost: verifier\r\nConnection: close\r\n");
    for (name, value) in [
        ("X-Engine", question.engine),
        ("X-User", question.user),
        ("X-Rhost", question.remote),
        ("X-Replication", question.replication),
        ("X-Tls", question.tls),
    ] {
        head.push_str(name);
        head.push_str(": ");
        // A user name is the client's to choose: it must not become a header of its own.
        head.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
        head.push_str("\r\n");
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", question.token.len()));
    head.into_bytes()
}

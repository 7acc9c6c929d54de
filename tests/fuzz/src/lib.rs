//! Fuzzing of what reads bytes from outside.
//!
//! ```sh
//! cargo install cargo-fuzz
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz postgres_session tests/fuzz/corpus/postgres_session tests/fuzz/seeds/postgres_session
//! ```
//!
//! A target a file, each with what it holds of whatever it is given. STS' answers are parsed by the
//! AWS SDK and have none. Seeds are a few bytes each; what a run finds beyond them stays out of the
//! repository.

use std::{
    io,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use clap::Parser;
use jiff::Timestamp;
use pipeprobe::{
    checks::{Observations, Reached},
    cli::{Cli, Command, Detail},
    config::Config,
    connection::Session,
    diagnostic::{Basis, Capability, RequiredBy, Requirement},
    facts::{self, Fact, Facts},
    report::{Report, Timing, json, text},
    secret::Secret,
    target::Target,
    token::AuthToken,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Runtime,
};

/// A server that says this, whatever it is told, and goes.
pub struct Says(Vec<u8>, usize);

impl Says {
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec(), 0)
    }
}

impl AsyncRead for Says {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let from = self.1;
        let length = buf.remaining().min(self.0.len() - from);
        buf.put_slice(&self.0[from..from + length]);
        self.1 += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Says {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub fn token() -> Secret {
    Secret::new("host:5432/?Action=connect&DBUser=u&X-Amz-Signature=0")
}

fn target(kind: &str) -> Target {
    let host = "db.abc.us-east-1.rds.amazonaws.com";
    let role = "arn:aws:iam::123456789012:role/r";
    let args =
        ["pipeprobe", "check", "--type", kind, "--host", host, "--database", "app", "--iam-role", role];
    let Command::Check(check) = Cli::parse_from(args).command else { unreachable!("check was typed") };
    Config::read(*check, &|_| None).unwrap().targets.remove(0)
}

pub static POSTGRES: LazyLock<Target> = LazyLock::new(|| target("rdspostgres"));
pub static MYSQL: LazyLock<Target> = LazyLock::new(|| target("rdsmysql"));

/// Asks everything, judges it and writes both reports: none of it has anything to drive a terminal with.
pub async fn report(session: Session, target: &Target) {
    let until = |seconds| Instant::now() + Duration::from_secs(seconds);
    let facts = match session {
        Session::Postgres(session) => {
            let replication = std::future::ready(Fact::Absent);
            let facts = facts::ask_postgres(&session, until(1), &target.pipe, replication).await;
            session.close(until(1)).await;
            Facts::Postgres(Arc::new(facts))
        }
        Session::Mysql(session) => {
            Facts::Mysql(Arc::new(facts::ask_mysql(session, until(1), until(1), &target.pipe).await))
        }
    };
    let now = Timestamp::UNIX_EPOCH;
    let token = AuthToken { text: token(), signed_at: now, expires_at: now };
    let reached = Reached::LoggedIn { token, first_refusal: None, facts, load: None };
    let seen = Observations { reached, ..Observations::default() };
    let requirement = Requirement::new(Basis::Server, Capability::Cdc, RequiredBy::Require);
    let timing =
        Timing { started_at: now, took: Duration::ZERO, facts_took: Some(Duration::ZERO), facts_as_of: None };
    let report = Report::new(target, &seen, requirement, timing);
    let mut out = Vec::new();
    let layout = text::Layout::new(Some(80), false, Detail::Verbose);
    text::write(&mut out, &report, layout).unwrap();
    json::Document::of(&[report], &[]).write(&mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(!out.contains(|c: char| c.is_control() && c != '\n' && c != '\u{1b}'));
}

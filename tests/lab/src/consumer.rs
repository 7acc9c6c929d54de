//! Real consumers of a database that do what ClickPipes does. Tests compare verdicts with their results.
//!
//! They are small Python programs on libraries that share no code with pipeprobe: `psycopg2`, `PyMySQL` and
//! `mysql-replication`. They log in with a token over TLS that verifies chain and name, do what ClickPipes' engine does in its
//! order, and clean up. They do not know how the lab was set up.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::guide;
use crate::instance::Instance;
use crate::python;
use crate::server_version::Engine;

pub(crate) const COMMON: &str = include_str!("consumers/common.py");
pub(crate) const POSTGRES: &str = include_str!("consumers/postgres.py");
pub(crate) const MYSQL: &str = include_str!("consumers/mysql.py");

/// Limit for the whole run of a consumer. Its own limits are shorter.
const LONGEST: Duration = Duration::from_mins(1);

/// A user that reads these tables, given as `schema.table`.
#[derive(Clone, Copy, Debug)]
pub struct Consumer<'a> {
    pub instance: &'a Instance,
    pub user: &'a str,
    pub tables: &'a [&'a str],
}

/// The changes that a consumer is to receive.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    /// The publication to read (PostgreSQL). If it is `None`, the consumer creates one as its user and drops it afterwards.
    pub publication: Option<&'a str>,
    /// The server on which the changes are made: the instance itself, or the primary of a standby.
    pub writer: &'a Instance,
    /// SQL that inserts, updates and deletes at least a row of each table; run as the superuser once the stream flows.
    pub script: &'a str,
}

/// A table that was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub table: String,
    pub columns: Vec<String>,
    pub rows: u64,
}

/// A table of which changes arrived, with the column names from the stream. No count is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    pub table: String,
    pub columns: Vec<String>,
    pub inserts: u64,
    pub updates: u64,
    pub deletes: u64,
}

impl Consumer<'_> {
    /// Reads every row of every table. The inner error says why that is not possible: a message of the server (with its
    /// code), of the library, or a rule of ClickPipes.
    ///
    /// # Errors
    /// If the consumer could not be run: no Python (see [`crate::python()`]), or it exited without an answer.
    pub fn snapshot(&self, token: &str) -> io::Result<Result<Vec<Copied>, String>> {
        let answer = self.run(token, None)?;
        Ok(answer.map(|tables| {
            let copied = |t: &Value| Copied { table: name(t), columns: columns(t), rows: count(t, "rows") };
            tables.iter().map(copied).collect()
        }))
    }

    /// Receives the changes of every table while they are made. The inner error is as in [`Self::snapshot`], or the error of the
    /// server on which the script failed.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub fn changes(&self, token: &str, changes: &Changes<'_>) -> io::Result<Result<Vec<Followed>, String>> {
        let answer = self.run(token, Some(changes))?;
        Ok(answer.map(|tables| {
            let followed = |t: &Value| Followed {
                table: name(t),
                columns: columns(t),
                inserts: count(t, "inserts"),
                updates: count(t, "updates"),
                deletes: count(t, "deletes"),
            };
            tables.iter().map(followed).collect()
        }))
    }

    fn run(&self, token: &str, changes: Option<&Changes<'_>>) -> io::Result<Result<Vec<Value>, String>> {
        let script = match self.instance.server_version.engine() {
            Engine::Postgres => [COMMON, POSTGRES].concat(),
            Engine::Mysql | Engine::MariaDb => [COMMON, MYSQL].concat(),
        };
        let Program { running: mut child, mut input, output, mut complaints } =
            Program::start(&script, token)?;
        // If the consumer has exited, its stderr is the better error.
        let _ = writeln!(input, "{}", self.request(changes));

        let (send, lines) = channel();
        thread::spawn(move || BufReader::new(output).lines().try_for_each(|line| send.send(line)));
        let complaints = thread::spawn(move || {
            let mut text = String::new();
            let _ = complaints.read_to_string(&mut text);
            text
        });
        let answer = self.converse(input, &lines, changes)?;
        if answer.is_some() {
            // The consumer has cleaned up before it answered, and exits now.
            child.0.wait()?;
        }
        drop(child);
        answer.ok_or_else(|| {
            let said = complaints.join().unwrap_or_default();
            io::Error::other(format!("the consumer ended without an answer:\n{}", said.trim()))
        })
    }

    /// Contains no secret.
    fn request(&self, changes: Option<&Changes<'_>>) -> Value {
        json!({
            "mode": if changes.is_some() { "changes" } else { "snapshot" },
            "host": self.instance.host,
            "port": self.instance.port,
            "database": guide::DATABASE,
            "user": self.user,
            "tables": self.tables,
            "publication": changes.and_then(|c| c.publication),
            "trust_root": self.instance.trust_root(),
        })
    }

    /// Exchanges one line at a time. `None` if the consumer exited without an answer.
    fn converse(
        &self,
        mut input: ChildStdin,
        lines: &Receiver<io::Result<String>>,
        changes: Option<&Changes<'_>>,
    ) -> io::Result<Option<Result<Vec<Value>, String>>> {
        let deadline = Instant::now() + LONGEST;
        let mut not_changed = None;
        let mut makes_slot = false;
        loop {
            let line = match lines.recv_timeout(Duration::from_millis(50)) {
                Ok(line) => line?,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if Instant::now() > deadline => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the consumer does not answer"));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(changes) =
                        changes.filter(|c| makes_slot && c.writer.port != self.instance.port)
                    {
                        // A standby needs a running-transactions record, which the primary otherwise writes every 15 s.
                        let _ = changes.writer.sql("SELECT pg_log_standby_snapshot()");
                    }
                    continue;
                }
            };
            let said: Value = serde_json::from_str(&line).map_err(io::Error::other)?;
            if let Some(tables) = said["tables"].as_array() {
                return Ok(Some(Ok(tables.clone())));
            }
            if let Some(why) = said["refused"].as_str() {
                return Ok(Some(Err(not_changed.unwrap_or_else(|| why.to_owned()))));
            }
            makes_slot = said["state"] == "slot";
            if let Some(changes) = changes.filter(|_| said["state"] == "ready") {
                let made = changes.writer.sql(changes.script);
                let _ = writeln!(input, "{}", if made.is_ok() { "changed" } else { "stop" });
                not_changed = made.err().map(|e| e.to_string());
            }
        }
    }
}

fn name(table: &Value) -> String {
    table["table"].as_str().unwrap_or_default().to_owned()
}

fn columns(table: &Value) -> Vec<String> {
    let names = table["columns"].as_array().into_iter().flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn count(table: &Value, what: &str) -> u64 {
    table[what].as_u64().unwrap_or_default()
}

/// A Python program of the lab, with its pipes.
pub(crate) struct Program {
    pub(crate) running: Running,
    pub(crate) input: ChildStdin,
    pub(crate) output: ChildStdout,
    pub(crate) complaints: ChildStderr,
}

impl Program {
    /// Starts a script with only the token in its environment.
    pub(crate) fn start(script: &str, token: &str) -> io::Result<Self> {
        let python = python().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "Python's libraries are not there: run `cargo lab setup`")
        })?;
        let mut child = Command::new(python)
            .args(["-I", "-c", script])
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("PIPEPROBE_LAB_TOKEN", token)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let running = Running(child);
        let (Some(input), Some(output), Some(complaints)) = pipes else {
            return Err(io::Error::other("a child without pipes"));
        };
        Ok(Self { running, input, output, complaints })
    }
}

/// Killed when the value is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

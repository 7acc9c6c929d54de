//! A consumer that stays: it holds the replication slot of a pipe, or reads the binary log, as a running pipe does.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::json;

use crate::consumer::{COMMON, MYSQL, POSTGRES};
use crate::guide;
use crate::instance::Instance;
use crate::python;
use crate::server_version::Engine;

const HOLD_POSTGRES: &str = include_str!("consumers/hold_postgres.py");
const HOLD_MYSQL: &str = include_str!("consumers/hold_mysql.py");

/// A running consumer. Dropped, it ends as a pipe that is stopped.
#[derive(Debug)]
pub struct Holder {
    child: Child,
    /// Closed, it ends.
    _input: ChildStdin,
}

impl Holder {
    /// Starts a consumer as `user`. PostgreSQL: it reads `slot` with `publication`; both exist.
    ///
    /// # Errors
    /// If it could not be started, or the server refused it: its last words.
    pub fn start(
        instance: &Instance,
        user: &str,
        token: &str,
        slot: &str,
        publication: &str,
    ) -> io::Result<Self> {
        let python = python().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "Python's libraries are not there: run `cargo lab setup`")
        })?;
        let (consumer, hold) = match instance.server_version.engine() {
            Engine::Postgres => (POSTGRES, HOLD_POSTGRES),
            Engine::Mysql | Engine::MariaDb => (MYSQL, HOLD_MYSQL),
        };
        // Its functions, without the call that runs them.
        let functions = consumer.rsplit_once("\nmain(").map_or(consumer, |(functions, _)| functions);
        let mut child = Command::new(python)
            .args(["-I", "-c", &[COMMON, functions, hold].concat()])
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("PIPEPROBE_LAB_TOKEN", token)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut input), Some(output), Some(mut complaints)) = pipes else {
            return Err(io::Error::other("a child without pipes"));
        };
        let request = json!({
            "host": instance.host,
            "port": instance.port,
            "database": guide::DATABASE,
            "user": user,
            "tables": [],
            "publication": publication,
            "slot": slot,
            "trust_root": instance.trust_root(),
        });
        let _ = writeln!(input, "{request}");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let mut holder = Self { child, _input: input };
        if line.contains("ready") {
            return Ok(holder);
        }
        holder.end();
        let mut words = String::new();
        complaints.read_to_string(&mut words)?;
        Err(io::Error::other(format!("{line}{words}")))
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.end();
    }
}

//! A consumer that stays, as a running pipe does: it holds a replication slot of PostgreSQL, or reads the binary log of MySQL or
//! MariaDB.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ChildStdin;

use serde_json::json;

use crate::consumer::{COMMON, MYSQL, POSTGRES, Program, Running};
use crate::guide;
use crate::instance::Instance;

const HOLD: &str = include_str!("consumers/hold_postgres.py");
const HOLD_MYSQL: &str = include_str!("consumers/hold_mysql.py");

/// A running consumer. Dropped, it ends as a pipe that is stopped.
#[derive(Debug)]
pub struct Holder {
    _running: Running,
    /// Closed, it ends.
    _input: ChildStdin,
}

impl Holder {
    /// Starts a consumer as `user`. It reads `slot` with `publication`; both exist.
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
        Self::run(POSTGRES, HOLD, token, &request)
    }

    /// Starts a consumer as `user` that reads the binary log from its end.
    ///
    /// # Errors
    /// If it could not be started, or the server refused it: its last words.
    pub fn of_binlog(instance: &Instance, user: &str, token: &str) -> io::Result<Self> {
        let request = json!({
            "host": instance.host,
            "port": instance.port,
            "user": user,
            "tables": [],
            "trust_root": instance.trust_root(),
        });
        Self::run(MYSQL, HOLD_MYSQL, token, &request)
    }

    fn run(consumer: &str, hold: &str, token: &str, request: &serde_json::Value) -> io::Result<Self> {
        // Its functions, without the call that runs them.
        let functions = consumer.rsplit_once("\nmain(").map_or(consumer, |(functions, _)| functions);
        let script = [COMMON, functions, hold].concat();
        let Program { running, mut input, output, mut complaints } = Program::start(&script, token)?;
        let _ = writeln!(input, "{request}");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.contains("ready") {
            return Ok(Self { _running: running, _input: input });
        }
        drop(running);
        let mut words = String::new();
        complaints.read_to_string(&mut words)?;
        Err(io::Error::other(format!("{line}{words}")))
    }
}

//! A consumer that stays: it holds the replication slot of a pipe in PostgreSQL, as a running pipe does.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ChildStdin;

use serde_json::json;

use crate::consumer::{COMMON, POSTGRES, Program, Running};
use crate::guide;
use crate::instance::Instance;

const HOLD: &str = include_str!("consumers/hold_postgres.py");

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
        // Its functions, without the call that runs them.
        let functions = POSTGRES.rsplit_once("\nmain(").map_or(POSTGRES, |(functions, _)| functions);
        let script = [COMMON, functions, HOLD].concat();
        let Program { running, mut input, output, mut complaints } = Program::start(&script, token)?;
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
        if line.contains("ready") {
            return Ok(Self { _running: running, _input: input });
        }
        drop(running);
        let mut words = String::new();
        complaints.read_to_string(&mut words)?;
        Err(io::Error::other(format!("{line}{words}")))
    }
}

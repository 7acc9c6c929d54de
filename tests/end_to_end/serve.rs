//! `serve` on real servers: what it says of them, when that changes, and how it starts, reloads and ends.

#[path = "serve/agent.rs"]
mod agent;
#[path = "serve/client.rs"]
pub(crate) mod client;
#[path = "serve/guessing.rs"]
mod guessing;
#[path = "serve/lifecycle.rs"]
mod lifecycle;
#[path = "serve/limits.rs"]
mod limits;
#[path = "serve/probe.rs"]
mod probe;
#[path = "serve/relay.rs"]
mod relay;
#[path = "serve/stalled.rs"]
mod stalled;
#[path = "serve/standing.rs"]
mod status;
#[path = "serve/web.rs"]
mod web;

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use lab::{Lab, ServerVersion};
use serde_json::Value;

use client::{Answer, get};

/// How long anything may take before a test gives up on it; only a machine under load comes near.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running `pipeprobe serve`, and what it has logged. Dropped, it is ended.
pub(crate) struct ServeProcess {
    child: Child,
    pub(crate) address: String,
    log: Arc<Mutex<Vec<String>>>,
    reading: Option<JoinHandle<()>>,
    config: PathBuf,
    _folder: tempfile::TempDir,
}

impl ServeProcess {
    /// With this table in place of `[serve]`, before the targets.
    pub(crate) fn start(lab: &Lab, head: &str, targets: &str) -> Self {
        Self::start_with(lab, head, targets, |command| command)
    }

    fn start_with(
        lab: &Lab,
        head: &str,
        targets: &str,
        more: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("pipeprobe.toml");
        std::fs::write(&config, format!("{head}\n{targets}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--config-file"])
            .arg(&config);
        command.env_clear().envs(lab.environment()).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = more(&mut command).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, lines) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        let reading = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let mut this =
            Self { child, address: String::new(), log, reading: Some(reading), config, _folder: folder };
        let serving = this.logged("serving");
        serving["address"].as_str().unwrap().clone_into(&mut this.address);
        this
    }

    fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Replaces the configuration file.
    fn rewrite(&self, text: &str) {
        std::fs::write(&self.config, text).unwrap();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line of the log with this message.
    #[track_caller]
    fn logged(&self, message: &str) -> Value {
        wait(&format!("the log says {message}"), || {
            let lines = self.lines();
            let mut events = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            events.find(|event| event["message"] == message).ok_or_else(|| lines.join("\n"))
        })
    }

    /// What `pipeprobe healthy` says of it: exit code and words.
    fn healthy(&self) -> (i32, String) {
        self.healthy_on(&self.address)
    }

    fn healthy_on(&self, address: &str) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
        command.args(["healthy", "--listen", address, "--config-file"]).arg(&self.config).env_clear();
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        get(&self.address, path, &[])
    }

    /// What `/api/v1/targets` says of one target.
    #[track_caller]
    pub(crate) fn target(&self, name: &str) -> Value {
        self.get(&format!("/api/v1/targets/{name}")).json()
    }

    #[track_caller]
    pub(crate) fn becomes(&self, name: &str, health: &str) -> Value {
        wait(&format!("{name} becomes {health}"), || {
            let target = self.target(name);
            if target["health"] == health { Ok(target) } else { Err(format!("{target:#}")) }
        })
    }

    /// The value of a series of `/metrics`.
    #[track_caller]
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        self.get("/metrics").series(series)
    }

    /// Its exit status, once it has ended, and everything it logged.
    #[track_caller]
    fn ended(mut self) -> (ExitStatus, String) {
        let status =
            wait("it ends", || self.child.try_wait().unwrap().ok_or_else(|| self.lines().join("\n")));
        self.reading.take().unwrap().join().unwrap();
        (status, self.lines().join("\n"))
    }
}

impl Drop for ServeProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until there is an answer.
#[track_caller]
pub(crate) fn wait<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(last) => assert!(start.elapsed() < TIMEOUT, "waited in vain: {what}\n{last}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Checks follow one another as fast as they may.
pub(crate) const QUICK: &str = "[defaults]\ninterval = \"1s\"\n";

/// Each target is checked once, so what happens later is the test's.
const HOURLY: &str = "[defaults]\ninterval = \"1h\"\nfull_interval = \"1h\"\n";

/// The lanes that are always there.
pub(crate) fn two() -> Lab {
    Lab::start(&[ServerVersion::Postgres15, ServerVersion::MariaDb10_11]).unwrap()
}

/// A table for a database that accepts connections and never says a word.
pub(crate) fn silent_target(name: &str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        open.extend(listener.incoming());
    });
    format!(
        "[targets.{name}]\ntype = \"rdspostgres\"\nhost = \"{name}.c9lab0example.us-east-1.rds.amazonaws.com\"\n\
         iam_role = \"{}\"\nconnect_to = \"{address}\"\n",
        lab::ACCESS_ROLE
    )
}

//! One situation: the server's script, what the program is told, and what it must make of it.

use std::{
    fmt::Write,
    fs,
    io::{self, Read},
    process::{Command, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use lab::{ACCESS_ROLE, Lab};
use serde_json::Value;

use super::server::{AUTHORITY, End, HOST, Heard, Peer, Script, Server};

/// An AWS to get a token from, and no servers but ours.
pub(crate) static LAB: LazyLock<Lab> = LazyLock::new(|| Lab::start(&[]).unwrap());

/// Address space of the program, in KiB. What believes an announced length ends here.
const ADDRESS_SPACE: u32 = 1 << 20;

/// What the program may have had in memory at most, in MiB; a session may say 8 MiB to its driver.
const MEMORY: u64 = 400;

/// Seconds beyond its own time limit after which a program hangs. A machine may be busy; this is no measurement.
const HANGS: u64 = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// It must not have been sent.
    Withheld,
    /// The server came by it honestly.
    Sent,
}

/// What a row must say: its check, its outcome and its cause.
type Row = (&'static str, &'static str, Option<&'static str>);

pub(crate) struct Case {
    name: String,
    kind: &'static str,
    script: Script,
    seconds: u64,
    rows: Vec<Row>,
    found: Vec<(&'static str, String)>,
    unsaid: Vec<&'static str>,
    /// The report is text, and has these words.
    shown: Option<&'static str>,
    token: Token,
    ca_pem: String,
    environment: Vec<(String, String)>,
}

impl Case {
    pub(crate) fn postgres(
        name: impl Into<String>,
        script: impl Fn(&mut Peer) -> io::Result<End> + Send + Sync + 'static,
    ) -> Self {
        Self::new("rdspostgres", name.into(), Box::new(script))
    }

    pub(crate) fn mysql(
        name: impl Into<String>,
        script: impl Fn(&mut Peer) -> io::Result<End> + Send + Sync + 'static,
    ) -> Self {
        Self::new("rdsmysql", name.into(), Box::new(script))
    }

    pub(crate) fn mariadb(
        name: impl Into<String>,
        script: impl Fn(&mut Peer) -> io::Result<End> + Send + Sync + 'static,
    ) -> Self {
        Self::new("rdsmariadb", name.into(), Box::new(script))
    }

    fn new(kind: &'static str, name: String, script: Script) -> Self {
        Self {
            name,
            kind,
            script,
            seconds: 3,
            rows: Vec::new(),
            found: Vec::new(),
            unsaid: Vec::new(),
            shown: None,
            token: Token::Withheld,
            ca_pem: AUTHORITY.pem.clone(),
            environment: Vec::new(),
        }
    }

    /// This row failed, of this cause.
    pub(crate) fn fails(mut self, check: &'static str, cause: &'static str) -> Self {
        self.rows.push((check, "fail", Some(cause)));
        self
    }

    pub(crate) fn unknown(mut self, check: &'static str, cause: &'static str) -> Self {
        self.rows.push((check, "unknown", Some(cause)));
        self
    }

    /// It ended so, of whatever cause.
    pub(crate) fn has(mut self, check: &'static str, outcome: &'static str) -> Self {
        self.rows.push((check, outcome, None));
        self
    }

    /// The row of the last expectation says this.
    pub(crate) fn saying(mut self, words: impl Into<String>) -> Self {
        let check = self.rows.last().expect("a row comes first").0;
        self.found.push((check, words.into()));
        self
    }

    /// Nothing in the output says this.
    pub(crate) fn without_saying(mut self, words: &'static str) -> Self {
        self.unsaid.push(words);
        self
    }

    /// The server has asked for the token as it should, so it was sent.
    pub(crate) fn after_the_token(mut self) -> Self {
        self.token = Token::Sent;
        self
    }

    /// As a person sees it, who is shown these words.
    pub(crate) fn in_text(mut self, words: &'static str) -> Self {
        self.shown = Some(words);
        self
    }

    pub(crate) fn within(mut self, seconds: u64) -> Self {
        self.seconds = seconds;
        self
    }

    pub(crate) fn trusting(mut self, pem: String) -> Self {
        self.ca_pem = pem;
        self
    }

    /// Without a `ca_certificate`, which would replace them.
    pub(crate) fn trusting_built_in_roots(self) -> Self {
        self.trusting(String::new())
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn run(self) -> Ran {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let ca = LAB.dir().join(format!("hostile-{}.pem", NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::write(&ca, &self.ca_pem).unwrap();
        let server = Server::start(self.script);
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("ulimit -v {ADDRESS_SPACE}; exec \"$@\""), "sh"])
            .arg(env!("CARGO_BIN_EXE_pipeprobe"))
            .args([
                "check",
                "-o",
                "json",
                "--require",
                "cdc",
                "--type",
                self.kind,
                "--host",
                HOST,
                "--database",
                "app",
            ])
            .args(["--connect-to", &server.address.to_string(), "--iam-role", ACCESS_ROLE])
            .args(["--timeout", &format!("{}s", self.seconds)]);
        if !self.ca_pem.is_empty() {
            command.arg("--ca-certificate").arg(&ca);
        }
        command
            .env_clear()
            .envs(LAB.environment())
            .env("MALLOC_ARENA_MAX", "1")
            .envs(self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let start = Instant::now();
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let read = |mut from: Box<dyn Read + Send>| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                from.read_to_end(&mut bytes).unwrap();
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let (stdout, stderr) = (read(Box::new(stdout)), read(Box::new(stderr)));
        let mut peak = 0;
        let patience = Duration::from_secs(self.seconds + HANGS);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            peak = peak.max(high_water(child.id()).unwrap_or(0));
            if start.elapsed() > patience {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let took = start.elapsed();
        Ran {
            name: self.name,
            status: status.code(),
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
            took,
            peak,
            heard: server.heard(),
            rows: self.rows,
            found: self.found,
            unsaid: self.unsaid,
            shown: self.shown,
            token: self.token,
        }
    }
}

/// Peak resident memory of a process, in MiB.
fn high_water(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    // Before that it is the shell, or still us.
    status.starts_with("Name:\tpipeprobe\n").then_some(())?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// What came of it.
struct Ran {
    name: String,
    status: Option<i32>,
    stdout: String,
    stderr: String,
    took: Duration,
    peak: u64,
    heard: Heard,
    rows: Vec<Row>,
    found: Vec<(&'static str, String)>,
    unsaid: Vec<&'static str>,
    shown: Option<&'static str>,
    token: Token,
}

impl Ran {
    /// Everything that is not as it must be.
    fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                wrong.push(what);
            }
        };
        // The capability is not met, whatever else is; and the process ended by itself, or it has no exit code.
        must(self.status == Some(3), format!("exit code {:?}", self.status));
        must(self.stderr.is_empty(), "something on stderr".to_owned());
        must(self.peak <= MEMORY, format!("{} MiB of memory", self.peak));

        let driven = |c: char| c.is_control() && c != '\n';
        for (name, output) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            must(!output.contains(driven), format!("{name} has control characters"));
            for parameter in ["X-Amz-Signature=", "X-Amz-Security-Token="] {
                let mut values = output.split(parameter).skip(1);
                must(values.all(|value| value.starts_with("[redacted]")), format!("{name} has the token"));
            }
            for words in &self.unsaid {
                must(!output.contains(words), format!("{name} says {words:?}"));
            }
        }
        let has = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|w| w == word.as_bytes());
        for word in ["X-Amz-Signature", "DBUser="] {
            must(!has(&self.heard.clear, word), format!("{word} was sent without TLS"));
            let sent = has(&self.heard.encrypted, word);
            must(sent == (self.token == Token::Sent), format!("{word} sent: {sent}"));
        }

        // What an answer says there is may be looked at, up to the most that ever is: by the fifty, then one by one.
        let tables = self.heard.encrypted.windows(14).filter(|w| w == b"SELECT * FROM ").count();
        must(tables <= 1000, format!("{tables} tables were tried"));

        if let Some(words) = self.shown {
            must(self.stdout.contains(words), format!("not shown {words:?}: {}", self.stdout));
            return wrong;
        }
        let document: Value = serde_json::from_str(&self.stdout).unwrap_or_default();
        let report = &document["targets"][0];
        let Some(rows) = report["checks"].as_array() else {
            must(false, "no report on stdout".to_owned());
            return wrong;
        };
        strings(&document, &mut |text| {
            must(!text.contains(driven), format!("control characters in {text:?}"));
        });
        for (check, outcome, cause) in &self.rows {
            let row = rows.iter().find(|row| row["code"] == **check);
            let holds = row.is_some_and(|row| {
                row["outcome"] == **outcome && cause.is_none_or(|cause| row["cause"] == cause)
            });
            must(holds, format!("not {outcome} {cause:?}: {:#}", row.unwrap_or(&Value::Null)));
        }
        for (check, words) in &self.found {
            let row = rows.iter().find(|row| row["code"] == **check).unwrap_or(&Value::Null);
            must(
                row["found"].as_str().unwrap_or_default().contains(words.as_str()),
                format!("not found {words:?}: {row:#}"),
            );
        }
        wrong
    }

    /// A line for the table of results.
    fn line(&self) -> String {
        let document: Value = serde_json::from_str(&self.stdout).unwrap_or_default();
        let rows = document["targets"][0]["checks"].as_array().cloned().unwrap_or_default();
        let row = match self.rows.first() {
            Some((check, ..)) => rows.iter().find(|row| row["code"] == **check),
            None => rows.iter().find(|row| !row["cause"].is_null()),
        };
        let row = row.unwrap_or(&Value::Null);
        format!(
            "{} | {:?} | {} {} {} | {} | {:.1} s | {} MiB | {}",
            self.name,
            self.status.unwrap_or(-1),
            row["code"].as_str().unwrap_or("-"),
            row["outcome"].as_str().unwrap_or("-"),
            row["cause"].as_str().unwrap_or("-"),
            row["found"].as_str().unwrap_or("-"),
            self.took.as_secs_f32(),
            self.peak,
            self.stderr.lines().next().unwrap_or_default(),
        )
    }
}

fn strings(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, each)),
        Value::Object(values) => values.values().for_each(|value| strings(value, each)),
        _ => {}
    }
}

/// Runs them side by side (most of them wait), and says of every one what is wrong.
/// `HOSTILE=word` runs those with the word in their name, and prints what came of each.
#[track_caller]
pub(crate) fn run(cases: Vec<Case>) {
    let expected = std::env::var("HOSTILE").ok();
    let chosen = |case: &Case| expected.as_ref().is_none_or(|word| case.name.contains(word.as_str()));
    let waiting = Mutex::new(cases.into_iter().filter(chosen));
    let wrong = Mutex::new(String::new());
    std::thread::scope(|threads| {
        for _ in 0..12 {
            threads.spawn(|| {
                loop {
                    let Some(case) = waiting.lock().unwrap().next() else { break };
                    let ran = case.run();
                    if expected.is_some() {
                        println!("{}", ran.line());
                    }
                    let faults = ran.check();
                    if !faults.is_empty() {
                        let mut wrong = wrong.lock().unwrap();
                        let _ = writeln!(wrong, "\n{}\n{}", ran.name, faults.join("\n"));
                        let _ =
                            writeln!(wrong, "{}", ran.stderr.lines().take(5).collect::<Vec<_>>().join("\n"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong}");
}

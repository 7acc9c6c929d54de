//! `--wait`: servers that start or are fixed during the wait, and one that is never fixed.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use lab::{ACCESS_ROLE, Lab, ServerVersion};
use serde_json::Value;

use crate::support::Run;

/// A waiting run and its output so far.
struct Waiting {
    process: Child,
    stderr: BufReader<std::process::ChildStderr>,
    said: Vec<String>,
}

impl Waiting {
    fn start(lab: &Lab, args: &[&str]) -> Self {
        let args = [&["-o", "json", "--no-second-look"], args].concat();
        let mut command = Run::check(lab, &args).spawnable();
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        Self { process, stderr, said: Vec::new() }
    }

    /// Waits for a line with this prefix.
    #[track_caller]
    fn until(&mut self, start: &str) {
        while !self.said.last().is_some_and(|line| line.starts_with(start)) {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "not `{start}`, but {:?}", self.said);
            self.said.push(line.trim_end().to_owned());
        }
    }

    /// Its exit code, its JSON document, and its stderr.
    fn end(mut self) -> (i32, Value, Vec<String>) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        self.said.extend(rest.lines().map(str::to_owned));
        let output = self.process.wait_with_output().unwrap();
        let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code().unwrap(), document, self.said)
    }
}

#[test]
fn wait_ends_when_the_server_starts_and_does_not_repeat_other_targets() {
    let lab = Lab::start(&[ServerVersion::Postgres15, ServerVersion::MariaDb10_11]).unwrap();
    let (postgres, mariadb) =
        (lab.instance(ServerVersion::Postgres15), lab.instance(ServerVersion::MariaDb10_11));
    postgres.stop();
    let mut waiting = Waiting::start(&lab, &["--wait", "10m"]);
    waiting.until("waiting for postgres15: NET_DIAL (");
    postgres.start_again().unwrap();
    let (code, document, said) = waiting.end();
    assert_eq!(code, 0, "{said:?} {document:#}");
    // One line per change of state, and none for a target that passed at once.
    assert_eq!(said.last().map(String::as_str), Some("postgres15 is met: Initial Load Only"), "{said:?}");
    assert!(said.windows(2).all(|pair| pair[0] != pair[1]), "{said:?}");
    assert!(!said.iter().any(|line| line.contains("mariadb")), "{said:?}");
    let logins = mariadb.decisions().len();
    assert_eq!(logins, 1, "asked once");
    let reports = document["targets"].as_array().unwrap();
    let rounds = |i: usize| reports[i]["waited"]["attempts"].as_u64().unwrap();
    assert_eq!((&reports[0]["target"], rounds(0)), (&"mariadb10_11".into(), 1));
    assert_eq!(reports[1]["target"], "postgres15");
    assert!(rounds(1) >= 2, "{:#}", reports[1]["waited"]);
    assert!(reports[1]["waited"]["duration_ms"].as_f64().unwrap() >= 1000.0, "a pause was made");
}

#[test]
fn wait_ends_when_the_policy_is_fixed_and_prints_each_state_once() {
    let lab = Lab::start(&[ServerVersion::MariaDb10_11]).unwrap();
    let mariadb = lab.instance(ServerVersion::MariaDb10_11);
    let mut role = None;
    lab.aws().change(|world| {
        let i = world.roles.iter().position(|role| role.arn == ACCESS_ROLE).unwrap();
        role = Some(world.roles.remove(i));
    });
    let mut waiting = Waiting::start(&lab, &["--wait", "10m"]);
    waiting.until("waiting for mariadb10_11: STS_ACCESS_ROLE (STS_");
    mariadb.stop();
    lab.aws().change(|world| world.roles.extend(role.take()));
    waiting.until("waiting for mariadb10_11: NET_DIAL (");
    mariadb.start_again().unwrap();
    let (code, _, said) = waiting.end();
    assert_eq!((code, said.last().map(String::as_str)), (0, Some("mariadb10_11 is met: CDC")), "{said:?}");
}

#[test]
fn wait_that_expires_prints_the_last_report() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    lab.instance(ServerVersion::Postgres15).stop();
    let (code, document, said) = Waiting::start(&lab, &["--wait", "3s"]).end();
    assert_eq!(code, 3);
    assert_eq!(said.len(), 1, "one state, one line: {said:?}");
    let report = &document["targets"][0];
    assert_eq!(report["verdict"]["blocked_by"], serde_json::json!(["NET_DIAL"]));
    let waited = &report["waited"];
    assert!(waited["duration_ms"].as_f64().unwrap() >= 3000.0, "it used its time: {waited:#}");
    // Only one round if a slow machine needed all the time for it.
    let took = report["duration_ms"].as_f64().unwrap();
    assert!(waited["attempts"].as_u64().unwrap() >= 2 || took >= 3000.0, "{waited:#}");
    let schema = serde_json::from_str(pipeprobe::report::json::SCHEMA).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&document).unwrap();
}

#[test]
fn wait_does_not_repeat_what_a_rule_forbids() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let (code, document, said) = Waiting::start(&lab, &["--require", "cdc", "--wait", "24h"]).end();
    assert_eq!((code, &document["targets"][0]["waited"]["attempts"]), (3, &1.into()));
    assert_eq!(
        said,
        ["not waiting for postgres15: PG_DOCUMENTED_RULE does not change; see --basis"],
        "{said:?}"
    );
}

#[test]
fn a_signal_ends_the_wait() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    lab.instance(ServerVersion::Postgres15).stop();
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let mut waiting = Waiting::start(&lab, &["--wait", "24h"]);
        waiting.until("waiting for postgres15: ");
        let kill = format!("kill -s {signal} {}", waiting.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let (code, document, _) = waiting.end();
        assert_eq!((code, &document["success"]), (status, &false.into()));
        // The last check before the signal.
        assert_eq!(
            (&document["interrupted"], &document["targets"][0]["target"]),
            (&true.into(), &"postgres15".into())
        );
    }
}

#[test]
fn on_a_terminal_the_progress_line_names_target_and_cause() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    lab.instance(ServerVersion::Postgres15).stop();
    let run = Run::check(&lab, &["--wait", "10m"]).spawnable();
    let words: Vec<_> = [run.get_program()].into_iter().chain(run.get_args()).collect();
    let line = words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ");
    let mut script = Command::new("/usr/bin/script");
    script.args(["--quiet", "--flush", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    script.env_clear().envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut script = script.env("TERM", "xterm").stdout(Stdio::piped()).spawn().unwrap();
    let mut terminal = script.stdout.take().unwrap();
    let (mut screen, mut some) = (String::new(), [0; 4096]);
    while !screen.contains("waiting for postgres15: NET_DIAL (") {
        let read = terminal.read(&mut some).unwrap();
        assert!(read > 0, "{screen}");
        screen += &String::from_utf8_lossy(&some[..read]);
    }
    lab.instance(ServerVersion::Postgres15).start_again().unwrap();
    terminal.read_to_string(&mut screen).unwrap();
    assert_eq!(script.wait().unwrap().code(), Some(0), "{screen}");
    assert!(screen.contains(" checks in "), "the report says how often: {screen}");
}

//! The judge: does the verdict of `pipeprobe check` tell the truth?
//!
//! For each random world (a database, its users, a publication, a pipe), Python programs in `truth/` ask `check` for the verdict,
//! replicate the tables as ClickPipes' engine does while an application changes them, and compare the copy with the source. They
//! share no code with pipeprobe. A world in which the verdict was wrong is made smaller and written as a case file.
//!
//! ```text
//! world.py             a world as data; case files
//! postgres_grammar.py  random worlds          mysql_grammar.py
//! postgres.py          builds and replicates  mysql.py
//! judge.py             compares copy and source, and the outcome with the verdict
//! shrink.py            makes a world smaller
//! main.py              runs them on one server
//! ```
//!
//! Some settings apply only at the start of a server, and some worlds need a standby. The programs ask for them
//! (`{"arrange": …}`) and run all worlds of one arrangement together, so that a server is restarted a few times only.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::fixture::{ACCESS_ROLE, REGION};
use crate::instance::Instance;
use crate::lab::Lab;
use crate::python;
use crate::server_version::Engine;
use crate::standby::Standby;

/// Which worlds to run on each server.
#[derive(Clone, Debug)]
pub struct Worlds {
    pub seed: u64,
    /// Number of the first world. World N of a seed and server is always the same.
    pub first: u64,
    pub rounds: u64,
    /// Folder of the case files. They run first.
    pub cases: PathBuf,
    /// Whether to make the worlds of disagreements smaller and write them to [`Self::cases`].
    pub shrink: bool,
    pub pipeprobe: PathBuf,
}

/// What the worlds of one server showed.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub worlds: u64,
    /// Verdict and truth, and how many worlds had them.
    pub confusion: BTreeMap<(String, String), u64>,
    /// How often each choice (`dimension=option`) was made.
    pub choices: BTreeMap<String, u64>,
    /// Every capability check of the server, and in how many worlds, case files included, the report would be wrong if this
    /// check always passed.
    pub noticed: BTreeMap<String, u64>,
    /// Disagreements of random worlds, each with the world's number and, if it was made smaller, its case file.
    pub disagreements: Vec<String>,
    /// Cases of known faults that still show them.
    pub known: Vec<String>,
    /// Worlds about which nothing is known, because a library of the judge could not read what the server sent.
    pub unjudged: Vec<String>,
    /// Failures: of a case without a known fault, of a known fault that is fixed, or of the judge itself.
    pub failures: Vec<String>,
}

impl Tally {
    /// Whether `check` told the truth, apart from known faults.
    pub fn passed(&self) -> bool {
        self.disagreements.is_empty() && self.failures.is_empty()
    }
}

/// Capability checks whose mistakes no world can show, and why.
const NOT_OBSERVABLE: &[(&str, &str)] = &[
    (
        "DB_ENDPOINT",
        "the name of the endpoint decides it, and the lab has neither an RDS Proxy nor an Aurora cluster",
    ),
    ("DB_COLUMNS", "pipes of worlds name columns that exist; `tests/end_to_end/pipe_settings.rs` has others"),
    ("DB_FREE_CONNECTIONS", "advisory: other connections can end, and the servers of the lab have free ones"),
    ("DB_TABLE_ENGINE", "advisory: a setting of the pipe alone, and pipes of worlds use ReplacingMergeTree"),
    ("DB_VERSION", "every server of the lab has a supported version"),
    (
        "MYSQL_MAX_ALLOWED_PACKET",
        "advisory: the servers of the lab send longer events too (2.7 MB with a limit of 1 MiB)",
    ),
    ("MYSQL_PIPE_READER", "it concerns a pipe that exists already; `tests/end_to_end/pipe.rs` has one"),
    ("MYSQL_VITESS", "the lab has no Vitess"),
    ("PG_DOCUMENTED_RULE", "it is a rule of a document, and counts only with --basis guide"),
    ("PG_FAILOVER_SLOTS", "advisory: the slots of the lab have no standby to fail over to"),
    ("PG_PARTITIONED", "it concerns versions before 13"),
    ("PG_PIPE_TABLES", "it concerns a pipe that exists already; `tests/end_to_end/pipe.rs` has one"),
    ("PG_TRANSACTION_AGE", "advisory: a server refuses writes a billion transactions later"),
];

/// What the checks of all servers were worth: those that would be noticed if they always passed, and in how many worlds.
#[derive(Debug, Default)]
pub struct Mutants {
    /// Number of worlds by check and server, in the order of `servers`.
    pub worlds: BTreeMap<String, Vec<u64>>,
    /// Checks that no world needs, and entries of the list of exceptions that are wrong.
    pub failures: Vec<String>,
}

impl Mutants {
    pub fn of<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Self {
        let tallies: Vec<&Tally> = tallies.collect();
        let mut worlds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (i, tally) in tallies.iter().enumerate() {
            for (check, count) in &tally.noticed {
                worlds.entry(check.clone()).or_insert_with(|| vec![0; tallies.len()])[i] += count;
            }
        }
        let is_exception = |check: &str| Self::exception(check).is_some();
        let is_noticed = |counts: &Vec<u64>| counts.iter().any(|count| *count > 0);
        let failures = worlds
            .iter()
            .filter(|(check, counts)| is_exception(check) == is_noticed(counts))
            .map(|(check, counts)| match is_noticed(counts) {
                true => format!("{check} is noticed: remove it from the exceptions"),
                false => format!("no world would notice if {check} always passed"),
            })
            .collect();
        Self { worlds, failures }
    }

    /// Why no world can show that this check is wrong.
    pub fn exception(check: &str) -> Option<&'static str> {
        NOT_OBSERVABLE.iter().find(|(code, _)| *code == check).map(|(_, reason)| *reason)
    }
}

/// Runs worlds on one server of the lab, and gives each line to `progress` while they run.
///
/// # Errors
/// If Python or its libraries are missing, or the judge does not run.
pub fn judge(
    lab: &Lab,
    instance: &Instance,
    worlds: &Worlds,
    progress: &dyn Fn(&Value),
) -> io::Result<Tally> {
    python::JUDGE.make()?;
    let python = python::JUDGE.python().ok_or_else(|| io::Error::other("Python's libraries are missing"))?;
    let mut command = Command::new(python);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("AWS_") || name.starts_with("PIPEPROBE_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .arg("-B")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/truth/main.py"))
        .envs(lab.environment())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("a child without pipes"));
    };
    writeln!(input, "{}", request(lab, instance, worlds))?;
    let (mut tally, mut standby) = (Tally::default(), None);
    for line in BufReader::new(output).lines() {
        let line: Value = serde_json::from_str(&line?).map_err(io::Error::other)?;
        if !line["arrange"].is_null() {
            let answer = arrange(lab, instance, &mut standby, &line["arrange"]);
            writeln!(input, "{}", answer.unwrap_or_else(|why| json!({"error": why.to_string()})))?;
            continue;
        }
        progress(&line);
        tally.add(&line);
    }
    match child.wait()?.success() {
        true => Ok(tally),
        false => Err(io::Error::other(format!("{}: the judge failed", instance.name))),
    }
}

fn request(lab: &Lab, instance: &Instance, worlds: &Worlds) -> Value {
    json!({
        "server": instance.server_version.name(),
        "engine": match instance.server_version.engine() {
            Engine::Postgres => "postgres",
            Engine::Mysql => "mysql",
            Engine::MariaDb => "mariadb",
        },
        "place": place(lab, instance),
        "trust_root": lab.ca_pem(),
        "iam_role": ACCESS_ROLE,
        "region": REGION,
        "folder": lab.dir(),
        "pipeprobe": worlds.pipeprobe,
        "seed": worlds.seed,
        "first": worlds.first,
        "rounds": worlds.rounds,
        "cases": worlds.cases,
        "shrink": worlds.shrink,
    })
}

/// Where a pipe connects: its endpoint, the superuser's socket, and the target for pipeprobe's configuration file.
fn place(lab: &Lab, instance: &Instance) -> Value {
    json!({
        "host": instance.host,
        "port": instance.port,
        "socket": instance.superuser_socket(),
        "target": lab.target_toml(&instance.name, instance, ACCESS_ROLE),
        "name": instance.name,
    })
}

/// Restarts the server with the settings of the next worlds, and starts their standby, where the pipe then connects.
fn arrange<'lab>(
    lab: &'lab Lab,
    instance: &'lab Instance,
    standby: &mut Option<Standby<'lab>>,
    wanted: &Value,
) -> io::Result<Value> {
    let settings = |value: &Value| -> Vec<(String, String)> {
        serde_json::from_value(value.clone()).unwrap_or_default()
    };
    let restart = |instance: &Instance, settings: &[(String, String)]| {
        let settings: Vec<_> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
        instance.restart_with(&settings)
    };
    // It stops before its primary.
    *standby = None;
    restart(instance, &settings(&wanted["start"]))?;
    if wanted["standby"].is_null() {
        return Ok(json!({"place": place(lab, instance), "primary": Value::Null}));
    }
    let started = standby.insert(lab.standby(instance)?);
    let of_standby = settings(&wanted["standby"]);
    if !of_standby.is_empty() {
        restart(started, &of_standby)?;
        started.catch_up()?;
    }
    Ok(json!({"place": place(lab, started), "primary": place(lab, instance)}))
}

impl Tally {
    fn add(&mut self, line: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let strings =
            |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().map(text).collect() };
        let world = line["world"].to_string();
        self.worlds += 1;
        for choice in strings(&line["choices"]) {
            *self.choices.entry(choice).or_default() += 1;
        }
        if let Some(why) = line["unjudged"].as_str() {
            self.unjudged.push(format!("{world}: {why}"));
            return;
        }
        if let Some(failure) = line["error"].as_str().or_else(|| line["invalid"].as_str()) {
            self.failures.push(format!("{world}: {failure}"));
            return;
        }
        for check in strings(&line["checks"]) {
            self.noticed.entry(check).or_default();
        }
        for check in strings(&line["noticed"]) {
            *self.noticed.entry(check).or_default() += 1;
        }
        let problems = strings(&line["problems"]);
        if line["case"] == true {
            let known = text(&line["known"]);
            match (known.is_empty(), problems.is_empty()) {
                (true, true) => {}
                (true, false) => self.failures.push(format!("{world}: {}", problems.join("; "))),
                (false, true) => self.failures.push(format!("{world}: fixed, remove known = {known:?}")),
                (false, false) => self.known.push(format!("{world}: {known}")),
            }
            return;
        }
        *self.confusion.entry((text(&line["verdict"]), text(&line["truth"]))).or_default() += 1;
        let mut files = strings(&line["files"]).into_iter();
        for problem in problems {
            let file = files.next().filter(|file| !file.is_empty());
            let file = file.map(|file| format!(" [{file}]")).unwrap_or_default();
            self.disagreements.push(format!("{world}: {problem}{file}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(line: &Value) -> Tally {
        let mut tally = Tally::default();
        tally.add(line);
        tally
    }

    #[test]
    fn a_known_fault_must_still_show_and_a_case_without_one_must_pass() {
        let case = |known: &str, problems: &[&str]| {
            let tally =
                tally(&json!({"world": "a.toml", "case": true, "known": known, "problems": problems}));
            (tally.passed(), tally.known.len())
        };
        assert_eq!(case("", &[]), (true, 0));
        assert_eq!(case("", &["wrong CDC"]), (false, 0));
        assert_eq!(case("issue 1", &["wrong CDC"]), (true, 1));
        assert_eq!(case("issue 1", &[]), (false, 0));
    }

    #[test]
    fn a_check_must_be_noticed_on_some_server_or_be_an_exception() {
        let of = |noticed: &[(&str, u64)]| Tally {
            noticed: noticed.iter().map(|(check, count)| ((*check).to_owned(), *count)).collect(),
            ..Tally::default()
        };
        let (first, second) = (of(&[("PG_TOAST", 0), ("DB_VERSION", 0)]), of(&[("PG_TOAST", 3)]));
        assert_eq!(Mutants::of([&first, &second].into_iter()).failures, Vec::<String>::new());
        assert_eq!(Mutants::of([&second].into_iter()).worlds["PG_TOAST"], [3]);
        assert_eq!(Mutants::of([&first].into_iter()).failures.len(), 1);
        assert_eq!(Mutants::of([&of(&[("DB_VERSION", 1)])].into_iter()).failures.len(), 1);
    }

    #[test]
    fn a_disagreement_or_a_failure_of_the_judge_fails() {
        let line =
            json!({"world": 1, "verdict": "cdc", "truth": "loss", "choices": ["key=none", "key=none"]});
        let agrees = tally(&line);
        assert!(agrees.passed());
        assert_eq!(agrees.choices["key=none"], 2);
        let line =
            json!({"world": 1, "checks": ["DB_ENGINE", "PG_SLOTS"], "noticed": ["PG_SLOTS"], "problems": []});
        assert_eq!(tally(&line).noticed, [("DB_ENGINE".to_owned(), 0), ("PG_SLOTS".to_owned(), 1)].into());
        assert_eq!(agrees.confusion[&("cdc".to_owned(), "loss".to_owned())], 1);
        assert!(!tally(&json!({"world": 1, "problems": ["silent loss"]})).passed());
        assert!(!tally(&json!({"world": 1, "error": "Traceback"})).passed());
        assert!(!tally(&json!({"world": 1, "invalid": "a statement fails"})).passed());
    }
}

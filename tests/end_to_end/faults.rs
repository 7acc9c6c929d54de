//! The fault matrix: every way to fail that can be made for real, made for real, one at a time. Each must
//! be told by exactly its code, end with its exit status, and say the right thing to do.

#[path = "faults/aws.rs"]
mod aws;
#[path = "faults/login.rs"]
mod login;
#[path = "faults/names.rs"]
mod names;
#[path = "faults/network.rs"]
mod network;

use std::{
    io::{Write, stderr},
    time::Instant,
};

use lab::{Instance, Lab, ServerVersion, obtain};
use lab_aws::World;

use crate::support::{Run, shared, skipped, text};

/// One thing gone wrong where all was in order.
struct Fault {
    name: &'static str,
    server_version: ServerVersion,
    /// What is made wrong, in a lab of its own; nothing where the lab is the shared one.
    make: Option<Make>,
    run: Vec<RunWith>,
    row: &'static str,
    /// Empty for what looks like a fault and must be none: the row passes.
    cause: &'static str,
    /// Words of what there is to do, or the first ones of what is found where the row passes.
    to_do: &'static str,
}

type Make = Box<dyn Fn(&Lab, &Instance) -> Option<Held>>;
type RunWith = Box<dyn for<'a> Fn(Run<'a>, &Instance) -> Run<'a>>;
/// Something that must live while the check runs.
type Held = Box<dyn std::any::Any>;

fn fault(name: &'static str, row: &'static str, cause: &'static str, to_do: &'static str) -> Fault {
    Fault { name, server_version: ServerVersion::Postgres15, make: None, run: Vec::new(), row, cause, to_do }
}

impl Fault {
    fn on(self, server_version: ServerVersion) -> Self {
        Self { server_version, ..self }
    }

    fn server(self, make: impl Fn(&Instance) + 'static) -> Self {
        self.lab(move |_, instance| {
            make(instance);
            None
        })
    }

    fn sql(self, sql: &'static str) -> Self {
        self.server(move |instance| drop(instance.sql(sql).unwrap()))
    }

    fn world(self, change: impl Fn(&mut World) + 'static) -> Self {
        self.lab(move |lab, _| {
            lab.aws().change(&change);
            None
        })
    }

    fn lab(self, make: impl Fn(&Lab, &Instance) -> Option<Held> + 'static) -> Self {
        Self { make: Some(Box::new(make)), ..self }
    }

    fn args(self, args: &[&str]) -> Self {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        self.run(move |run, _| run.more(&args))
    }

    fn env(self, name: &'static str, value: &'static str) -> Self {
        self.run(move |run, _| run.env(name, value))
    }

    fn run(mut self, with: impl for<'a> Fn(Run<'a>, &Instance) -> Run<'a> + 'static) -> Self {
        self.run.push(Box::new(with));
        self
    }

    /// Makes it, and compares what is said of it: a line of the matrix, or what is wrong.
    fn prove(&self) -> Result<String, String> {
        if let Err(why) = obtain(self.server_version) {
            assert!(!self.server_version.is_always_there(), "{why}");
            skipped(format!("{}: {why}", self.name));
            return Ok(String::new());
        }
        let own = self.make.is_some().then(|| Lab::start(&[self.server_version]).unwrap());
        let lab = own.as_ref().unwrap_or_else(|| shared());
        let instance = lab.instance(self.server_version);
        let held = self.make.as_ref().and_then(|make| make(lab, instance));
        let mut run = Run::check(lab, &[&instance.name]);
        for with in &self.run {
            run = with(run, instance);
        }
        let start = Instant::now();
        let answer = run.json();
        let took = start.elapsed();
        drop(held);
        let row = answer.row(self.row);
        let seen = (text(&row["outcome"]), text(&row["cause"]), answer.status);
        if self.cause.is_empty() && seen == ("pass", "", 0) && text(&row["found"]).starts_with(self.to_do) {
            return Ok(format!("{:<62} {:<28} {:>5.1} s\n", self.name, "—", took.as_secs_f32()));
        }
        if seen != ("fail", self.cause, 3) {
            let held = &answer.report()["verdict"]["blocked_by"];
            let held: Vec<_> =
                held.as_array().into_iter().flatten().map(|check| answer.row(text(check))).collect();
            return Err(format!(
                "{}: {} is {seen:?}: {}; held back by {held:#?}",
                self.name, self.row, row["found"]
            ));
        }
        if answer.report()["verdict"]["blocked_by"] != serde_json::json!([self.row]) {
            return Err(format!("{}: held back by {}", self.name, answer.report()["verdict"]["blocked_by"]));
        }
        let candidates = row["candidates"].as_array().unwrap().iter();
        let to_do: Vec<&str> = candidates.map(|c| text(&c["remedy"])).chain([text(&row["remedy"])]).collect();
        if !to_do.iter().any(|remedy| remedy.contains(self.to_do)) {
            return Err(format!("{}: `{}` is not among {to_do:#?}", self.name, self.to_do));
        }
        Ok(format!("{:<62} {:<28} {:>5.1} s\n", self.name, self.cause, took.as_secs_f32()))
    }
}

/// Proves each and prints the matrix, past the harness' capture.
fn prove(title: &str, faults: &[Fault]) {
    let (mut out, mut wrong) = (format!("{title}\n"), Vec::new());
    for fault in faults {
        match fault.prove() {
            Ok(line) => out += &line,
            Err(why) => wrong.push(why),
        }
    }
    let _ = stderr().write_all(out.as_bytes());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn of_aws() {
    prove("AWS", &aws::faults());
}

#[test]
fn of_the_network() {
    prove("Network", &network::faults());
}

#[test]
fn of_names() {
    match names::why_not() {
        Some(why) => skipped(format!("the faults of DNS: {why}")),
        None => prove("Names", &names::faults()),
    }
}

#[test]
fn of_postgres_logins() {
    prove("PostgreSQL", &login::postgres());
}

#[test]
fn of_mysql_and_mariadb_logins() {
    prove("MySQL and MariaDB", &login::mysql_and_mariadb());
}

/// `tests/end_to_end/faults.md`, for readers. `UPDATE=1` writes it anew.
#[test]
fn the_page_of_faults_is_current() {
    let mut page = String::from(
        "# Faults\n\nEvery situation that the tests make for real, and how it is told. `pipeprobe explain CODE` says more.\n",
    );
    let mut number = 0;
    for (title, faults) in [
        ("AWS", aws::faults()),
        ("Names (DNS)", names::faults()),
        ("Network and TLS", network::faults()),
        ("PostgreSQL", login::postgres()),
        ("MySQL and MariaDB", login::mysql_and_mariadb()),
    ] {
        page += &format!("\n## {title}\n\n| situation | check | code | to do |\n|---|---|---|---|\n");
        for fault in faults {
            number += 1;
            let Fault { name, row, cause, to_do, .. } = fault;
            page += &match cause {
                "" => format!("| {name} | {row} | none: it passes | nothing |\n"),
                _ => format!("| {name} | {row} | {cause} | … {to_do} … |\n"),
            };
        }
    }
    assert!(number >= 70, "{number} faults");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/end_to_end/faults.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap_or_default() == page, "faults.md is not current: UPDATE=1");
}

//! Every setting that can be turned is turned, one at a time, on every lane: the verdict changes by
//! exactly that row. And a real consumer then tries what ClickPipes would do: its success or failure must
//! agree with the observed verdict.

#[path = "capability/mysql.rs"]
mod mysql;
#[path = "capability/postgres.rs"]
mod postgres;
#[path = "capability/round_trips.rs"]
mod round_trips;
#[path = "capability/standbys.rs"]
mod standbys;
#[path = "capability/traces.rs"]
mod traces;

use std::{
    collections::BTreeMap,
    io::{Write, stderr},
};

use lab::{Changes, Consumer, Engine, Instance, Lab, USER};

use crate::support::{Run, skipped, text};

const CDC: &str = "cdc";
const LOAD: &str = "initial_load_only";
const BLOCKED: &str = "blocked";

/// One thing turned on a server on which all was in order, and what that changes.
struct Turn {
    name: &'static str,
    how: How,
    args: Vec<&'static str>,
    /// The rows that are not as before: `outcome CAUSE`.
    rows: Vec<(&'static str, &'static str)>,
    verdict: &'static str,
    tables: Vec<&'static str>,
    publication: Option<&'static str>,
    /// ClickPipes' engine has a rule that neither the server nor the consumer has: it may find more.
    is_rule: bool,
}

enum How {
    Nothing,
    /// By the superuser; and back.
    Sql(&'static str, &'static str),
    /// While the server runs: name, value, and the value to go back to.
    Set(&'static str, &'static str, &'static str),
    Restart(&'static [(&'static str, &'static str)]),
    /// PostgreSQL: restarts with so many WAL senders, and keeps every one of them busy.
    WalSendersTaken(&'static str),
}

/// A turn that changes one row and leaves the initial load.
fn turn(name: &'static str, how: How, row: &'static str, outcome: &'static str) -> Turn {
    Turn {
        name,
        how,
        args: vec![],
        rows: vec![(row, outcome)],
        verdict: LOAD,
        tables: vec![],
        publication: Some("clickpipes_publication"),
        is_rule: false,
    }
}

impl Turn {
    /// Leaves CDC: a warning, or a choice.
    fn cdc(self) -> Self {
        Self { verdict: CDC, ..self }
    }

    fn blocked(self) -> Self {
        Self { verdict: BLOCKED, ..self }
    }

    fn rule(self) -> Self {
        Self { is_rule: true, ..self }
    }

    fn also(mut self, row: &'static str, outcome: &'static str) -> Self {
        self.rows.push((row, outcome));
        self
    }

    fn auth_request(self, args: &[&'static str]) -> Self {
        Self { args: args.to_vec(), ..self }
    }

    fn tables(self, tables: &[&'static str]) -> Self {
        Self { tables: tables.to_vec(), ..self }
    }

    fn no_row(self) -> Self {
        Self { rows: vec![], ..self }
    }

    /// PostgreSQL's rows about tables have nothing to look at.
    fn without_tables(mut self) -> Self {
        self.rows.extend([
            ("PG_PUBLICATION", "not_reached"),
            ("PG_REPLICA_IDENTITY", "not_reached"),
            ("PG_UNLOGGED", "not_reached"),
            ("PG_PARTITIONED", "not_reached"),
            ("PG_GENERATED", "not_reached"),
            ("PG_ROW_SECURITY", "not_reached"),
        ]);
        self
    }

    fn publication(self, publication: Option<&'static str>) -> Self {
        Self { publication, ..self }
    }
}

/// Code of a row → `outcome CAUSE`.
type Rows = BTreeMap<String, String>;

/// One server, what is known of it while all is in order, and what has been found.
struct Bench<'a> {
    lab: &'a Lab,
    instance: &'a Instance,
    writer: &'a Instance,
    config: String,
    busy: Vec<Busy>,
    in_order: Rows,
    /// Verdict and truth → the turns.
    found: BTreeMap<(&'static str, &'static str), Vec<&'static str>>,
}

impl<'a> Bench<'a> {
    /// `config`: a target table named `other`.
    fn new(lab: &'a Lab, instance: &'a Instance, writer: &'a Instance, config: String) -> Self {
        let found = BTreeMap::new();
        Self { lab, instance, writer, config, busy: Vec::new(), in_order: Rows::new(), found }
    }

    fn check(&self, args: &[&str]) -> (Rows, String) {
        let args = [&["other", "--basis", "server"], args].concat();
        let answer = Run::check(self.lab, &args).table(&self.config).json();
        let row = |row: &serde_json::Value| {
            let outcome = [text(&row["outcome"]), text(&row["cause"])].join(" ").trim().to_owned();
            (text(&row["check"]).to_owned(), outcome)
        };
        let rows = answer.report()["checks"].as_array().unwrap().iter().map(row).collect();
        let verdict = &answer.report()["verdict"];
        // What holds the capability back is among what was turned.
        let held: Vec<&str> = verdict["blocked_by"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(held.is_empty(), verdict["server"] == CDC, "{verdict:#}");
        (rows, text(&verdict["server"]).to_owned())
    }

    fn turn_one_at_a_time(mut self, concurrency: Vec<Turn>) {
        self.in_order = self.check(&[]).0;
        for turn in concurrency {
            self.apply(&turn.how);
            let (rows, verdict) = self.check(&turn.args);
            let changed: Vec<(&str, &str)> = rows
                .iter()
                .filter(|(code, outcome)| self.in_order.get(*code) != Some(*outcome))
                .map(|(code, outcome)| (code.as_str(), outcome.as_str()))
                .collect();
            let mut expected = turn.rows.clone();
            expected.sort_unstable();
            assert_eq!(changed, expected, "{}: {}", self.instance.server_version, turn.name);
            assert_eq!(verdict, turn.verdict, "{}: {}", self.instance.server_version, turn.name);

            if let Some(truth) = self.truth(&turn) {
                assert!(
                    truth == turn.verdict || turn.is_rule,
                    "{}: {}: the verdict is {verdict}, the truth {truth}",
                    self.instance.server_version,
                    turn.name
                );
                self.found.entry((turn.verdict, truth)).or_default().push(turn.name);
            }
            self.undo(&turn.how);
        }
        assert_eq!(
            self.check(&[]).0,
            self.in_order,
            "{}: everything is as it was",
            self.instance.server_version
        );
        self.print();
        for ((verdict, truth), concurrency) in self.found {
            assert!(verdict != CDC || truth == CDC, "wrong CDC: {concurrency:?}");
        }
    }

    /// What a consumer can do with the tables.
    fn truth(&self, turn: &Turn) -> Option<&'static str> {
        if lab::python().is_none() {
            skipped("the comparison with a real consumer: its libraries could not be installed");
            return None;
        }
        let orders = match self.instance.server_version.engine() {
            Engine::Postgres => "public.orders",
            Engine::Mysql | Engine::MariaDb => "app.orders",
        };
        let tables = if turn.tables.is_empty() { vec![orders] } else { turn.tables.clone() };
        let output = Run::check(self.lab, &["other"]).table(&self.config).command("token").output();
        let token = String::from_utf8(output.stdout).unwrap();
        let consumer = Consumer { instance: self.instance, user: USER, tables: &tables };
        if let Err(why) = consumer.snapshot(token.trim()).unwrap() {
            eprintln!("{}: {}: no snapshot: {why}", self.instance.server_version, turn.name);
            return Some(BLOCKED);
        }
        let script: String = tables.iter().map(|table| changes(table)).collect();
        let changes = Changes { publication: turn.publication, writer: self.writer, script: &script };
        match consumer.changes(token.trim(), &changes).unwrap() {
            Ok(_) => Some(CDC),
            Err(why) => {
                eprintln!("{}: {}: no changes: {why}", self.instance.server_version, turn.name);
                Some(LOAD)
            }
        }
    }

    fn apply(&mut self, how: &How) {
        let result = match how {
            How::Nothing => Ok(()),
            How::Sql(there, _) => self.writer.sql(there).map(drop),
            How::Set(name, value, _) => self.instance.set(&[(name, value)]),
            How::Restart(settings) => self.instance.restart_with(settings),
            How::WalSendersTaken(number) => {
                self.instance.restart_with(&[("max_wal_senders", number)]).unwrap();
                self.busy = (0..number.parse().unwrap()).map(|_| Busy::wal_sender(self.instance)).collect();
                let taken = || self.instance.sql("SELECT count(*) FROM pg_stat_replication").unwrap();
                while taken().trim() != *number {}
                Ok(())
            }
        };
        result.unwrap();
    }

    fn undo(&mut self, how: &How) {
        self.busy.clear();
        let result = match how {
            How::Nothing => Ok(()),
            How::Sql(_, back) => self.writer.sql(back).map(drop),
            How::Set(name, _, back) => self.instance.set(&[(name, back)]),
            How::Restart(_) | How::WalSendersTaken(_) => self.instance.restart_with(&[]),
        };
        result.unwrap();
    }

    /// The confusion table, past the harness' capture.
    fn print(&self) {
        let mut out = format!("{}: verdict × what a real consumer could do\n", self.instance.server_version);
        out += &format!("{:<20}{CDC:>20}{LOAD:>20}{BLOCKED:>20}\n", "");
        for verdict in [CDC, LOAD, BLOCKED] {
            out += &format!("{verdict:<20}");
            for truth in [CDC, LOAD, BLOCKED] {
                out += &format!("{:>20}", self.found.get(&(verdict, truth)).map_or(0, Vec::len));
            }
            out.push('\n');
        }
        for ((verdict, truth), concurrency) in self.found.iter().filter(|((v, t), _)| v != t) {
            out += &format!(
                "  {verdict}, though {truth} by the server: ClickPipes' own rule: {}\n",
                concurrency.join(", ")
            );
        }
        let _ = stderr().write_all(out.as_bytes());
    }
}

/// A client that keeps a WAL sender for itself, until it is dropped.
struct Busy(std::process::Child);

impl Busy {
    fn wal_sender(server: &Instance) -> Self {
        let shell = server.superuser_shell();
        let replication =
            shell.strip_suffix(" app").unwrap().to_owned() + " 'dbname=app replication=database'";
        let mut sh = std::process::Command::new("sh");
        let stdin = std::process::Stdio::piped(); // it waits for what we never type
        Self(sh.args(["-c", &format!("exec {replication}")]).stdin(stdin).spawn().unwrap())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One insert, one update, one delete.
fn changes(table: &str) -> String {
    format!(
        "INSERT INTO {table} (customer, amount) VALUES ('Barbara', 1);
         UPDATE {table} SET amount = 2 WHERE customer = 'Barbara';
         DELETE FROM {table} WHERE customer = 'Barbara';\n"
    )
}

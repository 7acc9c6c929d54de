//! Changes one setting, privilege or table at a time on every server: the report changes by
//! exactly the expected rows. Then a real consumer does what ClickPipes does: its success or failure must
//! agree with the verdict by the server.

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

/// One change on a correctly configured server, and its expected effect.
struct Case {
    name: &'static str,
    how: Change,
    args: Vec<&'static str>,
    /// The rows that change: `outcome CAUSE`.
    rows: Vec<(&'static str, &'static str)>,
    verdict: &'static str,
    tables: Vec<&'static str>,
    publication: Option<&'static str>,
    /// The change breaks a rule of ClickPipes' engine that neither the server nor the consumer enforces.
    is_rule: bool,
}

enum Change {
    Nothing,
    /// SQL by the superuser, and SQL that reverts it.
    Sql(&'static str, &'static str),
    /// A setting of the running server: name, value, and the value to restore.
    Set(&'static str, &'static str, &'static str),
    Restart(&'static [(&'static str, &'static str)]),
    /// PostgreSQL: restarts with this many WAL senders and uses all of them.
    WalSendersTaken(&'static str),
}

/// A case that changes one row; the verdict becomes Initial Load Only.
fn case(name: &'static str, how: Change, row: &'static str, outcome: &'static str) -> Case {
    Case {
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

impl Case {
    /// The verdict stays CDC: a warning, or a choice.
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

    fn with_args(self, args: &[&'static str]) -> Self {
        Self { args: args.to_vec(), ..self }
    }

    fn tables(self, tables: &[&'static str]) -> Self {
        Self { tables: tables.to_vec(), ..self }
    }

    fn no_row(self) -> Self {
        Self { rows: vec![], ..self }
    }

    /// There is no table to check (PostgreSQL).
    fn without_tables(mut self) -> Self {
        self.rows.extend([
            ("DB_ROW_KEY", "not_reached"),
            ("PG_PUBLICATION", "not_reached"),
            ("PG_REPLICA_IDENTITY", "not_reached"),
            ("PG_UNLOGGED", "not_reached"),
            ("PG_PARTITIONED", "not_reached"),
            ("PG_PARENT_AND_PART", "not_reached"),
            ("PG_GENERATED", "not_reached"),
            ("PG_TOAST", "not_reached"),
            ("PG_KEY_INCLUDE", "not_reached"),
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

/// One server, its report before any change, and the results.
struct Bench<'a> {
    lab: &'a Lab,
    instance: &'a Instance,
    writer: &'a Instance,
    config: String,
    busy: Vec<Busy>,
    in_order: Rows,
    /// Verdict and truth → names of the cases.
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
            (text(&row["code"]).to_owned(), outcome)
        };
        let rows = answer.report()["checks"].as_array().unwrap().iter().map(row).collect();
        let verdict = &answer.report()["verdict"];
        // Every blocking row is one of the changed rows.
        let held: Vec<&str> = verdict["blocked_by"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(held.is_empty(), verdict["server"] == CDC, "{verdict:#}");
        (rows, text(&verdict["server"]).to_owned())
    }

    fn run_each(mut self, cases: Vec<Case>) {
        self.in_order = self.check(&[]).0;
        let mut wrong = Vec::new();
        for case in cases {
            self.apply(&case.how);
            let (rows, verdict) = self.check(&case.args);
            let changed: Vec<(&str, &str)> = rows
                .iter()
                .filter(|(code, outcome)| self.in_order.get(*code) != Some(*outcome))
                .map(|(code, outcome)| (code.as_str(), outcome.as_str()))
                .collect();
            let mut expected = case.rows.clone();
            expected.sort_unstable();
            if changed != expected || verdict != case.verdict {
                wrong
                    .push(format!("{}: {verdict} {changed:?}, not {} {expected:?}", case.name, case.verdict));
            }

            if let Some(truth) = self.truth(&case) {
                assert!(
                    truth == case.verdict || case.is_rule,
                    "{}: {}: the verdict is {verdict}, the truth {truth}",
                    self.instance.server_version,
                    case.name
                );
                self.found.entry((case.verdict, truth)).or_default().push(case.name);
            }
            self.undo(&case.how);
        }
        assert!(wrong.is_empty(), "{}: {wrong:#?}", self.instance.server_version);
        assert_eq!(
            self.check(&[]).0,
            self.in_order,
            "{}: everything is as it was",
            self.instance.server_version
        );
        self.print();
        for ((verdict, truth), cases) in self.found {
            assert!(verdict != CDC || truth == CDC, "wrong CDC: {cases:?}");
        }
    }

    /// What a real consumer can do with the tables.
    fn truth(&self, case: &Case) -> Option<&'static str> {
        if lab::python().is_none() {
            skipped("the comparison with a real consumer: its libraries could not be installed");
            return None;
        }
        let orders = match self.instance.server_version.engine() {
            Engine::Postgres => "public.orders",
            Engine::Mysql | Engine::MariaDb => "app.orders",
        };
        let tables = if case.tables.is_empty() { vec![orders] } else { case.tables.clone() };
        let output = Run::check(self.lab, &["other"]).table(&self.config).command("token").output();
        let token = String::from_utf8(output.stdout).unwrap();
        let consumer = Consumer { instance: self.instance, user: USER, tables: &tables };
        if let Err(why) = consumer.snapshot(token.trim()).unwrap() {
            eprintln!("{}: {}: no snapshot: {why}", self.instance.server_version, case.name);
            return Some(BLOCKED);
        }
        let script: String = tables.iter().map(|table| changes(table)).collect();
        let changes = Changes { publication: case.publication, writer: self.writer, script: &script };
        match consumer.changes(token.trim(), &changes).unwrap() {
            Ok(_) => Some(CDC),
            Err(why) => {
                eprintln!("{}: {}: no changes: {why}", self.instance.server_version, case.name);
                Some(LOAD)
            }
        }
    }

    fn apply(&mut self, how: &Change) {
        let result = match how {
            Change::Nothing => Ok(()),
            Change::Sql(there, _) => self.writer.sql(there).map(drop),
            Change::Set(name, value, _) => self.instance.set(&[(name, value)]),
            Change::Restart(settings) => self.instance.restart_with(settings),
            Change::WalSendersTaken(number) => {
                self.instance.restart_with(&[("max_wal_senders", number)]).unwrap();
                self.busy = (0..number.parse().unwrap()).map(|_| Busy::wal_sender(self.instance)).collect();
                let taken = || self.instance.sql("SELECT count(*) FROM pg_stat_replication").unwrap();
                while taken().trim() != *number {}
                Ok(())
            }
        };
        result.unwrap();
    }

    fn undo(&mut self, how: &Change) {
        self.busy.clear();
        let result = match how {
            Change::Nothing => Ok(()),
            Change::Sql(_, back) => self.writer.sql(back).map(drop),
            Change::Set(name, _, back) => self.instance.set(&[(name, back)]),
            Change::Restart(_) | Change::WalSendersTaken(_) => self.instance.restart_with(&[]),
        };
        result.unwrap();
    }

    /// Prints the confusion table on the real stderr.
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
        for ((verdict, truth), cases) in self.found.iter().filter(|((v, t), _)| v != t) {
            out += &format!(
                "  {verdict}, though {truth} by the server: ClickPipes' own rule: {}\n",
                cases.join(", ")
            );
        }
        let _ = stderr().write_all(out.as_bytes());
    }
}

/// A client that uses a WAL sender until it is dropped.
struct Busy(std::process::Child);

impl Busy {
    fn wal_sender(server: &Instance) -> Self {
        let shell = server.superuser_shell();
        let replication =
            shell.strip_suffix(" app").unwrap().to_owned() + " 'dbname=app replication=database'";
        let mut sh = std::process::Command::new("sh");
        let stdin = std::process::Stdio::piped(); // it waits for input that never comes
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

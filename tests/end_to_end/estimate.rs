//! `check --estimate` on real servers.

use lab::{Engine, Instance, Lab};
use serde_json::Value;

use crate::support::{Answer, Run, server_versions, text};

const BIG: u64 = 20_000;
/// Of the column `payload`.
const WIDTH: u64 = 1_000;
/// The most that `--estimate` reads of one table.
const MOST: u64 = 16 << 20;

fn check(lab: &Lab, server: &Instance, args: &[&str]) -> Answer {
    Run::check(lab, &[&[&*server.name, "--basis", "server", "--estimate"], args].concat()).json()
}

/// A table that is larger than a sample, partitioned if the server is PostgreSQL, and two small ones.
fn create_tables(server: &Instance, engine: Engine) {
    let sql = match engine {
        Engine::Postgres => format!(
            "CREATE SCHEMA load;
             CREATE TABLE load.big (id bigint PRIMARY KEY, payload text NOT NULL) PARTITION BY RANGE (id);
             CREATE TABLE load.big_1 PARTITION OF load.big FOR VALUES FROM (MINVALUE) TO ({half});
             CREATE TABLE load.big_2 PARTITION OF load.big FOR VALUES FROM ({half}) TO (MAXVALUE);
             INSERT INTO load.big SELECT i, repeat('x', {WIDTH}) FROM generate_series(1, {BIG}) AS i;
             CREATE TABLE load.small AS SELECT i AS id, 'x' AS payload FROM generate_series(1, 100) AS i;
             CREATE TABLE load.empty (id bigint PRIMARY KEY);
             GRANT USAGE ON SCHEMA load TO clickpipes_iam_user;
             GRANT SELECT ON ALL TABLES IN SCHEMA load TO clickpipes_iam_user;
             ANALYZE;",
            half = BIG / 2
        ),
        Engine::Mysql | Engine::MariaDb => {
            // Doubled until there are about 20,000 rows.
            let fill =
                "INSERT INTO app.big (payload) SELECT payload FROM app.big WHERE id < 10000;".repeat(15);
            format!(
                "CREATE TABLE app.big (id bigint AUTO_INCREMENT PRIMARY KEY, payload text NOT NULL);
                 INSERT INTO app.big (payload) VALUES (REPEAT('x', {WIDTH}));
                 {fill}
                 CREATE TABLE app.small (name varchar(20) PRIMARY KEY, payload text);
                 INSERT INTO app.small VALUES ('a', 'x'), ('b', NULL);
                 CREATE TABLE app.empty (id bigint PRIMARY KEY);
                 GRANT SELECT ON app.* TO 'clickpipes_iam_user'@'%';
                 ANALYZE TABLE app.big, app.small, app.empty;"
            )
        }
    };
    server.sql(&sql).unwrap();
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

#[test]
fn sizes_and_rows_are_near_what_the_server_has() {
    for version in server_versions() {
        let lab = Lab::start(&[version]).unwrap();
        let (server, engine) = (lab.instance(version), version.engine());
        create_tables(server, engine);
        let schema = if engine == Engine::Postgres { "load" } else { "app" };
        let real: f64 =
            server.sql(&format!("SELECT count(*) FROM {schema}.big")).unwrap().trim().parse().unwrap();

        let names = ["big", "small", "empty"].map(|table| format!("{schema}.{table}"));
        let answer = check(&lab, server, &["--table", &names.join(",")]);
        let estimate = &answer.report()["initial_load"]["estimate"];
        assert_eq!(answer.report()["initial_load"]["problem"], Value::Null, "{version}");
        assert_eq!(estimate["tables"], 3, "{version}: {estimate:#}");
        let largest = &estimate["largest"][0];
        assert_eq!(largest["name"], *names[0], "{version}");
        // The statistics of InnoDB are estimates.
        let near = |found: f64, real: f64| found > real / 2.0 && found < real * 2.0;
        assert!(near(number(&largest["rows"]), real), "{version}: {real} rows, {estimate:#}");
        assert!(near(number(&estimate["bytes"]), real * WIDTH as f64), "{version}: {estimate:#}");

        let sampled = &estimate["sampled"];
        assert_eq!(sampled["tables"].as_array().unwrap().len(), 3, "{version}");
        let bytes = sampled["bytes"].as_u64().unwrap();
        assert!((MOST..MOST + (64 << 10)).contains(&bytes), "{version}: {bytes}");
        assert!(number(&sampled["bytes_per_second"]) > 0.0, "{version}");
        let (shortest, longest) =
            (number(&estimate["shortest_seconds"]), number(&estimate["longest_seconds"]));
        assert_eq!(estimate["connections"], 4, "{version}");
        if engine == Engine::Postgres {
            assert_eq!(largest["split"], true);
            assert!((longest / shortest - 4.0).abs() < 0.01, "{version}: {shortest} {longest}");
        } else {
            assert_eq!(
                (&largest["split"], &largest["possible_partition_key"]),
                (&false.into(), &"id".into())
            );
            assert!(longest / shortest < 1.1, "{version}: one connection reads almost everything");
            let key = format!("{schema}.big.id");
            let answer = check(&lab, server, &["--table", &names[0], "--partition-key", &key]);
            let estimate = &answer.report()["initial_load"]["estimate"];
            assert_eq!(estimate["largest"][0]["split"], true, "{version}");
        }
        // The answer of the check is the same as without.
        let without =
            Run::check(&lab, &[&*server.name, "--basis", "server", "--table", &names.join(",")]).json();
        assert_eq!(without.report()["initial_load"], Value::Null);
        assert_eq!(without.report()["verdict"], answer.report()["verdict"], "{version}");

        let shown = Run::check(&lab, &[&*server.name, "--estimate", "--table", &names.join(",")]).output();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("measured from here, not from ClickPipes"), "{shown}");
        eprintln!(
            "{version}: {}",
            shown.lines().skip_while(|line| !line.starts_with("Load")).collect::<Vec<_>>().join("\n")
        );
    }
}

#[test]
fn what_cannot_be_measured_is_said_with_the_reason() {
    let version = lab::ServerVersion::Postgres15;
    let lab = Lab::start(&[version]).unwrap();
    let server = lab.instance(version);
    let problem = |args: &[&str]| {
        let answer = check(&lab, server, args);
        assert_eq!(answer.report()["initial_load"]["estimate"], Value::Null);
        text(&answer.report()["initial_load"]["problem"]).to_owned()
    };
    server
        .sql(
            "CREATE TABLE public.none (id bigint PRIMARY KEY); GRANT SELECT ON public.none TO clickpipes_iam_user;
             CREATE TABLE public.secret (id bigint PRIMARY KEY); REVOKE ALL ON public.secret FROM clickpipes_iam_user;",
        )
        .unwrap();
    assert_eq!(problem(&["--table", "public.none"]), "the tables are empty");
    assert_eq!(problem(&["--table", "public.secret"]), "there is no table that the user can read");
}

/// The retention is shorter than the load: the limits are set so that it is certain.
#[test]
fn a_retention_that_ends_before_the_load_is_a_warning() {
    let version = lab::ServerVersion::Postgres18;
    if !server_versions().contains(&version) {
        return;
    }
    let lab = Lab::start(&[version]).unwrap();
    let server = lab.instance(version);
    create_tables(server, Engine::Postgres);
    server.set(&[("idle_replication_slot_timeout", "1s")]).unwrap();
    let kept = |server: &Instance| {
        let answer = check(&lab, server, &["--table", "load.big"]);
        let estimate = answer.report()["initial_load"]["estimate"].clone();
        (estimate["changes_kept_seconds"].clone(), estimate["changes_kept_by"].clone())
    };
    assert_eq!(kept(server), (1.0.into(), "idle_replication_slot_timeout".into()));
    let snapshot = check(&lab, server, &["--table", "load.big", "--replication-mode", "snapshot"]);
    assert_eq!(snapshot.report()["initial_load"]["estimate"]["changes_kept_seconds"], Value::Null);
}

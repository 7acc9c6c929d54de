//! Settings of a pipe that a server shows to be wrong.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use lab::{Engine, Instance, Lab, ServerVersion};

use crate::support::{Answer, Run, server_versions, shared, text};

fn check(lab: &Lab, server: &Instance, args: &[&str]) -> Answer {
    Run::check(lab, &[&[&*server.name, "--basis", "server"], args].concat()).json()
}

fn row(answer: &Answer, code: &str) -> [String; 2] {
    let row = answer.row(code);
    [&row["outcome"], &row["cause"]].map(|value| text(value).to_owned())
}

#[test]
fn columns_that_the_pipe_names_are_looked_up_on_the_server() {
    let lab = shared();
    for version in server_versions() {
        let server = lab.instance(version);
        let schema = if version.engine() == Engine::Postgres { "public" } else { "app" };
        let named = |column: &str| format!("{schema}.orders.{column}");
        let (id, gone) = (named("id"), named("gone"));
        let (customer, placed_at) = (named("customer"), named("placed_at"));
        for (args, expected) in [
            (
                vec!["--sorting-key", &id, "--partition-key", &id, "--excluded-column", &customer],
                ["pass", ""],
            ),
            (vec!["--sorting-key", &id, "--sorting-key", &gone], ["fail", "DB_SORTING_KEY"]),
            (vec!["--sorting-key", &id, "--excluded-column", &id], ["fail", "DB_SORTING_KEY"]),
            (vec!["--partition-key", &gone], ["fail", "DB_PARTITION_KEY_MISSING"]),
            (vec!["--partition-key", &customer], ["warn", "DB_PARTITION_KEY_UNFIT"]),
            (vec!["--partition-key", &placed_at], ["warn", "DB_PARTITION_KEY_UNFIT"]),
            (vec!["--excluded-column", &gone], ["warn", "DB_EXCLUDED_COLUMN_MISSING"]),
        ] {
            let answer = check(lab, server, &args);
            assert_eq!(row(&answer, "DB_COLUMNS"), expected, "{version} {args:?}");
            assert_eq!(answer.status, if expected[0] == "fail" { 3 } else { 0 }, "{version} {args:?}");
        }
        // The initial load of such a table fails, as its first query on the server shows.
        let query = |column: &str| server.sql(&format!("SELECT min({column}) FROM {schema}.orders"));
        assert!(query("id").is_ok() && query("gone").is_err(), "{version}");
    }
}

/// The numbers are those of the server, which counts the connection of this test too.
#[test]
fn an_initial_load_with_more_connections_than_are_free_is_named() {
    for version in server_versions() {
        let lab = Lab::start(&[version]).unwrap();
        let server = lab.instance(version);
        let limit = match version.engine() {
            Engine::Postgres => {
                "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
                 - coalesce(current_setting('reserved_connections', true), '0')::int"
            }
            Engine::Mysql | Engine::MariaDb => "SELECT @@GLOBAL.max_connections",
        };
        let limit: u32 = server.sql(limit).unwrap().trim().parse().unwrap();
        let free = |parallelism: u32| {
            let answer = check(&lab, server, &["--initial-load-parallelism", &parallelism.to_string()]);
            let words = text(&answer.row("DB_FREE_CONNECTIONS")["found"]).to_owned();
            let (free, rest) = words.split_once(" of ").unwrap();
            assert!(rest.starts_with(&format!("{limit} connections are free now")), "{version}: {words}");
            (row(&answer, "DB_FREE_CONNECTIONS"), free.parse::<u32>().unwrap())
        };
        let (outcome, idle) = free(4);
        assert_eq!(outcome, ["pass", ""], "{version}");
        assert!(idle <= limit && idle + 5 >= limit, "{version}: {idle} of {limit}, and nothing is connected");
        let more = free(limit + 1);
        assert_eq!(more.0, ["warn", "DB_FEW_FREE_CONNECTIONS"], "{version}");
        // Shells that stay connected, because their input does not end.
        let shell = || {
            let mut command = Command::new("sh");
            let command = command.args(["-c", &format!("exec {}", server.superuser_shell())]);
            command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
        };
        let mut shells: Vec<Child> = (0..10).map(|_| shell()).collect();
        let is_counted = (0..40).any(|_| {
            std::thread::sleep(Duration::from_millis(250));
            free(4).1 + 10 == idle
        });
        for shell in &mut shells {
            shell.kill().unwrap();
            shell.wait().unwrap();
        }
        assert!(is_counted, "{version}: ten clients are not counted");
    }
}

/// ClickPipes itself accepts the first name and refuses the second.
#[test]
fn names_with_a_comma_or_a_dot_can_be_given() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let server = lab.instance(ServerVersion::Postgres15);
    for name in ["a,b", "a.b"] {
        let create = format!(
            "CREATE TABLE public.\"{name}\" (id bigint PRIMARY KEY); GRANT SELECT ON public.\"{name}\" TO clickpipes_iam_user;"
        );
        server.sql(&create).unwrap();
    }
    let found = |table: &str| row(&check(&lab, server, &["--table", table]), "DB_TABLES_READ");
    assert_eq!(found("public.\"a,b\",public.orders"), ["pass", ""]);
    assert_eq!(found("public.\"a.b\""), ["fail", "DB_TABLE_NAME_DOT"]);
    assert_eq!(found("public.\"a,c\""), ["fail", "DB_TABLES_MISSING"]);
}

#[test]
fn failover_slots_need_version_17() {
    let lab = shared();
    for version in server_versions().into_iter().filter(|version| version.engine() == Engine::Postgres) {
        let server = lab.instance(version);
        let answer = check(lab, server, &["--enable-failover-slots", "true"]);
        // The server itself refuses the option before version 17.
        let create = "SELECT pg_create_logical_replication_slot(slot_name => 'pipe_settings', plugin => 'pgoutput', \
                      temporary => true, failover => true)";
        let is_supported = match server.sql(create) {
            Ok(_) => true,
            // It knows the option, but not for a temporary slot, which this test leaves nothing of.
            Err(error) => error.to_string().contains("cannot enable failover"),
        };
        let expected = if is_supported { ["pass", ""] } else { ["warn", "PG_FAILOVER_SLOTS_IGNORED"] };
        assert_eq!(row(&answer, "PG_FAILOVER_SLOTS"), expected, "{version}");
        assert_eq!(is_supported, version != ServerVersion::Postgres15, "{version}");
    }
}

#[test]
fn a_server_id_that_a_replica_has_is_named() {
    for version in server_versions().into_iter().filter(|version| version.engine() != Engine::Postgres) {
        let lab = Lab::start(&[version]).unwrap();
        let primary = lab.instance(version);
        let _standby = lab.standby(primary).unwrap();
        let found = |args: &[&str]| {
            let answer = check(&lab, primary, args);
            let words = text(&answer.row("MYSQL_SERVER_ID")["found"]).to_owned();
            (row(&answer, "MYSQL_SERVER_ID"), words)
        };
        if version.engine() == Engine::MariaDb {
            let (outcome, words) = found(&["--server-id", "7"]);
            assert_eq!(outcome, ["pass", ""], "{version}");
            assert!(words.contains("does not show the server_id of its replicas"), "{version}: {words}");
            continue;
        }
        // A replica registers some time after it was started.
        let registered = (0..60).find_map(|_| {
            let (outcome, words) = found(&[]);
            assert_eq!(outcome, ["pass", ""], "{version}");
            let id = words.split_once("its replicas are ").map(|(_, rest)| {
                rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u32>().unwrap()
            });
            if id.is_none() {
                std::thread::sleep(Duration::from_secs(1));
            }
            id
        });
        let id = registered.unwrap_or_else(|| panic!("{version}: no replica registered"));
        let used = found(&["--server-id", &id.to_string()]);
        assert_eq!(used.0, ["warn", "MYSQL_SERVER_ID_IN_USE"], "{version}: {}", used.1);
        let free = found(&["--server-id", &(id + 1).to_string()]);
        assert_eq!(free.0, ["pass", ""], "{version}: {}", free.1);
    }
}

/// ClickHouse sorts a table by its key. What counts as one is what the engine of ClickPipes reads: an index over NOT NULL columns that
/// MySQL shows as PRI, and in PostgreSQL the index of the replica identity.
#[test]
fn a_table_without_a_key_for_clickhouse_is_named() {
    for version in server_versions() {
        let lab = Lab::start(&[version]).unwrap();
        let server = lab.instance(version);
        let is_postgres = version.engine() == Engine::Postgres;
        let schema = if is_postgres { "public" } else { "app" };
        let grant = if is_postgres {
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO clickpipes_iam_user;
             ALTER TABLE keyless REPLICA IDENTITY FULL; ALTER TABLE nullable_key REPLICA IDENTITY FULL;
             CREATE UNIQUE INDEX required ON unique_key (id); ALTER TABLE unique_key REPLICA IDENTITY USING INDEX required;"
        } else {
            "CREATE UNIQUE INDEX required ON app.unique_key (id);"
        };
        server
            .sql(&format!(
                "CREATE TABLE {schema}.keyless (id int NOT NULL, code int NOT NULL);
                 CREATE TABLE {schema}.nullable_key (id int UNIQUE);
                 CREATE TABLE {schema}.unique_key (id int NOT NULL); {grant}"
            ))
            .unwrap();
        let found = |args: &[&str]| {
            let answer = check(&lab, server, args);
            let listed: Vec<String> = answer.row("DB_ROW_KEY")["listed"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| text(name).to_owned())
                .collect();
            (row(&answer, "DB_ROW_KEY"), listed, answer.status)
        };
        let [keyless, nullable, unique] =
            ["keyless", "nullable_key", "unique_key"].map(|table| format!("{schema}.{table}"));
        let fails = ["fail", "DB_NO_ROW_KEY"].map(str::to_owned);
        let passes = ["pass", ""].map(str::to_owned);
        assert_eq!(found(&["--table", &keyless]), (fails.clone(), vec![keyless.clone()], 3), "{version}");
        assert_eq!(found(&["--table", &nullable]).0, fails, "{version}");
        assert_eq!(found(&["--table", &unique]).0, passes, "{version}");
        assert_eq!(
            found(&["--table", &keyless, "--sorting-key", &format!("{keyless}.id")]).0,
            passes,
            "{version}"
        );
        // A pipe can be made for the others.
        let (row, listed, status) = found(&[]);
        assert_eq!((row, status), (["warn", "DB_NO_ROW_KEY"].map(str::to_owned), 0), "{version}");
        assert_eq!(listed, [keyless, nullable], "{version}");
    }
}

#[test]
fn a_sorting_key_must_identify_a_row_and_be_in_a_delete() {
    for version in server_versions() {
        let lab = Lab::start(&[version]).unwrap();
        let server = lab.instance(version);
        let is_postgres = version.engine() == Engine::Postgres;
        let schema = if is_postgres { "public" } else { "app" };
        let grant = if is_postgres { "GRANT SELECT ON items TO clickpipes_iam_user;" } else { "" };
        server
            .sql(&format!(
                "CREATE TABLE {schema}.items (id int PRIMARY KEY, tenant int NOT NULL, code int NOT NULL UNIQUE, serial int UNIQUE);
                 INSERT INTO {schema}.items VALUES (1, 7, 1, NULL), (2, 7, 2, NULL); {grant}"
            ))
            .unwrap();
        let table = format!("{schema}.items");
        let found = |columns: &[&str]| {
            let keys: Vec<String> = columns.iter().map(|column| format!("{table}.{column}")).collect();
            let mut args = vec!["--table", table.as_str()];
            args.extend(keys.iter().flat_map(|key| ["--sorting-key", key.as_str()]));
            let answer = check(&lab, server, &args);
            let found = text(&answer.row("DB_SORTING_KEYS")["found"]).to_owned();
            (row(&answer, "DB_SORTING_KEYS"), found)
        };
        let is = |columns: &[&str], expected: [&str; 2]| {
            let (row, words) = found(columns);
            assert_eq!(row, expected, "{version} {columns:?}: {words}");
            if expected[0] != "pass" {
                assert!(words.contains(&table), "{version}: {words}");
            }
        };
        is(&["id"], ["pass", ""]);
        // Two rows have the same tenant, and both have no serial number.
        is(&["tenant"], ["fail", "DB_SORTING_KEY_MERGES"]);
        is(&["serial"], ["fail", "DB_SORTING_KEY_MERGES"]);
        let more = match is_postgres {
            true => ["fail", "DB_SORTING_KEY_NOT_SENT"],
            false => ["warn", "DB_SORTING_KEY_CHANGES"],
        };
        is(&["tenant", "id"], more);
        is(&["code"], more);
        if is_postgres {
            server.sql("ALTER TABLE items REPLICA IDENTITY FULL").unwrap();
            is(&["tenant", "id"], ["warn", "DB_SORTING_KEY_CHANGES"]);
            server
                .sql(
                    "CREATE UNIQUE INDEX by_tenant ON items (tenant, id); \
                     ALTER TABLE items REPLICA IDENTITY USING INDEX by_tenant",
                )
                .unwrap();
            is(&["tenant", "id"], ["pass", ""]);
        }
    }
}

use std::{thread, time::Duration};

use lab::{ACCESS_ROLE, Engine, Instance, Lab, ServerVersion};

use super::{Bench, Case, Change, case};
use crate::support::{Run, server_versions, text};

/// A real standby of each engine, with changes of its settings.
#[test]
fn standbys() {
    for server_version in server_versions() {
        let lab = Lab::start(&[server_version]).unwrap();
        let primary = lab.instance(server_version);
        if server_version.engine() == Engine::Postgres {
            primary.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
        }
        let standby = lab.standby(primary).unwrap();
        if matches!(server_version, ServerVersion::Postgres17 | ServerVersion::Postgres18) {
            // As of another pipe: it shows the wal_level of the primary.
            standby.set(&[("hot_standby_feedback", "on")]).unwrap();
            create_slot(primary, &standby);
        }
        let config = lab.target_toml("other", &standby, ACCESS_ROLE);
        Bench::new(&lab, &standby, primary, config).run_each(cases(server_version));
    }
}

/// A logical slot, which waits until the primary logs its running transactions.
fn create_slot(primary: &Instance, standby: &Instance) {
    let create = "SELECT pg_create_logical_replication_slot('other_pipe', 'pgoutput')";
    thread::scope(|scope| {
        let slot = scope.spawn(|| standby.sql(create));
        while !slot.is_finished() {
            primary.sql("SELECT pg_log_standby_snapshot()").unwrap();
            thread::sleep(Duration::from_millis(50));
        }
        slot.join().unwrap().unwrap();
    });
}

/// Its own `wal_level` is logical all the time.
#[test]
fn a_standby_does_not_show_the_wal_level_of_its_primary() {
    let lab = Lab::start(&[ServerVersion::Postgres17]).unwrap();
    let primary = lab.instance(ServerVersion::Postgres17);
    primary.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
    let standby = lab.standby(primary).unwrap();
    standby.set(&[("hot_standby_feedback", "on")]).unwrap();
    let config = lab.target_toml("other", &standby, ACCESS_ROLE);
    let wal_level = || {
        let answer = Run::check(&lab, &["other", "--basis", "server"]).table(&config).json();
        let row = answer.row("PG_WAL_LEVEL").clone();
        let verdict = text(&answer.report()["verdict"]["server"]).to_owned();
        [text(&row["outcome"]), text(&row["cause"]), &verdict].map(str::to_owned)
    };
    let unknown = ["unknown", "PG_WAL_LEVEL_OF_PRIMARY", "initial_load_only"].map(str::to_owned);
    assert_eq!(wal_level(), unknown);
    create_slot(primary, &standby);
    assert_eq!(wal_level(), ["pass", "", "cdc"].map(str::to_owned));

    // The slot is invalid as soon as the standby replays the change.
    primary.restart_with(&[("wal_level", "replica")]).unwrap();
    primary.sql("SELECT pg_log_standby_snapshot()").unwrap();
    standby.catch_up().unwrap();
    assert_eq!(standby.sql("SHOW wal_level").unwrap().trim(), "logical");
    assert_eq!(wal_level(), unknown);
    let create = "SELECT pg_create_logical_replication_slot('a_pipe', 'pgoutput')";
    let why = standby.sql(create).unwrap_err().to_string();
    assert!(why.contains("wal_level"), "what a pipe would see: {why}");
}

fn cases(server_version: ServerVersion) -> Vec<Case> {
    use Change::{Nothing, Restart, Set};
    let log_replica_updates = |value| match (server_version.engine(), value) {
        (Engine::Mysql, true) => Restart(&[("log-replica-updates", "ON")]),
        (Engine::Mysql, false) => Restart(&[("log-replica-updates", "OFF")]),
        (_, true) => Restart(&[("log-slave-updates", "ON")]),
        (_, false) => Restart(&[("log-slave-updates", "OFF")]),
    };
    match server_version {
        // Logical decoding on a standby exists since version 16.
        ServerVersion::Postgres15 => vec![case("a standby that is too old", Nothing, "", "").no_row()],
        ServerVersion::Postgres17 | ServerVersion::Postgres18 => vec![
            case("with feedback", Nothing, "", "").cdc().no_row(),
            case(
                "without feedback",
                Set("hot_standby_feedback", "off", "on"),
                "PG_HOT_STANDBY_FEEDBACK",
                "fail PG_HOT_STANDBY_FEEDBACK",
            ),
        ],
        // On by default since 8.0.
        ServerVersion::Mysql9_7 => vec![
            case("a replica", Nothing, "", "").cdc().no_row(),
            case(
                "that does not log what it replicates",
                log_replica_updates(false),
                "MYSQL_REPLICA_UPDATES",
                "fail MYSQL_REPLICA_UPDATES_OFF",
            ),
        ],
        ServerVersion::MariaDb10_11 | ServerVersion::MariaDb11_8 => vec![
            case("a replica", Nothing, "", "").no_row(),
            case("that logs what it replicates", log_replica_updates(true), "MYSQL_REPLICA_UPDATES", "pass")
                .cdc(),
        ],
    }
}

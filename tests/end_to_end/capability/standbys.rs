use lab::{ACCESS_ROLE, Engine, Lab, ServerVersion};

use super::{Bench, Case, Change, case};
use crate::support::server_versions;

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
        let config = lab.target_toml("other", &standby, ACCESS_ROLE);
        Bench::new(&lab, &standby, primary, config).run_each(cases(server_version));
    }
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
            case("without feedback", Nothing, "", "").no_row(),
            case(
                "with feedback",
                Set("hot_standby_feedback", "on", "off"),
                "PG_HOT_STANDBY_FEEDBACK",
                "pass",
            )
            .cdc(),
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

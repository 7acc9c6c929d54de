use lab::{ACCESS_ROLE, Engine, Instance, Lab, USER};

use crate::support::{Run, server_versions, text};

/// What a check that writes would change: on PostgreSQL the next transaction id (only what writes takes
/// one), slots, publications, roles and tables; on the others the end of the binary log and what replicates.
fn state(server: &Instance) -> String {
    let questions: &[&str] = match server.server_version.engine() {
        Engine::Postgres => &[
            "SELECT txid_snapshot_xmax(txid_current_snapshot())",
            "SELECT slot_name FROM pg_replication_slots",
            "SELECT oid, pubname, puballtables FROM pg_publication",
            "SELECT rolname, rolconfig, rolreplication FROM pg_roles ORDER BY oid",
            "SELECT count(*) FROM pg_class",
            "SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting",
        ],
        Engine::MariaDb => &[
            "SHOW BINLOG STATUS",
            "SHOW REPLICA HOSTS",
            "SELECT COUNT(*) FROM information_schema.TABLES",
            "SHOW GRANTS FOR 'clickpipes_iam_user'@'%'",
        ],
        Engine::Mysql => &[
            "SHOW BINARY LOG STATUS",
            "SHOW REPLICAS",
            "SELECT COUNT(*) FROM information_schema.TABLES",
            "SHOW GRANTS FOR 'clickpipes_iam_user'@'%'",
        ],
    };
    questions.iter().map(|question| format!("{question}\n{}", server.sql(question).unwrap())).collect()
}

/// Sessions of our user that are still there.
fn sessions(server: &Instance) -> String {
    let question = match server.server_version.engine() {
        Engine::Postgres => format!("SELECT pid FROM pg_stat_activity WHERE usename = '{USER}'"),
        _ => format!("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{USER}'"),
    };
    server.sql(&question).unwrap()
}

#[test]
fn a_check_leaves_nothing_behind() {
    for server_version in server_versions() {
        let lab = Lab::start(&[server_version]).unwrap();
        let server = lab.instance(server_version);
        if server_version.engine() == Engine::Postgres {
            // It takes transaction ids of its own.
            server.set(&[("autovacuum", "off"), ("rds.iam_auth_for_replication", "1")]).unwrap();
        }
        let before = state(server);
        let run =
            Run::check(&lab, &["other", "--basis", "server", "--require", "cdc"]).other(server, ACCESS_ROLE);
        let answer = run.json();
        assert_eq!(answer.status, 0, "{server_version}: {:#}", answer.report());
        let streamed = match server_version.engine() {
            Engine::Postgres => "PG_IAM_REPLICATION",
            _ => "MYSQL_BINLOG_STREAM",
        };
        assert_eq!(text(&answer.row(streamed)["outcome"]), "pass");
        while !sessions(server).is_empty() {
            std::thread::yield_now(); // the server may be a moment behind the goodbye
        }
        assert_eq!(state(server), before, "{server_version}");

        // The comparison can fail.
        server.sql("CREATE TABLE trace (id int)").unwrap();
        assert_ne!(state(server), before, "{server_version}");
    }
}

use lab::{ACCESS_ROLE, Engine, Instance, Lab, USER};

use crate::support::{Run, server_versions, text};

/// State that a writing check would change: on PostgreSQL the next transaction id (only writes use
/// one), slots, publications, roles and tables; on the others the end of the binary log and the replicas.
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

/// Open sessions of our user.
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
            // Autovacuum uses transaction ids.
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
            std::thread::yield_now(); // the server may need a moment to end the session
        }
        assert_eq!(state(server), before, "{server_version}");

        // Proves that the comparison can fail.
        server.sql("CREATE TABLE trace (id int)").unwrap();
        assert_ne!(state(server), before, "{server_version}");
    }
}

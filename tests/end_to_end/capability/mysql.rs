#[path = "mysql/remedies.rs"]
mod remedies;
#[path = "mysql/tables.rs"]
mod tables;

use lab::{ACCESS_ROLE, Engine, Lab, ServerVersion};

use super::{Bench, Case, Change, case};
use crate::support::server_versions;

#[test]
fn mariadb_of_the_distribution() {
    every_case(ServerVersion::MariaDb10_11);
}

#[test]
fn newer_mariadb_and_mysql() {
    let others = server_versions()
        .into_iter()
        .filter(|l| l.engine() != Engine::Postgres && *l != ServerVersion::MariaDb10_11);
    others.for_each(every_case);
}

fn every_case(server_version: ServerVersion) {
    let lab = Lab::start(&[server_version]).unwrap();
    let server = lab.instance(server_version);
    // So that the test can change its value; the guide does not grant this.
    server.sql("GRANT SELECT ON mysql.rds_configuration TO 'clickpipes_iam_user'@'%'").unwrap();
    // No database is selected at login, so that a missing privilege shows up with the tables.
    let config = lab.target_toml("other", server, ACCESS_ROLE);
    let config: String =
        config.lines().filter(|l| !l.starts_with("database")).map(|l| format!("{l}\n")).collect();
    let mut cases = of_both();
    cases.extend(tables::of_both());
    match server_version.engine() {
        Engine::MariaDb => {
            cases.extend(of_mariadb());
            cases.extend(tables::of_mariadb());
        }
        _ => {
            cases.extend(of_mysql());
            server.sql(tables::CHILD).unwrap();
            cases.extend(tables::of_mysql());
        }
    }
    Bench::new(&lab, server, server, config).run_each(cases);
}

fn retention(name: &'static str, sql: &'static str, outcome: &'static str) -> Case {
    let back = "CALL mysql.rds_set_configuration('binlog retention hours', 72);";
    case(name, Change::Sql(sql, back), "MYSQL_BINLOG_RETENTION", outcome)
}

fn of_both() -> Vec<Case> {
    use Change::{Nothing, Restart, Set, Sql};
    vec![
        case("all in order", Nothing, "", "").cdc().no_row(),
        case("a pattern", Nothing, "", "").cdc().no_row().with_args(&["--table", "a*.o*s"]),
        case("a pattern that matches nothing", Nothing, "DB_TABLES_READ", "fail DB_TABLES_MISSING")
            .also("DB_ROW_KEY", "not_reached")
            .blocked()
            .with_args(&["--table", "app.order_*"])
            .tables(&["app.order_items"]),
        case(
            "no binary log",
            Restart(&[("skip-log-bin", "")]),
            "MYSQL_BINARY_LOG",
            "fail MYSQL_BINARY_LOG_OFF",
        )
        .also("MYSQL_BINLOG_FILTERS", "not_reached")
        .also("MYSQL_BINLOG_STATUS", "not_reached")
        .also("MYSQL_BINLOG_STREAM", "not_reached"),
        case(
            "statements",
            Set("binlog_format", "STATEMENT", "ROW"),
            "MYSQL_BINLOG_FORMAT",
            "fail MYSQL_BINLOG_FORMAT",
        ),
        case(
            "mixed",
            Set("binlog_format", "MIXED", "ROW"),
            "MYSQL_BINLOG_FORMAT",
            "fail MYSQL_BINLOG_FORMAT",
        ),
        case(
            "minimal rows",
            Set("binlog_row_image", "MINIMAL", "FULL"),
            "MYSQL_BINLOG_ROW_IMAGE",
            "fail MYSQL_BINLOG_ROW_IMAGE",
        ),
        case(
            "no column names",
            Set("binlog_row_metadata", "MINIMAL", "FULL"),
            "MYSQL_BINLOG_ROW_METADATA",
            "fail MYSQL_BINLOG_ROW_METADATA",
        ),
        case(
            "expires in an hour",
            Set("binlog_expire_logs_seconds", "3600", "864000"),
            "MYSQL_BINLOG_EXPIRY",
            "fail MYSQL_BINLOG_EXPIRY",
        ),
        case("never expires", Set("binlog_expire_logs_seconds", "0", "864000"), "", "").cdc().no_row(),
        retention(
            "retention unset",
            "CALL mysql.rds_set_configuration('binlog retention hours', NULL);",
            "fail MYSQL_RETENTION_UNSET",
        ),
        retention(
            "retention 12",
            "CALL mysql.rds_set_configuration('binlog retention hours', 12);",
            "fail MYSQL_RETENTION_SHORT",
        ),
        case(
            "retention unreadable",
            Sql(
                "REVOKE SELECT ON mysql.rds_configuration FROM 'clickpipes_iam_user'@'%';",
                "GRANT SELECT ON mysql.rds_configuration TO 'clickpipes_iam_user'@'%';",
            ),
            "MYSQL_BINLOG_RETENTION",
            "unknown MYSQL_RETENTION_UNREADABLE",
        )
        .cdc(),
        case(
            "no right to stream",
            Sql(
                "REVOKE REPLICATION SLAVE ON *.* FROM 'clickpipes_iam_user'@'%';",
                "GRANT REPLICATION SLAVE ON *.* TO 'clickpipes_iam_user'@'%';",
            ),
            "MYSQL_BINLOG_STREAM",
            "fail MYSQL_NO_REPLICATION_SLAVE",
        ),
        case(
            "SELECT revoked",
            Sql(
                "REVOKE SELECT ON `app`.* FROM 'clickpipes_iam_user'@'%';",
                "GRANT SELECT ON `app`.* TO 'clickpipes_iam_user'@'%';",
            ),
            "DB_TABLES_READ",
            "fail DB_NO_TABLES",
        )
        .also("DB_ROW_KEY", "not_reached")
        .blocked(),
        case(
            "SELECT on some columns",
            Sql(
                "REVOKE SELECT ON `app`.* FROM 'clickpipes_iam_user'@'%';
                 GRANT SELECT (id, customer) ON `app`.`orders` TO 'clickpipes_iam_user'@'%';",
                "REVOKE SELECT (id, customer) ON `app`.`orders` FROM 'clickpipes_iam_user'@'%';
                 GRANT SELECT ON `app`.* TO 'clickpipes_iam_user'@'%';",
            ),
            "DB_TABLES_READ",
            "fail DB_TABLES_UNREADABLE",
        )
        .also("DB_ROW_KEY", "not_reached")
        .blocked(),
        case("a table that is not there", Nothing, "DB_TABLES_READ", "fail DB_TABLES_MISSING")
            .also("DB_ROW_KEY", "not_reached")
            .blocked()
            .with_args(&["--table", "app.nowhere"])
            .tables(&["app.nowhere"]),
        case(
            "short packets",
            Set("max_allowed_packet", "1048576", "16777216"),
            "MYSQL_MAX_ALLOWED_PACKET",
            "warn MYSQL_MAX_ALLOWED_PACKET",
        )
        .cdc(),
    ]
}

fn of_mysql() -> Vec<Case> {
    use Change::{Restart, Set, Sql};
    vec![
        retention(
            "retention 24",
            "CALL mysql.rds_set_configuration('binlog retention hours', 24);",
            "warn MYSQL_RETENTION_SHORT",
        )
        .cdc(),
        case(
            "partial JSON",
            Set("binlog_row_value_options", "PARTIAL_JSON", ""),
            "MYSQL_BINLOG_ROW_VALUE_OPTIONS",
            "fail MYSQL_PARTIAL_JSON",
        ),
        case(
            "no right to ask where the log stands",
            Sql(
                "REVOKE REPLICATION CLIENT ON *.* FROM 'clickpipes_iam_user'@'%';",
                "GRANT REPLICATION CLIENT ON *.* TO 'clickpipes_iam_user'@'%';",
            ),
            "MYSQL_BINLOG_STATUS",
            "fail MYSQL_NO_REPLICATION_CLIENT",
        )
        .also("MYSQL_BINLOG_FILTERS", "not_reached")
        .also("MYSQL_REPLICA_STATUS", "not_reached")
        .also("MYSQL_BINLOG_STREAM", "not_reached"),
        case("no GTIDs", Restart(&[("gtid-mode", "OFF")]), "MYSQL_GTID", "fail MYSQL_GTID_OFF").rule(),
        case(
            "no GTIDs where they are wanted",
            Restart(&[("gtid-mode", "OFF")]),
            "MYSQL_GTID",
            "fail MYSQL_GTID_OFF",
        )
        .with_args(&["--replication-mechanism", "gtid"])
        .rule(),
        case("FILE_POS without GTIDs", Restart(&[("gtid-mode", "OFF")]), "MYSQL_GTID", "warn MYSQL_FILE_POS")
            .with_args(&["--replication-mechanism", "file_pos"])
            .cdc(),
        case("no server id", Restart(&[("server-id", "0")]), "MYSQL_SERVER_ID", "fail MYSQL_NO_SERVER_ID")
            .also("MYSQL_BINLOG_STREAM", "not_reached"),
    ]
}

fn of_mariadb() -> Vec<Case> {
    use Change::Sql;
    vec![
        // For MariaDB, one day is recommended.
        retention("retention 24", "CALL mysql.rds_set_configuration('binlog retention hours', 24);", "")
            .cdc()
            .no_row(),
        case(
            "no right to ask where the log stands",
            Sql(
                "REVOKE BINLOG MONITOR ON *.* FROM 'clickpipes_iam_user'@'%';",
                "GRANT BINLOG MONITOR ON *.* TO 'clickpipes_iam_user'@'%';",
            ),
            "MYSQL_BINLOG_STATUS",
            "fail MYSQL_NO_REPLICATION_CLIENT",
        )
        .also("MYSQL_BINLOG_FILTERS", "not_reached")
        .also("MYSQL_BINLOG_STREAM", "not_reached"),
        case(
            "the guide's grants and no more",
            Sql(
                "REVOKE REPLICA MONITOR ON *.* FROM 'clickpipes_iam_user'@'%';",
                "GRANT REPLICA MONITOR ON *.* TO 'clickpipes_iam_user'@'%';",
            ),
            "MYSQL_REPLICA_STATUS",
            "fail MYSQL_NO_REPLICA_MONITOR",
        )
        .also("MYSQL_REPLICA_UPDATES", "not_reached"),
        case(
            "a compressed column",
            Sql(
                "ALTER TABLE orders MODIFY customer varchar(100) COMPRESSED NOT NULL;",
                "ALTER TABLE orders MODIFY customer varchar(100) NOT NULL;",
            ),
            "MARIADB_COMPRESSED_COLUMNS",
            "fail MARIADB_COMPRESSED_COLUMNS",
        ),
    ]
}

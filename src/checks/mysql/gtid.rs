//! ClickPipes uses GTID by default, and for MariaDB nothing else.

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
    },
    target::{Engine, ReplicationMechanism},
};

pub(crate) static CHECK: Check = Check::changes("MYSQL_GTID", "GTID (gtid_mode)", MYSQL_FAMILY, Judge::Mysql(judge))
    .versions("MySQL 5.6+, MariaDB 10.0.2+")
    .expected("gtid_mode = ON: ClickPipes uses GTID by default, and for MariaDB nothing else. MariaDB has \
         GTIDs from 10.0.2 on")
    .fix("set enforce_gtid_consistency = ON in the {group}, then change gtid-mode one step at a time, with a \
         reboot after each step: gtid-mode = OFF_PERMISSIVE, gtid-mode = ON_PERMISSIVE, gtid-mode = ON (start \
         after the current value)")
    .source("ClickPipes documentation, MySQL source setup; Amazon RDS User Guide, Using GTID-based \
         replication; MySQL Reference Manual, Enabling GTID Transactions Online")
    .causes(&[&MYSQL_GTID_OFF, &MYSQL_FILE_POS, &MARIADB_FILE_POS]);

pub(in crate::checks) static MYSQL_GTID_OFF: Cause = Cause::new(
    "MYSQL_GTID_OFF",
    "a pipe uses GTID by default, and the server does not write GTIDs",
    "gtid_mode, or a MariaDB before 10.0.2",
);

pub(in crate::checks) static MYSQL_FILE_POS: Cause = Cause::new(
    "MYSQL_FILE_POS",
    "FILE_POS exists only after ClickHouse support enabled it, and a failover breaks the pipe",
    "replication_mechanism of the target",
)
.fix(
    "use GTID (--replication-mechanism gtid), or ask ClickHouse support to enable FILE_POS; note that a \
     failover breaks such a pipe",
);

pub(in crate::checks) static MARIADB_FILE_POS: Cause = Cause::new(
    "MARIADB_FILE_POS",
    "for MariaDB, ClickPipes accepts only GTID",
    "replication_mechanism of the target",
)
.fix("use GTID (--replication-mechanism gtid)");

/// The ClickPipes API and Terraform use GTID unless FILE_POS is given. FILE_POS needs a feature that ClickHouse support
/// enables, and does not exist for MariaDB.
fn judge(server: &Server<'_>) -> Diagnostic {
    let version = server.get("version").unwrap_or_default();
    if server.target.pipe.mechanism == ReplicationMechanism::FilePos {
        return match server.target.engine() {
            Engine::Mariadb => CHECK
                .fail(&MARIADB_FILE_POS, "replication_mechanism is file_pos")
                .expected("gtid: for MariaDB, ClickPipes accepts nothing else"),
            _ => CHECK
                .warn(&MYSQL_FILE_POS, "replication_mechanism is file_pos")
                .expected("gtid, or FILE_POS enabled for your organization by ClickHouse support"),
        };
    }
    let off = |found: String| CHECK.fail(&MYSQL_GTID_OFF, found);
    match (server.is_mariadb(), server.get("gtid_mode")) {
        (true, _) if server.get("gtid_binlog_pos").is_none() => {
            off(format!("{version} has no gtid_binlog_pos")).remedy("upgrade to MariaDB 10.0.2 or newer")
        }
        (true, _) => CHECK.pass("gtid_binlog_pos exists"),
        (false, Some("ON")) => CHECK.pass("gtid_mode is ON"),
        (false, Some(mode)) => off(format!("gtid_mode is {mode}")),
        (false, None) => off(format!("{version} has no gtid_mode")).remedy(
            "upgrade to MySQL 5.6 or newer, or let ClickHouse support enable FILE_POS (--replication-mechanism file_pos)",
        ),
    }
}

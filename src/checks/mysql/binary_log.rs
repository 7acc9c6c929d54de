//! Changes are read from the binary log.

use super::Server;
use crate::checks::{
    Diagnostic,
    check::{Cause, Check, Judge, MYSQL_FAMILY},
    sources::{LOOK_AT_RDS, NO_ANSWER},
};

pub(crate) static CHECK: Check =
    Check::changes("MYSQL_BINARY_LOG", "binary log is on (log_bin)", MYSQL_FAMILY, Judge::Mysql(judge))
        .expected("log_bin = ON")
        .fix("turn automated backups on (backup retention of at least 1 day): RDS then writes a binary log")
        .aurora("set binlog_format = ROW in the {group}, then reboot the writer")
        .source(
            "Amazon RDS User Guide, MySQL binary logging; Amazon Aurora User Guide, Binary log replication",
        )
        .causes(&[&MYSQL_BINARY_LOG_OFF, &MYSQL_BACKUPS_OFF, &MYSQL_PENDING_REBOOT, &MYSQL_UNANSWERED]);

pub(in crate::checks) static MYSQL_BINARY_LOG_OFF: Cause =
    Cause::new("MYSQL_BINARY_LOG_OFF", "the binary log is off", "log_bin");

pub(in crate::checks) static MYSQL_BACKUPS_OFF: Cause = Cause::new(
    "MYSQL_BACKUPS_OFF",
    "automated backups are off, and RDS keeps a binary log only for them",
    LOOK_AT_RDS,
)
.fix("set the backup retention period to at least 1 day");

pub(in crate::checks) static MYSQL_PENDING_REBOOT: Cause =
    Cause::new("MYSQL_PENDING_REBOOT", "parameter group settings are pending a reboot", LOOK_AT_RDS)
        .fix("reboot the instance");

pub(in crate::checks) static MYSQL_UNANSWERED: Cause =
    Cause::new("MYSQL_UNANSWERED", "MySQL or MariaDB refused a query", NO_ANSWER);

fn judge(server: &Server<'_>) -> Diagnostic {
    match server.get("log_bin") {
        Some("ON" | "1") => CHECK.pass("log_bin is ON"),
        Some(value) => CHECK.fail(&MYSQL_BINARY_LOG_OFF, format!("log_bin is {value}")),
        None => CHECK.unknown(&MYSQL_UNANSWERED, "the server has no log_bin"),
    }
}

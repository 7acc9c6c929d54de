//! RDS removes the binary log as soon as it does not need it, unless `binlog retention hours` is set.

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        sources::MYSQL_SOURCE,
    },
    diagnostic::Severity::Advisory,
    facts::Fact,
};

pub(crate) static CHECK: Check =
    Check::changes("MYSQL_BINLOG_RETENTION", "binlog retention hours", MYSQL_FAMILY, Judge::Mysql(judge))
        .if_unknown(Advisory)
        .expected("'binlog retention hours' of at least 24; on MySQL 72 is recommended")
        .fix("CALL mysql.rds_set_configuration('binlog retention hours', 72);")
        .source(MYSQL_SOURCE)
        .causes(&[&MYSQL_RETENTION_UNSET, &MYSQL_RETENTION_SHORT, &MYSQL_RETENTION_UNREADABLE]);

pub(in crate::checks) static MYSQL_RETENTION_UNSET: Cause = Cause::new(
    "MYSQL_RETENTION_UNSET",
    "RDS removes the binary log as soon as possible",
    "'binlog retention hours' is NULL",
);

pub(in crate::checks) static MYSQL_RETENTION_SHORT: Cause = Cause::new(
    "MYSQL_RETENTION_SHORT",
    "RDS keeps the binary log for less than 24 hours, or less than the recommended 72",
    "'binlog retention hours'",
);

pub(in crate::checks) static MYSQL_RETENTION_UNREADABLE: Cause = Cause::new(
    "MYSQL_RETENTION_UNREADABLE",
    "the retention of the binary log is not known",
    "mysql.rds_configuration cannot be read (1142) or does not exist, which ClickPipes ignores; other errors \
     fail",
)
.fix(
    "as the master user, look at CALL mysql.rds_show_configuration; and if necessary: CALL \
     mysql.rds_set_configuration('binlog retention hours', 72);",
);

/// ClickPipes requires the first and recommends the second (ClickPipes documentation).
const SHORTEST_RETENTION_HOURS: u64 = 24;

const ADVISED_RETENTION_HOURS: u64 = 72;

/// ClickPipes' engine continues if it may not read this value or if it does not exist, so an unknown value denies
/// nothing. Another error stops the engine.
fn judge(server: &Server<'_>) -> Diagnostic {
    let cause = &MYSQL_RETENTION_UNREADABLE;
    let hours = match &server.facts.retention_hours {
        Fact::Read(value) => value.as_str(),
        Fact::Refused(refusal) if refusal.code == "1142" => {
            return CHECK.unknown(cause, refusal.to_string());
        }
        Fact::Refused(refusal) => {
            return CHECK.fail(cause, refusal.to_string());
        }
        Fact::Absent => {
            let found = "the server has no mysql.rds_configuration with 'binlog retention hours', as RDS and Aurora have";
            return CHECK.unknown(cause, found);
        }
    };
    let advised = if server.is_mariadb() { SHORTEST_RETENTION_HOURS } else { ADVISED_RETENTION_HOURS };
    match (hours, hours.parse::<u64>()) {
        ("", _) => CHECK.fail(
            &MYSQL_RETENTION_UNSET,
            "'binlog retention hours' is NULL: RDS deletes the log as soon as it does not need it",
        ),
        (text, Ok(hours)) if hours < SHORTEST_RETENTION_HOURS => {
            CHECK.fail(&MYSQL_RETENTION_SHORT, format!("{text} hours"))
        }
        (text, Ok(hours)) if hours < advised => CHECK.warn(&MYSQL_RETENTION_SHORT, format!("{text} hours")),
        (text, Ok(_)) => CHECK.pass(format!("{text} hours")),
        (text, Err(_)) => CHECK.fail(cause, format!("`{text}`")),
    }
}

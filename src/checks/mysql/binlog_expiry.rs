//! A pipe that is paused for longer than the binary log is kept needs a resync.

use super::Server;
use super::binary_log::MYSQL_UNANSWERED;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        sources::MYSQL_ENGINE,
    },
    facts::Version,
};

pub(crate) static CHECK: Check = Check::changes(
    "MYSQL_BINLOG_EXPIRY",
    "binary log expiry (binlog_expire_logs_seconds)",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.versions("MySQL 8.0.1+, MariaDB 10.6.1+")
.expected("binlog_expire_logs_seconds of 0 (never) or at least 86400")
.fix("set binlog_expire_logs_seconds to 0 or at least 86400 in the {group} (takes effect at once)")
.source(MYSQL_ENGINE)
.causes(&[&MYSQL_BINLOG_EXPIRY]);

pub(in crate::checks) static MYSQL_BINLOG_EXPIRY: Cause =
    Cause::new("MYSQL_BINLOG_EXPIRY", "the binary log expires within a day", "binlog_expire_logs_seconds");

const DAY_SECONDS: u64 = 86_400;

fn judge(server: &Server<'_>) -> Diagnostic {
    let name = "binlog_expire_logs_seconds";
    if !server.since(Version(8, 0, 1), Version(10, 6, 1)) {
        return server.not_supported_yet(&CHECK, name);
    }
    let value = server.get(name);
    let found = format!("{name} = {}", value.unwrap_or_default());
    match value.map(str::parse::<u64>) {
        Some(Ok(0)) => CHECK.pass(format!("{found} (never)")),
        Some(Ok(seconds)) if seconds >= DAY_SECONDS => CHECK.pass(found),
        Some(Ok(_)) => CHECK.fail(&MYSQL_BINLOG_EXPIRY, found),
        Some(Err(_)) | None => CHECK.unknown(&MYSQL_UNANSWERED, format!("the server gave no {name}")),
    }
}

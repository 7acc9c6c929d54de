//! A session that exists does not show that the account can open more within the hour.

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
    },
    diagnostic::Severity::Advisory,
};

pub(crate) static CHECK: Check = Check::capability(
    "MYSQL_HOURLY_LIMITS",
    "hourly account limits (MAX_CONNECTIONS_PER_HOUR)",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.if_unknown(Advisory)
.expected("no limit; the initial copy alone opens 5 connections")
.fix("ALTER USER {user} WITH MAX_CONNECTIONS_PER_HOUR 0 MAX_QUERIES_PER_HOUR 0;")
.source(
    "MySQL Reference Manual, Setting Account Resource Limits; ClickPipes documentation, parallel \
         initial load",
)
.causes(&[&MYSQL_HOURLY_LIMIT]);

pub(in crate::checks) static MYSQL_HOURLY_LIMIT: Cause = Cause::new(
    "MYSQL_HOURLY_LIMIT",
    "the server refuses the account after its hourly number of connections or queries",
    "SHOW CREATE USER of the account",
);

/// A pipe reconnects after errors; this leaves room for it.
const PIPE_CONNECTIONS_PER_HOUR: u32 = 100;

/// These limits also apply to the initial load, and a session that exists does not show that more can be opened.
fn judge(server: &Server<'_>) -> Diagnostic {
    let limits = match server.limits_of_account(&CHECK) {
        Ok(limits) => limits,
        Err(diagnostic) => return *diagnostic,
    };
    let low: Vec<String> = [
        ("connections", limits.connections_per_hour, PIPE_CONNECTIONS_PER_HOUR),
        ("queries", limits.queries_per_hour, u32::MAX),
    ]
    .into_iter()
    .filter(|(_, limit, needed)| (1..*needed).contains(limit))
    .map(|(what, limit, _)| format!("{limit} {what}"))
    .collect();
    if low.is_empty() {
        return CHECK.pass("no limit that a pipe could reach");
    }
    let found = format!("the account is limited to {} per hour", low.join(" and "));
    match (1..super::PIPE_CONNECTIONS).contains(&limits.connections_per_hour) {
        true => CHECK.fail(&MYSQL_HOURLY_LIMIT, found),
        false => CHECK.warn(&MYSQL_HOURLY_LIMIT, found),
    }
}

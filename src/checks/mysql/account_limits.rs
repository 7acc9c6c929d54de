//! A pipe opens several connections at a time, which MAX_USER_CONNECTIONS can prevent.

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
    },
    diagnostic::Severity::{Advisory, BlocksCdc},
};

pub(crate) static CHECK: Check = Check::capability(
    "MYSQL_ACCOUNT_LIMITS",
    "account limits (MAX_USER_CONNECTIONS)",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.severity(BlocksCdc)
.if_unknown(Advisory)
.expected("no limit, or enough connections at a time: initial_load_parallelism times snapshot_number_of_parallel_tables for the initial \
     copy (by default 4), and 1 for changes")
.fix("ALTER USER {user} WITH MAX_USER_CONNECTIONS 0;")
.source(
    "MySQL Reference Manual, Setting Account Resource Limits; ClickPipes documentation, parallel \
         initial load",
)
.causes(&[&MYSQL_ACCOUNT_LIMIT]);

pub(in crate::checks) static MYSQL_ACCOUNT_LIMIT: Cause = Cause::new(
    "MYSQL_ACCOUNT_LIMIT",
    "the account can open fewer connections than a pipe needs",
    "SHOW CREATE USER of the account, and max_user_connections",
);

fn judge(server: &Server<'_>) -> Diagnostic {
    let limits = match server.limits_of_account(&CHECK) {
        Ok(limits) => limits,
        Err(diagnostic) => return *diagnostic,
    };
    let global = server.get("max_user_connections").and_then(|value| value.parse().ok()).unwrap_or(0);
    let simultaneous = match limits.simultaneous_connections {
        0 => global,
        own => own,
    };
    let needed = server.target.pipe.load_connections().saturating_add(1);
    match (1..needed).contains(&simultaneous) {
        true => CHECK.fail(
            &MYSQL_ACCOUNT_LIMIT,
            format!(
                "the account is limited to {simultaneous} connections at a time; the pipe opens {needed}"
            ),
        ),
        false => CHECK.pass("no limit that a pipe could reach"),
    }
}

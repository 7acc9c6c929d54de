//! The initial copy opens several connections, which CONNECTION LIMIT of the role or of the database can prevent.

use super::{Server, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
    },
    diagnostic::Severity::Advisory,
    facts::Fact,
    sql::postgres::identifier,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_CONNECTION_LIMITS",
    "connection limits (CONNECTION LIMIT)",
    POSTGRES,
    Judge::Postgres(judge),
)
.if_unknown(Advisory)
.expected("no limit, or enough free connections for the initial copy (initial_load_parallelism times \
     snapshot_number_of_parallel_tables, by default 4); replication connections do not count")
.source(
    "PostgreSQL documentation, ALTER ROLE and ALTER DATABASE; ClickPipes documentation, parallel initial load",
)
.causes(&[&PG_CONNECTION_LIMIT]);

pub(in crate::checks) static PG_CONNECTION_LIMIT: Cause = Cause::new(
    "PG_CONNECTION_LIMIT",
    "the role or the database allows fewer connections than a pipe opens",
    "rolconnlimit in pg_roles and datconnlimit in pg_database",
)
.fix("ALTER ROLE … CONNECTION LIMIT -1; or ALTER DATABASE … CONNECTION LIMIT -1;");

fn judge(server: &Server<'_>) -> Diagnostic {
    let Fact::Read(limits) = &server.facts.connection_limits else {
        return unanswered(&CHECK, &server.facts.connection_limits);
    };
    // The limits do not count replication connections (seen on versions 15 to 18).
    let needed = server.target.pipe.load_connections();
    let is_low = |limit: u32| limit < needed;
    let is_full = |limit: u32| is_low(limit.saturating_sub(limits.in_use));
    let (mut found, mut remedy) = (Vec::new(), Vec::new());
    if let Some(limit) = limits.role.filter(|limit| is_low(*limit)) {
        let user = identifier(server.target.user.as_str());
        found.push(format!("the role is limited to {limit} connections"));
        remedy.push(format!("ALTER ROLE {user} CONNECTION LIMIT -1;"));
    }
    if let Some(limit) = limits.database.filter(|limit| is_full(*limit)) {
        let name = identifier(server.target.database.as_deref().unwrap_or("postgres"));
        let others = limits.in_use;
        found.push(format!("the database is limited to {limit} connections, and {others} others are open"));
        remedy.push(format!("ALTER DATABASE {name} CONNECTION LIMIT -1;"));
    }
    let (found, remedy) = (found.join("; "), remedy.join(" "));
    let found = if found.is_empty() { found } else { format!("{found}; the initial copy opens {needed}") };
    if found.is_empty() {
        return CHECK.pass("no limit that a pipe could reach");
    }
    // The other connections of the database can end.
    match limits.role.is_some_and(is_low) || limits.database.is_some_and(is_low) {
        true => CHECK.fail(&PG_CONNECTION_LIMIT, found).remedy(remedy),
        false => CHECK.warn(&PG_CONNECTION_LIMIT, found).remedy(remedy),
    }
}

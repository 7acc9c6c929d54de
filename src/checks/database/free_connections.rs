//! The initial load opens several connections at a time, besides those of the application.

use crate::{
    checks::{
        Diagnostic,
        check::{ALL, Cause, Check, Judge, Part},
        mysql, postgres,
    },
    diagnostic::Severity::Advisory,
    facts::{Fact, ServerConnections},
    target::Target,
};

pub(crate) static CHECK: Check = Check::capability(
    "DB_FREE_CONNECTIONS",
    "free connections of the server (max_connections)",
    ALL,
    Judge::Engines { postgres, mysql },
)
.severity(Advisory)
.part(Part::Load)
.expected(
    "as many free connections as the initial load opens: initial_load_parallelism times snapshot_number_of_parallel_tables (by default 4)",
)
.fix(
    "lower initial_load_parallelism or snapshot_number_of_parallel_tables of the pipe, close connections that are not used, or raise \
     max_connections in the {group}",
)
.source(
    "PostgreSQL documentation, Connections and Authentication; MySQL Reference Manual and MariaDB Knowledge Base, max_connections; \
     ClickPipes documentation, parallel initial load",
)
.causes(&[&DB_FEW_FREE_CONNECTIONS]);

pub(in crate::checks) static DB_FEW_FREE_CONNECTIONS: Cause = Cause::new(
    "DB_FEW_FREE_CONNECTIONS",
    "the server has fewer free connections at this moment than the initial load opens: it, or the application, can be refused",
    "max_connections without reserved ones and pg_stat_activity; on MySQL and MariaDB max_connections and Threads_connected",
);

fn postgres(server: &postgres::Server<'_>) -> Diagnostic {
    let connections = &server.facts.server_connections;
    judge(server.target, connections).unwrap_or_else(|| postgres::unanswered(&CHECK, connections))
}

fn mysql(server: &mysql::Server<'_>) -> Diagnostic {
    let connections = &server.facts.server_connections;
    judge(server.target, connections).unwrap_or_else(|| mysql::unanswered(&CHECK, connections))
}

/// `None` if the numbers were not read.
fn judge(target: &Target, connections: &Fact<ServerConnections>) -> Option<Diagnostic> {
    let ServerConnections { limit, in_use } = *connections.read()?;
    let (free, needed) = (limit.saturating_sub(in_use), target.pipe.load_connections());
    let found = format!("{free} of {limit} connections are free now; the initial load opens {needed}");
    // Other connections can end before it starts, or be opened.
    Some(match free < needed {
        true => CHECK.warn(&DB_FEW_FREE_CONNECTIONS, found),
        false => CHECK.pass(found),
    })
}

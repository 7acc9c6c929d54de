//! Changes of an unlogged table are not in the WAL.

use super::{Server, alter, failing, printed};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_LOGICAL,
    },
    facts::PostgresTable,
    sql::postgres::qualified,
};

pub(crate) static CHECK: Check =
    Check::changes("PG_UNLOGGED", "no unlogged tables", POSTGRES, Judge::PostgresTables(judge))
        .expected("no unlogged table: its changes are not in the WAL")
        .source(PG_LOGICAL)
        .causes(&[&PG_UNLOGGED_PART, &PG_UNLOGGED]);

pub(in crate::checks) static PG_UNLOGGED_PART: Cause = Cause::new(
    "PG_UNLOGGED_PART",
    "a publication takes the partitioned table or parent, but changes of its unlogged and foreign partitions \
     and child tables are not in the WAL",
    "relkind and relpersistence of the partitions and child tables",
)
.fix("ALTER TABLE … SET LOGGED; or detach the foreign partition");

pub(in crate::checks) static PG_UNLOGGED: Cause =
    Cause::new("PG_UNLOGGED", "an unlogged table has no changes in the WAL", "relpersistence")
        .fix("ALTER TABLE … SET LOGGED;");

/// Changes of an unlogged or foreign table are not in the WAL. A publication takes a partitioned table whose
/// partitions are such tables, and leaves their changes out without an error.
fn judge(server: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    let parts = printed(tables, |t| &t.parts_not_logged);
    let foreign = printed(tables, |t| &t.foreign_parts);
    let has_parts = |t: &PostgresTable| !t.parts_not_logged.is_empty() || !t.foreign_parts.is_empty();
    let failing = failing(tables, |t| t.unlogged || has_parts(t));
    if tables.iter().any(|t| has_parts(t)) {
        let of_foreign = foreign.iter().map(|change| format!("foreign: {change}"));
        let all: Vec<String> = parts.iter().cloned().chain(of_foreign).collect();
        let words = Found::from("unlogged or foreign partitions or child tables (").list(&all).text(")");
        let detach: Vec<String> =
            foreign.iter().take(5).map(|change| format!("ALTER TABLE {change};")).collect();
        let statements = [alter(&parts, "SET LOGGED"), detach.join(" ")].join(" ");
        return server
            .candidates
            .judge(&CHECK, &PG_UNLOGGED_PART, &failing, words)
            .remedy(format!("leave the table out (--table), or as the owner: {}", statements.trim()));
    }
    let diagnostic = server.candidates.judge(&CHECK, &PG_UNLOGGED, &failing, "unlogged");
    match tables.iter().find(|t| t.unlogged).map(|t| &t.table) {
        Some(table) => diagnostic.remedy(format!(
            "leave it out (--table), or as its owner: ALTER TABLE {} SET LOGGED;",
            qualified(table.schema.raw(), table.name.raw())
        )),
        None => diagnostic,
    }
}

//! Changes of an unlogged table are not in the WAL.

use super::{Server, alter, failing, printed};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_LOGICAL,
        tables::some_of,
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
    let failing = failing(tables, |t| t.unlogged || !t.parts_not_logged.is_empty());
    if !parts.is_empty() {
        let words = format!("unlogged or foreign partitions or child tables ({})", some_of(&parts));
        return server.candidates.judge(&CHECK, &PG_UNLOGGED_PART, &failing, &words).remedy(format!(
            "leave the table out (--table), detach a foreign partition, or as the owner: {}",
            alter(&parts, "SET LOGGED")
        ));
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

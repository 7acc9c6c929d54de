//! Columns in INCLUDE of a primary key are no part of the key in PostgreSQL, and become a part of it in ClickHouse.

use super::{Server, with_columns};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, POSTGRES},
        tables::counted,
    },
    diagnostic::Severity::Advisory,
    facts::PostgresTable,
};

pub(crate) static CHECK: Check =
    Check::changes("PG_KEY_INCLUDE", "primary keys without INCLUDE", POSTGRES, Judge::PostgresTables(judge))
        .severity(Advisory)
        .versions("11 and newer")
        .expected("a primary key that contains its key columns only")
        .source("PostgreSQL documentation, CREATE TABLE, INCLUDE; PeerDB, the engine of ClickPipes: the key is pg_index.indkey")
        .causes(&[&PG_INCLUDED_COLUMNS]);

pub(in crate::checks) static PG_INCLUDED_COLUMNS: Cause = Cause::new(
    "PG_INCLUDED_COLUMNS",
    "an UPDATE of such a column can leave the old row in ClickHouse, because the engine makes the column a part of the sorting key",
    "indkey has more columns than indnkeyatts",
)
.fix("set the sorting key of these tables in the pipe (sorting_keys) to the key columns, or use a primary key without INCLUDE");

fn judge(server: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    let is_sorted_by_it = |table: &&&PostgresTable| {
        let (schema, name) = (table.table.schema.raw(), table.table.name.raw());
        !table.included_columns.is_empty() && server.target.pipe.merges_by_primary_key(schema, name)
    };
    let these = tables.iter().filter(is_sorted_by_it);
    let shown: Vec<String> = these.map(|table| with_columns(table, &table.included_columns)).collect();
    match shown.is_empty() {
        true => CHECK.pass(format!("no primary key with INCLUDE: {}", counted(tables.len()))),
        false => CHECK.warn(&PG_INCLUDED_COLUMNS, Found::from("in INCLUDE of a primary key: ").list(&shown)),
    }
}

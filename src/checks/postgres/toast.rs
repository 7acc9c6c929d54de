//! Without REPLICA IDENTITY FULL, an UPDATE does not send TOAST values that it did not change.

use super::{Server, with_columns};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, POSTGRES},
        tables::counted,
    },
    diagnostic::Severity::Advisory,
    facts::PostgresTable,
    sql::postgres::qualified,
};

pub(crate) static CHECK: Check =
    Check::changes("PG_TOAST", "unchanged TOAST values", POSTGRES, Judge::PostgresTables(judge))
        .severity(Advisory)
        .expected("REPLICA IDENTITY FULL for values over 2 KB (TOAST)")
        .source("ClickPipes documentation, Postgres, TOAST columns")
        .causes(&[&PG_UNCHANGED_TOAST]);

pub(in crate::checks) static PG_UNCHANGED_TOAST: Cause = Cause::new(
    "PG_UNCHANGED_TOAST",
    "an UPDATE does not send TOAST values that it did not change",
    "attstorage of the columns, and relreplident",
)
.fix("if values can exceed 2 KB, as the owner: ALTER TABLE {table} REPLICA IDENTITY FULL;");

/// Without REPLICA IDENTITY FULL, an UPDATE does not send TOAST values that it did not change (ClickPipes
/// documentation, "TOAST columns").
fn judge(_: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    let these: Vec<&&PostgresTable> = tables.iter().filter(|t| !t.toast_columns.is_empty()).collect();
    let Some(first) = these.first() else {
        return CHECK.pass(format!("no unchanged TOAST value can be lost: {}", counted(tables.len())));
    };
    let shown: Vec<String> = these.iter().map(|t| with_columns(t, &t.toast_columns)).collect();
    let table = qualified(first.table.schema.raw(), first.table.name.raw());
    let diagnostic =
        CHECK.warn(&PG_UNCHANGED_TOAST, Found::from("NULL or empty after an UPDATE: ").list(&shown));
    match first.partitioned {
        // The partition decides what is logged. With publish_via_partition_root, the root decides what is sent as its values.
        true => diagnostic.remedy(format!(
            "if values can exceed 2 KB, as the owner, for the table and for each of its partitions: ALTER TABLE {table} REPLICA \
             IDENTITY FULL;"
        )),
        false => diagnostic.filled(&[("{table}", &table)]),
    }
}

//! If a parent and its partition are in one pipe, changes reach only one of the two copies.

use std::collections::BTreeSet;

use super::{Server, failing};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_LOGICAL,
    },
    facts::PostgresTable,
    sql::postgres::qualified,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_PARENT_AND_PART",
    "no table together with its partition or child table",
    POSTGRES,
    Judge::PostgresTables(judge),
)
.expected(
    "either a parent or its partitions and child tables in one pipe: changes reach only one of the \
         two",
)
.fix("name either the parent or its partitions and child tables (--table)")
.source(PG_LOGICAL)
.causes(&[&PG_PARENT_AND_PART]);

pub(in crate::checks) static PG_PARENT_AND_PART: Cause = Cause::new(
    "PG_PARENT_AND_PART",
    "the copy of the parent has the rows of its partitions and child tables at first, but their later changes \
     reach only one of the two copies",
    "pg_inherits",
);

/// The initial copy of a parent contains the rows of its child tables. Later changes of a child table reach either the
/// parent or the child table, but not both.
fn judge(server: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    let in_pipe: BTreeSet<String> =
        tables.iter().map(|t| qualified(t.table.schema.raw(), t.table.name.raw())).collect();
    let failing = failing(tables, |t| t.parents.iter().any(|parent| in_pipe.contains(parent.raw())));
    server.candidates.judge(
        &CHECK,
        &PG_PARENT_AND_PART,
        &failing,
        "partitions or child tables of tables that are in the pipe too",
    )
}

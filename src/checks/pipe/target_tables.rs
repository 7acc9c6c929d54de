//! Two source tables with one target table would be mixed.

use crate::{
    checks::{
        check::{Cause, Check, Judge},
        sources::PROVIDER,
    },
    target::ProblemKind,
};

pub(crate) static CHECK: Check =
    Check::pipe("PIPE_TARGET_TABLES", "target tables are different", Judge::Pipe(judge))
        .expected("a different target_table for each source table")
        .source(PROVIDER)
        .causes(&[&PIPE_DUPLICATE_TARGET_TABLE]);

pub(in crate::checks) static PIPE_DUPLICATE_TARGET_TABLE: Cause = Cause::new(
    "PIPE_DUPLICATE_TARGET_TABLE",
    "two tables are copied into the same table",
    "table_mappings in the plan or state",
)
.fix("give each mapping its own target_table");

fn judge(kind: ProblemKind) -> Option<&'static Cause> {
    (kind == ProblemKind::DuplicateTargetTable).then_some(&PIPE_DUPLICATE_TARGET_TABLE)
}

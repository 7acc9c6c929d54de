//! `table_engine` of the pipe decides what ClickHouse keeps of an UPDATE and of a DELETE.

use crate::{
    checks::{
        Diagnostic, Found,
        check::{ALL, Cause, Check, Judge},
        mysql, postgres,
    },
    diagnostic::{Severity::Advisory, printable},
    target::{ClickHouseEngine, Target},
};

pub(crate) static CHECK: Check = Check::capability(
    "DB_TABLE_ENGINE",
    "table_engine of every table is ReplacingMergeTree",
    ALL,
    Judge::Engines { postgres, mysql },
)
.severity(Advisory)
.expected("ReplacingMergeTree, the default, for a copy that becomes equal to the source")
.source("ClickHouse documentation, table engines MergeTree, ReplacingMergeTree and Null; Terraform provider of ClickHouse, table_engine")
.causes(&[&DB_ENGINE_MERGE_TREE, &DB_ENGINE_NULL]);

pub(in crate::checks) static DB_ENGINE_MERGE_TREE: Cause = Cause::new(
    "DB_ENGINE_MERGE_TREE",
    "the copy is a history: MergeTree keeps the rows before an UPDATE and a DELETE too",
    "table_engine of the pipe",
)
.fix("if the copy must be equal to the source, use table_engine = \"ReplacingMergeTree\"; otherwise nothing: queries choose the newest version of a row");

pub(in crate::checks) static DB_ENGINE_NULL: Cause = Cause::new(
    "DB_ENGINE_NULL",
    "ClickHouse stores no row of these tables: Null only passes rows on to materialized views",
    "table_engine of the pipe",
)
.fix("if the rows are to be stored in these tables, use table_engine = \"ReplacingMergeTree\"");

fn postgres(server: &postgres::Server<'_>) -> Diagnostic {
    judge(server.target)
}

fn mysql(server: &mysql::Server<'_>) -> Diagnostic {
    judge(server.target)
}

fn judge(target: &Target) -> Diagnostic {
    let pipe = &target.pipe;
    let of = |engine: ClickHouseEngine| -> Vec<String> {
        let these = pipe.table_engines.iter().filter(|given| given.engine == engine);
        these.map(|given| printable(&format!("{}.{}", given.schema, given.table))).collect()
    };
    let (history, nothing) = (of(ClickHouseEngine::MergeTree), of(ClickHouseEngine::Null));
    let null = || Found::from("Null, which stores nothing: ").list(&nothing);
    let merge_tree = || Found::from("MergeTree, which keeps every version of a row: ").list(&history);
    // The rows of an initial load have one version.
    match (&history[..], &nothing[..]) {
        ([_, ..], []) if pipe.follows_changes() => CHECK.warn(&DB_ENGINE_MERGE_TREE, merge_tree()),
        ([_, ..], [_, ..]) if pipe.follows_changes() => {
            CHECK.warn(&DB_ENGINE_NULL, Found::join([null(), merge_tree()], "; "))
        }
        (_, [_, ..]) => CHECK.warn(&DB_ENGINE_NULL, null()),
        (_, []) => CHECK.pass("no table whose copy differs because of its engine"),
    }
}

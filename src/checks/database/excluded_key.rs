//! Without a column of the key, ClickHouse takes different rows for versions of one row, and keeps only the last.

use crate::{
    checks::{
        Diagnostic,
        check::{ALL, Cause, Check, Judge, Part},
        mysql, postgres,
        tables::some_of,
    },
    diagnostic::Severity::BlocksCdc,
    facts::{Fact, PostgresTable},
    target::Pipe,
};

pub(crate) static CHECK: Check = Check::capability(
    "DB_EXCLUDED_KEY",
    "excluded_columns contain no key column",
    ALL,
    Judge::Engines { postgres, mysql },
)
.part(Part::Both)
.severity(BlocksCdc)
.expected("every column of the primary key, or of the replica identity index, is replicated: it is the sorting key in ClickHouse")
.fix("remove these columns from excluded_columns, or name other columns that identify a row in sorting_keys, or leave the tables out")
.source("PeerDB, the engine of ClickPipes: excluded columns are no part of the ReplacingMergeTree's ORDER BY")
.causes(&[&DB_KEY_COLUMN_EXCLUDED]);

pub(in crate::checks) static DB_KEY_COLUMN_EXCLUDED: Cause = Cause::new(
    "DB_KEY_COLUMN_EXCLUDED",
    "rows that differ only in an excluded key column have the same sorting key in ClickHouse, which keeps one of them; this concerns \
     the initial load too",
    "the columns of the key, and excluded_columns",
);

fn postgres(server: &postgres::Server<'_>) -> Diagnostic {
    let pipe = &server.target.pipe;
    match server.facts.tables.read() {
        _ if pipe.excluded_columns.is_empty() => no_column_is_excluded(),
        None => postgres::unanswered(&CHECK, &server.facts.tables),
        Some(tables) => {
            let columns = |t: &PostgresTable| -> Vec<String> {
                t.excluded_key_columns
                    .iter()
                    .map(|column| format!("{}.{column}", t.table.full_name()))
                    .collect()
            };
            judge(pipe, &tables.seen.iter().flat_map(columns).collect::<Vec<_>>())
        }
    }
}

fn mysql(server: &mysql::Server<'_>) -> Diagnostic {
    let pipe = &server.target.pipe;
    match &server.facts.excluded_key_columns {
        _ if pipe.excluded_columns.is_empty() => no_column_is_excluded(),
        Fact::Read(columns) => judge(pipe, columns),
        other => mysql::unanswered(&CHECK, other),
    }
}

fn no_column_is_excluded() -> Diagnostic {
    CHECK.pass("the pipe has no excluded_columns")
}

/// `columns`: of keys, and excluded. A table with sorting keys is not sorted by its primary key.
fn judge(pipe: &Pipe, columns: &[String]) -> Diagnostic {
    let table_of =
        |name: &String| name.rsplit_once('.').map(|(table, _)| table.to_owned()).unwrap_or_default();
    let columns: Vec<&String> =
        columns.iter().filter(|name| !pipe.has_sorting_key(&table_of(name))).collect();
    match &columns[..] {
        [] => CHECK.pass(format!("no key column among {} excluded", pipe.excluded_columns.len())),
        some => CHECK.fail(&DB_KEY_COLUMN_EXCLUDED, format!("key columns, excluded: {}", some_of(some))),
    }
}

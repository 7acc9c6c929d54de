//! Without a column of the key, ClickHouse takes different rows for versions of one row, and keeps only the last.

use crate::{
    checks::{
        Diagnostic, Found,
        check::{ALL, Cause, Check, Judge},
        database::columns::is_column,
        mysql, postgres,
    },
    diagnostic::{Severity::BlocksCdc, printable},
    facts::{Fact, NamedColumn},
    target::{TableColumn, Target},
};

pub(crate) static CHECK: Check = Check::capability(
    "DB_EXCLUDED_KEY",
    "excluded_columns contain no key column",
    ALL,
    Judge::Engines { postgres, mysql },
)
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
    let columns = &server.facts.named_columns;
    judge(server.target, columns).unwrap_or_else(|| postgres::unanswered(&CHECK, columns))
}

fn mysql(server: &mysql::Server<'_>) -> Diagnostic {
    let columns = &server.facts.named_columns;
    judge(server.target, columns).unwrap_or_else(|| mysql::unanswered(&CHECK, columns))
}

/// `None` if the columns were not read. A table with sorting keys is not sorted by its primary key.
fn judge(target: &Target, columns: &Fact<Vec<NamedColumn>>) -> Option<Diagnostic> {
    let (pipe, engine) = (&target.pipe, target.engine());
    if pipe.excluded_columns.is_empty() {
        return Some(CHECK.pass("the pipe has no excluded_columns"));
    }
    let columns = columns.read()?;
    let is_lacked = |excluded: &&TableColumn| {
        let is_in_key = columns.iter().any(|column| column.in_key && is_column(engine, column, excluded));
        is_in_key && pipe.merges_by_primary_key(&excluded.schema, &excluded.table)
    };
    let lacked = pipe.excluded_columns.iter().filter(is_lacked);
    let lacked: Vec<String> = lacked.map(|column| printable(&column.to_string())).collect();
    Some(match &lacked[..] {
        [] => CHECK.pass(format!("no key column among {} excluded", pipe.excluded_columns.len())),
        // A failure here denies CDC only, and would not be seen in a report about an initial load.
        some if !pipe.follows_changes() => {
            CHECK.warn(&DB_KEY_COLUMN_EXCLUDED, Found::from("key columns, excluded: ").list(some))
        }
        some => CHECK.fail(&DB_KEY_COLUMN_EXCLUDED, Found::from("key columns, excluded: ").list(some)),
    })
}

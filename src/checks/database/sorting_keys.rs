//! ClickHouse keeps the last of the rows that have the same sorting key, so a sorting key must identify a row and must not
//! change.

use std::collections::BTreeMap;

use crate::{
    checks::{
        Diagnostic, Found,
        check::{ALL, Cause, Check, Judge},
        database::columns::{is_column, is_same},
        mysql, postgres,
    },
    diagnostic::{Severity::BlocksCdc, printable},
    facts::{Fact, NamedColumn, UniqueKey},
    sql::{ServerText, postgres::qualified},
    target::{Engine, TableColumn, Target},
};

pub(crate) static CHECK: Check = Check::capability(
    "DB_SORTING_KEYS",
    "sorting_keys identify a row",
    ALL,
    Judge::Engines { postgres, mysql },
)
.severity(BlocksCdc)
.expected(
    "sorting_keys of a table contain every column of its primary key, or of a unique index over NOT NULL columns, and other columns only \
     if no UPDATE changes them; in PostgreSQL all of them are in the replica identity",
)
.source("ClickPipes documentation, Postgres, Ordering keys; PeerDB, the engine of ClickPipes: ReplacingMergeTree ORDER BY sorting_keys")
.causes(&[&DB_SORTING_KEY_MERGES, &DB_SORTING_KEY_NOT_SENT, &DB_SORTING_KEY_CHANGES]);

pub(in crate::checks) static DB_SORTING_KEY_MERGES: Cause = Cause::new(
    "DB_SORTING_KEY_MERGES",
    "several rows can have the same sorting key, and ClickHouse keeps the last of them; this concerns the initial load too",
    "sorting_keys contain no unique key of the table whose columns are NOT NULL",
)
.fix("add the columns of the primary key to sorting_keys");

pub(in crate::checks) static DB_SORTING_KEY_NOT_SENT: Cause = Cause::new(
    "DB_SORTING_KEY_NOT_SENT",
    "PostgreSQL does not send these columns with a DELETE, so the deleted row stays in ClickHouse",
    "relreplident, and the columns of the replica identity index",
)
.fix("as the owner of the tables: {alter} A unique index over the columns of sorting_keys as the replica identity is enough too");

pub(in crate::checks) static DB_SORTING_KEY_CHANGES: Cause = Cause::new(
    "DB_SORTING_KEY_CHANGES",
    "an UPDATE of a column of the sorting key makes another row in ClickHouse, and the old row stays",
    "sorting_keys contain columns that are not in the primary key",
)
.fix("use columns in sorting_keys that no UPDATE changes");

fn postgres(server: &postgres::Server<'_>) -> Diagnostic {
    let (columns, keys) = (&server.facts.named_columns, &server.facts.unique_keys);
    judge(server.target, columns, keys).unwrap_or_else(|| match columns {
        Fact::Read(_) => postgres::unanswered(&CHECK, keys),
        _ => postgres::unanswered(&CHECK, columns),
    })
}

fn mysql(server: &mysql::Server<'_>) -> Diagnostic {
    let (columns, keys) = (&server.facts.named_columns, &server.facts.unique_keys);
    judge(server.target, columns, keys).unwrap_or_else(|| match columns {
        Fact::Read(_) => mysql::unanswered(&CHECK, keys),
        _ => mysql::unanswered(&CHECK, columns),
    })
}

/// `None` if columns or keys were not read.
fn judge(
    target: &Target,
    columns: &Fact<Vec<NamedColumn>>,
    keys: &Fact<Vec<UniqueKey>>,
) -> Option<Diagnostic> {
    let (pipe, engine) = (&target.pipe, target.engine());
    if pipe.sorting_keys.is_empty() {
        return Some(CHECK.pass("the pipe has no sorting_keys"));
    }
    let (columns, keys) = (columns.read()?, keys.read()?);
    let of_column = |named: &TableColumn| columns.iter().find(|column| is_column(engine, column, named));
    let mut tables: BTreeMap<(&str, &str), Vec<&TableColumn>> = BTreeMap::new();
    let are_merged = |column: &&TableColumn| pipe.merges_rows(&column.schema, &column.table);
    for column in pipe.sorting_keys.iter().filter(are_merged) {
        tables.entry((&column.schema, &column.table)).or_default().push(column);
    }
    let (mut merged, mut not_sent, mut changing, mut alter) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((schema, table), key) in &tables {
        let described = |columns: &[&TableColumn]| {
            let columns: Vec<&str> = columns.iter().map(|column| column.column.as_str()).collect();
            printable(&format!("{schema}.{table} ({})", columns.join(", ")))
        };
        let is_part = |unique: &&UniqueKey| {
            let of_table = is_same(engine, [unique.schema.raw(), unique.table.raw()], [schema, table]);
            let is_named = |column: &ServerText| key.iter().any(|named| column.raw() == named.column);
            of_table && unique.columns.iter().all(is_named)
        };
        // Columns that do not exist have their own row in the report.
        if key.iter().any(|column| of_column(column).is_none()) {
            continue;
        }
        if keys.iter().find(is_part).is_none() {
            merged.push(described(key));
        }
        let unsent: Vec<&TableColumn> =
            key.iter().copied().filter(|column| of_column(column).is_some_and(|c| !c.in_identity)).collect();
        if !unsent.is_empty() && engine == Engine::Postgres {
            not_sent.push(described(&unsent));
            alter.push(format!("ALTER TABLE {} REPLICA IDENTITY FULL;", qualified(schema, table)));
        }
        let others: Vec<&TableColumn> =
            key.iter().copied().filter(|column| of_column(column).is_some_and(|c| !c.in_key)).collect();
        if !others.is_empty() {
            changing.push(described(&others));
        }
    }
    let found = |words: &str, names: &[String]| Found::from(words).list(names);
    let merges = || found("without a unique key over NOT NULL columns: ", &merged);
    let unsent = || found("a DELETE does not send: ", &not_sent);
    Some(match (&merged[..], &not_sent[..], &changing[..]) {
        // A failure here denies CDC only, and would not be seen in a report about an initial load.
        ([_, ..], ..) if !pipe.follows_changes() => CHECK.warn(&DB_SORTING_KEY_MERGES, merges()),
        ([_, ..], [_, ..], _) => CHECK.fail(&DB_SORTING_KEY_MERGES, Found::join([merges(), unsent()], "; ")),
        ([_, ..], [], _) => CHECK.fail(&DB_SORTING_KEY_MERGES, merges()),
        _ if !pipe.follows_changes() => {
            CHECK.pass(format!("{} columns identify rows", pipe.sorting_keys.len()))
        }
        ([], [_, ..], _) => CHECK
            .fail(&DB_SORTING_KEY_NOT_SENT, unsent())
            .filled(&[("{alter}", &alter.iter().take(5).cloned().collect::<Vec<_>>().join(" "))]),
        ([], [], [_, ..]) => {
            CHECK.warn(&DB_SORTING_KEY_CHANGES, found("an UPDATE of these leaves the old row: ", &changing))
        }
        ([], [], []) => CHECK.pass(format!("{} columns of primary keys", pipe.sorting_keys.len())),
    })
}

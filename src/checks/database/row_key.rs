//! The sorting key in ClickHouse is the key of the table. Without one, ClickPipes refuses the pipe.

use crate::{
    checks::{
        Diagnostic, Found,
        check::{ALL, Cause, Check, Judge},
        database::columns::is_same,
        mysql, postgres,
        tables::{Candidates, Failing},
    },
    diagnostic::{Outcome, Severity::Blocks},
    facts::{Fact, PostgresTable, Table},
    sql::{ServerText, postgres::qualified},
    target::{Engine, TableColumn, Target},
};

pub(crate) static CHECK: Check = Check::capability(
    "DB_ROW_KEY",
    "every table has a primary key or sorting_keys",
    ALL,
    Judge::Engines { postgres, mysql },
)
.severity(Blocks)
.expected(
    "a key for ORDER BY in ClickHouse: sorting_keys of the pipe, or the primary key, or in PostgreSQL the index of REPLICA IDENTITY \
     USING INDEX; not for a table_engine that keeps every row (MergeTree) or none (Null)",
)
.fix("give each a primary key, or set its sorting key in the pipe (sorting_keys) to columns that identify a row")
.source("PeerDB, the engine of ClickPipes, pull request 3972; ClickHouse, pull request 91569")
.causes(&[&DB_NO_ROW_KEY, &DB_ROW_KEY_CHILDREN]);

pub(in crate::checks) static DB_NO_ROW_KEY: Cause = Cause::new(
    "DB_NO_ROW_KEY",
    "a table has no key that ClickHouse could sort it by: ClickPipes refuses the pipe (\"empty sort key is not supported\"), and before \
     ClickHouse 25.12 it kept one row of the whole table. REPLICA IDENTITY FULL is no key",
    "the columns of the primary key, or of the replica identity index, without excluded_columns",
);

pub(in crate::checks) static DB_ROW_KEY_CHILDREN: Cause = Cause::new(
    "DB_ROW_KEY_CHILDREN",
    "the copy of a table contains the rows of its child tables (INHERITS), and a primary key does not cover child tables: of rows with equal \
     keys, ClickHouse keeps one",
    "pg_inherits; partitions are not child tables. Whether there are equal keys is not read",
)
.fix(
    "find equal keys: SELECT … FROM {table} GROUP BY … HAVING count(*) > 1; with the columns of the key. Give the tables keys that cannot be \
     equal (one sequence for all, or CHECK constraints), or, if the parent has no rows itself, name only the child tables in the pipe (--table)",
);

fn postgres(server: &postgres::Server<'_>) -> Diagnostic {
    let tables = server.facts.tables.read().map(|tables| tables.seen.as_slice()).unwrap_or_default();
    let diagnostic = judge(&server.candidates, tables.iter().map(|table| &table.table))
        .unwrap_or_else(|fact| postgres::unanswered(&CHECK, fact));
    match diagnostic.outcome {
        Outcome::Pass => with_children(server.target, tables).unwrap_or(diagnostic),
        _ => diagnostic,
    }
}

/// A warning if tables have child tables: the server does not enforce that their keys differ.
fn with_children(target: &Target, tables: &[PostgresTable]) -> Option<Diagnostic> {
    let merges = |table: &Table| target.pipe.merges_rows(table.schema.raw(), table.name.raw());
    let is_parent = |t: &&PostgresTable| t.table.select.is_ok() && !t.children.is_empty() && merges(&t.table);
    let parents: Vec<&PostgresTable> = tables.iter().filter(is_parent).collect();
    let first = parents.first()?;
    let table = qualified(first.table.schema.raw(), first.table.name.raw());
    let shown: Vec<String> = parents.iter().map(|t| postgres::with_columns(t, &t.children)).collect();
    let found = Found::from("nothing keeps rows of a table and of its child tables from having equal keys: ")
        .list(&shown);
    Some(CHECK.warn(&DB_ROW_KEY_CHILDREN, found).filled(&[("{table}", &table)]))
}

fn mysql(server: &mysql::Server<'_>) -> Diagnostic {
    judge(&server.candidates, mysql::seen(server.facts).iter())
        .unwrap_or_else(|fact| mysql::unanswered(&CHECK, fact))
}

/// # Errors
/// The answer, if the keys of a table were not read.
fn judge<'a>(
    candidates: &Candidates<'_>,
    tables: impl Iterator<Item = &'a Table>,
) -> Result<Diagnostic, &'a Fact<Vec<ServerText>>> {
    let target = candidates.target;
    // A table that cannot be read has its own row in the report.
    let readable: Vec<&Table> = tables.filter(|table| table.select.is_ok()).collect();
    if readable.is_empty() {
        return Ok(CHECK.skipped("there is no table to check"));
    }
    let mut names = Vec::new();
    for table in &readable {
        let (schema, name) = (table.schema.raw(), table.name.raw());
        if !target.pipe.merges_by_primary_key(schema, name) {
            continue;
        }
        let key = table.key.read().ok_or(&table.key)?;
        let is_excluded = |column: &str| {
            let excluded = &target.pipe.excluded_columns;
            let of_table = |e: &TableColumn| is_same(target.engine(), [schema, name], [&e.schema, &e.table]);
            excluded.iter().any(|e| e.column == column && of_table(e))
        };
        if key.iter().all(|column| is_excluded(column.raw())) {
            names.push(table.full_name());
        }
    }
    let failing = Failing { names, all: readable.len() };
    let words = "without a key for ORDER BY in ClickHouse";
    let diagnostic = candidates.judge(&CHECK, &DB_NO_ROW_KEY, &failing, words);
    Ok(match failing.names.is_empty() || target.engine() != Engine::Postgres {
        true => diagnostic,
        false => diagnostic.remedy(
            "give each a primary key, or REPLICA IDENTITY USING INDEX with a unique index over NOT NULL columns, or set its sorting key in \
             the pipe (sorting_keys) to columns that identify a row",
        ),
    })
}

//! The columns that a pipe names exist, and its tables can be split by their partition keys.

use crate::{
    checks::{
        Diagnostic, Found,
        check::{ALL, Cause, Check, Judge},
        mysql, postgres, unanswered,
    },
    clickpipes,
    diagnostic::{Severity::Advisory, printable},
    facts::{Fact, NamedColumn, Table},
    target::{Engine, Pipe, TableColumn, Target},
};

pub(crate) static CHECK: Check = Check::capability(
    "DB_COLUMNS",
    "excluded_columns, sorting_keys and partition_key exist",
    ALL,
    Judge::Engines { postgres, mysql },
)
.if_unknown(Advisory)
.expected(
    "every named column exists; a sorting key has no excluded column; a partition key is indexed and has an integer, date or \
     time type",
)
.source(
    "ClickHouse Cloud API, table mappings of PostgreSQL and MySQL pipes; ClickPipes documentation, parallel initial load; PeerDB, the \
     engine of ClickPipes, which compares the names of columns with regard to case (flow/connectors/mysql/cdc.go)",
)
.causes(&[
    &DB_SORTING_KEY,
    &DB_PARTITION_KEY_MISSING,
    &DB_PARTITION_KEY_UNFIT,
    &DB_EXCLUDED_COLUMN_MISSING,
    &DB_COLUMNS_UNKNOWN,
]);

pub(in crate::checks) static DB_SORTING_KEY: Cause = Cause::new(
    "DB_SORTING_KEY",
    "a column of a sorting key is not among the columns that are replicated",
    "the catalog has no column of this name, in this case, that the user can see, or it is among excluded_columns",
)
.fix("correct sorting_keys, or do not exclude the column");

pub(in crate::checks) static DB_PARTITION_KEY_MISSING: Cause = Cause::new(
    "DB_PARTITION_KEY_MISSING",
    "the column of a partition key does not exist, so the initial load fails",
    "the catalog has no such column that the user can see",
)
.fix("correct partition_key");

pub(in crate::checks) static DB_PARTITION_KEY_UNFIT: Cause = Cause::new(
    "DB_PARTITION_KEY_UNFIT",
    "a table cannot be split by its partition key, or each part reads the whole table",
    "the type of the column, or no index begins with it",
)
.fix(
    "choose an indexed column with one of these types: smallint, integer, bigint, timestamp, timestamptz (PostgreSQL); an integer \
     type, date, datetime, timestamp (MySQL, MariaDB)",
);

pub(in crate::checks) static DB_EXCLUDED_COLUMN_MISSING: Cause = Cause::new(
    "DB_EXCLUDED_COLUMN_MISSING",
    "a column to exclude does not exist, so nothing is excluded in its place",
    "the catalog has no column of this name, in this case, that the user can see",
)
.fix("correct excluded_columns: with a wrong name, the column that was meant is replicated");

pub(in crate::checks) static DB_COLUMNS_UNKNOWN: Cause = Cause::new(
    "DB_COLUMNS_UNKNOWN",
    "whether the named columns exist is not known",
    "a refused catalog query",
)
.fix("try again");

fn postgres(server: &postgres::Server<'_>) -> Diagnostic {
    let tables = server.facts.tables.read().map(|tables| tables.seen.as_slice()).unwrap_or_default();
    judge(server.target, &server.facts.named_columns, tables.iter().map(|table| &table.table))
}

fn mysql(server: &mysql::Server<'_>) -> Diagnostic {
    judge(server.target, &server.facts.named_columns, mysql::seen(server.facts).iter())
}

fn judge<'a>(
    target: &Target,
    facts: &Fact<Vec<NamedColumn>>,
    tables: impl Iterator<Item = &'a Table>,
) -> Diagnostic {
    let Pipe { excluded_columns, sorting_keys, partition_keys, .. } = &target.pipe;
    if excluded_columns.is_empty() && sorting_keys.is_empty() && partition_keys.is_empty() {
        return CHECK.pass("the pipe names no columns");
    }
    let Fact::Read(found) = facts else { return unanswered(&CHECK, &DB_COLUMNS_UNKNOWN, facts) };
    // A table that is missing or cannot be read has its own row in the report.
    let readable: Vec<&Table> = tables.filter(|table| table.select.is_ok()).collect();
    let engine = target.source_type.engine();
    let is_readable = |column: &&TableColumn| {
        readable.iter().any(|table| {
            is_same(engine, [table.schema.raw(), table.name.raw()], [&column.schema, &column.table])
        })
    };
    let of_column = |column: &TableColumn| found.iter().find(|found| is_column(engine, found, column));
    let is_missing = |column: &&TableColumn| is_readable(column) && of_column(column).is_none();
    // The server itself reads a partition key.
    let of_server = |column: &TableColumn| found.iter().find(|found| server_finds(engine, found, column));
    let is_missing_to_server = |column: &&TableColumn| is_readable(column) && of_server(column).is_none();
    let named = |columns: Vec<&TableColumn>| {
        let name = |column: &TableColumn| match of_server(column) {
            Some(found) if found.name.raw() != column.column => {
                format!("{} (its name is {})", printable(&column.to_string()), found.name)
            }
            _ => printable(&column.to_string()),
        };
        columns.into_iter().map(name).collect::<Vec<_>>()
    };
    let sorting =
        sorting_keys.iter().filter(|column| is_missing(column) || excluded_columns.contains(column));
    let sorting: Vec<_> = sorting.collect();
    if !sorting.is_empty() {
        let found = Found::from("not replicated, or not visible to the user: ").list(&named(sorting));
        return CHECK.fail(&DB_SORTING_KEY, found);
    }
    let missing: Vec<_> = partition_keys.iter().filter(is_missing_to_server).collect();
    if !missing.is_empty() && target.pipe.copies_rows() {
        let found = Found::from("not there, or not visible to the user: ").list(&named(missing));
        return CHECK.fail(&DB_PARTITION_KEY_MISSING, found);
    }
    let types = clickpipes::partition_key_types(engine);
    let unfit = partition_keys.iter().filter_map(|column| {
        let found = of_server(column)?;
        let name = printable(&column.to_string());
        match (types.contains(&found.data_type.as_str()), found.indexed) {
            (false, _) => Some(format!("{name} has the type {}", printable(&found.data_type))),
            (true, false) => Some(format!("no index begins with {name}")),
            (true, true) => None,
        }
    });
    let unfit: Vec<String> = unfit.collect();
    if !unfit.is_empty() && target.pipe.copies_rows() {
        return CHECK.warn(&DB_PARTITION_KEY_UNFIT, Found::default().list(&unfit));
    }
    let missing: Vec<_> = excluded_columns.iter().filter(is_missing).collect();
    if !missing.is_empty() {
        let found = Found::from("not there, or not visible to the user: ").list(&named(missing));
        return CHECK.warn(&DB_EXCLUDED_COLUMN_MISSING, found);
    }
    let count = excluded_columns.len() + sorting_keys.len() + partition_keys.len();
    CHECK.pass(format!("{count} named"))
}

/// Whether the column of the server is the one that the pipe names. The engine compares names of columns with regard to case, also
/// on MySQL and MariaDB.
pub(super) fn is_column(engine: Engine, found: &NamedColumn, named: &TableColumn) -> bool {
    found.name.raw() == named.column && server_finds(engine, found, named)
}

/// Whether the server finds the column by the name that the pipe gives, which can be in another case on MySQL and MariaDB.
fn server_finds(engine: Engine, found: &NamedColumn, named: &TableColumn) -> bool {
    is_same(
        engine,
        [found.schema.raw(), found.table.raw(), found.name.raw()],
        [&named.schema, &named.table, &named.column],
    )
}

/// Whether two names mean the same to the server. MySQL and MariaDB compare names of columns without regard to case, and those of
/// tables too on some servers.
pub(super) fn is_same<const N: usize>(engine: Engine, a: [&str; N], b: [&str; N]) -> bool {
    a.iter()
        .zip(&b)
        .all(|(a, b)| a == b || engine != Engine::Postgres && a.to_lowercase() == b.to_lowercase())
}

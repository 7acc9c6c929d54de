//! The columns that a pipe names: excluded, in a sorting key, or as a partition key.

use std::collections::BTreeSet;

use super::{Fact, NamedColumn, UniqueKey, all};
use crate::{
    connection::{Refusal, Rows},
    sql::ServerText,
    target::{Pipe, TableColumn},
};

/// A condition on the three names: a column that the pipe names. `None` if it names none.
pub(super) fn is_named(pipe: &Pipe, names: [&str; 3], literal: fn(&str) -> String) -> Option<String> {
    let columns = pipe.excluded_columns.iter().chain(&pipe.sorting_keys).chain(&pipe.partition_keys);
    is_one_of(columns, names, literal)
}

/// A condition on the three names: one of these columns. `None` if there are none.
pub(super) fn is_one_of<'a>(
    columns: impl Iterator<Item = &'a TableColumn>,
    [schema, table, column]: [&str; 3],
    literal: fn(&str) -> String,
) -> Option<String> {
    let one =
        |c: &TableColumn| format!("({}, {}, {})", literal(&c.schema), literal(&c.table), literal(&c.column));
    let columns: Vec<String> = columns.map(one).collect();
    (!columns.is_empty()).then(|| format!("({schema}, {table}, {column}) IN ({})", columns.join(", ")))
}

/// A condition on schema and table: the pipe names a sorting key for it. `None` if it has none.
pub(super) fn is_sorted(pipe: &Pipe, names: [&str; 2], literal: fn(&str) -> String) -> Option<String> {
    let tables: BTreeSet<_> = pipe.sorting_keys.iter().map(|c| [c.schema.as_str(), &c.table]).collect();
    is_one_of_tables(tables.into_iter(), names, literal)
}

/// A condition on schema and table: one of these. `None` if there are none.
pub(super) fn is_one_of_tables<'a>(
    tables: impl Iterator<Item = [&'a str; 2]>,
    [schema, table]: [&str; 2],
    literal: fn(&str) -> String,
) -> Option<String> {
    let tables: Vec<_> =
        tables.map(|[schema, table]| format!("({}, {})", literal(schema), literal(table))).collect();
    (!tables.is_empty()).then(|| format!("({schema}, {table}) IN ({})", tables.join(", ")))
}

/// Rows of schema, table, index and a column of the index, whose rows are next to each other. A column without a name is an
/// expression, and a nullable one is marked: such an index identifies no row.
pub(super) fn unique_keys(rows: Result<Rows, Refusal>) -> Fact<Vec<UniqueKey>> {
    all(rows, |rows| {
        let mut keys: Vec<(ServerText, UniqueKey, bool)> = Vec::new();
        for row in rows {
            let [Some(schema), Some(table), Some(index), column, Some(is_required)] = row.as_slice() else {
                continue;
            };
            let is_same = |(name, key, _): &(ServerText, UniqueKey, bool)| {
                name == index && key.schema == *schema && key.table == *table
            };
            if keys.last().is_none_or(|last| !is_same(last)) {
                let key = UniqueKey { schema: schema.clone(), table: table.clone(), columns: Vec::new() };
                keys.push((index.clone(), key, true));
            }
            let Some((_, key, identifies)) = keys.last_mut() else { continue };
            key.columns.extend(column.clone());
            *identifies &= column.is_some() && is_true(is_required);
        }
        keys.into_iter().filter(|(.., identifies)| *identifies).map(|(_, key, _)| key).collect()
    })
}

fn is_true(text: &ServerText) -> bool {
    matches!(text.raw(), "t" | "1")
}

/// Rows of schema, table, column, type, and whether it is indexed, in the key, and in a DELETE.
pub(super) fn of_rows(rows: Result<Rows, Refusal>) -> Fact<Vec<NamedColumn>> {
    all(rows, |rows| {
        let read = |row: &Vec<Option<ServerText>>| match row.as_slice() {
            [
                Some(schema),
                Some(table),
                Some(name),
                Some(data_type),
                Some(indexed),
                Some(in_key),
                Some(in_identity),
            ] => Some(NamedColumn {
                schema: schema.clone(),
                table: table.clone(),
                name: name.clone(),
                data_type: data_type.to_string(),
                indexed: is_true(indexed),
                in_key: is_true(in_key),
                in_identity: is_true(in_identity),
            }),
            _ => None,
        };
        rows.iter().filter_map(read).collect()
    })
}

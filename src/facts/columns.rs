//! The columns that a pipe names: excluded, in a sorting key, or as a partition key.

use super::{Fact, NamedColumn, all};
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

/// Rows of schema, table, column, type, and whether it is indexed and in the key.
pub(super) fn of_rows(rows: Result<Rows, Refusal>) -> Fact<Vec<NamedColumn>> {
    let is_true = |text: &ServerText| matches!(text.raw(), "t" | "1");
    all(rows, |rows| {
        let read = |row: &Vec<Option<ServerText>>| match row.as_slice() {
            [Some(schema), Some(table), Some(name), Some(data_type), Some(indexed), Some(in_key)] => {
                Some(NamedColumn {
                    schema: schema.clone(),
                    table: table.clone(),
                    name: name.clone(),
                    data_type: data_type.to_string(),
                    indexed: is_true(indexed),
                    in_key: is_true(in_key),
                })
            }
            _ => None,
        };
        rows.iter().filter_map(read).collect()
    })
}

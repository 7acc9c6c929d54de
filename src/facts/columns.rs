//! The columns that a pipe names: excluded, in a sorting key, or as a partition key.

use super::{Fact, NamedColumn, all};
use crate::{
    connection::{Refusal, Rows},
    target::{Pipe, TableColumn},
};

/// A condition on the three names, if the pipe names columns.
pub(super) fn is_named(
    pipe: &Pipe,
    [schema, table, column]: [&str; 3],
    literal: fn(&str) -> String,
) -> Option<String> {
    let one =
        |c: &TableColumn| format!("({}, {}, {})", literal(&c.schema), literal(&c.table), literal(&c.column));
    let columns = pipe.excluded_columns.iter().chain(&pipe.sorting_keys).chain(&pipe.partition_keys);
    let columns: Vec<String> = columns.map(one).collect();
    (!columns.is_empty()).then(|| format!("({schema}, {table}, {column}) IN ({})", columns.join(", ")))
}

/// Rows of schema, table, column, type, and whether it is indexed.
pub(super) fn of_rows(rows: Result<Rows, Refusal>) -> Fact<Vec<NamedColumn>> {
    all(rows, |rows| {
        let read = |row: &Vec<Option<crate::sql::ServerText>>| match row.as_slice() {
            [Some(schema), Some(table), Some(name), Some(data_type), Some(indexed)] => Some(NamedColumn {
                schema: schema.clone(),
                table: table.clone(),
                name: name.clone(),
                data_type: data_type.to_string(),
                indexed: matches!(indexed.raw(), "t" | "1"),
            }),
            _ => None,
        };
        rows.iter().filter_map(read).collect()
    })
}

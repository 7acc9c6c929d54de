//! `table_mappings`: the tables of a pipe, and the columns that it names. Their names are exact.

use std::collections::BTreeSet;

use super::PipeReader;
use crate::{
    cli::Given,
    sources::attributes::TableMapping,
    target::{ProblemKind, quoted},
};

/// Names of tables, and of columns with their table.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) names: Vec<Given>,
    pub(super) excluded: Vec<Given>,
    pub(super) sorting: Vec<Given>,
    pub(super) partition: Vec<Given>,
    /// As `schema.table=engine`.
    pub(super) engines: Vec<Given>,
}

/// Attributes of a mapping beside its names. The fields of a target have the same names.
const ATTRIBUTES: [&str; 4] = ["excluded_columns", "sorting_keys", "partition_key", "table_engine"];

impl PipeReader<'_> {
    pub(super) fn tables(&mut self, engine: &str, mappings: Option<Vec<TableMapping>>) -> Option<Tables> {
        let path = ["source", engine, "table_mappings"];
        if self.unknown.is(&path) {
            self.known_after_apply(Some("tables"), &path);
            return None;
        }
        let open = (0..self.unknown.len(&path)).map(|i| i.to_string()).find(|i| {
            let part = |name: &str| self.unknown.is(&["source", engine, "table_mappings", i, name]);
            part("source_schema_name") || part("source_table") || part("target_table")
        });
        if open.is_some() {
            self.known_after_apply(Some("tables"), &path);
        }
        for attribute in ATTRIBUTES {
            let is_open = |i: usize| self.unknown.any(&columns(engine, &i.to_string(), attribute));
            if (0..self.unknown.len(&path)).any(is_open) {
                self.known_after_apply(Some(attribute), &path);
            }
        }
        let mappings = mappings?;
        let mut targets = BTreeSet::new();
        let mut tables = Tables::default();
        for (i, mapping) in mappings.into_iter().enumerate() {
            self.mark_sensitive(engine, i, &mapping);
            let target = mapping.target_table.filter(|table| !table.is_empty());
            let twice = target.filter(|target| !targets.insert(target.clone()));
            if let Some(twice) = twice {
                let found = format!("{} twice", quoted(twice));
                self.problem(
                    ProblemKind::DuplicateTargetTable,
                    None,
                    &path,
                    ("a different target_table for each source table", &found),
                    "give each mapping its own target_table",
                );
            }
            let (Some(schema), Some(table)) = (mapping.source_schema_name, mapping.source_table) else {
                if open.is_none() {
                    self.invalid(
                        Some("tables"),
                        &path,
                        "source_schema_name and source_table",
                        "a mapping without one",
                    );
                }
                continue;
            };
            let name = format!("{schema}.{table}");
            if name.contains('*') {
                let expected = "exact names: pipeprobe reads * as a wildcard";
                self.invalid(Some("tables"), &path, expected, &quoted(&name));
            } else {
                // Only with the switch are the columns used.
                let sorting = mapping.sorting_keys.filter(|_| mapping.use_custom_sorting_key == Some(true));
                let partition = mapping.partition_key.filter(|column| !column.is_empty());
                for (all, columns) in [
                    (
                        &mut tables.excluded,
                        mapping.excluded_columns.into_iter().flatten().flatten().collect(),
                    ),
                    (&mut tables.sorting, sorting.into_iter().flatten().flatten().collect()),
                    (&mut tables.partition, partition.into_iter().collect::<Vec<_>>()),
                ] {
                    all.extend(columns.iter().map(|column| self.value(format!("{name}.{column}"))));
                }
                let engine = mapping.table_engine.filter(|engine| !engine.is_empty());
                tables.engines.extend(engine.map(|engine| self.value(format!("{name}={engine}"))));
                tables.names.push(self.value(name));
            }
        }
        Some(tables)
    }

    fn mark_sensitive(&mut self, engine: &str, index: usize, mapping: &TableMapping) {
        let index = index.to_string();
        for (name, value) in [
            ("source_schema_name", &mapping.source_schema_name),
            ("source_table", &mapping.source_table),
            ("target_table", &mapping.target_table),
        ] {
            if let Some(value) = value
                && self.sensitive.is(&["source", engine, "table_mappings", &index, name])
            {
                self.declaration.sensitive.push(value);
            }
        }
        let excluded = mapping.excluded_columns.iter().flatten().flatten().collect();
        let sorting = mapping.sorting_keys.iter().flatten().flatten().collect();
        let (partition, kind) =
            (mapping.partition_key.iter().collect(), mapping.table_engine.iter().collect());
        let values: [Vec<&String>; 4] = [excluded, sorting, partition, kind];
        for (attribute, values) in ATTRIBUTES.into_iter().zip(values) {
            if self.sensitive.any(&columns(engine, &index, attribute)) {
                for column in values {
                    self.declaration.sensitive.push(column);
                }
            }
        }
    }
}

fn columns<'a>(engine: &'a str, index: &'a str, attribute: &'a str) -> [&'a str; 5] {
    ["source", engine, "table_mappings", index, attribute]
}

//! `table_mappings`: the tables of a pipe, and the columns that it leaves out. Their names are exact.

use std::collections::BTreeSet;

use super::PipeReader;
use crate::{
    cli::Given,
    sources::attributes::TableMapping,
    target::{ProblemKind, quoted},
};

impl PipeReader<'_> {
    /// The tables and the excluded columns.
    pub(super) fn tables(
        &mut self,
        engine: &str,
        mappings: Option<Vec<TableMapping>>,
    ) -> Option<(Vec<Given>, Vec<Given>)> {
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
        let is_open = |i: usize| self.unknown.any(&excluded_columns(engine, &i.to_string()));
        if (0..self.unknown.len(&path)).any(is_open) {
            self.known_after_apply(Some("excluded_columns"), &path);
        }
        let mappings = mappings?;
        let mut excluded = Vec::new();
        let mut targets = BTreeSet::new();
        let mut tables = Vec::new();
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
                for column in mapping.excluded_columns.into_iter().flatten().flatten() {
                    excluded.push(self.value(format!("{name}.{column}")));
                }
                tables.push(self.value(name));
            }
        }
        Some((tables, excluded))
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
        if self.sensitive.any(&excluded_columns(engine, &index)) {
            for column in mapping.excluded_columns.iter().flatten().flatten() {
                self.declaration.sensitive.push(column);
            }
        }
    }
}

fn excluded_columns<'a>(engine: &'a str, index: &'a str) -> [&'a str; 5] {
    ["source", engine, "table_mappings", index, "excluded_columns"]
}

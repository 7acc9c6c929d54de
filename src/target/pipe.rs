//! What the pipe does, named as in ClickHouse's Terraform provider (`settings`). A setting can make a prerequisite
//! unnecessary; it is then not checked.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use serde::Serialize;

use super::{Invalid, choice, no_known_placeholder, quoted};
use crate::static_ips::StaticIps;

/// Settings of the pipe. By default everything is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pipe {
    /// `None` if it was not given: everything is checked, and Initial Load Only is enough.
    pub mode: Option<ReplicationMode>,
    pub mechanism: ReplicationMechanism,
    /// Tables to replicate; empty for all tables.
    pub tables: Vec<TablePattern>,
    /// Columns that are not replicated (`excluded_columns` of a table mapping).
    pub excluded_columns: Vec<TableColumn>,
    /// Columns of the sorting keys in ClickHouse (`sorting_keys`); empty if the primary keys are used.
    pub sorting_keys: Vec<TableColumn>,
    /// Columns that the initial load of their tables is split by (`partition_key`).
    pub partition_keys: Vec<TableColumn>,
    /// Tables whose engine in ClickHouse is given (`table_engine`).
    pub table_engines: Vec<TableEngine>,
    /// `server_id` of the pipe as a replica (MySQL, MariaDB); `None` if ClickPipes chooses one.
    pub server_id: Option<u32>,
    /// `enable_failover_slots` (PostgreSQL).
    pub failover_slots: bool,
    /// `initial_load_parallelism`: connections for one table.
    pub load_parallelism: Option<u32>,
    /// `snapshot_number_of_parallel_tables`.
    pub parallel_tables: Option<u32>,
    /// The publication that the pipe uses; `None` if ClickPipes creates one, or if any existing one will do.
    pub publication: Option<String>,
    /// The replication slot of the pipe; `None` if ClickPipes named it.
    pub slot: Option<String>,
    /// The addresses that ClickPipes connects from; `None` if the Region of the service is not known.
    pub static_ips: Option<StaticIps>,
}

impl Pipe {
    /// Whether the pipe replicates changes.
    pub fn follows_changes(&self) -> bool {
        self.mode != Some(ReplicationMode::Snapshot)
    }

    /// Whether `sorting_keys` has columns of this table.
    fn has_sorting_key(&self, schema: &str, table: &str) -> bool {
        self.sorting_keys.iter().any(|key| key.schema == schema && key.table == table)
    }

    /// The engine of the copy of this table.
    fn engine_of(&self, schema: &str, table: &str) -> ClickHouseEngine {
        let found = self.table_engines.iter().find(|given| given.schema == schema && given.table == table);
        found.map_or(ClickHouseEngine::ReplacingMergeTree, |given| given.engine)
    }

    /// Whether ClickHouse keeps one of the rows with the same sorting key.
    pub fn merges_rows(&self, schema: &str, table: &str) -> bool {
        self.engine_of(schema, table) == ClickHouseEngine::ReplacingMergeTree
    }

    /// Whether ClickHouse keeps one of the rows with the same primary key.
    pub fn merges_by_primary_key(&self, schema: &str, table: &str) -> bool {
        self.merges_rows(schema, table) && !self.has_sorting_key(schema, table)
    }

    /// Connections of the initial load at a time. Source of the defaults: ClickPipes documentation, parallel initial load.
    pub fn load_connections(&self) -> u32 {
        self.load_parallelism.unwrap_or(4).saturating_mul(self.parallel_tables.unwrap_or(1))
    }

    /// Whether the pipe copies the existing rows first.
    pub fn copies_rows(&self) -> bool {
        self.mode != Some(ReplicationMode::CdcOnly)
    }
}

/// `replication_mode` of a `ClickPipe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum ReplicationMode {
    /// Copy the tables, then replicate changes
    Cdc,
    /// Copy the tables once (Initial Load Only)
    Snapshot,
    /// Replicate changes without copying existing rows
    CdcOnly,
}

impl ReplicationMode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Cdc => "cdc",
            Self::Snapshot => "snapshot",
            Self::CdcOnly => "cdc_only",
        }
    }
}

impl FromStr for ReplicationMode {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        choice("replication_mode", text)
    }
}

/// How the pipe names a binary log position (`replication_mechanism`; MySQL and MariaDB).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ReplicationMechanism {
    /// GTID if the server has it, otherwise file and position
    #[default]
    Auto,
    /// Global transaction identifiers
    Gtid,
    /// File and position, which are lost on a failover
    FilePos,
}

impl FromStr for ReplicationMechanism {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        choice("replication_mechanism", text)
    }
}

/// `table_engine` of a table mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum ClickHouseEngine {
    /// Keeps every row that was inserted
    MergeTree,
    /// Keeps the newest of the rows with the same sorting key
    ReplacingMergeTree,
    /// Keeps nothing
    Null,
}

/// The engine of the copy of one table: `schema.table=engine`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEngine {
    pub schema: String,
    pub table: String,
    pub engine: ClickHouseEngine,
}

impl FromStr for TableEngine {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        no_known_placeholder("table_engine", text)?;
        let parts = text.rsplit_once('=').and_then(|(table, engine)| Some((table.split_once('.')?, engine)));
        match parts {
            Some(((schema, table), engine))
                if !schema.is_empty() && !table.is_empty() && !text.contains('*') =>
            {
                let engine = choice("table_engine", engine)?;
                Ok(Self { schema: schema.to_owned(), table: table.to_owned(), engine })
            }
            _ => {
                let expected = "SCHEMA.TABLE=ENGINE without *, such as public.events=MergeTree";
                Err(Invalid::new("table_engine", expected, quoted(text)))
            }
        }
    }
}

/// `schema.table`, where `*` matches any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablePattern {
    pub schema: String,
    pub table: String,
}

impl TablePattern {
    /// Whether it names exactly one table.
    pub fn is_exact(&self) -> bool {
        !self.schema.contains('*') && !self.table.contains('*')
    }

    /// As `--table` reads it: with quotes if a name contains a comma, a dot or a quote.
    pub fn typed(&self) -> String {
        let name = |text: &str| match text.contains([',', '.', '"']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        };
        format!("{}.{}", name(&self.schema), name(&self.table))
    }

    pub fn matches(&self, schema: &str, table: &str) -> bool {
        matches(&self.schema, schema) && matches(&self.table, table)
    }
}

/// The pattern for SQL `LIKE` with `ESCAPE '|'`.
pub fn like(pattern: &str) -> String {
    let mut like = String::new();
    for c in pattern.chars() {
        match c {
            '*' => like.push('%'),
            '%' | '_' | '|' => like.extend(['|', c]),
            other => like.push(other),
        }
    }
    like
}

/// Whether the pieces between the `*`s occur in order, the first at the start and the last at the end.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match text.find(piece) {
            Some(at) => text = &text[at + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

impl FromStr for TablePattern {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        no_known_placeholder("tables", text)?;
        // ClickPipes does not support tables with a dot in their name (ClickPipes FAQ), so there is exactly one dot.
        match text.split_once('.') {
            Some((schema, table)) if !schema.is_empty() && !table.is_empty() && !table.contains('.') => {
                Ok(Self { schema: schema.to_owned(), table: table.to_owned() })
            }
            _ => Err(Invalid::new("tables", "SCHEMA.TABLE, such as public.orders or app.*", quoted(text))),
        }
    }
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// A column of a table of the pipe: `schema.table.column`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    pub schema: String,
    pub table: String,
    pub column: String,
}

impl TableColumn {
    /// # Errors
    /// A text of another form, or with a wildcard.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        no_known_placeholder(field, text)?;
        // Schemas and tables have no dot in their name; a column can.
        let mut parts = text.splitn(3, '.').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(schema), Some(table), Some(column))
                if ![&schema, &table, &column].iter().any(|name| name.is_empty())
                    && !schema.contains('*')
                    && !table.contains('*') =>
            {
                Ok(Self { schema, table, column })
            }
            _ => {
                let expected = "SCHEMA.TABLE.COLUMN without *, such as public.customers.email";
                Err(Invalid::new(field, expected, quoted(text)))
            }
        }
    }
}

impl fmt::Display for TableColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.schema, self.table, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_a_shell_would() {
        for (pattern, name, expected) in [
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("*", "", true),
            ("*", "anything", true),
            ("order*", "orders", true),
            ("*ers", "orders", true),
            ("o*d*s", "orders", true),
            ("o*d*x", "orders", false),
            ("*a*", "orders", false),
            ("ord*ders", "orders", false), // pieces do not overlap
            ("ö*", "öl", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert_eq!(like("o_r*%|"), "o|_r%|%||");
    }

    #[test]
    fn the_engine_of_a_table_is_given_with_its_name() {
        let given: TableEngine = "public.a=b=mergetree".parse().unwrap();
        assert_eq!((&*given.schema, &*given.table), ("public", "a=b"));
        let pipe = Pipe { table_engines: vec![given], ..Pipe::default() };
        assert_eq!(pipe.engine_of("public", "a=b"), ClickHouseEngine::MergeTree);
        assert!(!pipe.merges_rows("public", "a=b") && pipe.merges_rows("public", "other"));
        for wrong in ["MergeTree", "public.a", "a=Null", "public.*=Null", ".a=Null", "public.a=Log"] {
            assert_eq!(wrong.parse::<TableEngine>().unwrap_err().field, "table_engine", "{wrong}");
        }
    }

    #[test]
    fn a_column_is_named_with_its_table() {
        let column = TableColumn::parse("excluded_columns", "public.customers.e.mail").unwrap();
        assert_eq!((&*column.schema, &*column.table, &*column.column), ("public", "customers", "e.mail"));
        assert_eq!(column.to_string(), "public.customers.e.mail");
        for wrong in ["email", "customers.email", "public..email", "public.customers.", "public.*.email"] {
            let invalid = TableColumn::parse("sorting_keys", wrong).unwrap_err();
            assert_eq!(invalid.field, "sorting_keys", "{wrong}");
        }
    }

    #[test]
    fn a_table_is_named_with_its_schema() {
        let pattern: TablePattern = "public.order_*".parse().unwrap();
        assert!(!pattern.is_exact() && pattern.matches("public", "order_items"));
        // A legal name. It is escaped where it is printed.
        let pattern: TablePattern = "public.new\nline".parse().unwrap();
        assert!(pattern.is_exact() && pattern.matches("public", "new\nline"));
        for wrong in ["orders", ".orders", "public.", "a.b.c", "{SCHEMA}.orders"] {
            assert_eq!(wrong.parse::<TablePattern>().unwrap_err().field, "tables", "{wrong}");
        }
    }
}

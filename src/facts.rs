//! What the server said, uninterpreted. Judging it is [`crate::checks`]' work.

mod measurements;
mod mysql;
mod postgres;
mod version;

use std::collections::BTreeMap;

use crate::{
    connection::{BinlogPosition, ConnectError, Refusal},
    target::{TablePattern, like},
};

pub use measurements::Measurements;
pub use mysql::{ask as ask_mysql, unanswered as unanswered_mysql};
pub use postgres::{ask as ask_postgres, identify_system};
pub use version::Version;

/// One answer. "Will not say" and "has no such thing" are not "no".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fact<T> {
    Read(T),
    /// The server refused the question; its words.
    Refused(Refusal),
    /// The server has no such setting or object, or the question was not asked.
    #[default]
    Absent,
}

impl<T> Fact<T> {
    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Refused(_) | Self::Absent => None,
        }
    }
}

/// Variables and their values, by name. One that is not there the server does not have.
pub type Settings = BTreeMap<String, String>;

/// The version of MySQL or MariaDB that these variables tell, where it can be read.
pub fn version_of(settings: &Settings) -> Option<Version> {
    Version::parse(settings.get("version")?)
}

/// As ClickPipes' engine tells it: only MariaDB has gtid_strict_mode. Else by the version's own words.
pub fn is_mariadb(settings: &Settings) -> bool {
    settings.contains_key("gtid_strict_mode")
        || settings.get("version").is_some_and(|version| version.to_ascii_lowercase().contains("mariadb"))
}

/// The most tables that are looked at one by one.
pub const TABLES_AT_MOST: usize = 500;

/// The tables a pipe is meant to replicate, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct Tables<T> {
    /// How many there are; more than are in `seen` where there are more than [`TABLES_AT_MOST`].
    pub total: usize,
    pub seen: Vec<T>,
}

/// One table, and whether its rows may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct Table {
    pub schema: String,
    pub name: String,
    /// `SELECT * … LIMIT 0`: every column, no row.
    #[cfg_attr(test, serde(default = "tests::ok", deserialize_with = "tests::refused"))]
    pub select: Result<(), Refusal>,
}

/// What a PostgreSQL server said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct PostgresFacts {
    /// `version()`: the long form, which names stand-ins such as YugabyteDB.
    pub version: Fact<String>,
    /// `server_version_num`, such as 150018.
    pub version_number: Fact<u32>,
    pub current_user: Fact<String>,
    /// `aurora_version()` exists.
    pub is_aurora: Fact<bool>,
    pub in_recovery: Fact<bool>,
    /// From `pg_settings`, in the units it has: milliseconds, megabytes.
    pub settings: Fact<Settings>,
    /// `rds.logical_replication`, where the server knows it.
    pub logical_replication: Fact<String>,
    /// `rds.iam_auth_for_replication`, where the server knows it.
    pub iam_auth_for_replication: Fact<String>,
    /// `rolreplication` of the user.
    pub has_replication_attribute: Fact<bool>,
    /// Member of `rds_replication`, also through other roles; absent where there is no such role.
    pub in_rds_replication: Fact<bool>,
    /// WAL senders that run for others than us.
    pub wal_senders_in_use: Fact<u32>,
    pub replication_slots_in_use: Fact<u32>,
    /// CREATE on the database, which a publication needs.
    pub may_create_in_database: Fact<bool>,
    pub publications: Fact<Vec<Publication>>,
    pub tables: Fact<Tables<PostgresTable>>,
    /// `IDENTIFY_SYSTEM` over a replication connection with a token of its own.
    #[cfg_attr(test, serde(deserialize_with = "tests::replication"))]
    pub replication: Fact<Result<SystemIdentity, ConnectError>>,
}

/// A row of `pg_class`, as far as logical replication looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct PostgresTable {
    pub table: Table,
    /// USAGE on its schema.
    pub usage: bool,
    /// The user is, or is a member of, its owner.
    pub owned: bool,
    pub partitioned: bool,
    /// Unlogged or temporary: its changes are not in the WAL.
    pub unlogged: bool,
    /// A policy hides rows from the user (`row_security_active`).
    pub row_security: bool,
    /// `relreplident`: `d`efault, `n`othing, `f`ull, `i`ndex.
    pub replica_identity: String,
    pub has_primary_key: bool,
    /// An index is marked as the replica identity.
    pub has_identity_index: bool,
    /// Has generated columns.
    pub generated: bool,
}

/// A row of `pg_publication`, and which of the tables in question it publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct Publication {
    pub name: String,
    /// FOR ALL TABLES.
    #[cfg_attr(test, serde(default))]
    pub all_tables: bool,
    /// What it does not publish, of insert, update, delete and truncate.
    pub leaves_out: Vec<String>,
    /// `schema.table`, as `pg_publication_tables` has them.
    pub tables: Vec<String>,
}

/// The answer to `IDENTIFY_SYSTEM` (PostgreSQL documentation, "Streaming Replication Protocol").
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct SystemIdentity {
    pub timeline: String,
    /// Current WAL flush position.
    pub position: String,
}

/// What a MySQL or MariaDB server said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct MysqlFacts {
    pub current_user: Fact<String>,
    /// Global variables: `version`, `log_bin`, `binlog_format`, ….
    pub settings: Fact<Settings>,
    /// `SHOW VITESS_TABLETS` is understood.
    pub is_vitess: Fact<bool>,
    /// Where the binary log stands; absent where there is none.
    pub position: Fact<BinlogPosition>,
    /// `binlog retention hours` of `mysql.rds_configuration`, NULL as an empty text: absent where there is no
    /// such row or table.
    pub retention_hours: Fact<String>,
    /// `SHOW REPLICA STATUS` has a row: the server is a replica of another.
    pub is_replica: Fact<bool>,
    /// Server ids of the replicas that are registered.
    pub replicas: Fact<Vec<u32>>,
    pub tables: Fact<Tables<Table>>,
    /// MariaDB: columns of these tables that are COMPRESSED, as `schema.table.column`.
    pub compressed_columns: Fact<Vec<String>>,
    /// The binary log was asked for as a replica asks for it; absent where that was not tried.
    pub stream: Fact<BinlogStream>,
}

/// What came of a dump of the binary log from its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct BinlogStream {
    /// The server id we registered with.
    pub server_id: u32,
    /// Events before the end: at least the one that describes the format.
    pub events: usize,
}

/// What a server said, of whichever engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facts {
    Postgres(Box<PostgresFacts>),
    Mysql(Box<MysqlFacts>),
}

/// Rows of text, NULL as `None`.
type Rows = Vec<Vec<Option<String>>>;

/// The first column of the first row. A refusal means that this could not be had; NULL or no row that
/// there is nothing.
fn fact<T>(rows: Result<Rows, Refusal>, parse: impl Fn(&str) -> Option<T>) -> Fact<T> {
    match rows {
        Err(refusal) => Fact::Refused(refusal),
        Ok(rows) => {
            let value = rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
            value.and_then(parse).map_or(Fact::Absent, Fact::Read)
        }
    }
}

/// Everything that was answered, made into one value.
fn all<T>(rows: Result<Rows, Refusal>, make: impl FnOnce(Rows) -> T) -> Fact<T> {
    rows.map_or_else(Fact::Refused, |rows| Fact::Read(make(rows)))
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

fn number<T: std::str::FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

/// `t`/`f` of PostgreSQL, `1`/`0` and `ON`/`OFF` of MySQL.
fn boolean(value: &str) -> Option<bool> {
    match value {
        "t" | "true" | "1" | "ON" | "on" => Some(true),
        "f" | "false" | "0" | "OFF" | "off" => Some(false),
        _ => None,
    }
}

/// A condition on the columns `schema` and `table`: one of these patterns, or anything where there is none.
fn matching(
    patterns: &[TablePattern],
    schema: &str,
    table: &str,
    literal: impl Fn(&str) -> String,
) -> String {
    let one = |pattern: &TablePattern| {
        let (s, t) = (literal(&like(&pattern.schema)), literal(&like(&pattern.table)));
        format!("{schema} LIKE {s} ESCAPE '|' AND {table} LIKE {t} ESCAPE '|'")
    };
    match patterns {
        [] => "TRUE".to_owned(),
        some => format!("({})", some.iter().map(one).collect::<Vec<_>>().join(" OR ")),
    }
}

/// Name and value.
fn settings(rows: Rows) -> Settings {
    let pair = |row: Vec<Option<String>>| match <[Option<String>; 2]>::try_from(row) {
        Ok([Some(name), Some(value)]) => Some((name, value)),
        _ => None,
    };
    rows.into_iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests;

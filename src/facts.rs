//! What the database answers, without interpretation. [`crate::checks`] judges it.

mod columns;
mod forecast;
mod gtid;
mod initial_load;
pub mod load;
mod measurements;
mod mysql;
mod postgres;
mod version;

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    connection::{BinlogPosition, ConnectError, Refusal, Rows},
    sql::ServerText,
    target::{Pipe, TablePattern, like},
};

pub use forecast::{
    BinlogObservation, LastReader, PipeLimit, Position, PublishedTables, TableObservation, lost_after,
};
pub use initial_load::{InitialLoad, LargeTable, NoEstimate, Sampled};
pub use load::LoadFacts;
pub use measurements::{Measurements, PipeBinlog, PipeSlot};
pub use mysql::{ask as ask_mysql, unanswered as unanswered_mysql};
pub use postgres::{ask as ask_postgres, identify_system};
pub use version::Version;

/// One answer. A refused query and a missing object are different from "no".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fact<T> {
    Read(T),
    /// The server refused the query. Boxed, because most facts are read and take less.
    Refused(Box<Refusal>),
    /// The server has no such setting or object, or the query was not sent.
    #[default]
    Absent,
}

impl<T> Fact<T> {
    fn refused(refusal: Refusal) -> Self {
        Self::Refused(refusal.into())
    }

    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Refused(_) | Self::Absent => None,
        }
    }
}

/// Server variables by name. A variable that is missing does not exist on the server.
pub type Settings = BTreeMap<String, String>;

/// The version of MySQL or MariaDB in these variables, if it can be read.
pub fn version_of(settings: &Settings) -> Option<Version> {
    Version::parse(settings.get("version")?)
}

/// Decides as ClickPipes' engine does: only MariaDB has `gtid_strict_mode`. Otherwise the version text decides.
pub fn is_mariadb(settings: &Settings) -> bool {
    settings.contains_key("gtid_strict_mode")
        || settings.get("version").is_some_and(|version| version.to_ascii_lowercase().contains("mariadb"))
}

/// Limit for tables that PostgreSQL lists, and for single-table queries on MySQL and MariaDB.
pub const TABLES_AT_MOST: usize = 500;

/// The tables that a pipe is to replicate. Tables that were named exactly come first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct Tables<T> {
    /// How many there are. If the limit was reached, it is more than `seen` contains.
    pub total: usize,
    pub seen: Vec<T>,
}

/// One table, and whether its rows can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct Table {
    pub schema: ServerText,
    pub name: ServerText,
    #[cfg_attr(test, serde(default))]
    pub kind: TableKind,
    /// `SELECT * … LIMIT 0`: every column, no row.
    #[cfg_attr(test, serde(default = "tests::ok", deserialize_with = "tests::refused"))]
    pub select: Result<(), Box<Refusal>>,
    /// The columns that ClickPipes' engine takes as the sorting key in ClickHouse: those of the primary key, or in PostgreSQL of the
    /// index that REPLICA IDENTITY USING INDEX names.
    #[cfg_attr(test, serde(default = "tests::id"))]
    pub key: Fact<Vec<ServerText>>,
}

impl Table {
    /// `schema.name`, for people. Not for SQL or comparisons: see [`ServerText`].
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Schema and name, for SQL and for comparisons.
    pub fn raw_names(&self) -> [&str; 2] {
        [self.schema.raw(), self.name.raw()]
    }

    /// Whether `name` is `schema.name`, exactly.
    pub fn is_called(&self, name: &ServerText) -> bool {
        let rest = name.raw().strip_prefix(self.schema.raw()).and_then(|rest| rest.strip_prefix('.'));
        rest == Some(self.name.raw())
    }

    pub fn matches(&self, pattern: &TablePattern) -> bool {
        pattern.matches(self.schema.raw(), self.name.raw())
    }
}

/// What kind of table this is. MySQL and MariaDB show views and sequences as tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum TableKind {
    #[default]
    Table,
    /// MariaDB: `WITH SYSTEM VERSIONING`.
    SystemVersioned,
    View,
    /// MariaDB: `CREATE SEQUENCE`.
    Sequence,
    /// Its storage engine does not store the rows in this table: BLACKHOLE, FEDERATED, `MRG_MyISAM`, SPIDER, CONNECT.
    RowsElsewhere,
    /// Named by the pipe in another case than that of its name on the server.
    OtherCase,
}

/// A column that the pipe names, if it exists and the user can see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct NamedColumn {
    pub schema: ServerText,
    pub table: ServerText,
    pub name: ServerText,
    /// `bigint`, `timestamp without time zone`; on MySQL and MariaDB without length and sign.
    pub data_type: String,
    /// The first column of an index over all rows.
    pub indexed: bool,
    /// In the key of its table: the primary key, or the replica identity index of PostgreSQL.
    #[cfg_attr(test, serde(default))]
    pub in_key: bool,
    /// A DELETE has its value. In PostgreSQL, that is decided by the replica identity.
    #[cfg_attr(test, serde(default = "tests::yes"))]
    pub in_identity: bool,
}

/// A table whose rows foreign keys change (`ON DELETE` or `ON UPDATE` with `CASCADE` or `SET NULL`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Cascades {
    /// As `schema.table`.
    pub table: String,
    pub constraints: Vec<ServerText>,
}

/// The columns of a primary key, or of a unique index whose columns are NOT NULL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct UniqueKey {
    pub schema: ServerText,
    pub table: ServerText,
    pub columns: Vec<ServerText>,
}

/// Facts about a PostgreSQL server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct PostgresFacts {
    /// `version()`: the long form, which names other products such as YugabyteDB.
    pub version: Fact<String>,
    /// `server_version_num`, such as 150018.
    pub version_number: Fact<u32>,
    pub current_user: Fact<String>,
    /// `aurora_version()` exists.
    pub is_aurora: Fact<bool>,
    pub in_recovery: Fact<bool>,
    /// From `pg_settings`, in its units: milliseconds, megabytes.
    pub settings: Fact<Settings>,
    /// `rds.logical_replication`, if the server has it.
    pub logical_replication: Fact<String>,
    /// `rds.iam_auth_for_replication`, if the server has it.
    pub iam_auth_for_replication: Fact<String>,
    /// `rolreplication` of the user.
    pub has_replication_attribute: Fact<bool>,
    /// Has the privileges of `rds_replication`, also through other roles. Absent if that role does not exist.
    pub in_rds_replication: Fact<bool>,
    /// Member of `rds_replication` without its privileges: the membership is not inherited.
    #[cfg_attr(test, serde(default))]
    pub rds_replication_not_inherited: Fact<bool>,
    #[cfg_attr(test, serde(default = "tests::unlimited"))]
    pub connection_limits: Fact<ConnectionLimits>,
    #[cfg_attr(test, serde(default = "tests::idle"))]
    pub server_connections: Fact<ServerConnections>,
    /// WAL senders of other clients.
    pub wal_senders_in_use: Fact<u32>,
    pub replication_slots_in_use: Fact<u32>,
    /// A logical replication slot that is valid.
    pub has_logical_slot: Fact<bool>,
    /// Logical slots of this database.
    #[cfg_attr(test, serde(default = "tests::no_slots"))]
    pub slots: Fact<Vec<ReplicationSlot>>,
    /// Another database of the server whose slot has the name that the pipe gives. Absent if there is none.
    #[cfg_attr(test, serde(default))]
    pub slot_elsewhere: Fact<ServerText>,
    /// In bytes from the start of the WAL.
    #[cfg_attr(test, serde(default))]
    pub wal_position: Fact<u64>,
    /// `max(age(datfrozenxid))` of all databases.
    #[cfg_attr(test, serde(default = "tests::young"))]
    pub transaction_age: Fact<u32>,
    /// Transactions of the whole server that stayed open while the check watched.
    #[cfg_attr(test, serde(default))]
    pub open_transactions: Fact<Vec<OpenTransaction>>,
    /// `CREATE` privilege on the database, which `CREATE PUBLICATION` requires.
    pub may_create_in_database: Fact<bool>,
    /// `default_transaction_read_only` as the user's sessions start with it: `off` unless the role or the database sets it.
    pub read_only_by_default: Fact<bool>,
    pub publications: Fact<Vec<Publication>>,
    /// Absent if the pipe names no columns.
    #[cfg_attr(test, serde(default))]
    pub named_columns: Fact<Vec<NamedColumn>>,
    /// Of the tables that have `sorting_keys`; absent if none has.
    #[cfg_attr(test, serde(default))]
    pub unique_keys: Fact<Vec<UniqueKey>>,
    pub tables: Fact<Tables<PostgresTable>>,
    /// `IDENTIFY_SYSTEM` on a separate replication connection with its own token.
    #[cfg_attr(test, serde(deserialize_with = "tests::replication"))]
    pub replication: Fact<Result<SystemIdentity, ConnectError>>,
}

/// How many connections may be open at a time; `None` if there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct ConnectionLimits {
    /// `rolconnlimit` of the user.
    #[cfg_attr(test, serde(default))]
    pub role: Option<u32>,
    /// `datconnlimit` of the database.
    #[cfg_attr(test, serde(default))]
    pub database: Option<u32>,
    /// Connections to the database, of all users.
    #[cfg_attr(test, serde(default))]
    pub in_use: u32,
}

/// How many connections the server accepts from users without special privileges, and how many are open besides ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct ServerConnections {
    /// `max_connections`, on PostgreSQL without reserved ones.
    pub limit: u32,
    pub in_use: u32,
}

/// The properties of a table that matter for logical replication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct PostgresTable {
    pub table: Table,
    /// `USAGE` privilege on its schema.
    pub usage: bool,
    /// The user has the privileges of its owner. Membership without inheritance does not give them.
    pub owned: bool,
    pub partitioned: bool,
    /// Unlogged or temporary: its changes are not written to the WAL.
    pub unlogged: bool,
    /// Partitions and child tables, at any depth, whose changes are not in the WAL, because they are unlogged, temporary
    /// or foreign: quoted names.
    #[cfg_attr(test, serde(default))]
    pub parts_not_logged: Vec<ServerText>,
    /// For each foreign table among them, the change that takes it out, after ALTER TABLE. Quoted.
    #[cfg_attr(test, serde(default))]
    pub foreign_parts: Vec<ServerText>,
    /// The tables that it is a partition or child table of, at any distance: quoted names.
    #[cfg_attr(test, serde(default))]
    pub parents: Vec<ServerText>,
    /// Tables that inherit from it (`INHERITS`, at any depth): quoted names. SELECT reads their rows too, except those of temporary tables
    /// of other sessions.
    #[cfg_attr(test, serde(default))]
    pub children: Vec<ServerText>,
    /// A policy hides rows from the user (`row_security_active`).
    pub row_security: bool,
    /// `relreplident`: `d`efault, `n`othing, `f`ull, `i`ndex.
    pub replica_identity: String,
    pub has_primary_key: bool,
    /// An index is marked as the replica identity.
    pub has_identity_index: bool,
    /// Has generated columns.
    pub generated: bool,
    #[cfg_attr(test, serde(default))]
    pub generated_columns: Vec<ServerText>,
    /// Partitions, at any depth, whose updates and deletes fail once they are published: quoted names.
    #[cfg_attr(test, serde(default))]
    pub leaves_without_identity: Vec<ServerText>,
    /// Relations below it, itself included, with REPLICA IDENTITY FULL and generated columns: quoted names. Version 18
    /// refuses their updates and deletes if the generated columns are not published.
    #[cfg_attr(test, serde(default))]
    pub full_with_generated: Vec<ServerText>,
    /// Columns that can be stored as TOAST, unless the replica identity is FULL.
    #[cfg_attr(test, serde(default))]
    pub toast_columns: Vec<ServerText>,
    /// Columns in INCLUDE of the primary key.
    #[cfg_attr(test, serde(default))]
    pub included_columns: Vec<ServerText>,
}

impl PostgresTable {
    /// As ClickPipes' engine decides it, for the table itself and not for its partitions.
    pub fn has_replica_identity(&self) -> bool {
        match self.replica_identity.as_str() {
            "f" => true,
            "i" => self.has_identity_index,
            "n" => false,
            _ => self.has_primary_key,
        }
    }
}

impl PostgresFacts {
    /// The publication of the pipe, or any if it is not named, that has this table.
    pub fn publication_of<'a>(&'a self, pipe: &Pipe, table: &Table) -> Option<&'a str> {
        let is_relevant = |name: &str| pipe.publication.as_ref().is_none_or(|chosen| chosen == name);
        let has = |publication: &&Publication| {
            is_relevant(&publication.name)
                && (publication.all_tables
                    || publication.tables.iter().any(|published| table.is_called(&published.name)))
        };
        self.publications.read()?.iter().find(has).map(|publication| publication.name.as_str())
    }
}

/// A row of `pg_replication_slots`. What the version does not have is `None` or false.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct ReplicationSlot {
    pub name: ServerText,
    pub plugin: String,
    /// A session uses it: a consumer reads it.
    pub active: bool,
    /// That session is a WAL sender.
    pub has_wal_sender: bool,
    /// User of that session.
    pub user: Option<ServerText>,
    /// `restart_lsn`: the server keeps the WAL from here on.
    pub restart_position: Option<u64>,
    /// `confirmed_flush_lsn`: the consumer has everything before.
    pub confirmed_position: Option<u64>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// Bytes that can be written before the slot can be lost. `None` without a limit.
    pub safe_wal_bytes: Option<i64>,
    /// Since `inactive_since`.
    pub inactive_seconds: Option<u64>,
    pub conflicting: bool,
    pub invalidation_reason: Option<String>,
    pub failover: bool,
    pub synced: bool,
    pub catalog_xmin_age: Option<u32>,
}

/// Beginning of the names that ClickPipes' engine gives to its slots (PeerDB, flow/connectors/postgres/client.go).
const PIPE_SLOTS: &str = "peerflow_slot_";

impl ReplicationSlot {
    /// Whether it is the slot of this pipe, or, if the pipe does not name one, of any pipe.
    pub fn belongs_to(&self, pipe: &Pipe) -> bool {
        match &pipe.slot {
            Some(name) => self.name.raw() == name,
            None => self.plugin == "pgoutput" && self.name.raw().starts_with(PIPE_SLOTS),
        }
    }

    /// Nothing can be read from it any more.
    pub fn is_lost(&self) -> bool {
        self.wal_status.as_deref() == Some("lost") || self.conflicting || self.invalidation_reason.is_some()
    }

    /// WAL that the server keeps for it.
    pub fn retained_bytes(&self, wal_position: u64) -> Option<u64> {
        self.restart_position.map(|restart| wal_position.saturating_sub(restart))
    }
}

/// A transaction that has an id. `CREATE_REPLICATION_SLOT` waits until it ends (PostgreSQL documentation, "Logical Decoding
/// Concepts").
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct OpenTransaction {
    pub id: String,
    /// Of its session; none if it is prepared.
    pub process: Option<u32>,
    pub user: ServerText,
    /// `PREPARE TRANSACTION`: its name, and seconds since then.
    pub prepared: Option<Prepared>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct Prepared {
    pub name: ServerText,
    pub seconds: u64,
}

/// A row of `pg_publication`, and the requested tables that it publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct Publication {
    pub name: String,
    /// FOR ALL TABLES.
    #[cfg_attr(test, serde(default))]
    pub all_tables: bool,
    /// The operations that it does not publish: insert, update, delete.
    pub leaves_out: Vec<String>,
    /// Those of the tables in question that it publishes, from `pg_publication_tables`.
    pub tables: Vec<PublishedTable>,
    /// Relations, at any depth, that it publishes without a replica identity, or whose identity its column lists and
    /// row filters do not cover: the application's own UPDATE and DELETE fail. Quoted names.
    #[cfg_attr(test, serde(default))]
    pub breaks_writes_of: Vec<ServerText>,
    /// Named partitions whose changes it publishes as those of an ancestor (`publish_via_partition_root`), so a pipe of
    /// the partition gets none. Quoted names.
    #[cfg_attr(test, serde(default))]
    pub published_as_root: Vec<ServerText>,
}

/// One table of a publication (PostgreSQL documentation, "pg_publication_tables").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(from = "tests::PublishedTableText"))]
pub struct PublishedTable {
    /// `schema.table`.
    pub name: ServerText,
    /// Columns that a column list leaves out (15 and newer). Generated columns are not among them.
    pub columns_left_out: Vec<ServerText>,
    /// It is published with a column list, even if the list has every column: columns that are added later are not in it.
    pub has_column_list: bool,
    /// Every generated column is published (18 and newer).
    pub generated_published: bool,
    /// The row filter, if there is one (15 and newer).
    pub row_filter: Option<ServerText>,
    /// Tables that inherit from it (`INHERITS`, at any depth) and are not in the publication: quoted names. PostgreSQL includes those that
    /// exist when the table is published, unless with ONLY.
    pub children_left_out: Vec<ServerText>,
}

/// Result of `IDENTIFY_SYSTEM` (PostgreSQL documentation, "Streaming Replication Protocol").
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct SystemIdentity {
    pub timeline: String,
    /// Current WAL flush position.
    pub position: String,
}

/// Facts about a MySQL or MariaDB server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct MysqlFacts {
    pub current_user: Fact<String>,
    /// Global variables: `version`, `log_bin`, `binlog_format`, ….
    pub settings: Fact<Settings>,
    /// `SHOW CREATE USER` of the account, for its limits.
    #[cfg_attr(test, serde(default))]
    pub account_limits: Fact<AccountLimits>,
    #[cfg_attr(test, serde(default = "tests::idle"))]
    pub server_connections: Fact<ServerConnections>,
    /// Roles that are granted to the account but not active after login. Absent if the server has no roles.
    #[cfg_attr(test, serde(default))]
    pub inactive_roles: Fact<Vec<String>>,
    /// `SHOW VITESS_TABLETS` is a known statement.
    pub is_vitess: Fact<bool>,
    /// Current end of the binary log. Absent if there is no binary log.
    pub position: Fact<BinlogPosition>,
    /// Databases that the binary log is limited to, or leaves out. Absent if there is no binary log.
    #[cfg_attr(test, serde(default))]
    pub binlog_filters: Fact<BinlogFilters>,
    /// `binlog retention hours` in `mysql.rds_configuration`. An empty text means NULL. Absent if the row or the table
    /// does not exist.
    pub retention_hours: Fact<String>,
    /// `SHOW REPLICA STATUS` has a row: the server is a replica.
    pub is_replica: Fact<bool>,
    /// Server ids of the registered replicas.
    pub replicas: Fact<Vec<u32>>,
    /// Connections of the user that read the binary log, as the pipe does.
    #[cfg_attr(test, serde(default = "tests::no_readers"))]
    pub readers: Fact<Vec<BinlogReader>>,
    #[cfg_attr(test, serde(default))]
    pub binary_logs: Fact<BinaryLogs>,
    /// What is not in the binary logs any more: `gtid_purged`, on MariaDB the GTID position at the start of the oldest one. Absent
    /// without GTID.
    #[cfg_attr(test, serde(default))]
    pub purged: Fact<String>,
    pub tables: Fact<Tables<Table>>,
    /// Absent if the pipe names no columns.
    #[cfg_attr(test, serde(default))]
    pub named_columns: Fact<Vec<NamedColumn>>,
    /// Of the tables that have `sorting_keys`; absent if none has.
    #[cfg_attr(test, serde(default))]
    pub unique_keys: Fact<Vec<UniqueKey>>,
    /// Absent if the server does not show foreign keys to this account.
    #[cfg_attr(test, serde(default))]
    pub cascades: Fact<Vec<Cascades>>,
    /// MariaDB: columns of these tables with the attribute COMPRESSED, as `schema.table.column`.
    pub compressed_columns: Fact<Vec<String>>,
    /// MariaDB: generated columns of these tables, as `schema.table.column`.
    #[cfg_attr(test, serde(default))]
    pub generated_columns: Fact<Vec<String>>,
    /// Result of a binary log dump. Absent if it was not tried.
    pub stream: Fact<BinlogStream>,
}

/// Resource limits of an account. 0 means no limit (MySQL Reference Manual, "Setting Account Resource Limits").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct AccountLimits {
    /// `MAX_USER_CONNECTIONS`; the global variable `max_user_connections` is the default for 0.
    pub simultaneous_connections: u32,
    /// `MAX_CONNECTIONS_PER_HOUR`.
    pub connections_per_hour: u32,
    /// `MAX_QUERIES_PER_HOUR`.
    pub queries_per_hour: u32,
}

/// `Binlog_Do_DB` and `Binlog_Ignore_DB` of the binary log status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct BinlogFilters {
    /// If it is not empty: only these databases are logged.
    pub only: Vec<ServerText>,
    /// These databases are not logged.
    pub ignored: Vec<ServerText>,
}

impl BinlogFilters {
    /// Whether changes of this database are written to the binary log.
    pub fn log(&self, database: &ServerText) -> bool {
        (self.only.is_empty() || self.only.contains(database)) && !self.ignored.contains(database)
    }
}

/// A thread with the command `Binlog Dump`. The server does not show the position of its reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct BinlogReader {
    /// Its connection id.
    pub thread: u64,
    /// How long it has been reading.
    pub seconds: u64,
    /// It was sent everything at least at one moment of this check.
    pub has_everything: bool,
}

/// The files of `SHOW BINARY LOGS`, which are in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct BinaryLogs {
    pub count: usize,
    /// Size of all of them.
    pub bytes: u64,
    pub oldest: String,
    /// Names and sizes of the last ones.
    pub newest: Vec<(String, u64)>,
}

/// A dump of the binary log from its current end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct BinlogStream {
    /// The server id that was registered.
    pub server_id: u32,
    /// Number of events before the end: at least the format description.
    pub events: usize,
}

/// Facts about a server of either family. A clone shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facts {
    Postgres(Arc<PostgresFacts>),
    Mysql(Arc<MysqlFacts>),
}

/// The first column of the first row, without control and invisible characters. NULL and no row mean
/// [`Fact::Absent`].
fn fact<T>(rows: Result<Rows, Refusal>, parse: impl Fn(&str) -> Option<T>) -> Fact<T> {
    match rows {
        Err(refusal) => Fact::Refused(refusal.into()),
        Ok(rows) => {
            let value = rows.first().and_then(|row| row.first()).and_then(Option::as_ref);
            value.and_then(|value| parse(&value.to_string())).map_or(Fact::Absent, Fact::Read)
        }
    }
}

/// All rows, converted to one value.
fn all<T>(rows: Result<Rows, Refusal>, make: impl FnOnce(Rows) -> T) -> Fact<T> {
    rows.map_or_else(Fact::refused, |rows| Fact::Read(make(rows)))
}

/// All rows, converted to one value if they have it; otherwise [`Fact::Absent`].
fn all_if<T>(rows: Result<Rows, Refusal>, make: impl FnOnce(Rows) -> Option<T>) -> Fact<T> {
    rows.map_or_else(Fact::refused, |rows| make(rows).map_or(Fact::Absent, Fact::Read))
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

/// A JSON array of strings.
fn list(value: &str) -> Vec<ServerText> {
    let texts: Vec<String> = serde_json::from_str(value).unwrap_or_default();
    texts.into_iter().map(ServerText::new).collect()
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

/// An SQL condition on the columns `schema` and `table`: one of these patterns, or `TRUE` if there is none.
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

/// Rows of name and value.
fn settings(rows: Rows) -> Settings {
    let setting = |row: Vec<Option<ServerText>>| match row.as_slice() {
        [Some(name), Some(value)] => Some((name.to_string(), value.to_string())),
        _ => None,
    };
    rows.into_iter().filter_map(setting).collect()
}

#[cfg(test)]
mod tests;

//! What the server said, uninterpreted. Judging it is [`crate::checks`]' work.

mod mysql;
mod postgres;

use crate::connection::{ConnectError, Refusal};

pub use mysql::{ask as ask_mysql, unanswered as unanswered_mysql};
pub use postgres::{ask as ask_postgres, identify_system};

/// One answer. "Will not say" and "has no such thing" are not "no".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    Read(T),
    /// The server refused the question; its words.
    Refused(Refusal),
    /// The server has no such setting or object.
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

/// What a PostgreSQL server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresFacts {
    /// `version()`: the long form, which names stand-ins such as YugabyteDB.
    pub version: Fact<String>,
    /// `server_version_num`, such as 150018.
    pub version_number: Fact<u32>,
    pub current_user: Fact<String>,
    /// `aurora_version()` exists.
    pub is_aurora: Fact<bool>,
    pub in_recovery: Fact<bool>,
    pub wal_level: Fact<String>,
    /// `rds.iam_auth_for_replication`, where the server knows it.
    pub iam_auth_for_replication: Fact<String>,
    /// `IDENTIFY_SYSTEM` over a replication connection with a token of its own.
    pub replication: Result<SystemIdentity, ConnectError>,
}

/// The answer to `IDENTIFY_SYSTEM` (PostgreSQL documentation, "Streaming Replication Protocol").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemIdentity {
    pub timeline: String,
    /// Current WAL flush position.
    pub position: String,
}

/// What a MySQL or MariaDB server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MysqlFacts {
    /// `VERSION()`: MariaDB names itself in it.
    pub version: Fact<String>,
    pub version_comment: Fact<String>,
    pub current_user: Fact<String>,
    /// `aurora_version`, where the server knows it.
    pub aurora_version: Fact<String>,
    /// `@@log_bin`.
    pub log_bin: Fact<bool>,
}

/// What a server said, of whichever engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facts {
    Postgres(Box<PostgresFacts>),
    Mysql(Box<MysqlFacts>),
}

/// A refusal means the one column could not be had; NULL or no row that there is nothing.
fn fact<T>(row: Result<Vec<Option<String>>, Refusal>, parse: impl Fn(&str) -> Option<T>) -> Fact<T> {
    match row {
        Err(refusal) => Fact::Refused(refusal),
        Ok(row) => row.first().and_then(Option::as_deref).and_then(parse).map_or(Fact::Absent, Fact::Read),
    }
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

/// `t`/`f` of PostgreSQL, `1`/`0` and `ON`/`OFF` of MySQL.
fn boolean(value: &str) -> Option<bool> {
    match value {
        "t" | "1" | "ON" | "on" => Some(true),
        "f" | "0" | "OFF" | "off" => Some(false),
        _ => None,
    }
}

//! What a PostgreSQL server allows.

pub(super) mod row_security;
pub(super) mod documented_rule;
pub(super) mod failover_slots;
pub(super) mod standby;
pub(super) mod hot_standby_feedback;
pub(super) mod wal_level;
pub(super) mod connection_limits;
pub(super) mod wal_senders;
pub(super) mod iam_replication;
pub(super) mod replication_right;
pub(super) mod logical_replication;
pub(super) mod replication_slots;
pub(super) mod publication;
pub(super) mod replica_identity;
pub(super) mod unlogged;
pub(super) mod partitioned;
pub(super) mod parent_and_part;
pub(super) mod generated;
pub(super) mod key_include;
pub(super) mod toast;
pub(super) mod open_transactions;
pub(super) mod idle_slot_timeout;
pub(super) mod pipe_slot;
pub(super) mod pipe_tables;
pub(super) mod transaction_age;
pub(super) mod slot_wal_keep;

use crate::{
    checks::{
        Diagnostic,
        check::{Check, Judge},
        database::row_key,
        tables::{Candidates, Failing},
    },
    connection::Refusal,
    facts::{Fact, Position, PostgresFacts, PostgresTable, ReplicationSlot},
    sql::ServerText,
    target::Target,
};

/// Logical slots on a standby exist since then (release notes, E.1).
const STANDBY_SINCE: u32 = 16;
const PARTITIONED_SINCE: u32 = 13;

/// A table that fails one of these is no candidate for the next. The publication is for those that are left.
static ELIMINATION: [&Check; 6] = [
    &row_key::CHECK,
    &unlogged::CHECK,
    &partitioned::CHECK,
    &parent_and_part::CHECK,
    &replica_identity::CHECK,
    &publication::CHECK,
];

pub(super) fn judge(target: &Target, facts: &PostgresFacts, earlier: Option<&Position>) -> Vec<Diagnostic> {
    let tables = facts.tables.read().map(|tables| tables.seen.as_slice()).unwrap_or_default();
    let candidates = Candidates::of(target, tables.iter().map(|table| &table.table));
    let readable: Vec<&PostgresTable> = tables.iter().filter(|table| table.table.select.is_ok()).collect();
    let server = Server { target, facts, earlier, candidates };
    super::in_order(&ELIMINATION, |check| match check.judge {
        Judge::Postgres(judge) | Judge::Engines { postgres: judge, .. } => Some(judge(&server)),
        Judge::PostgresTables(_) if readable.is_empty() => Some(check.skipped("there is no table to check")),
        Judge::PostgresTables(judge) => Some(judge(&server, &readable)),
        Judge::Pipe(_) | Judge::Planned(..) | Judge::Run(_) | Judge::Mysql(_) => None,
    })
}

/// What the checks of a server share.
pub(super) struct Server<'a> {
    pub(super) target: &'a Target,
    pub(super) facts: &'a PostgresFacts,
    earlier: Option<&'a Position>,
    pub(super) candidates: Candidates<'a>,
}

impl Server<'_> {
    pub(super) fn major(&self) -> Option<u32> {
        self.facts.version_number.read().map(|number| number / 10_000)
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.facts.settings.read()?.get(name).map(String::as_str)
    }

    fn no_setting(&self, check: &'static Check) -> Diagnostic {
        unanswered(check, &self.facts.settings)
    }

    fn slots(&self) -> &[ReplicationSlot] {
        self.facts.slots.read().map(Vec::as_slice).unwrap_or_default()
    }

    /// Of this pipe, or of all pipes of the database if it is not named.
    fn pipe_slots(&self) -> Vec<&ReplicationSlot> {
        self.slots().iter().filter(|slot| slot.belongs_to(&self.target.pipe)).collect()
    }
}

/// 150018 → 15.18; before version 10, 90624 → 9.6.24.
pub(super) fn dotted(number: u32) -> String {
    if number >= 100_000 {
        format!("{}.{}", number / 10_000, number % 10_000)
    } else {
        format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100)
    }
}

fn names(tables: &[&PostgresTable], is_meant: impl Fn(&PostgresTable) -> bool) -> Vec<String> {
    tables.iter().filter(|t| is_meant(t)).map(|t| t.table.full_name()).collect()
}

fn failing(tables: &[&PostgresTable], is_bad: impl Fn(&PostgresTable) -> bool) -> Failing {
    Failing { names: names(tables, is_bad), all: tables.len() }
}

/// These names of all tables, as they are printed.
fn printed<'a>(
    tables: &[&'a PostgresTable],
    names: impl Fn(&'a PostgresTable) -> &'a [ServerText],
) -> Vec<String> {
    tables.iter().flat_map(|t| names(t)).map(ToString::to_string).collect()
}

fn alter_identity(tables: &[String], identity: &str) -> String {
    alter(tables, &format!("REPLICA IDENTITY {identity}"))
}

/// The statements for the first five of these tables, whose names are quoted.
fn alter(tables: &[String], change: &str) -> String {
    let statement = |table: &String| format!("ALTER TABLE {table} {change};");
    tables.iter().take(5).map(statement).collect::<Vec<_>>().join(" ")
}

/// `public.orders (total, tax)`.
pub(super) fn with_columns(table: &PostgresTable, columns: &[ServerText]) -> String {
    let name = table.table.full_name();
    match columns {
        [] => name,
        some => {
            let columns: Vec<String> = some.iter().map(ToString::to_string).collect();
            format!("{name} ({})", columns.join(", "))
        }
    }
}

/// Before the authentication: "number of requested standby connections exceeds max_wal_senders". The same
/// code says that the server, or the role, has no connection left. No translation changes the parameter's name.
fn is_out_of_wal_senders(refusal: &Refusal) -> bool {
    refusal.code == "53300" && refusal.message.contains("max_wal_senders")
}

fn is_on(value: &str) -> bool {
    matches!(value, "1" | "on" | "true")
}

pub(super) fn unanswered<T>(check: &'static Check, fact: &Fact<T>) -> Diagnostic {
    super::unanswered(check, &wal_level::PG_UNANSWERED, fact)
}

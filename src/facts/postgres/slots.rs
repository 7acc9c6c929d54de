//! Replication slots of the database, and the WAL position that they are measured against.

use super::super::{Fact, ReplicationSlot, Rows, all_if, boolean, number};
use crate::{
    connection::Refusal,
    sql::{ServerText, postgres::literal},
    target::Pipe,
};

/// Any user may read this view. `wal_status` and `safe_wal_size` exist since version 13, `conflicting` since 16,
/// `inactive_since`, `invalidation_reason`, `failover` and `synced` since 17.
pub(super) const SLOTS: &str = "SELECT slot.slot_name, slot.plugin, slot.active, \
     EXISTS (SELECT FROM pg_stat_replication r WHERE r.pid = slot.active_pid), \
     (SELECT a.usename FROM pg_stat_activity a WHERE a.pid = slot.active_pid), \
     slot.restart_lsn - '0/0'::pg_lsn, slot.confirmed_flush_lsn - '0/0'::pg_lsn, \
     to_jsonb(slot)->>'wal_status', to_jsonb(slot)->>'safe_wal_size', \
     extract(epoch FROM now() - (to_jsonb(slot)->>'inactive_since')::timestamptz)::bigint, \
     to_jsonb(slot)->>'conflicting', to_jsonb(slot)->>'invalidation_reason', \
     to_jsonb(slot)->>'failover', to_jsonb(slot)->>'synced', age(slot.catalog_xmin) \
     FROM pg_replication_slots slot \
     WHERE slot.slot_type = 'logical' AND slot.database = current_database() AND NOT slot.temporary \
     ORDER BY slot.slot_name LIMIT 1000";

/// The database of a logical slot that has the name of the pipe's, and is of another database: names are unique in the server.
pub(super) fn elsewhere(pipe: &Pipe) -> Option<String> {
    let name = literal(pipe.slot.as_ref()?);
    Some(format!(
        "SELECT database FROM pg_replication_slots WHERE slot_name = {name} AND database <> current_database()"
    ))
}

pub(super) fn database_of(rows: Result<Rows, Refusal>) -> Fact<ServerText> {
    all_if(rows, |rows| rows.into_iter().next()?.into_iter().next()?)
}

/// In bytes from the start of the WAL. A standby measures against what it has replayed.
pub(in crate::facts) const WAL_POSITION: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
     ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn";

/// Of the database with the oldest transactions: the server stops accepting writes for all of them.
pub(super) const TRANSACTION_AGE: &str = "SELECT max(age(datfrozenxid)) FROM pg_database";

pub(super) fn slots_of(rows: Rows) -> Vec<ReplicationSlot> {
    let of = |row: Vec<Option<ServerText>>| {
        let column = |i: usize| row.get(i).cloned().flatten();
        let text = |i: usize| column(i).map(|text| text.to_string());
        let is = |i: usize| text(i).as_deref().and_then(boolean).unwrap_or(false);
        Some(ReplicationSlot {
            name: column(0)?,
            plugin: text(1).unwrap_or_default(),
            active: is(2),
            has_wal_sender: is(3),
            user: column(4),
            restart_position: text(5).as_deref().and_then(number),
            confirmed_position: text(6).as_deref().and_then(number),
            wal_status: text(7),
            safe_wal_bytes: text(8).as_deref().and_then(number),
            inactive_seconds: text(9).as_deref().and_then(number),
            conflicting: is(10),
            invalidation_reason: text(11),
            failover: is(12),
            synced: is(13),
            catalog_xmin_age: text(14).as_deref().and_then(number),
        })
    };
    rows.into_iter().filter_map(of).collect()
}

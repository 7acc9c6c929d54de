//! The facts that are numbers, for metrics.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    BinlogObservation, Fact, Facts, MysqlFacts, PipeLimit, Position, PostgresFacts, ReplicationSlot,
    forecast::binlog_lost_after, lost_after,
};
use crate::target::Pipe;

/// Free capacity, retention and the position of the pipe. `None` if it does not apply or is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Measurements {
    /// PostgreSQL: `max_replication_slots` minus existing slots.
    pub replication_slots_free: Option<u32>,
    /// PostgreSQL: `max_wal_senders` minus running WAL senders.
    pub wal_senders_free: Option<u32>,
    /// MySQL and MariaDB on RDS: `binlog retention hours`, in seconds. 0 if it is NULL: RDS deletes the log as soon as
    /// it can.
    pub binlog_retention_seconds: Option<u64>,
    /// PostgreSQL: the replication slots of the pipe; of all pipes of the database without `replication_slot_name`.
    pub slots: Vec<PipeSlot>,
    /// PostgreSQL, under `serve`: WAL per second between the last two full checks.
    pub wal_bytes_per_second: Option<f64>,
    /// MySQL and MariaDB: the binary log, and the connections that read it as the pipe does. Null if it was not read.
    pub binlog: Option<Box<PipeBinlog>>,
}

/// The binary log of MySQL or MariaDB. The server shows who reads it, but not how far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PipeBinlog {
    /// Connections of the user that read it (the command Binlog Dump), without those of checks; null if the user may not see them.
    pub readers: Option<usize>,
    /// All of them were sent everything at one moment of the check; null without readers.
    pub readers_have_everything: Option<bool>,
    /// Registered replicas of all users (SHOW REPLICAS); null if the user may not see them.
    pub registered_replicas: Option<usize>,
    /// The oldest file of the binary log; null if the server did not say.
    pub oldest_file: Option<String>,
    /// Number of files.
    pub files: Option<usize>,
    /// Size of all files.
    pub retained_bytes: Option<u64>,
    /// Under `serve`: written between the last two full checks, per second.
    pub bytes_per_second: Option<f64>,
    /// Under `serve`: when a reader was last seen; null if none was.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub last_read_at: Option<Timestamp>,
    /// Under `serve`: something was purged that was written after the reader was missed, so the pipe needs a resync. Null if none was
    /// seen, or if that is not known.
    pub lost: Option<bool>,
    /// Under `serve`: seconds that the pipe can be disconnected at least. Null if no reader was seen, if it was behind, or if the
    /// retention is not known.
    pub lost_after_seconds: Option<f64>,
    /// The limit that ends it first.
    pub lost_by: Option<PipeLimit>,
}

impl PipeBinlog {
    /// `None` if the server said nothing about it.
    fn of(facts: &MysqlFacts) -> Option<Self> {
        let (readers, logs) = (facts.readers.read(), facts.binary_logs.read());
        if readers.is_none() && logs.is_none() {
            return None;
        }
        Some(Self {
            readers: readers.map(Vec::len),
            readers_have_everything: readers
                .filter(|readers| !readers.is_empty())
                .map(|readers| readers.iter().all(|reader| reader.has_everything)),
            registered_replicas: facts.replicas.read().map(Vec::len),
            oldest_file: logs.map(|logs| logs.oldest.clone()).filter(|file| !file.is_empty()),
            files: logs.map(|logs| logs.count),
            retained_bytes: logs.map(|logs| logs.bytes),
            ..Self::default()
        })
    }

    fn with_forecast(
        mut self,
        facts: &MysqlFacts,
        pipe: &Pipe,
        earlier: Option<&Position>,
        as_of: Timestamp,
        now: Timestamp,
    ) -> Self {
        let at = earlier.map(|earlier| earlier.at);
        let observed = BinlogObservation::of(facts, as_of);
        let seen = match earlier.and_then(|earlier| earlier.binlog.as_deref()) {
            Some(earlier) => {
                self.bytes_per_second =
                    at.and_then(|at| earlier.rate(facts, as_of.duration_since(at).as_secs_f64()));
                self.lost = earlier.is_lost(facts, pipe);
                observed.after(earlier)
            }
            None => observed,
        };
        self.last_read_at = seen.last_reader.as_ref().map(|last| last.at);
        let after = binlog_lost_after(&seen, facts, self.bytes_per_second, now);
        if let Some((seconds, limit)) = after.filter(|_| self.lost != Some(true)) {
            (self.lost_after_seconds, self.lost_by) = (Some(seconds), Some(limit));
        }
        self
    }
}

/// The replication slot of a pipe.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PipeSlot {
    pub name: String,
    /// A consumer reads it.
    pub active: bool,
    /// Nothing can be read from it any more: the pipe needs a resync.
    pub lost: bool,
    /// `reserved`, `extended`, `unreserved` or `lost`; null before PostgreSQL 13.
    pub wal_status: Option<String>,
    /// Null before PostgreSQL 17, and if it is valid.
    pub invalidation_reason: Option<String>,
    /// WAL that the server keeps for it; null if the position of the WAL is not known.
    pub retained_bytes: Option<u64>,
    /// WAL that the consumer has not confirmed.
    pub lag_bytes: Option<u64>,
    /// WAL that can be written before the slot can be lost; null without max_slot_wal_keep_size.
    pub safe_wal_bytes: Option<i64>,
    /// How long it has been inactive; null before PostgreSQL 17, and if it is active.
    pub inactive_seconds: Option<u64>,
    /// Under `serve`: seconds until it is lost if nothing more is read from it, at the rate between the last two full checks. Null
    /// if no limit is set (`max_slot_wal_keep_size`, `idle_replication_slot_timeout`) or the rate is not known.
    pub lost_after_seconds: Option<f64>,
    /// The limit that ends it first.
    pub lost_by: Option<PipeLimit>,
    /// It is synchronized to standbys.
    pub failover: bool,
    /// It is a copy of a slot of the primary.
    pub synced: bool,
    /// Age of `catalog_xmin`, in transactions.
    pub catalog_xmin_age: Option<u32>,
}

impl PipeSlot {
    fn of(slot: &ReplicationSlot, wal_position: Option<u64>) -> Self {
        Self {
            name: slot.name.to_string(),
            active: slot.active,
            lost: slot.is_lost(),
            wal_status: slot.wal_status.clone(),
            invalidation_reason: slot.invalidation_reason.clone(),
            retained_bytes: wal_position.and_then(|now| slot.retained_bytes(now)),
            lag_bytes: wal_position.zip(slot.confirmed_position).map(|(now, end)| now.saturating_sub(end)),
            safe_wal_bytes: slot.safe_wal_bytes,
            inactive_seconds: slot.inactive_seconds.filter(|_| !slot.active),
            failover: slot.failover,
            synced: slot.synced,
            lost_after_seconds: None,
            lost_by: None,
            catalog_xmin_age: slot.catalog_xmin_age,
        }
    }
}

impl Measurements {
    pub fn of(facts: &Facts, pipe: &Pipe) -> Self {
        match facts {
            Facts::Postgres(facts) => Self {
                replication_slots_free: free(facts, "max_replication_slots", &facts.replication_slots_in_use),
                wal_senders_free: free(facts, "max_wal_senders", &facts.wal_senders_in_use),
                slots: facts
                    .slots
                    .read()
                    .into_iter()
                    .flatten()
                    .filter(|slot| pipe.follows_changes() && slot.belongs_to(pipe))
                    .map(|slot| PipeSlot::of(slot, facts.wal_position.read().copied()))
                    .collect(),
                ..Self::default()
            },
            Facts::Mysql(facts) => Self {
                binlog_retention_seconds: retention(facts),
                binlog: PipeBinlog::of(facts).filter(|_| pipe.follows_changes()).map(Box::new),
                ..Self::default()
            },
        }
    }
}

impl Measurements {
    /// With how long the slots last: from an earlier observation, and the facts as of `as_of`, at the time `now`.
    #[must_use]
    pub fn with_forecast(
        mut self,
        facts: &Facts,
        pipe: &Pipe,
        earlier: Option<&Position>,
        as_of: Timestamp,
        now: Timestamp,
    ) -> Self {
        let facts_of = match facts {
            Facts::Postgres(facts) => facts,
            Facts::Mysql(facts) => {
                self.binlog =
                    self.binlog.map(|binlog| binlog.with_forecast(facts, pipe, earlier, as_of, now).into());
                return self;
            }
        };
        let rate = earlier.and_then(|earlier| earlier.wal_rate(&Position::of(facts, pipe, as_of)));
        self.wal_bytes_per_second = rate;
        let age = now.duration_since(as_of).as_secs_f64().max(0.0);
        for slot in facts_of.slots.read().into_iter().flatten() {
            let name = slot.name.to_string();
            let measured = self.slots.iter_mut().find(|measured| measured.name == name);
            if let (Some(measured), Some((seconds, limit))) =
                (measured, lost_after(slot, facts_of, rate, age))
            {
                (measured.lost_after_seconds, measured.lost_by) = (Some(seconds), Some(limit));
            }
        }
        self
    }
}

fn free(facts: &PostgresFacts, maximum: &str, used: &Fact<u32>) -> Option<u32> {
    let maximum: u32 = facts.settings.read()?.get(maximum)?.parse().ok()?;
    Some(maximum.saturating_sub(*used.read()?))
}

fn retention(facts: &MysqlFacts) -> Option<u64> {
    match facts.retention_hours.read()?.as_str() {
        "" => Some(0),
        hours => hours.parse().ok().and_then(|hours: u64| hours.checked_mul(3600)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::facts::Settings;

    #[test]
    fn free_capacity_is_the_maximum_minus_what_is_used() {
        let settings: Settings = [
            ("max_replication_slots".to_owned(), "5".to_owned()),
            ("max_wal_senders".to_owned(), "2".to_owned()),
        ]
        .into();
        let facts = PostgresFacts {
            settings: Fact::Read(settings),
            replication_slots_in_use: Fact::Read(3),
            wal_senders_in_use: Fact::Read(9),
            ..PostgresFacts::default()
        };
        let measurements = Measurements::of(&Facts::Postgres(Arc::new(facts)), &Pipe::default());
        assert_eq!((measurements.replication_slots_free, measurements.wal_senders_free), (Some(2), Some(0)));
        let nothing = Measurements::of(&Facts::Postgres(Arc::default()), &Pipe::default());
        assert_eq!(nothing, Measurements::default());
    }

    #[test]
    fn retention_is_in_seconds_and_null_is_zero() {
        let of = |hours: Fact<String>| {
            let facts = MysqlFacts { retention_hours: hours, ..MysqlFacts::default() };
            Measurements::of(&Facts::Mysql(Arc::new(facts)), &Pipe::default()).binlog_retention_seconds
        };
        assert_eq!(of(Fact::Read("72".into())), Some(259_200));
        assert_eq!(of(Fact::Read(String::new())), Some(0));
        assert_eq!(of(Fact::Read("soon".into())), None);
        assert_eq!(of(Fact::Absent), None);
    }

    #[test]
    fn slots_are_those_of_the_pipe_measured_against_the_wal() {
        let slot = |name: &str| ReplicationSlot {
            name: crate::sql::ServerText::new(name),
            plugin: "pgoutput".into(),
            restart_position: Some(1000),
            confirmed_position: Some(4000),
            inactive_seconds: Some(5),
            ..ReplicationSlot::default()
        };
        let of = |wal_position, pipe: &Pipe| {
            let slots = vec![slot("peerflow_slot_a"), slot("other")];
            let facts = PostgresFacts { slots: Fact::Read(slots), wal_position, ..PostgresFacts::default() };
            Measurements::of(&Facts::Postgres(Arc::new(facts)), pipe).slots
        };
        let [slot] = &of(Fact::Read(5000), &Pipe::default())[..] else { panic!("one slot") };
        assert_eq!(slot.name, "peerflow_slot_a");
        assert_eq!(
            (slot.retained_bytes, slot.lag_bytes, slot.inactive_seconds),
            (Some(4000), Some(1000), Some(5))
        );
        let named = Pipe { slot: Some("other".into()), ..Pipe::default() };
        let [slot] = &of(Fact::Absent, &named)[..] else { panic!("one slot") };
        assert_eq!((slot.name.as_str(), slot.retained_bytes, slot.lag_bytes), ("other", None, None));
        let snapshot = Pipe { mode: Some(crate::target::ReplicationMode::Snapshot), ..Pipe::default() };
        assert_eq!(of(Fact::Read(5000), &snapshot), []);
    }
}

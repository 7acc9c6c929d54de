//! The position of the pipes of a database, and how long a slot lasts. Pure: takes observations and times.

mod binlog;
mod tables;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Facts, PostgresFacts, ReplicationSlot};
use crate::target::Pipe;

pub(super) use binlog::lost_after as binlog_lost_after;
pub use binlog::{BinlogObservation, LastReader};
pub use tables::{PublishedTables, TableObservation};

/// One observation of the position of a pipe, and what earlier ones have shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// When the database was queried.
    pub at: Timestamp,
    /// In bytes from the start of the WAL.
    pub wal: Option<u64>,
    /// Names of the slots of the pipe, and when each was last seen. What is not there now was seen before.
    pub slots: BTreeMap<String, Timestamp>,
    /// PostgreSQL: the tables that are or were published while the pipe had a slot.
    pub published: PublishedTables,
    /// MySQL and MariaDB.
    pub binlog: Option<Box<BinlogObservation>>,
}

impl Position {
    pub fn of(facts: &Facts, pipe: &Pipe, at: Timestamp) -> Self {
        let facts = match facts {
            Facts::Postgres(facts) => facts,
            Facts::Mysql(facts) => {
                let binlog = pipe.follows_changes().then(|| Box::new(BinlogObservation::of(facts, at)));
                return Self { at, wal: None, slots: BTreeMap::new(), published: BTreeMap::new(), binlog };
            }
        };
        let slots = facts.slots.read().into_iter().flatten().filter(|slot| slot.belongs_to(pipe));
        let slots: BTreeMap<_, _> = slots.map(|slot| (slot.name.to_string(), at)).collect();
        let published = match slots.is_empty() {
            true => BTreeMap::new(),
            false => tables::published(facts, pipe, at),
        };
        Self { at, wal: facts.wal_position.read().copied(), slots, published, binlog: None }
    }

    /// With the slots and the reader that an earlier observation has seen.
    #[must_use]
    pub fn after(mut self, earlier: &Self) -> Self {
        for (name, at) in &earlier.slots {
            self.slots.entry(name.clone()).or_insert(*at);
        }
        tables::remember(&mut self.published, &earlier.published);
        if let (Some(now), Some(earlier)) = (self.binlog.take(), &earlier.binlog) {
            self.binlog = Some(Box::new(now.after(earlier)));
        }
        self
    }

    /// Bytes of WAL per second from this observation to a later one. `None` if no time has passed, or if the WAL went back: then it
    /// is another server.
    pub fn wal_rate(&self, later: &Self) -> Option<f64> {
        let seconds = later.at.duration_since(self.at).as_secs_f64();
        let bytes = later.wal?.checked_sub(self.wal?)?;
        // A rate does not need more digits.
        #[expect(clippy::cast_precision_loss)]
        (seconds > 0.0).then(|| bytes as f64 / seconds)
    }
}

/// What ends the position of a pipe that does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PipeLimit {
    MaxSlotWalKeepSize,
    IdleReplicationSlotTimeout,
    BinlogRetentionHours,
    BinlogExpireLogsSeconds,
    MaxBinlogTotalSize,
}

impl PipeLimit {
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxSlotWalKeepSize => "max_slot_wal_keep_size",
            Self::IdleReplicationSlotTimeout => "idle_replication_slot_timeout",
            Self::BinlogRetentionHours => "binlog retention hours",
            Self::BinlogExpireLogsSeconds => "binlog_expire_logs_seconds",
            Self::MaxBinlogTotalSize => "max_binlog_total_size",
        }
    }
}

/// Seconds until a slot is lost if nothing more is read from it, and by which limit. `rate` is in bytes of WAL per second; the
/// facts are `age` seconds old. `None` if there is no limit, or if the rate is not known.
pub fn lost_after(
    slot: &ReplicationSlot,
    facts: &PostgresFacts,
    rate: Option<f64>,
    age: f64,
) -> Option<(f64, PipeLimit)> {
    if slot.is_lost() {
        return None;
    }
    let by_wal = slot.safe_wal_bytes.and_then(|safe| match safe <= 0 {
        true => Some(0.0),
        // A rate does not need more digits.
        #[expect(clippy::cast_precision_loss)]
        false => rate.filter(|rate| *rate > 0.0).map(|rate| safe as f64 / rate - age),
    });
    // In seconds; 0 is off.
    let timeout: Option<f64> =
        facts.settings.read().and_then(|s| s.get("idle_replication_slot_timeout")?.parse().ok());
    let by_timeout =
        timeout.filter(|timeout| *timeout > 0.0 && !slot.synced).and_then(|timeout| match slot.active {
            true => Some(timeout),
            #[expect(clippy::cast_precision_loss)]
            false => slot.inactive_seconds.map(|idle| timeout - idle as f64 - age),
        });
    let limits = [
        by_wal.map(|seconds| (seconds, PipeLimit::MaxSlotWalKeepSize)),
        by_timeout.map(|seconds| (seconds, PipeLimit::IdleReplicationSlotTimeout)),
    ];
    let first = limits.into_iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some((first.0.max(0.0), first.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{facts::Fact, sql::ServerText};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn position(second: i64, wal: Option<u64>, slots: &[&str]) -> Position {
        Position {
            at: at(second),
            wal,
            slots: slots.iter().map(|name| ((*name).to_owned(), at(second))).collect(),
            published: BTreeMap::new(),
            binlog: None,
        }
    }

    #[test]
    fn the_rate_is_that_of_the_wal_between_two_observations() {
        let first = position(100, Some(1000), &[]);
        for (later, rate) in [
            (position(110, Some(6000), &[]), Some(500.0)),
            (position(110, Some(1000), &[]), Some(0.0)),
            // The same moment, an unknown position, and another server.
            (position(100, Some(6000), &[]), None),
            (position(110, None, &[]), None),
            (position(110, Some(999), &[]), None),
        ] {
            assert_eq!(first.wal_rate(&later), rate, "{later:?}");
        }
        assert_eq!(position(100, None, &[]).wal_rate(&position(110, Some(1), &[])), None);
    }

    #[test]
    fn slots_that_were_seen_are_remembered() {
        let both = position(10, None, &["a", "b"]);
        let one = position(20, None, &["b"]).after(&both);
        let none = position(30, None, &[]).after(&one);
        assert_eq!(none.slots, [("a".to_owned(), at(10)), ("b".to_owned(), at(20))].into());
    }

    #[test]
    fn a_slot_lasts_as_long_as_its_first_limit() {
        use PipeLimit::{IdleReplicationSlotTimeout as Idle, MaxSlotWalKeepSize as Wal};
        let after = |safe: Option<i64>, rate: Option<f64>, timeout: &str, idle: Option<u64>, age: f64| {
            let facts = PostgresFacts {
                settings: Fact::Read(
                    [("idle_replication_slot_timeout".to_owned(), timeout.to_owned())].into(),
                ),
                ..PostgresFacts::default()
            };
            let slot = ReplicationSlot {
                name: ServerText::new("s"),
                active: idle.is_none(),
                inactive_seconds: idle,
                safe_wal_bytes: safe,
                ..ReplicationSlot::default()
            };
            lost_after(&slot, &facts, rate, age)
        };
        assert_eq!(after(Some(6000), Some(100.0), "0", None, 0.0), Some((60.0, Wal)));
        assert_eq!(after(Some(6000), Some(100.0), "0", None, 10.0), Some((50.0, Wal)), "the facts are old");
        assert_eq!(after(Some(6000), Some(100.0), "0", None, 100.0), Some((0.0, Wal)), "not below zero");
        assert_eq!(after(Some(-1), None, "0", None, 0.0), Some((0.0, Wal)), "past it already");
        // Nothing is written, the rate is not known, no limit.
        assert_eq!(after(Some(6000), Some(0.0), "0", None, 0.0), None);
        assert_eq!(after(Some(6000), None, "0", None, 0.0), None);
        assert_eq!(after(None, Some(100.0), "0", None, 0.0), None);
        // Version 18: the earlier one.
        assert_eq!(after(None, None, "3600", Some(600), 60.0), Some((2940.0, Idle)));
        assert_eq!(after(None, None, "3600", None, 60.0), Some((3600.0, Idle)), "if it disconnects now");
        assert_eq!(after(Some(6000), Some(100.0), "30", Some(10), 0.0), Some((20.0, Idle)));
        assert_eq!(after(Some(1000), Some(100.0), "30", Some(10), 0.0), Some((10.0, Wal)));

        let lost = ReplicationSlot {
            wal_status: Some("lost".into()),
            safe_wal_bytes: Some(1),
            ..ReplicationSlot::default()
        };
        assert_eq!(lost_after(&lost, &PostgresFacts::default(), Some(1.0), 0.0), None);
    }
}

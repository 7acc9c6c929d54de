//! The facts that are numbers, for metrics.

use serde::Serialize;

use super::{Fact, Facts, MysqlFacts, PostgresFacts};

/// Free capacity and retention. `None` if it does not apply or is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Measurements {
    /// PostgreSQL: `max_replication_slots` minus existing slots.
    pub replication_slots_free: Option<u32>,
    /// PostgreSQL: `max_wal_senders` minus running WAL senders.
    pub wal_senders_free: Option<u32>,
    /// MySQL and MariaDB on RDS: `binlog retention hours`, in seconds. 0 if it is NULL: RDS deletes the log as soon as
    /// it can.
    pub binlog_retention_seconds: Option<u64>,
}

impl Measurements {
    pub fn of(facts: &Facts) -> Self {
        match facts {
            Facts::Postgres(facts) => Self {
                replication_slots_free: free(facts, "max_replication_slots", &facts.replication_slots_in_use),
                wal_senders_free: free(facts, "max_wal_senders", &facts.wal_senders_in_use),
                ..Self::default()
            },
            Facts::Mysql(facts) => Self { binlog_retention_seconds: retention(facts), ..Self::default() },
        }
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
        let measurements = Measurements::of(&Facts::Postgres(Box::new(facts)));
        assert_eq!((measurements.replication_slots_free, measurements.wal_senders_free), (Some(2), Some(0)));
        let nothing = Measurements::of(&Facts::Postgres(Box::default()));
        assert_eq!(nothing, Measurements::default());
    }

    #[test]
    fn retention_is_in_seconds_and_null_is_zero() {
        let of = |hours: Fact<String>| {
            let facts = MysqlFacts { retention_hours: hours, ..MysqlFacts::default() };
            Measurements::of(&Facts::Mysql(Box::new(facts))).binlog_retention_seconds
        };
        assert_eq!(of(Fact::Read("72".into())), Some(259_200));
        assert_eq!(of(Fact::Read(String::new())), Some(0));
        assert_eq!(of(Fact::Read("soon".into())), None);
        assert_eq!(of(Fact::Absent), None);
    }
}

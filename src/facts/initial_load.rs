//! How long an initial load takes, from [`LoadFacts`]. Pure.

use serde::Serialize;

use super::{Facts, LoadFacts, Measurements, PipeLimit, PostgresFacts, load::TableSize};
use crate::{sql::ServerText, target::Pipe};

/// Tables that are listed.
const LISTED: usize = 5;

/// An estimate of the initial load. It is measured over the connection of pipeprobe, not over that of ClickPipes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InitialLoad {
    /// Number of tables.
    pub tables: usize,
    /// Size of the tables on disk, without indexes.
    pub bytes_on_disk: u64,
    /// The server's estimate; null if it has none for a table.
    pub rows: Option<u64>,
    /// Estimated size of the rows as text.
    pub bytes: u64,
    /// What was read.
    pub sampled: Sampled,
    /// Connections of the pipe's initial load: `initial_load_parallelism` times `snapshot_number_of_parallel_tables`.
    pub connections: u32,
    /// If every connection of the pipe reads as fast as the sample, and each table that can be split is split.
    pub shortest_seconds: f64,
    /// If all connections together read as fast as the sample.
    pub longest_seconds: f64,
    /// The largest tables.
    pub largest: Vec<LargeTable>,
    /// How long the server keeps the changes that are made during the load; null if that is not known or not limited, or
    /// if the pipe does not replicate changes.
    pub changes_kept_seconds: Option<f64>,
    /// The limit of that.
    pub changes_kept_by: Option<PipeLimit>,
}

/// A limited read of the largest tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sampled {
    pub tables: Vec<String>,
    pub rows: u64,
    /// Of the rows as text.
    pub bytes: u64,
    pub seconds: f64,
    /// Over one connection.
    pub bytes_per_second: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LargeTable {
    pub name: String,
    pub bytes_on_disk: u64,
    /// The server's estimate; null if it has none.
    pub rows: Option<u64>,
    /// Several connections of the pipe can read it at the same time.
    pub split: bool,
    /// MySQL and MariaDB: if it is not split, an indexed column for `partition_key`; null if there is none.
    pub possible_partition_key: Option<String>,
}

/// Why there is no estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEstimate {
    /// There is nothing to read.
    NoTable,
    /// All tables are empty.
    NoRows,
    /// No sample succeeded; the reason of the server for the first.
    NoSample(String),
}

impl std::fmt::Display for NoEstimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoTable => f.write_str("there is no table that the user can read"),
            Self::NoRows => f.write_str("the tables are empty"),
            Self::NoSample(why) => write!(f, "the tables could not be read: {why}"),
        }
    }
}

/// Of a size in bytes, as a floating-point number: an estimate does not need more digits.
#[expect(clippy::cast_precision_loss)]
fn float(n: u64) -> f64 {
    n as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, and not negative")]
fn whole(n: f64) -> u64 {
    n.round() as u64
}

impl InitialLoad {
    /// # Errors
    /// If there is nothing to measure.
    pub fn estimate(
        pipe: &Pipe,
        facts: &Facts,
        load: &LoadFacts,
        measured: &Measurements,
    ) -> Result<Self, NoEstimate> {
        let LoadFacts { tables, samples, .. } = load;
        if tables.is_empty() {
            return Err(NoEstimate::NoTable);
        }
        let sampled = Sampled::of(load);
        if sampled.rows == 0 || sampled.seconds <= 0.0 {
            let refused = samples.iter().find_map(|sample| sample.as_ref().err());
            return Err(match refused {
                Some(refusal) => NoEstimate::NoSample(refusal.to_string()),
                None => NoEstimate::NoRows,
            });
        }
        let rate = sampled.bytes_per_second;
        let sizes = Sizes::of(load);
        let is_split = |table: &TableSize| is_split(facts, pipe, table);
        let total: f64 = sizes.0.iter().sum();
        let unsplit = tables.iter().zip(&sizes.0).filter(|(table, _)| !is_split(table));
        let largest_unsplit = unsplit.map(|(_, bytes)| *bytes).fold(0.0, f64::max);
        let connections = pipe.load_connections().max(1);
        let kept = changes_kept(facts, load, measured, pipe);
        Ok(Self {
            tables: tables.len(),
            bytes_on_disk: tables.iter().map(|table| table.bytes).sum(),
            rows: tables.iter().map(|table| table.rows).sum(),
            bytes: whole(total),
            connections,
            shortest_seconds: (total / rate / f64::from(connections)).max(largest_unsplit / rate),
            longest_seconds: total / rate,
            largest: tables
                .iter()
                .take(LISTED)
                .map(|table| LargeTable {
                    name: table.full_name(),
                    bytes_on_disk: table.bytes,
                    rows: table.rows,
                    split: is_split(table),
                    possible_partition_key: table
                        .partition_key
                        .as_ref()
                        .filter(|_| !is_split(table))
                        .map(ServerText::to_string),
                })
                .collect(),
            changes_kept_seconds: kept.map(|kept| kept.0),
            changes_kept_by: kept.map(|kept| kept.1),
            sampled,
        })
    }

    /// Whether the changes are kept until the longest load is done; `None` if that is not known.
    pub fn is_outlasted(&self) -> Option<bool> {
        self.changes_kept_seconds.map(|kept| kept > self.longest_seconds)
    }
}

impl Sampled {
    fn of(load: &LoadFacts) -> Self {
        let mut sampled = Self::default();
        for (table, sample) in load.tables.iter().zip(&load.samples) {
            let Ok(sample) = sample else { continue };
            sampled.tables.push(table.full_name());
            sampled.rows += sample.rows;
            sampled.bytes += sample.bytes;
            sampled.seconds += sample.duration.as_secs_f64();
        }
        sampled.bytes_per_second = match sampled.seconds > 0.0 {
            true => float(sampled.bytes) / sampled.seconds,
            false => 0.0,
        };
        sampled
    }
}

/// The bytes that each table has over a connection.
struct Sizes(Vec<f64>);

impl Sizes {
    fn of(load: &LoadFacts) -> Self {
        let sampled = |i: usize| load.samples.get(i).and_then(|sample| sample.as_ref().ok());
        let mut of_sampled: Vec<Option<f64>> = Vec::new();
        for (i, table) in load.tables.iter().enumerate() {
            of_sampled.push(sampled(i).and_then(|sample| match (sample.complete, sample.rows, table.rows) {
                (true, ..) => Some(float(sample.bytes)),
                (false, 1.., Some(rows)) => {
                    let per_row = float(sample.bytes) / float(sample.rows);
                    Some(per_row * float(rows.max(sample.rows)))
                }
                _ => None,
            }));
        }
        // The others have the same proportion of bytes to bytes on disk.
        let known =
            load.tables.iter().zip(&of_sampled).filter_map(|(table, size)| Some((table.bytes, (*size)?)));
        let (on_disk, sent) = known.fold((0.0, 0.0), |sum, (disk, sent)| (sum.0 + float(disk), sum.1 + sent));
        let proportion = if on_disk > 0.0 { sent / on_disk } else { 1.0 };
        let sizes = load.tables.iter().zip(of_sampled);
        Self(sizes.map(|(table, size)| size.unwrap_or(float(table.bytes) * proportion)).collect())
    }
}

/// PostgreSQL tables are split by the position of their rows (ctid), others by `partition_key` (`PeerDB`, flow/connectors/mysql/qrep.go).
fn is_split(facts: &Facts, pipe: &Pipe, table: &TableSize) -> bool {
    let mut keys = pipe.partition_keys.iter();
    matches!(facts, Facts::Postgres(_))
        || keys.any(|key| key.schema == table.schema.raw() && key.table == table.name.raw())
}

/// How long the server keeps changes that are not read, in seconds.
fn changes_kept(
    facts: &Facts,
    load: &LoadFacts,
    measured: &Measurements,
    pipe: &Pipe,
) -> Option<(f64, PipeLimit)> {
    if !pipe.follows_changes() {
        return None;
    }
    match facts {
        Facts::Postgres(facts) => changes_kept_by_postgres(facts, load),
        Facts::Mysql(_) => {
            measured.binlog_retention_seconds.map(|seconds| (float(seconds), PipeLimit::BinlogRetentionHours))
        }
    }
}

/// The slot is created before the load and is not used during it (PostgreSQL releases a slot that it has created; the load
/// reads the exported snapshot).
fn changes_kept_by_postgres(facts: &PostgresFacts, load: &LoadFacts) -> Option<(f64, PipeLimit)> {
    let setting = |name: &str| facts.settings.read()?.get(name)?.parse::<f64>().ok();
    // In megabytes; -1 is no limit.
    let keep = setting("max_slot_wal_keep_size").filter(|megabytes| *megabytes >= 0.0);
    let written = load.wal.filter(|wal| wal.bytes > 0);
    let by_wal = keep.zip(written).map(|(megabytes, wal)| {
        let seconds = megabytes * 1_048_576.0 / (float(wal.bytes) / wal.during.as_secs_f64());
        (seconds, PipeLimit::MaxSlotWalKeepSize)
    });
    // In seconds; 0 is off.
    let timeout = setting("idle_replication_slot_timeout").filter(|seconds| *seconds > 0.0);
    let by_timeout = timeout.map(|seconds| (seconds, PipeLimit::IdleReplicationSlotTimeout));
    by_wal.into_iter().chain(by_timeout).min_by(|a, b| a.0.total_cmp(&b.0))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        connection::{Refusal, Sample},
        facts::{Fact, Settings, load::WalWritten},
        target::{ReplicationMode, TableColumn},
    };

    const MEGABYTE: u64 = 1_000_000;

    fn table(name: &str, megabytes: u64, rows: Option<u64>) -> TableSize {
        let (schema, name) = (ServerText::new("app"), ServerText::new(name));
        TableSize { schema, name, bytes: megabytes * MEGABYTE, rows, partition_key: None }
    }

    /// 10 MB in a second.
    fn sample(rows: u64, complete: bool) -> Result<Sample, Refusal> {
        Ok(Sample { rows, bytes: 10 * MEGABYTE, duration: Duration::from_secs(1), complete })
    }

    fn postgres() -> Facts {
        Facts::Postgres(Arc::default())
    }

    fn of(pipe: &Pipe, facts: &Facts, load: &LoadFacts) -> InitialLoad {
        InitialLoad::estimate(pipe, facts, load, &Measurements::default()).unwrap()
    }

    #[test]
    fn a_table_has_as_many_bytes_as_its_rows_and_the_others_in_proportion() {
        let tables = vec![table("a", 200, Some(1000)), table("b", 100, None), table("c", 50, Some(0))];
        // 100 rows have 10 MB, so 1000 have 100 MB: half of what they have on disk.
        let load = LoadFacts { tables, samples: vec![sample(100, false)], wal: None };
        let estimate = of(&Pipe::default(), &postgres(), &load);
        assert_eq!((estimate.bytes, estimate.bytes_on_disk), (175 * MEGABYTE, 350 * MEGABYTE));
        assert_eq!(estimate.rows, None, "the rows of b are not known");
        assert_eq!((estimate.longest_seconds, estimate.shortest_seconds), (17.5, 17.5 / 4.0));
        // Everything was read.
        let load =
            LoadFacts { tables: vec![table("a", 200, None)], samples: vec![sample(7, true)], wal: None };
        assert_eq!(of(&Pipe::default(), &postgres(), &load).bytes, 10 * MEGABYTE);
        // The server knows of fewer rows than were read.
        let load =
            LoadFacts { tables: vec![table("a", 1, Some(5))], samples: vec![sample(100, false)], wal: None };
        assert_eq!(of(&Pipe::default(), &postgres(), &load).bytes, 10 * MEGABYTE);
    }

    #[test]
    fn a_table_of_mysql_is_split_only_by_its_partition_key() {
        let tables = vec![table("a", 90, Some(900)), table("b", 10, Some(100))];
        let load = LoadFacts { tables, samples: vec![sample(100, false)], wal: None };
        let (mut pipe, facts) = (Pipe::default(), Facts::Mysql(Arc::default()));
        let shortest = Some(of(&pipe, &facts, &load).shortest_seconds);
        assert_eq!(shortest, Some(9.0), "one connection reads a");
        pipe.partition_keys = vec![TableColumn::parse("partition_key", "app.a.id").unwrap()];
        let estimate = of(&pipe, &facts, &load);
        assert_eq!((estimate.shortest_seconds, estimate.largest[0].split), (2.5, true));
    }

    #[test]
    fn there_is_no_estimate_without_rows() {
        let estimate = |tables: Vec<TableSize>, samples| {
            let load = LoadFacts { tables, samples, wal: None };
            let estimate =
                InitialLoad::estimate(&Pipe::default(), &postgres(), &load, &Measurements::default());
            estimate.unwrap_err().to_string()
        };
        assert_eq!(estimate(Vec::new(), Vec::new()), "there is no table that the user can read");
        let empty = Ok(Sample { complete: true, ..Sample::default() });
        assert_eq!(estimate(vec![table("a", 0, Some(0))], vec![empty]), "the tables are empty");
        let refused = Refusal { code: "55P03".into(), message: "locked".into(), ..Refusal::default() };
        let said = estimate(vec![table("a", 9, Some(9))], vec![Err(refused)]);
        assert_eq!(said, "the tables could not be read: locked (55P03)");
    }

    #[test]
    fn changes_are_kept_until_the_first_limit() {
        let load = |wal| LoadFacts {
            tables: vec![table("a", 1000, Some(10_000))],
            samples: vec![sample(100, false)],
            wal,
        };
        let kept = |settings: &[(&str, &str)], wal, pipe: Pipe| {
            let settings: Settings =
                settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let facts = PostgresFacts { settings: Fact::Read(settings), ..PostgresFacts::default() };
            let estimate = of(&pipe, &Facts::Postgres(Arc::new(facts)), &load(wal));
            let kept = estimate.changes_kept_seconds.zip(estimate.changes_kept_by);
            kept.map(|(seconds, limit)| (seconds, limit, estimate.is_outlasted().unwrap()))
        };
        // A megabyte a second; the load takes 100 s at most.
        let wal = Some(WalWritten { bytes: 10 << 20, during: Duration::from_secs(10) });
        let pipe = Pipe::default;
        let by_wal = PipeLimit::MaxSlotWalKeepSize;
        assert_eq!(kept(&[("max_slot_wal_keep_size", "64")], wal, pipe()), Some((64.0, by_wal, false)));
        assert_eq!(kept(&[("max_slot_wal_keep_size", "640")], wal, pipe()), Some((640.0, by_wal, true)));
        assert_eq!(kept(&[("max_slot_wal_keep_size", "-1")], wal, pipe()), None);
        assert_eq!(kept(&[("max_slot_wal_keep_size", "64")], None, pipe()), None, "the rate is not known");
        let idle = ("idle_replication_slot_timeout", "60");
        let both = [("max_slot_wal_keep_size", "640"), idle];
        let by_timeout = PipeLimit::IdleReplicationSlotTimeout;
        assert_eq!(kept(&both, wal, pipe()), Some((60.0, by_timeout, false)));
        let snapshot = Pipe { mode: Some(ReplicationMode::Snapshot), ..Pipe::default() };
        assert_eq!(kept(&both, wal, snapshot), None);

        let facts = Facts::Mysql(Arc::default());
        let measured = Measurements { binlog_retention_seconds: Some(3600), ..Measurements::default() };
        let estimate = InitialLoad::estimate(&Pipe::default(), &facts, &load(None), &measured).unwrap();
        assert_eq!(estimate.changes_kept_seconds, Some(3600.0));
        assert_eq!(estimate.is_outlasted(), Some(true));
    }
}

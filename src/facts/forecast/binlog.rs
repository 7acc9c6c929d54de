//! The reader of a binary log. The server shows its connection but not its position, so two observations say what it can have read:
//! everything up to the last check that saw it, and nothing that was written after the first check that did not.

use jiff::Timestamp;

use super::PipeLimit;
use crate::{
    connection::BinlogPosition,
    facts::{Fact, MysqlFacts, gtid, is_mariadb},
    target::{Pipe, ReplicationMechanism},
};

/// One observation of the binary log and its reader, and what earlier ones have shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BinlogObservation {
    end: Option<End>,
    /// No connection of the user read it at this moment.
    is_unread: bool,
    pub last_reader: Option<LastReader>,
}

/// The end of the binary log of one server.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// `server_uuid`, on MariaDB `server_id`: names of files of another server say nothing.
    server: Option<String>,
    pub position: BinlogPosition,
    /// GTIDs that were executed up to here.
    executed: Option<String>,
}

/// When a connection of the user was last seen to read.
#[derive(Clone, Debug, PartialEq)]
pub struct LastReader {
    pub at: Timestamp,
    /// It was sent everything at that time.
    pub had_everything: bool,
    /// The end of the log when it was first missed: it needs everything after this, and possibly more.
    pub missed_at: Option<End>,
}

impl End {
    fn of(facts: &MysqlFacts) -> Option<Self> {
        let settings = facts.settings.read()?;
        let (server, executed) = match is_mariadb(settings) {
            true => (settings.get("server_id"), settings.get("gtid_binlog_pos")),
            false => {
                let has_gtids = settings.get("gtid_mode").is_some_and(|mode| mode == "ON");
                (settings.get("server_uuid"), settings.get("gtid_executed").filter(|_| has_gtids))
            }
        };
        Some(Self {
            server: server.cloned(),
            position: facts.position.read()?.clone(),
            executed: executed.filter(|gtids| !gtids.is_empty()).cloned(),
        })
    }
}

impl BinlogObservation {
    pub fn of(facts: &MysqlFacts, at: Timestamp) -> Self {
        let readers = facts.readers.read();
        let last_reader = readers.filter(|readers| !readers.is_empty()).map(|readers| LastReader {
            at,
            had_everything: readers.iter().all(|reader| reader.has_everything),
            missed_at: None,
        });
        Self { end: End::of(facts), is_unread: readers.is_some_and(Vec::is_empty), last_reader }
    }

    /// With the reader that an earlier observation has seen.
    #[must_use]
    pub fn after(mut self, earlier: &Self) -> Self {
        if self.last_reader.is_some() {
            return self;
        }
        self.last_reader.clone_from(&earlier.last_reader);
        if let Some(last) = self.last_reader.as_mut().filter(|_| self.is_unread) {
            let is_known = last
                .missed_at
                .as_ref()
                .is_some_and(|missed| self.end.as_ref().is_none_or(|end| end.server == missed.server));
            if !is_known {
                last.missed_at.clone_from(&self.end);
            }
        }
        self
    }

    /// Bytes per second that were written between this observation and these facts, which are `seconds` younger.
    pub fn rate(&self, facts: &MysqlFacts, seconds: f64) -> Option<f64> {
        let bytes = self.end.as_ref()?.written_until(facts)?;
        // A rate does not need more digits.
        #[expect(clippy::cast_precision_loss)]
        (seconds > 0.0).then(|| bytes as f64 / seconds)
    }

    /// Whether something was purged that the reader of this observation, which does not read now, cannot have read. `None` if that
    /// cannot be known.
    pub fn is_lost(&self, facts: &MysqlFacts, pipe: &Pipe) -> Option<bool> {
        let last = self.last_reader.as_ref()?;
        if !facts.readers.read()?.is_empty() {
            return Some(false);
        }
        let Some(missed) = &last.missed_at else { return Some(false) };
        let end = End::of(facts)?;
        if end.server != missed.server {
            return None;
        }
        let exceeds = match facts.settings.read().is_some_and(is_mariadb) {
            true => gtid::mariadb_exceeds,
            false => gtid::mysql_exceeds,
        };
        let by_gtid = match (&missed.executed, &facts.purged) {
            (Some(executed), Fact::Read(purged)) if pipe.mechanism != ReplicationMechanism::FilePos => {
                exceeds(purged, executed)
            }
            _ => None,
        };
        by_gtid.or_else(|| {
            let (_, oldest) = numbered(&facts.binary_logs.read()?.oldest)?;
            let ((_, file), (_, newest)) = (numbered(&missed.position.file)?, numbered(&end.position.file)?);
            // After RESET BINARY LOGS the numbers begin again.
            Some(file < oldest || file > newest)
        })
    }
}

impl End {
    /// `None` if it is another server, or if the file was purged.
    fn written_until(&self, facts: &MysqlFacts) -> Option<u64> {
        let now = Self::of(facts).filter(|now| now.server == self.server)?;
        if now.position.file == self.position.file {
            return now.position.position.checked_sub(self.position.position);
        }
        let mut files = facts.binary_logs.read()?.newest.iter();
        let (_, first) = files.find(|(file, _)| *file == self.position.file)?;
        let between: u64 =
            files.take_while(|(file, _)| *file != now.position.file).map(|(_, bytes)| bytes).sum();
        Some(first.saturating_sub(self.position.position) + between + now.position.position)
    }
}

/// `mysql-bin-changelog.000042`
fn numbered(file: &str) -> Option<(&str, u64)> {
    let (stem, number) = file.rsplit_once('.')?;
    Some((stem, number.parse().ok()?))
}

/// How long the server keeps what it writes now, and by which limit. `None` if that is not known: on RDS `binlog retention hours` is
/// shorter than `binlog_expire_logs_seconds`, and the user may not see it.
fn kept_for(facts: &MysqlFacts) -> Option<(f64, PipeLimit)> {
    let by_rds = match &facts.retention_hours {
        Fact::Read(hours) if hours.is_empty() => Some(0.0),
        Fact::Read(hours) => Some(hours.parse::<f64>().ok()? * 3600.0),
        Fact::Absent => None,
        Fact::Refused(_) => return None,
    };
    let setting = |name: &str| facts.settings.read()?.get(name)?.parse::<f64>().ok();
    // 0 is off.
    let expiry = setting("binlog_expire_logs_seconds")
        .or_else(|| setting("expire_logs_days").map(|days| days * 86400.0))
        .filter(|seconds| *seconds > 0.0);
    [
        by_rds.map(|seconds| (seconds, PipeLimit::BinlogRetentionHours)),
        expiry.map(|seconds| (seconds, PipeLimit::BinlogExpireLogsSeconds)),
    ]
    .into_iter()
    .flatten()
    .min_by(|a, b| a.0.total_cmp(&b.0))
}

/// Seconds that a reader can be disconnected at the time `now`, and by which limit, at least: the server removes whole files. `seen` includes the
/// observation of these facts, and `rate` is in bytes per second. `None` if there is no limit, if it is not known, or if the
/// reader was behind when it was last seen.
pub(in crate::facts) fn lost_after(
    seen: &BinlogObservation,
    facts: &MysqlFacts,
    rate: Option<f64>,
    now: Timestamp,
) -> Option<(f64, PipeLimit)> {
    let last = seen.last_reader.as_ref().filter(|last| last.had_everything)?;
    let (away, written) = match &last.missed_at {
        None => (0.0, Some(0)),
        Some(end) => (now.duration_since(last.at).as_secs_f64(), end.written_until(facts)),
    };
    let by_time = kept_for(facts).map(|(seconds, limit)| (seconds - away, limit));
    // MariaDB 11.4 and newer; 0 is off.
    let total: Option<u64> =
        facts.settings.read().and_then(|s| s.get("max_binlog_total_size")?.parse().ok()).filter(|n| *n > 0);
    let by_size = total.zip(written).zip(rate.filter(|rate| *rate > 0.0)).map(|((total, written), rate)| {
        // A rate does not need more digits.
        #[expect(clippy::cast_precision_loss)]
        (total.saturating_sub(written) as f64 / rate, PipeLimit::MaxBinlogTotalSize)
    });
    let first = [by_time, by_size].into_iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some((first.0.max(0.0), first.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{BinaryLogs, BinlogReader};

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A server whose files `oldest` to `file` exist, each full one of 1000 bytes.
    fn server(oldest: u64, file: u64, position: u64, readers: &[bool]) -> MysqlFacts {
        let name = |n: u64| format!("log.{n:06}");
        let newest: Vec<_> =
            (oldest..=file).map(|n| (name(n), if n == file { position } else { 1000 })).collect();
        let reader =
            |has_everything: &bool| BinlogReader { thread: 7, seconds: 60, has_everything: *has_everything };
        MysqlFacts {
            settings: Fact::Read([("server_uuid".to_owned(), UUID.to_owned())].into()),
            position: Fact::Read(BinlogPosition { file: name(file), position }),
            readers: Fact::Read(readers.iter().map(reader).collect()),
            binary_logs: Fact::Read(BinaryLogs {
                count: newest.len(),
                bytes: newest.iter().map(|(_, bytes)| bytes).sum(),
                oldest: name(oldest),
                newest,
            }),
            ..MysqlFacts::default()
        }
    }

    fn set(mut facts: MysqlFacts, settings: &[(&str, &str)]) -> MysqlFacts {
        if let Fact::Read(all) = &mut facts.settings {
            all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        }
        facts
    }

    fn gtids(facts: MysqlFacts, executed: u64, purged: u64) -> MysqlFacts {
        let facts = set(facts, &[("gtid_mode", "ON"), ("gtid_executed", &format!("{UUID}:1-{executed}"))]);
        MysqlFacts { purged: Fact::Read(format!("{UUID}:1-{purged}")), ..facts }
    }

    /// Observations at 100 s, 200 s, ….
    fn observe(all: &[MysqlFacts]) -> BinlogObservation {
        let mut seen = BinlogObservation::default();
        for (facts, second) in all.iter().zip((100..).step_by(100)) {
            seen = BinlogObservation::of(facts, at(second)).after(&seen);
        }
        seen
    }

    #[test]
    fn the_rate_counts_every_file_between() {
        let rate = |from: MysqlFacts, to: MysqlFacts| BinlogObservation::of(&from, at(0)).rate(&to, 10.0);
        assert_eq!(rate(server(1, 3, 400, &[]), server(1, 3, 900, &[])), Some(50.0));
        assert_eq!(rate(server(1, 3, 400, &[]), server(2, 5, 400, &[])), Some(200.0));
        assert_eq!(rate(server(1, 3, 400, &[]), server(1, 3, 400, &[])), Some(0.0));
        // Purged in between, a reset, and another server.
        assert_eq!(rate(server(1, 3, 400, &[]), server(4, 5, 400, &[])), None);
        assert_eq!(rate(server(1, 3, 400, &[]), server(1, 3, 300, &[])), None);
        assert_eq!(rate(server(1, 3, 400, &[]), set(server(1, 3, 900, &[]), &[("server_uuid", "b")])), None);
        assert_eq!(
            BinlogObservation::of(&server(1, 3, 400, &[]), at(0)).rate(&server(1, 3, 900, &[]), 0.0),
            None
        );
    }

    #[test]
    fn a_reader_is_lost_only_if_what_was_written_after_it_left_is_purged() {
        let pipe = Pipe::default();
        let lost = |before: &[MysqlFacts], now: MysqlFacts| observe(before).is_lost(&now, &pipe);
        let with = || server(1, 3, 400, &[true]);
        let without = || server(1, 3, 500, &[]);
        // By file: it was missed while file 3 was written.
        assert_eq!(lost(&[with(), without()], server(3, 9, 100, &[])), Some(false));
        assert_eq!(lost(&[with(), without()], server(4, 9, 100, &[])), Some(true));
        assert_eq!(
            lost(&[with(), without(), server(2, 6, 1, &[])], server(4, 9, 100, &[])),
            Some(true),
            "not of file 6"
        );
        assert_eq!(lost(&[with(), without()], server(1, 1, 100, &[])), Some(true), "a reset");
        // It may have read until now, it reads, there never was one, and what is not known.
        assert_eq!(lost(&[with()], server(4, 9, 100, &[])), Some(false));
        assert_eq!(lost(&[with(), without()], server(4, 9, 100, &[true])), Some(false));
        assert_eq!(lost(&[without(), without()], server(4, 9, 100, &[])), None);
        let unknown = MysqlFacts { readers: Fact::Absent, ..server(4, 9, 100, &[]) };
        assert_eq!(lost(&[with(), without()], unknown.clone()), None);
        assert_eq!(lost(&[with(), unknown], server(4, 9, 100, &[])), Some(false), "not missed yet");
        // A failover.
        let other = || set(server(4, 9, 100, &[]), &[("server_uuid", "b")]);
        assert_eq!(lost(&[with(), without()], other()), None);
        assert_eq!(
            lost(&[with(), without(), other()], set(server(11, 12, 1, &[]), &[("server_uuid", "b")])),
            Some(true)
        );

        // By GTID: the file was purged, but nothing in it was new.
        let before = || [gtids(with(), 5, 2), gtids(without(), 5, 2)];
        assert_eq!(lost(&before(), gtids(server(4, 9, 100, &[]), 8, 5)), Some(false));
        assert_eq!(lost(&before(), gtids(server(4, 9, 100, &[]), 8, 6)), Some(true));
        let by_position = Pipe { mechanism: ReplicationMechanism::FilePos, ..Pipe::default() };
        assert_eq!(
            observe(&before()).is_lost(&gtids(server(4, 9, 100, &[]), 8, 5), &by_position),
            Some(true)
        );
    }

    #[test]
    fn a_reader_can_be_away_as_long_as_the_server_keeps_files() {
        use PipeLimit::{
            BinlogExpireLogsSeconds as Expiry, BinlogRetentionHours as Hours, MaxBinlogTotalSize as Size,
        };
        let after =
            |hours: Fact<String>, settings: &[(&str, &str)], readers: &[&[bool]], rate: Option<f64>| {
                let of = |readers: &&[bool]| MysqlFacts {
                    retention_hours: hours.clone(),
                    ..set(server(1, 3, 400, readers), settings)
                };
                let all: Vec<_> = readers.iter().map(of).collect();
                // 50 s after the last observation.
                let now = at(100 * i64::try_from(all.len()).unwrap() + 50);
                lost_after(&observe(&all), all.last().unwrap(), rate, now)
            };
        let hours = |n: u64| Fact::Read(n.to_string());
        let expires: &[(&str, &str)] = &[("binlog_expire_logs_seconds", "7200")];
        assert_eq!(after(hours(1), &[], &[&[true]], None), Some((3600.0, Hours)), "if it disconnects now");
        assert_eq!(after(hours(1), &[], &[&[true], &[]], None), Some((3450.0, Hours)), "150 s ago");
        assert_eq!(after(hours(1), expires, &[&[true]], None), Some((3600.0, Hours)));
        assert_eq!(after(hours(3), expires, &[&[true]], None), Some((7200.0, Expiry)));
        assert_eq!(after(Fact::Absent, expires, &[&[true]], None), Some((7200.0, Expiry)), "not RDS");
        assert_eq!(
            after(Fact::Absent, &[("expire_logs_days", "1")], &[&[true]], None),
            Some((86400.0, Expiry))
        );
        assert_eq!(after(Fact::Read(String::new()), &[], &[&[true], &[]], None), Some((0.0, Hours)), "NULL");
        let total: &[(&str, &str)] = &[("max_binlog_total_size", "10000")];
        assert_eq!(after(Fact::Absent, total, &[&[true]], Some(10.0)), Some((1000.0, Size)));
        // No limit, one that the user may not see, a reader that is behind, and none.
        assert_eq!(after(Fact::Absent, &[("binlog_expire_logs_seconds", "0")], &[&[true]], None), None);
        assert_eq!(after(Fact::Absent, total, &[&[true]], None), None);
        let refused = Fact::refused(crate::connection::Refusal { code: "1142".into(), ..Default::default() });
        assert_eq!(after(refused, expires, &[&[true]], None), None);
        assert_eq!(after(hours(1), &[], &[&[true, false]], None), None);
        assert_eq!(after(hours(1), &[], &[&[]], None), None);
    }
}

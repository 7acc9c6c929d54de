//! The binary logs that exist, and the connections of the user that read them.

use std::time::{Duration, Instant};

use super::{
    super::{BinaryLogs, BinlogReader, Fact, Rows, ServerText, all, fact, number, text},
    Queries,
};

/// Without the PROCESS privilege, a user sees its own threads only.
const THREADS: &str = "SHOW PROCESSLIST";

/// A pipe reads for a long time. The dump of another check takes milliseconds.
const READS_FOR_SECONDS: u64 = 2;

/// How often the threads are read again, and how long after the last time: until each has read for some time, and was sent
/// everything once.
const WATCHES: u32 = 2;
const WATCH: Duration = Duration::from_millis(500);

/// So many files are kept, for the bytes that were written since an earlier check. RDS starts a new file every five minutes.
const NEWEST: usize = 48;

impl Queries {
    /// `account` is the user of this session: `name@host`.
    pub(super) async fn binlog_readers(&mut self, account: &str) -> Fact<Vec<BinlogReader>> {
        let name = account.rsplit_once('@').map_or(account, |(name, _host)| name);
        let mut now = match self.rows(THREADS).await {
            Ok(rows) => readers(&rows, name),
            Err(refusal) => return Fact::Refused(refusal.into()),
        };
        let mut confirmed: Vec<u64> = Vec::new();
        for _ in 0..WATCHES {
            if now.iter().all(|r| r.has_everything && r.seconds >= READS_FOR_SECONDS)
                || Instant::now() + WATCH >= self.deadline
            {
                break;
            }
            tokio::time::sleep(WATCH).await;
            let before = now;
            now = match self.rows(THREADS).await {
                Ok(rows) => readers(&rows, name),
                Err(refusal) => return Fact::Refused(refusal.into()),
            };
            for reader in &mut now {
                if let Some(earlier) = before.iter().find(|earlier| earlier.thread == reader.thread) {
                    confirmed.push(reader.thread);
                    reader.has_everything |= earlier.has_everything;
                }
            }
        }
        now.retain(|r| r.seconds >= READS_FOR_SECONDS || confirmed.contains(&r.thread));
        Fact::Read(now)
    }

    pub(super) async fn binary_logs(&mut self) -> Fact<BinaryLogs> {
        all(self.rows("SHOW BINARY LOGS").await, |rows| files(&rows))
    }

    /// MariaDB: the position at which the oldest file starts. Everything before has been purged.
    pub(super) async fn start_of_oldest(&mut self, logs: &Fact<BinaryLogs>) -> Fact<String> {
        let Some(logs) = logs.read().filter(|logs| !logs.oldest.is_empty()) else { return Fact::Absent };
        let file = crate::sql::mysql::literal(&logs.oldest);
        fact(self.rows(&format!("SELECT BINLOG_GTID_POS({file}, 4)")).await, text)
    }
}

/// Columns: Id, User, Host, db, Command, Time, State. The command is `Binlog Dump` or `Binlog Dump GTID`.
fn readers(rows: &Rows, name: &str) -> Vec<BinlogReader> {
    let of = |row: &Vec<Option<ServerText>>| {
        let column = |i: usize| row.get(i).and_then(Option::as_ref).map(ServerText::raw);
        let is_reader = column(1)? == name && column(4)?.starts_with("Binlog Dump");
        // "Source has sent all binlog to replica; waiting for more updates"; before MySQL 8.0.26, and on MariaDB, "Master …".
        let has_everything = column(6).is_some_and(|state| state.contains(" has sent all "));
        is_reader.then_some(BinlogReader {
            thread: number(column(0)?)?,
            seconds: column(5).and_then(number).unwrap_or(0),
            has_everything,
        })
    };
    rows.iter().filter_map(of).collect()
}

/// Columns: name, size.
fn files(rows: &Rows) -> BinaryLogs {
    let of = |row: &Vec<Option<ServerText>>| {
        let [Some(name), Some(bytes), ..] = row.as_slice() else { return None };
        Some((name.to_string(), number(bytes.raw())?))
    };
    let all: Vec<(String, u64)> = rows.iter().filter_map(of).collect();
    BinaryLogs {
        count: all.len(),
        bytes: all.iter().map(|(_, bytes)| bytes).sum(),
        oldest: all.first().map(|(name, _)| name.clone()).unwrap_or_default(),
        newest: all[all.len().saturating_sub(NEWEST)..].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[&str]) -> Vec<Option<ServerText>> {
        columns.iter().map(|text| Some(ServerText::new(*text))).collect()
    }

    #[test]
    fn readers_are_dump_threads_of_the_user() {
        let rows = vec![
            row(&["5", "event_scheduler", "localhost", "", "Daemon", "9", "Waiting on empty queue", ""]),
            row(&[
                "7",
                "clickpipes_iam_user",
                "10.0.0.1:1",
                "",
                "Binlog Dump GTID",
                "300",
                "Source has sent all binlog to replica; waiting for more updates",
                "",
            ]),
            row(&[
                "8",
                "clickpipes_iam_user",
                "10.0.0.1:2",
                "",
                "Binlog Dump",
                "4",
                "Sending binlog event to slave",
                "",
            ]),
            row(&["9", "rdsrepladmin", "10.0.0.2:1", "", "Binlog Dump GTID", "300", "", ""]),
            row(&["10", "clickpipes_iam_user", "10.0.0.1:3", "", "Query", "0", "init", "SHOW PROCESSLIST"]),
        ];
        let found = readers(&rows, "clickpipes_iam_user");
        let of = |thread, seconds, has_everything| BinlogReader { thread, seconds, has_everything };
        assert_eq!(found, [of(7, 300, true), of(8, 4, false)]);
    }

    #[test]
    fn files_are_counted_and_the_last_are_kept() {
        let rows: Rows = (1..=50).map(|i| row(&[&format!("log.{i:06}"), "100", "No"])).collect();
        let logs = files(&rows);
        assert_eq!((logs.count, logs.bytes, &*logs.oldest), (50, 5000, "log.000001"));
        assert_eq!(
            (logs.newest.len(), &*logs.newest[0].0, &*logs.newest[47].0),
            (48, "log.000003", "log.000050")
        );
        assert_eq!(files(&vec![]), BinaryLogs::default());
    }
}

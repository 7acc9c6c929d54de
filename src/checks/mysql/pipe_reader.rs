//! The reader of the binary log: whether the pipe is connected, and whether the log still has what it needs.

use super::{Server, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
    },
    diagnostic::Severity::Advisory,
    facts::{BinlogReader, Fact},
};

pub(crate) static CHECK: Check = Check::changes(
    "MYSQL_PIPE_READER",
    "connection of the pipe that reads the binary log (SHOW PROCESSLIST)",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.if_unknown(Advisory)
.expected("a pipe that was seen to read the binary log as {user} still reads it, or can still continue")
.source(
    "MySQL Reference Manual, Replication Source Thread States; SHOW BINARY LOGS; MariaDB documentation, \
     BINLOG_GTID_POS",
)
.causes(&[&MYSQL_PIPE_LOST, &MYSQL_PIPE_DISCONNECTED]);

pub(in crate::checks) static MYSQL_PIPE_LOST: Cause = Cause::new(
    "MYSQL_PIPE_LOST",
    "the server purged binary log that was written after the pipe had disconnected, so the pipe cannot continue",
    "`serve` has seen a Binlog Dump thread of the user before; gtid_purged (MariaDB: BINLOG_GTID_POS of the oldest file) has \
     transactions that were executed after it was missed, or without GTID the file of that time is gone",
)
.fix(
    "resync the pipe in ClickPipes, and keep the binary log for longer: CALL mysql.rds_set_configuration('binlog retention \
     hours', 72); if the pipe was deleted on purpose, restart pipeprobe or remove the target",
);

pub(in crate::checks) static MYSQL_PIPE_DISCONNECTED: Cause = Cause::new(
    "MYSQL_PIPE_DISCONNECTED",
    "no connection of the user reads the binary log, and one did before",
    "`serve` has seen a Binlog Dump thread of the user before, and SHOW PROCESSLIST has none now",
)
.fix(
    "resume the pipe if it is paused; otherwise see its state in ClickPipes; if it was deleted on purpose, restart pipeprobe \
     or remove the target",
);

fn judge(server: &Server<'_>) -> Diagnostic {
    let user = &server.target.user;
    let readers = match &server.facts.readers {
        Fact::Read(readers) => readers.as_slice(),
        other => return unanswered(&CHECK, other),
    };
    if let Some(first) = readers.first() {
        let of = match readers {
            [_] => format!("a connection of {user} reads the binary log, {}", state(first)),
            some => format!(
                "{} connections of {user} read the binary log: {}",
                some.len(),
                some.iter().map(state).collect::<Vec<_>>().join("; ")
            ),
        };
        return CHECK.pass(of);
    }
    let Some((seen, last)) = server
        .earlier
        .and_then(|earlier| earlier.binlog.as_deref())
        .and_then(|seen| Some((seen, seen.last_reader.as_ref()?)))
    else {
        return CHECK.pass(format!("no connection of {user} reads the binary log"));
    };
    let found =
        format!("no connection of {user} reads the binary log; the last one was seen at {:.0}", last.at);
    match (seen.is_lost(server.facts, &server.target.pipe), &last.missed_at) {
        (Some(true), Some(missed)) => {
            let oldest = server.facts.binary_logs.read().map(|logs| logs.oldest.as_str()).unwrap_or_default();
            let files =
                format!("; the end was then in {}, and the oldest file is {oldest}", missed.position.file);
            CHECK.fail(&MYSQL_PIPE_LOST, found + &files)
        }
        _ => CHECK.warn(&MYSQL_PIPE_DISCONNECTED, found),
    }
}

fn state(reader: &BinlogReader) -> String {
    let everything =
        if reader.has_everything { "was sent everything" } else { "was not sent everything yet" };
    format!("for {} s, and {everything}", reader.seconds)
}

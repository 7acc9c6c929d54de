//! The binary log is read from its end, as a replica does.

use super::{Server, is_denial, unanswered, without_binary_log};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        sources::MYSQL_SOURCE,
    },
    facts::Fact,
};

pub(crate) static CHECK: Check = Check::changes(
    "MYSQL_BINLOG_STREAM",
    "binary log stream (REPLICATION SLAVE)",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.expected("REPLICATION SLAVE; the binary log is read from its end")
.fix("GRANT REPLICATION SLAVE ON *.* TO {user};")
.source(MYSQL_SOURCE)
.causes(&[&MYSQL_NO_REPLICATION_SLAVE, &MYSQL_BINLOG_STREAM_REFUSED]);

pub(in crate::checks) static MYSQL_NO_REPLICATION_SLAVE: Cause = Cause::new(
    "MYSQL_NO_REPLICATION_SLAVE",
    "the user lacks the REPLICATION SLAVE privilege",
    "error 1045 or 1227 for COM_REGISTER_SLAVE or COM_BINLOG_DUMP",
);

pub(in crate::checks) static MYSQL_BINLOG_STREAM_REFUSED: Cause = Cause::new(
    "MYSQL_BINLOG_STREAM_REFUSED",
    "the server refused to stream the binary log",
    "an error other than a missing privilege; its message is in the report",
)
.fix("see the server's message; the privilege to stream is not the problem");

fn judge(server: &Server<'_>) -> Diagnostic {
    match &server.facts.stream {
        Fact::Refused(_) if server.get("server_id") == Some("0") => {
            CHECK.skipped("the server has no server id")
        }
        Fact::Read(stream) => CHECK
            .pass(format!("registered as replica {}, {} events to the end", stream.server_id, stream.events)),
        // COM_REGISTER_SLAVE answers 1045 if the privilege is missing.
        Fact::Refused(refusal) if is_denial(refusal) => {
            CHECK.fail(&MYSQL_NO_REPLICATION_SLAVE, refusal.to_string())
        }
        Fact::Refused(refusal) if refusal.code.parse::<u16>().is_ok() => {
            CHECK.fail(&MYSQL_BINLOG_STREAM_REFUSED, refusal.to_string())
        }
        refused @ Fact::Refused(_) => unanswered(&CHECK, refused),
        Fact::Absent if !server.has_binary_log() => without_binary_log(&CHECK),
        Fact::Absent => CHECK.skipped("there is no position to start from"),
    }
}

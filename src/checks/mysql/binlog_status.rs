//! ClickPipes reads the binary log position, which needs REPLICATION CLIENT.

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
    "MYSQL_BINLOG_STATUS",
    "binary log position (REPLICATION CLIENT)",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.expected("REPLICATION CLIENT (MariaDB: BINLOG MONITOR), and a position")
.fix("GRANT REPLICATION CLIENT ON *.* TO {user};")
.source(MYSQL_SOURCE)
.causes(&[&MYSQL_NO_REPLICATION_CLIENT, &MYSQL_NO_BINLOG_POSITION]);

pub(in crate::checks) static MYSQL_NO_REPLICATION_CLIENT: Cause = Cause::new(
    "MYSQL_NO_REPLICATION_CLIENT",
    "the user lacks the privilege to read the binary log position",
    "error 1227 for SHOW BINARY LOG STATUS (SHOW MASTER STATUS)",
);

pub(in crate::checks) static MYSQL_NO_BINLOG_POSITION: Cause = Cause::new(
    "MYSQL_NO_BINLOG_POSITION",
    "the binary log is on, but has no usable position",
    "SHOW BINARY LOG STATUS has no row, or one of 0 or beyond 4 GiB",
)
.fix("wait a few minutes after turning the binary log on, then check again");

fn judge(server: &Server<'_>) -> Diagnostic {
    match &server.facts.position {
        // The protocol has four bytes for the position.
        Fact::Read(at) if at.position == 0 || at.position > u64::from(u32::MAX) => CHECK
            .fail(&MYSQL_NO_BINLOG_POSITION, format!("{}, position {}", at.file, at.position))
            .remedy("as the master user: FLUSH BINARY LOGS; (it starts a new file)"),
        Fact::Read(at) => CHECK.pass(format!("{}, position {}", at.file, at.position)),
        Fact::Refused(refusal) if is_denial(refusal) => {
            CHECK.fail(&MYSQL_NO_REPLICATION_CLIENT, refusal.to_string())
        }
        Fact::Absent if !server.has_binary_log() => without_binary_log(&CHECK),
        Fact::Absent => CHECK.fail(&MYSQL_NO_BINLOG_POSITION, "the server reports no position"),
        other @ Fact::Refused(_) => unanswered(&CHECK, other),
    }
}

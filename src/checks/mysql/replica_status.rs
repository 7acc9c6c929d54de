//! ClickPipes runs SHOW REPLICA STATUS, which needs a privilege that differs between versions.

use super::{Server, is_denial, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        sources::MYSQL_ENGINE,
    },
    facts::{Fact, Version},
};

pub(crate) static CHECK: Check = Check::changes(
    "MYSQL_REPLICA_STATUS",
    "replica status (SHOW REPLICA STATUS)",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.expected(
    "privilege for SHOW REPLICA STATUS, which ClickPipes' engine runs before it streams; on MariaDB: \
         REPLICA MONITOR",
)
.source(MYSQL_ENGINE)
.causes(&[&MYSQL_NO_REPLICA_MONITOR]);

pub(in crate::checks) static MYSQL_NO_REPLICA_MONITOR: Cause = Cause::new(
    "MYSQL_NO_REPLICA_MONITOR",
    "the user lacks the privilege for SHOW REPLICA STATUS, which ClickPipes' engine runs",
    "error 1227 for SHOW REPLICA STATUS; the guide's REPLICATION CLIENT does not allow it on MariaDB since \
     10.5.9",
)
.fix("MariaDB: GRANT REPLICA MONITOR ON *.* TO {user}; MySQL: GRANT REPLICATION CLIENT ON *.* TO {user};");

/// Since this version of MariaDB, REPLICATION CLIENT no longer allows SHOW REPLICA STATUS.
const REPLICA_MONITOR: Version = Version(10, 5, 9);

/// MariaDB since 10.5.9 needs REPLICA MONITOR for it. The guides only grant REPLICATION CLIENT.
fn judge(server: &Server<'_>) -> Diagnostic {
    match &server.facts.is_replica {
        Fact::Read(true) => CHECK.pass("it is a replica of another server"),
        Fact::Read(false) => CHECK.pass("it is not a replica"),
        Fact::Refused(refusal) if is_denial(refusal) => {
            let needs_monitor = server.is_mariadb() && server.since(Version(0, 0, 0), REPLICA_MONITOR);
            if !needs_monitor && matches!(&server.facts.position, Fact::Refused(r) if is_denial(r)) {
                return CHECK.skipped("it takes the same privilege as MYSQL_BINLOG_STATUS");
            }
            let diagnostic = CHECK.fail(&MYSQL_NO_REPLICA_MONITOR, refusal.to_string());
            match needs_monitor {
                true => diagnostic.remedy(format!("GRANT REPLICA MONITOR ON *.* TO {};", server.account)),
                false => diagnostic.remedy(format!("GRANT REPLICATION CLIENT ON *.* TO {};", server.account)),
            }
        }
        other => unanswered(&CHECK, other),
    }
}

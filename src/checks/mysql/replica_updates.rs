//! A replica has the changes of its primary in its binary log only with log_replica_updates.

use super::Server;
use super::binary_log::MYSQL_UNANSWERED;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        sources::MYSQL_ENGINE,
    },
    facts::Fact,
};

pub(crate) static CHECK: Check = Check::changes(
    "MYSQL_REPLICA_UPDATES",
    "log_replica_updates on a replica",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.versions("replicas")
.expected("log_replica_updates (log_slave_updates) = ON on a replica")
.fix(
    "use the endpoint of the primary, or turn automated backups of the replica on, which turns \
         log_replica_updates on",
)
.aurora("use the writer endpoint of the cluster, or set log_replica_updates = ON in the {group} and reboot")
.source(MYSQL_ENGINE)
.causes(&[&MYSQL_REPLICA_UPDATES_OFF]);

pub(in crate::checks) static MYSQL_REPLICA_UPDATES_OFF: Cause = Cause::new(
    "MYSQL_REPLICA_UPDATES_OFF",
    "the replica does not write replicated changes to its binary log",
    "log_replica_updates or log_slave_updates on a replica",
);

fn judge(server: &Server<'_>) -> Diagnostic {
    let names = ["log_replica_updates", "log_slave_updates"];
    let value = names.iter().find_map(|name| Some((name, server.get(name)?)));
    match (&server.facts.is_replica, value) {
        (Fact::Read(false), _) => CHECK.pass("it is no replica"),
        (Fact::Read(true), Some((name, value @ ("ON" | "1")))) => CHECK.pass(format!("{name} = {value}")),
        (Fact::Read(true), Some((name, value))) => {
            CHECK.fail(&MYSQL_REPLICA_UPDATES_OFF, format!("a replica, and {name} = {value}"))
        }
        (Fact::Read(true), None) => CHECK.unknown(&MYSQL_UNANSWERED, "the server has no log_replica_updates"),
        // With log_replica_updates, it does not matter whether the server is a replica.
        (_, Some((name, value @ ("ON" | "1")))) => CHECK.pass(format!("{name} = {value}")),
        _ => CHECK.skipped("it is not known whether the server is a replica"),
    }
}

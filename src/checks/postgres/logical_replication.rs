//! What `rds_replication` allows, RDS allows only while `rds.logical_replication` is on.

use super::{Server, is_on, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        sources::{LOOK_AT_RDS, PG_ENGINE},
    },
    facts::Fact,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_LOGICAL_REPLICATION",
    "rds.logical_replication is on",
    POSTGRES,
    Judge::Postgres(judge),
)
.expected("rds.logical_replication = on, if the user's privilege comes from rds_replication")
.fix("set rds.logical_replication = 1 in the {group} and reboot")
.source(PG_ENGINE)
.causes(&[&PG_LOGICAL_REPLICATION_OFF, &PG_PENDING_REBOOT]);

pub(in crate::checks) static PG_LOGICAL_REPLICATION_OFF: Cause =
    Cause::new("PG_LOGICAL_REPLICATION_OFF", "rds.logical_replication is off", "current_setting");

pub(in crate::checks) static PG_PENDING_REBOOT: Cause =
    Cause::new("PG_PENDING_REBOOT", "parameter group settings are pending a reboot", LOOK_AT_RDS)
        .fix("reboot the instance");

/// As ClickPipes' engine has it: the parameter counts where the right does not come from the attribute.
fn judge(server: &Server<'_>) -> Diagnostic {
    let facts = server.facts;
    let found = |value: &str| format!("rds.logical_replication = {value}");
    match (&facts.logical_replication, facts.has_replication_attribute.read()) {
        (Fact::Read(value), _) if is_on(value) => CHECK.pass(found(value)),
        (Fact::Read(value), Some(true)) => {
            CHECK.pass(format!("{}, but the user has the attribute REPLICATION", found(value)))
        }
        (Fact::Read(value), _) => CHECK.fail(&PG_LOGICAL_REPLICATION_OFF, found(value)),
        (Fact::Absent, _) => CHECK.pass("the server has no rds.logical_replication"),
        (Fact::Refused(_), Some(true)) => CHECK.pass("it has the attribute REPLICATION"),
        (refused @ Fact::Refused(_), _) => unanswered(&CHECK, refused),
    }
}

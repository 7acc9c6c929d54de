//! A pipe creates a replication slot, so one must be free.

use super::{Server, unanswered};
use crate::checks::{
    Diagnostic,
    check::{Cause, Check, Judge, POSTGRES},
    sources::PG_LOGICAL,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_REPLICATION_SLOTS",
    "free replication slot (max_replication_slots)",
    POSTGRES,
    Judge::Postgres(judge),
)
.expected("fewer slots than max_replication_slots")
.fix(
    "raise max_replication_slots in the {group} and reboot, or drop an unused slot (SELECT slot_name, \
         active FROM pg_replication_slots;)",
)
.source(PG_LOGICAL)
.causes(&[&PG_NO_REPLICATION_SLOT, &PG_NO_OTHER_SLOT]);

pub(in crate::checks) static PG_NO_REPLICATION_SLOT: Cause = Cause::new(
    "PG_NO_REPLICATION_SLOT",
    "all replication slots are in use",
    "pg_replication_slots and max_replication_slots",
);

pub(in crate::checks) static PG_NO_OTHER_SLOT: Cause = Cause::new(
    "PG_NO_OTHER_SLOT",
    "all replication slots are in use, one of them by the pipe",
    "the number of slots against max_replication_slots, and the slot of the pipe",
)
.fix(
    "the pipe continues; for another pipe drop unused slots or raise max_replication_slots in the parameter \
     group and reboot",
);

fn judge(server: &Server<'_>) -> Diagnostic {
    let used = &server.facts.replication_slots_in_use;
    let most = server.setting("max_replication_slots").and_then(|value| value.parse::<u32>().ok());
    let own = server.pipe_slots().len();
    match (used.read(), most) {
        (Some(used), Some(most)) if *used >= most && own > 0 => CHECK.warn(&PG_NO_OTHER_SLOT,
            format!(
                "{used} of {most} in use, of which {own} by the pipe; none is free for another pipe or a resync"
            ),
        ),
        (Some(used), Some(most)) if *used >= most => {
            CHECK.fail(&PG_NO_REPLICATION_SLOT, format!("{used} of {most} in use"))
        }
        (Some(used), Some(most)) => CHECK.pass(format!("{used} of {most} in use")),
        (None, _) => unanswered(&CHECK, used),
        (_, None) => server.no_setting(&CHECK),
    }
}

//! Without hot_standby_feedback, the primary removes rows that the slot of a standby needs.

use super::{STANDBY_SINCE, Server, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_ENGINE,
    },
    facts::Fact,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_HOT_STANDBY_FEEDBACK",
    "hot_standby_feedback on a standby",
    POSTGRES,
    Judge::Postgres(judge),
)
.versions("standbys of 16+")
.expected("hot_standby_feedback = on")
.fix("set hot_standby_feedback = 1 in the {group} of the standby (takes effect at once)")
.source(PG_ENGINE)
.causes(&[&PG_HOT_STANDBY_FEEDBACK]);

pub(in crate::checks) static PG_HOT_STANDBY_FEEDBACK: Cause = Cause::new(
    "PG_HOT_STANDBY_FEEDBACK",
    "the primary can remove rows that the standby's slot needs",
    "hot_standby_feedback on a standby",
);

fn judge(server: &Server<'_>) -> Diagnostic {
    let facts = server.facts;
    match (facts.in_recovery.read(), server.setting("hot_standby_feedback")) {
        (Some(false), _) => CHECK.pass("it is the primary"),
        (None, _) => unanswered(&CHECK, &facts.in_recovery),
        (Some(true), _) if facts.is_aurora == Fact::Read(true) => {
            CHECK.skipped("an Aurora reader holds no slot")
        }
        (Some(true), _) if server.major().is_some_and(|major| major < STANDBY_SINCE) => {
            CHECK.skipped("a standby of before 16 holds no slot")
        }
        (Some(true), Some("on")) => CHECK.pass("hot_standby_feedback = on"),
        (Some(true), Some(value)) => {
            CHECK.fail(&PG_HOT_STANDBY_FEEDBACK, format!("a standby, and hot_standby_feedback = {value}"))
        }
        (Some(true), None) => server.no_setting(&CHECK),
    }
}

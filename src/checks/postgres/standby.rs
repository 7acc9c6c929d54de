//! Logical replication slots need the primary, or a standby of PostgreSQL 16 or newer that is not an Aurora reader.

use super::{STANDBY_SINCE, Server, dotted, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
    },
    facts::Fact,
};

pub(crate) static CHECK: Check =
    Check::changes("PG_STANDBY", "server role allows replication slots", POSTGRES, Judge::Postgres(judge))
        .expected("the writer, or a standby of PostgreSQL 16 or newer that is not an Aurora reader")
        .fix("use the endpoint of the primary (writer)")
        .source("PostgreSQL documentation, Logical Decoding, Replication Slots")
        .causes(&[&PG_STANDBY, &PG_AURORA_READER]);

pub(in crate::checks) static PG_STANDBY: Cause = Cause::new(
    "PG_STANDBY",
    "a standby before PostgreSQL 16 cannot have logical slots",
    "pg_is_in_recovery() and the version",
);

pub(in crate::checks) static PG_AURORA_READER: Cause = Cause::new(
    "PG_AURORA_READER",
    "a reader of an Aurora cluster cannot have replication slots",
    "pg_is_in_recovery() on Aurora",
)
.fix("use the writer endpoint of the cluster");

fn judge(server: &Server<'_>) -> Diagnostic {
    let facts = server.facts;
    match (facts.in_recovery.read(), facts.version_number.read()) {
        (Some(false), _) => CHECK.pass("it is the primary"),
        (Some(true), _) if facts.is_aurora == Fact::Read(true) => {
            CHECK.fail(&PG_AURORA_READER, "a reader of an Aurora cluster")
        }
        (Some(true), _) if facts.is_aurora.read().is_none() => unanswered(&CHECK, &facts.is_aurora),
        (Some(true), Some(number)) if number / 10_000 >= STANDBY_SINCE => {
            CHECK.pass(format!("a standby of version {}", dotted(*number)))
        }
        (Some(true), Some(number)) => {
            CHECK.fail(&PG_STANDBY, format!("a standby of version {}", dotted(*number)))
        }
        (Some(true), None) => unanswered(&CHECK, &facts.version_number),
        (None, _) => unanswered(&CHECK, &facts.in_recovery),
    }
}

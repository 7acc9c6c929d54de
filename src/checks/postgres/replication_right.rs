//! A replication slot needs the role `rds_replication` or the attribute REPLICATION.

use super::{Server, is_on, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_SOURCE,
    },
    connection::ConnectError,
    facts::Fact,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_REPLICATION_RIGHT",
    "replication privilege (rds_replication)",
    POSTGRES,
    Judge::Postgres(judge),
)
.expected("the role rds_replication, or the attribute REPLICATION")
.fix("GRANT rds_replication TO {user};")
.source(PG_SOURCE)
.causes(&[&PG_NO_REPLICATION_RIGHT]);

pub(in crate::checks) static PG_NO_REPLICATION_RIGHT: Cause = Cause::new(
    "PG_NO_REPLICATION_RIGHT",
    "the user lacks the replication privilege",
    "SQLSTATE 42501 on the replication connection, otherwise rolreplication and membership of rds_replication",
);

/// By trial where it came to that, else by what the catalogue says.
fn judge(server: &Server<'_>) -> Diagnostic {
    let facts = server.facts;
    let by = match (facts.has_replication_attribute.read(), facts.in_rds_replication.read()) {
        (Some(true), _) => Some("it has the attribute REPLICATION"),
        (_, Some(true)) => Some("it is a member of rds_replication"),
        _ => None,
    };
    match &facts.replication {
        Fact::Read(Ok(_)) => CHECK.pass(by.unwrap_or("the replication connection was accepted")),
        Fact::Read(Err(ConnectError::Refused { refusal, .. })) if refusal.code == "42501" => {
            let is_off = facts.logical_replication.read().is_some_and(|value| !is_on(value));
            match by {
                // What RDS' role gives, it gives only then.
                Some(by) if is_off => CHECK.skipped(format!("{by}, and rds.logical_replication = off")),
                _ => CHECK.fail(&PG_NO_REPLICATION_RIGHT, refusal.to_string()),
            }
        }
        _ => match (by, &facts.has_replication_attribute) {
            (Some(by), _) => CHECK.pass(by),
            (None, _) if matches!(facts.in_rds_replication, Fact::Refused(_)) => {
                unanswered(&CHECK, &facts.in_rds_replication)
            }
            (None, Fact::Read(false)) => CHECK.fail(
                &PG_NO_REPLICATION_RIGHT,
                "not a member of rds_replication, and no attribute REPLICATION",
            ),
            (None, other) => unanswered(&CHECK, other),
        },
    }
}

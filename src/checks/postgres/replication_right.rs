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
    sql::postgres::identifier,
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
.causes(&[&PG_NO_REPLICATION_RIGHT, &PG_REPLICATION_NOT_INHERITED]);

pub(in crate::checks) static PG_NO_REPLICATION_RIGHT: Cause = Cause::new(
    "PG_NO_REPLICATION_RIGHT",
    "the user lacks the replication privilege",
    "SQLSTATE 42501 on the replication connection, otherwise rolreplication and membership of rds_replication",
);

pub(in crate::checks) static PG_REPLICATION_NOT_INHERITED: Cause = Cause::new(
    "PG_REPLICATION_NOT_INHERITED",
    "the user is a member of rds_replication without its privileges",
    "membership of rds_replication without USAGE (pg_has_role): NOINHERIT, or WITH INHERIT FALSE",
);

const INHERIT_OPTION_SINCE: u32 = 16;

/// The option of GRANT exists since version 16; before, it is an attribute of the role.
fn inherit(server: &Server<'_>) -> String {
    let user = identifier(server.target.user.as_str());
    match server.major() {
        Some(major) if major >= INHERIT_OPTION_SINCE => {
            format!("GRANT rds_replication TO {user} WITH INHERIT TRUE;")
        }
        _ => format!("ALTER ROLE {user} INHERIT;"),
    }
}

/// By trial where it came to that, else by what the catalogue says.
fn judge(server: &Server<'_>) -> Diagnostic {
    let facts = server.facts;
    let by = match (facts.has_replication_attribute.read(), facts.in_rds_replication.read()) {
        (Some(true), _) => Some("it has the attribute REPLICATION"),
        (_, Some(true)) => Some("it is a member of rds_replication"),
        _ => None,
    };
    let does_not_inherit = facts.rds_replication_not_inherited == Fact::Read(true);
    match &facts.replication {
        Fact::Read(Ok(_)) => CHECK.pass(by.unwrap_or("the replication connection was accepted")),
        Fact::Read(Err(ConnectError::Refused { refusal, .. })) if refusal.code == "42501" => {
            let is_off = facts.logical_replication.read().is_some_and(|value| !is_on(value));
            match by {
                // What RDS' role gives, it gives only then.
                Some(by) if is_off => CHECK.skipped(format!("{by}, and rds.logical_replication = off")),
                _ if does_not_inherit => {
                    let found = format!("a member of rds_replication that does not inherit: {refusal}");
                    CHECK.fail(&PG_REPLICATION_NOT_INHERITED, found).remedy(inherit(server))
                }
                _ => CHECK.fail(&PG_NO_REPLICATION_RIGHT, refusal.to_string()),
            }
        }
        _ => match (by, &facts.has_replication_attribute) {
            (Some(by), _) => CHECK.pass(by),
            // No document says whether RDS counts such a membership.
            (None, _) if does_not_inherit => {
                let found = "a member of rds_replication that does not inherit, and the replication connection was not tried";
                CHECK.unknown(&PG_REPLICATION_NOT_INHERITED, found).remedy(inherit(server))
            }
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

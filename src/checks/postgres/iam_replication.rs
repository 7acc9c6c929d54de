//! The server must accept the token on a replication connection too (`rds.iam_auth_for_replication`).

use super::{Server, is_on, is_out_of_wal_senders, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        connection::dial::local_failure,
        connection::login::postgres::raise_role_limit,
        database::endpoint::DB_ENDPOINT_PROXY,
    },
    connection::{AuthRequest, ConnectError, Refusal},
    diagnostic::Outcome,
    facts::{Fact, ReplicationSlot},
    sql::postgres::identifier,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_IAM_REPLICATION",
    "IAM token on replication connections",
    POSTGRES,
    Judge::Postgres(judge),
)
.expected("a replication connection with a token, which needs rds.iam_auth_for_replication = 1")
.fix("set rds.iam_auth_for_replication = 1 in the {group} (takes effect at once)")
.source("Amazon RDS User Guide, IAM authentication for logical replication connections")
.causes(&[&PG_REPLICATION_NOT_IAM, &PG_REPLICATION_UNKNOWN]);

pub(in crate::checks) static PG_REPLICATION_NOT_IAM: Cause = Cause::new(
    "PG_REPLICATION_NOT_IAM",
    "tokens are not accepted on replication connections",
    "a normal connection accepts the token, a replication connection does not, and \
     rds.iam_auth_for_replication is off",
);

pub(in crate::checks) static PG_REPLICATION_UNKNOWN: Cause = Cause::new(
    "PG_REPLICATION_UNKNOWN",
    "the replication connection failed for another reason",
    "the server's message is in the report",
)
.fix("try again");

fn judge(server: &Server<'_>) -> Diagnostic {
    let facts = server.facts;
    let parameter = match &facts.iam_auth_for_replication {
        Fact::Read(value) => format!("rds.iam_auth_for_replication = {value}"),
        Fact::Absent => "the server has no rds.iam_auth_for_replication".to_owned(),
        Fact::Refused(_) => "rds.iam_auth_for_replication could not be read".to_owned(),
    };
    let is_on = facts.iam_auth_for_replication.read().is_some_and(|value| is_on(value));
    let fail = |words: String| {
        let diagnostic = CHECK.fail(&PG_REPLICATION_NOT_IAM, format!("{words}; {parameter}"));
        match facts.iam_auth_for_replication {
            Fact::Absent => diagnostic.remedy(
                "upgrade to an engine version that has rds.iam_auth_for_replication, and set it to 1; or use a \
                 password for CDC",
            ),
            _ => diagnostic,
        }
    };
    let unknown = |words: String| CHECK.unknown(&PG_REPLICATION_UNKNOWN, format!("{words}; {parameter}"));
    let outcome = match &facts.replication {
        Fact::Read(outcome) => outcome,
        other => return unanswered(&CHECK, other),
    };
    match outcome {
        Ok(system) => {
            CHECK.pass(format!("IDENTIFY_SYSTEM: timeline {}, WAL at {}", system.timeline, system.position))
        }
        Err(ConnectError::Refused { refusal, .. }) => match refusal.code.as_str() {
            // The right to replicate is looked at after the authentication.
            "42501" => CHECK.pass("the token was accepted"),
            // … and the number of WAL senders before it.
            _ if is_out_of_wal_senders(refusal) => iam_replication_without_a_sender(server, is_on, refusal),
            // "RDS Proxy currently doesn't support streaming replication mode", whatever its name.
            "0A000" => CHECK
                .fail(&DB_ENDPOINT_PROXY, refusal.to_string())
                .remedy("give the endpoint of the instance or the cluster itself"),
            // While the parameter is off the token is judged as a password, or PAM refuses it.
            "28000" | "28P01" if !is_on => fail(refusal.to_string()),
            _ => {
                unknown(refusal.to_string()).remedy(raise_role_limit(server.target, refusal).unwrap_or_else(
                    || "try again: the server refused the replication connection for another reason".into(),
                ))
            }
        },
        Err(ConnectError::NotIam(auth_request @ (AuthRequest::Sasl(_) | AuthRequest::Md5))) => {
            let diagnostic = fail(format!("the server asks for {auth_request}"));
            // With the parameter on, IAM is for the members of both rds_iam and rds_replication.
            match is_on && facts.in_rds_replication != Fact::Read(true) {
                true => diagnostic
                    .remedy(format!("GRANT rds_replication TO {};", identifier(server.target.user.as_str()))),
                false => diagnostic,
            }
        }
        Err(ConnectError::Local { failure, .. }) => {
            local_failure(&CHECK, Outcome::Unknown, failure.to_string(), failure)
        }
        Err(other) => {
            unknown(other.to_string()).remedy("try again: the replication connection could not be tried")
        }
    }
}

/// When every WAL sender is in use, no replication connection can be tried. If one of them is the pipe's own, it was.
fn iam_replication_without_a_sender(server: &Server<'_>, is_on: bool, refusal: &Refusal) -> Diagnostic {
    match streaming_slot(server) {
        Some(slot) if is_on => CHECK.pass(format!(
                "no WAL sender was free to try it; the pipe's own runs as {} on {}, and rds.iam_auth_for_replication is on",
                server.target.user, slot.name
            ),
        ),
        _ => CHECK.skipped(format!("no WAL sender was free ({})", refusal.code)),
    }
}

/// A pipe that runs as this user. `rds.iam_auth_for_replication` makes members of both `rds_iam` and `rds_replication` use
/// IAM on replication connections (Amazon RDS User Guide, IAM authentication for logical replication connections).
fn streaming_slot<'a>(server: &'a Server<'_>) -> Option<&'a ReplicationSlot> {
    let user = server.target.user.as_str();
    server
        .pipe_slots()
        .into_iter()
        .find(|slot| slot.has_wal_sender && slot.user.as_ref().is_some_and(|name| name.raw() == user))
}

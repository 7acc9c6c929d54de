//! What the records say about the causes of a failure: which they identify, and which they rule out.

use super::{AwsEvidence, database, trust};
use crate::checks::{
    connection::auth_request::{AUTH_IAM_OFF, AUTH_IAM_PENDING, AUTH_NOT_IAM, DB_CLOSED, DB_TIMED_OUT},
    connection::dial,
    connection::dial::{DB_NOT_AVAILABLE, LOCAL_FAILURE},
    connection::login::mysql::{MYSQL_PLUGIN_NOT_LOADED, MYSQL_TOKEN_REFUSED, MYSQL_USER_REFUSED},
    connection::login::postgres::{PG_NOT_READY, PG_PASSWORD_REFUSED, PG_TOKEN_REFUSED},
    connection::login::token::{
        TOKEN_BOUNDARY_DENIES, TOKEN_DENIED_ABOVE, TOKEN_NOT_ALLOWED, TOKEN_OTHER_RESOURCE,
        TOKEN_POLICY_DENIES,
    },
    connection::login::token::{TOKEN_OTHER_ACCOUNT, TOKEN_WRONG_PORT},
    identity::access_role,
    identity::access_role::{
        STS_ASSUME_ROLE_DENIED, STS_CALLER_NOT_ALLOWED, STS_EXPLICIT_DENY, STS_TAG_SESSION_DENIED,
    },
    identity::access_role::{STS_EXTERNAL_ID, STS_NO_SUCH_ROLE, STS_NOT_TRUSTED},
    mysql::binary_log::{MYSQL_BACKUPS_OFF, MYSQL_PENDING_REBOOT},
    mysql::{binary_log, binlog_format, gtid},
    postgres::logical_replication::PG_PENDING_REBOOT,
    postgres::{logical_replication, replication_slots, wal_level, wal_senders},
};
use crate::{
    checks::{Candidate, Cause, Check, Diagnostic, Observations},
    diagnostic::Outcome,
    identity::IdentityError,
    target::Target,
};

/// Ranks the causes of a failure by the records: those that they identify are first, those that they rule out last.
pub(in crate::checks) fn rank_causes(
    diagnostic: Diagnostic,
    target: &Target,
    seen: &Observations,
    aws_evidence: &[AwsEvidence],
) -> Diagnostic {
    if diagnostic.outcome != Outcome::Fail
        || aws_evidence.is_empty()
        || is_of_another_role(target, seen, &diagnostic)
    {
        return diagnostic;
    }
    let singled: Vec<Candidate> = aws_evidence
        .iter()
        .filter(|evidence| evidence.is_wrong())
        .filter_map(|evidence| {
            let cause = evidence.cause.filter(|cause| explains(cause, &diagnostic))?;
            let remedy = evidence.remedy.clone().unwrap_or_default();
            Some(Candidate::new(cause, format!("AWS diagnostics: {}", evidence.found), remedy))
        })
        .chain(by_elimination(&diagnostic, aws_evidence))
        .collect();
    let mut candidates = singled;
    let (mut possible, mut ruled_out) = (Vec::new(), Vec::new());
    let id = seen
        .aws_records
        .as_ref()
        .and_then(|records| records.database.found())
        .and_then(database::resource_id);
    for candidate in diagnostic.candidates.clone() {
        let against = aws_evidence.iter().find(|evidence| evidence.rules_out.contains(&candidate.cause));
        let remedy = match id {
            Some(id) => candidate.remedy.replace(target.resource_kind().placeholder(), id),
            None => candidate.remedy.clone(),
        };
        let candidate = Candidate { remedy, ..candidate };
        match against {
            _ if candidates.iter().any(|singled| refines(singled.cause, candidate.cause)) => {}
            Some(evidence) => {
                let because = format!("ruled out by AWS diagnostics: {}", evidence.found);
                ruled_out.push(Candidate { because, ..candidate });
            }
            None => possible.push(candidate),
        }
    }
    if let (false, true, Some(cause), Some(remedy)) =
        (candidates.is_empty(), diagnostic.candidates.is_empty(), diagnostic.cause, &diagnostic.remedy)
        && !candidates.iter().any(|singled| singled.cause == cause)
    {
        possible.push(Candidate::new(cause, "what the check itself says", remedy.clone()));
    }
    candidates.append(&mut possible);
    candidates.append(&mut ruled_out);
    match candidates.is_empty() {
        true => diagnostic,
        false => diagnostic.with_candidates(candidates),
    }
}

/// A role before the access role refused, and the records are those of the access role.
fn is_of_another_role(target: &Target, seen: &Observations, diagnostic: &Diagnostic) -> bool {
    let Some(Err(IdentityError::Refused { role: refusing, .. })) = seen.identity() else { return false };
    diagnostic.check == &access_role::CHECK
        && target.access.roles.last().is_some_and(|role| role.as_str() != refusing)
}

/// Whether what was singled out is the candidate, or a more exact form of it.
fn refines(singled: &Cause, candidate: &Cause) -> bool {
    let more_exact: &[&Cause] = match candidate {
        general if *general == TOKEN_NOT_ALLOWED => &[&TOKEN_OTHER_RESOURCE, &TOKEN_POLICY_DENIES],
        general if *general == AUTH_IAM_OFF => &[&AUTH_IAM_PENDING],
        general if *general == TOKEN_DENIED_ABOVE => &[&TOKEN_BOUNDARY_DENIES, &TOKEN_POLICY_DENIES],
        _ => &[],
    };
    singled == candidate || more_exact.contains(&singled)
}

/// What a cause that is on record explains: failures with these causes, and failures of these checks.
struct Explained {
    causes: &'static [&'static Cause],
    failures: &'static [&'static Cause],
    checks: &'static [&'static Check],
}

static EXPLAINED: &[Explained] = &[
    Explained {
        causes: &[&AUTH_IAM_OFF, &AUTH_IAM_PENDING],
        failures: &[
            &PG_TOKEN_REFUSED,
            &MYSQL_TOKEN_REFUSED,
            &AUTH_NOT_IAM,
            &PG_PASSWORD_REFUSED,
            &MYSQL_USER_REFUSED,
            &MYSQL_PLUGIN_NOT_LOADED,
        ],
        checks: &[],
    },
    Explained {
        causes: &[
            &TOKEN_NOT_ALLOWED,
            &TOKEN_OTHER_RESOURCE,
            &TOKEN_POLICY_DENIES,
            &TOKEN_BOUNDARY_DENIES,
            &TOKEN_OTHER_ACCOUNT,
            &TOKEN_WRONG_PORT,
        ],
        failures: &[&PG_TOKEN_REFUSED, &MYSQL_TOKEN_REFUSED],
        checks: &[],
    },
    Explained {
        causes: &[
            &STS_NOT_TRUSTED,
            &STS_EXTERNAL_ID,
            &STS_NO_SUCH_ROLE,
            &STS_TAG_SESSION_DENIED,
            &STS_EXPLICIT_DENY,
            &STS_CALLER_NOT_ALLOWED,
        ],
        failures: &[
            &STS_ASSUME_ROLE_DENIED,
            &STS_TAG_SESSION_DENIED,
            &STS_EXPLICIT_DENY,
            &STS_CALLER_NOT_ALLOWED,
        ],
        checks: &[],
    },
    Explained {
        causes: &[&DB_NOT_AVAILABLE],
        failures: &[&PG_NOT_READY, &DB_TIMED_OUT, &DB_CLOSED],
        checks: &[&dial::CHECK],
    },
    Explained {
        causes: &[&PG_PENDING_REBOOT],
        failures: &[],
        checks: &[
            &wal_level::CHECK,
            &logical_replication::CHECK,
            &wal_senders::CHECK,
            &replication_slots::CHECK,
        ],
    },
    Explained {
        causes: &[&MYSQL_PENDING_REBOOT],
        failures: &[],
        checks: &[&binary_log::CHECK, &binlog_format::CHECK, &gtid::CHECK],
    },
    Explained { causes: &[&MYSQL_BACKUPS_OFF], failures: &[], checks: &[&binary_log::CHECK] },
];

/// Whether what is wrong on record can have made this check fail. This machine's failures have nothing to do with AWS.
fn explains(cause: &Cause, diagnostic: &Diagnostic) -> bool {
    let failed = diagnostic.cause.filter(|failed| **failed != LOCAL_FAILURE);
    EXPLAINED.iter().filter(|explained| explained.causes.contains(&cause)).any(|explained| {
        failed.is_some_and(|failed| {
            explained.failures.contains(&failed) || explained.checks.contains(&diagnostic.check)
        })
    })
}

/// If the trust policy allows the caller that was refused, the cause is not the role.
fn by_elimination(diagnostic: &Diagnostic, aws_evidence: &[AwsEvidence]) -> Option<Candidate> {
    let lets_in = aws_evidence.iter().find(|r| r.subject == trust::SUBJECT && r.outcome == Outcome::Pass)?;
    let denied = [&STS_ASSUME_ROLE_DENIED, &STS_TAG_SESSION_DENIED];
    diagnostic.cause.filter(|cause| denied.contains(cause))?;
    Some(Candidate::new(
        &STS_CALLER_NOT_ALLOWED,
        format!("AWS diagnostics: {}, so it is the caller's own policies, or one above both", lets_in.found),
        "allow the caller \"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"] on the role, in its own identity policy",
    ))
}

/// The result in one sentence.
pub fn conclusion(
    target: &Target,
    seen: &Observations,
    diagnostics: &[Diagnostic],
    aws_evidence: &[AwsEvidence],
) -> String {
    let failed: Vec<&Diagnostic> = diagnostics
        .iter()
        .filter(|f| f.outcome == Outcome::Fail && !is_of_another_role(target, seen, f))
        .collect();
    let mut singled: Vec<&Cause> = Vec::new();
    for cause in
        aws_evidence.iter().filter(|evidence| evidence.is_wrong()).filter_map(|evidence| evidence.cause)
    {
        let speaks = failed.iter().any(|diagnostic| explains(cause, diagnostic));
        if speaks && !singled.contains(&cause) {
            singled.push(cause);
        }
    }
    let is_unknown = |evidence: &AwsEvidence| evidence.outcome == Outcome::Unknown;
    if aws_evidence.iter().all(is_unknown) {
        return "what could be read tells nothing".to_owned();
    }
    let unknown = aws_evidence.iter().any(is_unknown);
    let wrong = aws_evidence.iter().any(AwsEvidence::is_wrong);
    match (singled.is_empty(), wrong, unknown) {
        (false, ..) => format!(
            "it singles out {}",
            singled.iter().map(|cause| cause.code).collect::<Vec<_>>().join(", ")
        ),
        (true, true, _) => "it found what should be looked at, and nothing that failed for it".to_owned(),
        (true, false, true) => "what could be read is in order; the rest is unknown".to_owned(),
        (true, false, false) => "everything that was read is in order".to_owned(),
    }
}

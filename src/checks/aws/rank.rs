//! What the records make of a failure's causes: which they single out, and which they rule out.

use super::{AwsEvidence, database, trust};
use crate::{
    checks::Observations,
    diagnostic::{Candidate, CheckId, Diagnostic, Outcome},
    identity::IdentityError,
    target::Target,
};

/// Weighs what a failure could be by the records: what they single out comes first, what they rule out last.
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
            Some(Candidate::new(cause, format!("the operator's look: {}", evidence.found), remedy))
        })
        .chain(by_elimination(&diagnostic, aws_evidence))
        .collect();
    let mut candidates = singled;
    let (mut possible, mut ruled_out) = (Vec::new(), Vec::new());
    let id = seen.operator.as_ref().and_then(|look| look.database.found()).and_then(database::resource_id);
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
                let because = format!("ruled out by the operator's look: {}", evidence.found);
                ruled_out.push(Candidate { because, ..candidate });
            }
            None => possible.push(candidate),
        }
    }
    if let (false, true, Some(cause), Some(remedy)) =
        (candidates.is_empty(), diagnostic.candidates.is_empty(), diagnostic.cause, &diagnostic.remedy)
        && !candidates.iter().any(|singled| singled.cause == cause)
    {
        possible.push(Candidate::new(cause, "what the row says by itself", remedy.clone()));
    }
    candidates.append(&mut possible);
    candidates.append(&mut ruled_out);
    match candidates.is_empty() {
        true => diagnostic,
        false => diagnostic.with_candidates(candidates),
    }
}

/// It was a role before the access role that refused, and the look was at the access role.
fn is_of_another_role(target: &Target, seen: &Observations, diagnostic: &Diagnostic) -> bool {
    let Some(Err(IdentityError::Refused { role: refusing, .. })) = &seen.identity else { return false };
    diagnostic.check == CheckId::AccessRole
        && target.access.roles.last().is_some_and(|role| role.as_str() != refusing)
}

/// Whether what was singled out is the candidate, or the same said more exactly.
fn refines(singled: &str, candidate: &str) -> bool {
    singled == candidate
        || match candidate {
            "TOKEN_NOT_ALLOWED" => matches!(singled, "TOKEN_OTHER_RESOURCE" | "TOKEN_POLICY_DENIES"),
            "AUTH_IAM_OFF" => singled == "AUTH_IAM_PENDING",
            "TOKEN_DENIED_ABOVE" => matches!(singled, "TOKEN_BOUNDARY_DENIES" | "TOKEN_POLICY_DENIES"),
            _ => false,
        }
}

/// Whether what is wrong on record can have made this row fail.
fn explains(cause: &str, diagnostic: &Diagnostic) -> bool {
    const TOKEN_REFUSED: [&str; 2] = ["PG_TOKEN_REFUSED", "MYSQL_TOKEN_REFUSED"];
    const NOT_LET_IN: [&str; 4] =
        ["AUTH_NOT_IAM", "PG_PASSWORD_REFUSED", "MYSQL_USER_REFUSED", "MYSQL_PLUGIN_NOT_LOADED"];
    let failed = diagnostic.cause.unwrap_or_default();
    match cause {
        "AUTH_IAM_OFF" | "AUTH_IAM_PENDING" => {
            TOKEN_REFUSED.contains(&failed) || NOT_LET_IN.contains(&failed)
        }
        "DB_NOT_AVAILABLE" => {
            (diagnostic.check == CheckId::Dial && failed != "LOCAL_FAILURE")
                || matches!(failed, "PG_NOT_READY" | "DB_TIMED_OUT" | "DB_CLOSED")
        }
        "PG_PENDING_REBOOT" => matches!(
            diagnostic.check,
            CheckId::PostgresWalLevel
                | CheckId::PostgresLogicalReplication
                | CheckId::PostgresWalSenders
                | CheckId::PostgresReplicationSlots
        ),
        "MYSQL_PENDING_REBOOT" => {
            matches!(
                diagnostic.check,
                CheckId::MysqlBinaryLog | CheckId::MysqlBinlogFormat | CheckId::MysqlGtid
            )
        }
        "MYSQL_BACKUPS_OFF" => diagnostic.check == CheckId::MysqlBinaryLog,
        cause if cause.starts_with("TOKEN_") => TOKEN_REFUSED.contains(&failed),
        cause if cause.starts_with("STS_") => DENIED.contains(&failed),
        _ => false,
    }
}

const DENIED: [&str; 4] =
    ["STS_ASSUME_ROLE_DENIED", "STS_TAG_SESSION_DENIED", "STS_EXPLICIT_DENY", "STS_CALLER_NOT_ALLOWED"];

/// The role lets the caller in, and it was refused: then it is not the role.
fn by_elimination(diagnostic: &Diagnostic, aws_evidence: &[AwsEvidence]) -> Option<Candidate> {
    let lets_in = aws_evidence.iter().find(|r| r.subject == trust::SUBJECT && r.outcome == Outcome::Pass)?;
    if !matches!(diagnostic.cause, Some("STS_ASSUME_ROLE_DENIED" | "STS_TAG_SESSION_DENIED")) {
        return None;
    }
    Some(Candidate::new(
        "STS_CALLER_NOT_ALLOWED",
        format!(
            "the operator's look: {}, so it is the caller's own policies, or one above both",
            lets_in.found
        ),
        "allow the caller \"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"] on the role, in its own identity policy",
    ))
}

/// What came of the look, in a sentence.
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
    let mut singled: Vec<&str> = Vec::new();
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
        (false, ..) => format!("it singles out {}", singled.join(", ")),
        (true, true, _) => "it found what should be looked at, and nothing that failed for it".to_owned(),
        (true, false, true) => "what could be read is in order; the rest is unknown".to_owned(),
        (true, false, false) => "everything that was read is in order".to_owned(),
    }
}

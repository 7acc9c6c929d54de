//! Whether the login works for ClickPipes too, or only thanks to a setting that a pipe does not have.

use super::Observations;
use crate::{
    clickpipes::{self, Limit},
    diagnostic::{CheckId, Diagnostic},
    identity::{IdentityError, IdentityEvidence},
    target::Target,
};

/// Judged after a login: before, the login itself says what is wrong.
pub(super) fn judge(target: &Target, seen: &Observations) -> Vec<Diagnostic> {
    match seen.login {
        Some(Ok(())) => vec![role(target, &seen.identity_evidence), token(target)],
        _ => Vec::new(),
    }
}

/// All limits in one finding: the cause of the first, and the remedies of all.
pub(super) fn limited(check: CheckId, limits: &[Limit]) -> Option<Diagnostic> {
    let first = limits.first()?;
    let found = limits.iter().map(|limit| limit.found.as_str()).collect::<Vec<_>>().join("; ");
    let mut remedies: Vec<&str> = limits.iter().map(|limit| limit.remedy.as_str()).collect();
    remedies.dedup();
    Some(Diagnostic::fail(check, first.cause, found).expected(&first.expected).remedy(remedies.join("; ")))
}

fn role(target: &Target, evidence: &IdentityEvidence) -> Diagnostic {
    const CAUSE: &str = "CLICKPIPES_EXTERNAL_ID";
    let check = CheckId::ClickPipesRole;
    if let Some(diagnostic) = limited(check, clickpipes::partition(target).as_slice()) {
        return diagnostic;
    }
    if target.access.external_id.is_none() {
        return Diagnostic::pass(check, "no external id was passed");
    }
    let no_external_id = clickpipes::NO_EXTERNAL_ID;
    let remedy = "in the trust policy of the access role, allow the ClickHouse service role in a statement without \
                  sts:ExternalId; then remove `external_id` and check through that role (--via-role)";
    let untried = |why: &str| {
        Diagnostic::unknown(check, CAUSE, format!("{no_external_id}; AssumeRole without it: {why}"))
            .remedy("remove `external_id` and check again")
    };
    match &evidence.without_external_id {
        Some(Ok(())) => Diagnostic::pass(check, "AssumeRole without the external id succeeds too"),
        // Through other roles, the last one is the service role, as for ClickPipes.
        Some(Err(IdentityError::Refused { code, message, .. })) if target.access.roles.len() > 1 => {
            Diagnostic::fail(check, CAUSE, format!("{no_external_id}, and without it: {code}: {message}"))
                .remedy(remedy)
        }
        Some(Err(IdentityError::Refused { code, message, .. })) => Diagnostic::unknown(
            check,
            CAUSE,
            format!(
                "{no_external_id}; without it, AWS refuses this caller ({code}: {message}), and whether it refuses the \
                 ClickHouse service role is not known"
            ),
        )
        .remedy(remedy),
        Some(Err(IdentityError::Unreachable { what, .. } | IdentityError::NotSts { what, .. })) => {
            untried(what)
        }
        Some(Err(IdentityError::NoCredentials(why))) => untried(&why.to_string()),
        Some(Err(IdentityError::Local { failure, .. })) => {
            Diagnostic::unknown(check, "LOCAL_FAILURE", format!("AssumeRole without external id: {failure}"))
                .remedy(failure.remedy)
        }
        None => Diagnostic::unknown(check, CAUSE, format!("{no_external_id}; AssumeRole without it was not tried"))
            .remedy("remove `external_id` and check again"),
    }
}

fn token(target: &Target) -> Diagnostic {
    let check = CheckId::ClickPipesToken;
    limited(check, &clickpipes::token(target))
        .unwrap_or_else(|| Diagnostic::pass(check, format!("for {} in {}", target.sign, target.region)))
}

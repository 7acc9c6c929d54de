//! A login that works only with an external id does not work for ClickPipes, which sends none.

use super::clickpipes::limited;
use crate::{
    checks::{
        Diagnostic, Observations,
        check::{Cause, Check, Judge},
        connection::dial::local_failure,
        sources::ENGINE_IAM,
    },
    clickpipes,
    diagnostic::Outcome,
    identity::{IdentityError, IdentityEvidence},
    target::Target,
};

pub(crate) static CHECK: Check =
    Check::connection("CLICKPIPES_ROLE", "ClickPipes can assume the role in the same way", Judge::Run(judge))
        .expected("an access role in partition aws that can be assumed without an external id")
        .source(ENGINE_IAM)
        .causes(&[&CLICKPIPES_EXTERNAL_ID, &CLICKPIPES_PARTITION]);

pub(in crate::checks) static CLICKPIPES_EXTERNAL_ID: Cause = Cause::new(
    "CLICKPIPES_EXTERNAL_ID",
    "the role needs an external id, which ClickPipes does not send",
    "`external_id` is set, and AssumeRole without it is refused or was not tried",
)
.fix(
    "in the trust policy of the access role, allow the ClickHouse service role in a statement without \
     sts:ExternalId; then remove `external_id` and check through that role (--via-role)",
);

pub(in crate::checks) static CLICKPIPES_PARTITION: Cause = Cause::new(
    "CLICKPIPES_PARTITION",
    "the access role is in a partition that ClickPipes cannot reach",
    "the partition in the ARN of the role: China and GovCloud have their own",
)
.fix("use a password for the pipe");

/// Judged after a login: before, the login itself says what is wrong.
fn judge(target: &Target, seen: &Observations) -> Option<Diagnostic> {
    seen.facts().is_some().then(|| role(target, &seen.identity_evidence))
}

fn role(target: &Target, evidence: &IdentityEvidence) -> Diagnostic {
    if let Some(diagnostic) = limited(&CHECK, clickpipes::partition(target).as_slice()) {
        return diagnostic;
    }
    if target.access.external_id.is_none() {
        return CHECK.pass("no external id was passed");
    }
    let no_external_id = clickpipes::NO_EXTERNAL_ID;
    let unknown = |found: String| {
        CHECK.unknown(&CLICKPIPES_EXTERNAL_ID, found).remedy("remove `external_id` and check again")
    };
    let untried = |why: &str| unknown(format!("{no_external_id}; AssumeRole without it: {why}"));
    match &evidence.without_external_id {
        Some(Ok(())) => CHECK.pass("AssumeRole without the external id succeeds too"),
        // Through other roles, the last one is the service role, as for ClickPipes.
        Some(Err(IdentityError::Refused { code, message, .. })) if target.access.roles.len() > 1 => {
            CHECK.fail(&CLICKPIPES_EXTERNAL_ID, format!("{no_external_id}, and without it: {code}: {message}"))
        }
        Some(Err(IdentityError::Refused { code, message, .. })) => CHECK.unknown(&CLICKPIPES_EXTERNAL_ID,
            format!(
                "{no_external_id}; without it, AWS refuses this caller ({code}: {message}), and whether it refuses the \
                 ClickHouse service role is not known"
            ),
        ),
        Some(Err(
            IdentityError::Unreachable { what, .. }
            | IdentityError::Proxy { what, .. }
            | IdentityError::NotSts { what, .. },
        )) => untried(what),
        Some(Err(IdentityError::NoCredentials(why))) => untried(&why.to_string()),
        Some(Err(IdentityError::Local { failure, .. })) => {
            let found = format!("AssumeRole without external id: {failure}");
            local_failure(&CHECK, Outcome::Unknown, found, failure)
        }
        None => unknown(format!("{no_external_id}; AssumeRole without it was not tried")),
    }
}

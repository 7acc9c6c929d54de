//! Why we have no identity, and how long the token lives.

use super::Observations;
use crate::{
    diagnostic::{Candidate, CheckId, Diagnostic},
    identity::{IdentityError, IdentityEvidence},
    local_failure::LocalFailure,
    target::Target,
    token::LIFETIME,
};

/// Below this, a token may expire on its way.
const SHORT_LIFE_SECONDS: i64 = 300;

pub(super) fn judge(target: &Target, seen: &Observations) -> Vec<Diagnostic> {
    let evidence = &seen.identity_evidence;
    let mut diagnostics = match &seen.identity {
        None => return Vec::new(),
        Some(Err(IdentityError::NoCredentials(why))) => return vec![no_credentials(why)],
        Some(Err(IdentityError::Local { role: None, failure })) => {
            return vec![local(CheckId::Credentials, failure)];
        }
        Some(Err(error)) => vec![source(evidence), refused(target, evidence, error)],
        Some(Ok(())) => vec![source(evidence), assumed(evidence)],
    };
    if let Some(token) = &seen.token {
        diagnostics.push(match token {
            Ok(token) => life(
                token.expires_at.duration_since(token.signed_at).as_secs(),
                evidence.clock_offset_seconds,
            ),
            Err(why) => Diagnostic::fail(CheckId::TokenLife, "TOKEN_NOT_SIGNED", why),
        });
    }
    diagnostics
}

fn no_credentials(why: &str) -> Diagnostic {
    Diagnostic::fail(CheckId::Credentials, "AWS_NO_CREDENTIALS", why).remedy(
        "give credentials in any of AWS's standard ways, for example AWS_PROFILE=<name>, `aws sso login`, \
         or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY",
    )
}

fn local(check: CheckId, failure: &LocalFailure) -> Diagnostic {
    Diagnostic::fail(check, "LOCAL_FAILURE", failure.to_string()).remedy(failure.remedy)
}

fn source(evidence: &IdentityEvidence) -> Diagnostic {
    let key = evidence.source_key.as_deref().unwrap_or_default();
    Diagnostic::pass(
        CheckId::Credentials,
        match &evidence.caller {
            Some(arn) => format!("{arn} ({key})"),
            None => format!("access key {key}; AWS did not return its owner"),
        },
    )
}

fn assumed(evidence: &IdentityEvidence) -> Diagnostic {
    let Some(last) = evidence.hops.last() else {
        return Diagnostic::pass(CheckId::AccessRole, "no role: the source credentials sign the token");
    };
    let tags = evidence
        .hops
        .iter()
        .flat_map(|hop| hop.tags.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(", ");
    let mut found = last.became.clone();
    if !tags.is_empty() {
        found += &format!(" [{tags}]");
    }
    if let Some(end) = last.expires_at {
        found += &format!(" until {end}");
    }
    Diagnostic::pass(CheckId::AccessRole, found)
}

/// A clock further off than this shortens a token's life, or makes it one of the future.
const CLOCK_SKEW_SECONDS: i64 = 60;

fn life(seconds: i64, clock_offset: Option<i64>) -> Diagnostic {
    let full = LIFETIME.as_secs();
    if let Some(offset) = clock_offset.filter(|offset| offset.abs() > CLOCK_SKEW_SECONDS) {
        return Diagnostic::warn(
            CheckId::TokenLife,
            "CLOCK_SKEW",
            format!("AWS's clock is {offset:+} s from this machine's, and a token carries its signing time"),
        )
        .remedy("set this machine's clock (NTP)");
    }
    if seconds < SHORT_LIFE_SECONDS {
        return Diagnostic::warn(
            CheckId::TokenLife,
            "TOKEN_SHORT_LIFE",
            format!("{seconds} s of {full} s: the credentials end first"),
        )
        .expected(format!("at least {SHORT_LIFE_SECONDS} s"))
        .remedy("renew the source credentials, or raise `duration`");
    }
    Diagnostic::pass(CheckId::TokenLife, format!("{} min {} s", seconds / 60, seconds % 60))
}

fn refused(target: &Target, evidence: &IdentityEvidence, error: &IdentityError) -> Diagnostic {
    let fail = |cause, found: String| Diagnostic::fail(CheckId::AccessRole, cause, found);
    let (role, code, message) = match error {
        IdentityError::Refused { role, code, message, .. } => (role, code.as_str(), message.as_str()),
        IdentityError::Unreachable { role, what } => {
            return fail("STS_UNREACHABLE", format!("{role}: {what}")).remedy(format!(
                "let this machine reach sts.{}.* on port 443 (or the endpoint in AWS_ENDPOINT_URL_STS)",
                target.region
            ));
        }
        IdentityError::NotSts { role, what } => {
            return fail("STS_OTHER_ANSWER", format!("{role}: {what}")).expected("an answer of AWS STS").remedy(format!(
                "find what answers in place of sts.{}.*: a proxy or a login page that intercepts HTTPS, a VPC endpoint or                  AWS_ENDPOINT_URL_STS that leads to another service",
                target.region
            ));
        }
        IdentityError::NoCredentials(why) => return no_credentials(why),
        IdentityError::Local { failure, .. } => return local(CheckId::AccessRole, failure),
    };
    let words = format!("{code}: {message}");
    let untagged = match &evidence.untagged {
        None => "",
        Some(Ok(())) => "; a second call without tags succeeded",
        Some(Err(_)) => "; asked once more without tags, it refuses as well",
    };
    let untagged = untagged.to_owned();
    let caller = evidence
        .hops
        .last()
        .map(|hop| hop.became.as_str())
        .or(evidence.caller.as_deref())
        .unwrap_or("the caller");
    match code {
        "AccessDenied" | "AccessDeniedException" if message.contains("sts:TagSession") => {
            fail("STS_TAG_SESSION_DENIED", words + &untagged).remedy(tag_session(role))
        }
        "AccessDenied" | "AccessDeniedException" if message.contains("explicit deny") => {
            fail("STS_EXPLICIT_DENY", words).remedy(format!(
                "find the policy that the message names (a service or resource control policy, a permissions boundary, \
                 a session policy, the caller's or the role's own) and take {role} out of its Deny"
            ))
        }
        "AccessDenied" | "AccessDeniedException" if message.contains("identity-based policy") => {
            fail("STS_CALLER_NOT_ALLOWED", words).remedy(format!(
                "allow {caller} \"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"] on {role}, in its own identity policy"
            ))
        }
        // The message names sts:AssumeRole, but without tags the role lets us in.
        "AccessDenied" | "AccessDeniedException" if evidence.untagged == Some(Ok(())) => {
            fail("STS_TAG_SESSION_DENIED", words + &untagged).remedy(tag_session(role))
        }
        "AccessDenied" | "AccessDeniedException" => {
            fail("STS_ASSUME_ROLE_DENIED", words + &untagged).with_candidates(denied(target, role, caller))
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            fail("STS_CREDENTIALS_EXPIRED", words).remedy("renew the source credentials (`aws sso login`, a new session)")
        }
        "InvalidClientTokenId" => fail("STS_CREDENTIALS_UNKNOWN", words).remedy(
            "AWS does not know this access key: check that it exists, belongs to this partition, and that a temporary \
             key comes with its AWS_SESSION_TOKEN",
        ),
        "SignatureDoesNotMatch" if message.contains("Signature expired") || message.contains("not yet current") => {
            let offset = evidence.clock_offset_seconds.map(|s| format!(" ({s:+} s to AWS's)")).unwrap_or_default();
            fail("STS_CLOCK_SKEW", words).remedy(format!("set this machine's clock{offset}; AWS allows 15 minutes"))
        }
        "SignatureDoesNotMatch" => {
            fail("STS_SECRET_KEY_WRONG", words).remedy("the secret access key does not belong to this access key id")
        }
        "ValidationError" if message.contains("DurationSeconds") => fail("STS_DURATION_REFUSED", words).remedy(
            "lower `duration`: at most 1h where roles are chained, else the role's maximum session duration",
        ),
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => {
            fail("STS_TAGS_TOO_LARGE", words).remedy("pass fewer or shorter session_tags")
        }
        "RegionDisabledException" => fail("STS_REGION_DISABLED", words)
            .remedy(format!("activate STS in {} for that account (IAM console, Account settings)", target.region)),
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => {
            fail("STS_THROTTLED", words).remedy("try again in a minute; AWS limits calls per account")
        }
        _ => fail("STS_REFUSED", words).remedy(
            "these are AWS's own words; the call is in CloudTrail, of the caller's account and of the role's",
        ),
    }
}

fn tag_session(role: &str) -> String {
    format!(
        "in the trust policy of {role}, allow both actions: \"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"]"
    )
}

/// AWS says no more than "not authorized", whatever the reason.
fn denied(target: &Target, role: &str, caller: &str) -> Vec<Candidate> {
    let account = |arn: &str| arn.split(':').nth(4).unwrap_or_default().to_owned();
    let mut causes = vec![Candidate::new(
        "STS_NOT_TRUSTED",
        "the commonest: the trust policy names someone else, or denies the caller",
        format!(
            "name {caller} (or its role) as Principal in the trust policy of {role}, with both actions: \
             \"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"]"
        ),
    )];
    let external = match &target.access.external_id {
        Some(_) => {
            ("an external id was passed", "make the sts:ExternalId condition there equal to `external_id`")
        }
        None => (
            "no external id was passed",
            "if the trust policy has a sts:ExternalId condition, remove it for the ClickHouse service role, because ClickPipes sends no \
             external id; to assume the role as another caller, set `external_id`",
        ),
    };
    let (because, remedy) = external;
    let external = Candidate::new("STS_EXTERNAL_ID", because, remedy);
    let at = usize::from(target.access.external_id.is_none());
    causes.insert(at, external);
    if account(caller) != account(role) {
        causes.push(Candidate::new(
            "STS_CALLER_NOT_ALLOWED",
            "the role is of another account, where the caller needs permission as well",
            format!(
                "allow {caller} \"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"] on {role}, in its own identity policy"
            ),
        ));
    }
    causes.push(Candidate::new(
        "STS_NO_SUCH_ROLE",
        "AWS answers the same when the role does not exist",
        format!(
            "check the spelling: aws iam get-role --role-name {}",
            role.rsplit('/').next().unwrap_or(role)
        ),
    ));
    causes
}

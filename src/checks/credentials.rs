//! Why we have no identity, and how long the token lives.

use super::Observations;
use crate::{
    diagnostic::{Candidate, CheckId, Diagnostic},
    identity::{FailureKind, IdentityError, IdentityEvidence, ProviderFailure},
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

/// Source: AWS CLI User Guide, "Configuration and credential file settings"; `aws configure export-credentials`.
fn no_credentials(why: &ProviderFailure) -> Diagnostic {
    let option = match why.profile.as_deref() {
        None | Some("default") => String::new(),
        Some(name) => format!(" --profile {}", shell_word(name)),
    };
    let (cause, remedy) = match why.kind {
        FailureKind::NoProvider => (
            "AWS_NO_CREDENTIALS",
            "give credentials in any of AWS's standard ways, for example AWS_PROFILE=<name>, `aws sso login`, \
             or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY"
                .to_owned(),
        ),
        FailureKind::NoHome => (
            "AWS_HOME_MISSING",
            "set HOME, or set AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE to the paths of the files".to_owned(),
        ),
        FailureKind::UnknownProfile => (
            "AWS_PROFILE_UNKNOWN",
            format!("give an existing profile with --profile or AWS_PROFILE, or create this one: aws configure{option}"),
        ),
        FailureKind::SsoSession => ("AWS_SSO_SESSION", format!("log in again: aws sso login{option}")),
        FailureKind::LoginSession => ("AWS_LOGIN_SESSION", format!("log in again: aws login{option}")),
        FailureKind::Process => (
            "AWS_CREDENTIAL_PROCESS",
            format!("run the same program with the AWS CLI, and correct what it reports: aws sts get-caller-identity{option}"),
        ),
        FailureKind::Mfa => (
            "AWS_MFA_REQUIRED",
            format!(
                "let the AWS CLI ask for the code: eval \"$(aws configure export-credentials{option} --format env)\"; then \
                 check again without --profile and AWS_PROFILE"
            ),
        ),
        FailureKind::TokenFile => (
            "AWS_TOKEN_FILE",
            "write the token to the file without a line break, for example with printf %s; EKS does so".to_owned(),
        ),
        FailureKind::Slow => (
            "AWS_CREDENTIALS_SLOW",
            format!(
                "find what it waits for: aws sts get-caller-identity{option}; if it only needs more time, raise --timeout \
                 (`timeout` in a file)"
            ),
        ),
        FailureKind::Other => (
            "AWS_PROVIDER_FAILED",
            format!("correct what the message names; the AWS CLI uses the same provider: aws sts get-caller-identity{option}"),
        ),
    };
    Diagnostic::fail(CheckId::Credentials, cause, why.to_string()).remedy(remedy)
}

/// A name as one word of a shell command.
fn shell_word(name: &str) -> String {
    match name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.@+".contains(c)) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
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
    let caller = evidence
        .hops
        .last()
        .map(|hop| hop.became.as_str())
        .or(evidence.caller.as_deref())
        .unwrap_or("the caller");
    match code {
        "AccessDenied" | "AccessDeniedException" => access_denied(target, evidence, role, caller, &words, message),
        "ExpiredToken" | "ExpiredTokenException" => {
            fail("STS_CREDENTIALS_EXPIRED", words).remedy("renew the source credentials (`aws sso login`, a new session)")
        }
        "InvalidClientTokenId" => fail("STS_CREDENTIALS_UNKNOWN", words).remedy(format!(
            "check that the access key exists, that it belongs to partition {}, and that a temporary key comes with its \
             AWS_SESSION_TOKEN",
            partition(role)
        )),
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

/// AWS names the action and, in most cases, the kind of policy that denies it (IAM User Guide, "Troubleshoot access denied error
/// messages": "because no … allows the … action", "with an explicit deny in a …").
fn access_denied(
    target: &Target,
    evidence: &IdentityEvidence,
    role: &str,
    caller: &str,
    words: &str,
    message: &str,
) -> Diagnostic {
    let fail = |cause, found: String| Diagnostic::fail(CheckId::AccessRole, cause, found);
    let tag_session = |found: String| {
        let both = "\"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"]";
        let in_caller = match account(caller) == account(role) {
            true => String::new(),
            false => {
                format!(", and allow {caller} both in its identity policy, because it is of another account")
            }
        };
        fail("STS_TAG_SESSION_DENIED", found)
            .remedy(format!("in the trust policy of {role}, allow both actions: {both}{in_caller}"))
    };
    if message.contains("sts:SetSourceIdentity") {
        return Diagnostic::unknown(
            CheckId::AccessRole,
            "STS_SOURCE_IDENTITY",
            format!("{words}; the session of {caller} has a source identity, which ClickPipes does not have"),
        )
        .remedy(format!(
            "check with credentials whose session has no source identity, or allow {caller} sts:SetSourceIdentity in the \
             trust policy of {role}; ClickPipes does not need it"
        ));
    }
    let (from, to) = (partition(caller), partition(role));
    if caller.starts_with("arn:") && from != to {
        return fail(
            "STS_OTHER_PARTITION",
            format!("{words}; the caller is of partition {from}, and the role of {to}"),
        )
        .remedy(format!(
            "check with credentials of an account in partition {to}: a role there cannot name a caller of partition {from}"
        ));
    }
    let is_deny = message.contains("with an explicit deny");
    let named = DENYING_POLICIES.iter().find(|policy| {
        message.contains(&format!("in a {}", policy.name))
            || message.contains(&format!("in the {}", policy.name))
            || message.contains(&format!("in an {}", policy.name))
            || message.contains(&format!("no {} allows", policy.name))
    });
    if let Some(DenyingPolicy { cause, whose, .. }) = named {
        let whose = whose.replace("{caller}", caller).replace("{role}", role);
        return fail(cause, words.to_owned()).remedy(match is_deny {
            true => format!("in {whose}, take {role} out of the Deny"),
            false => {
                format!("in {whose}, allow \"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"] on {role}")
            }
        });
    }
    if is_deny {
        let in_trust = message.contains("trust policy") || message.contains("resource-based policy");
        return fail("STS_EXPLICIT_DENY", words.to_owned()).remedy(match in_trust {
            true => format!("in the trust policy of {role}, take {caller} out of the Deny"),
            false => format!("find the policy that denies it, and take {role} out of its Deny"),
        });
    }
    if message.contains("sts:TagSession") || evidence.untagged == Some(Ok(())) {
        // The message can name sts:AssumeRole although the same call without tags succeeds.
        let second = match evidence.untagged {
            Some(Ok(())) => "; a second call without tags succeeded",
            Some(Err(_)) => "; asked once more without tags, it refuses as well",
            None => "",
        };
        return tag_session(format!("{words}{second}"));
    }
    let second = match evidence.untagged {
        Some(_) => "; asked once more without tags, it refuses as well",
        None => "",
    };
    fail("STS_ASSUME_ROLE_DENIED", format!("{words}{second}")).with_candidates(denied(target, role, caller))
}

/// A kind of policy that only one cause can mean. A trust policy is not here: AWS answers the same if the role does not exist.
struct DenyingPolicy {
    /// In the messages of AWS.
    name: &'static str,
    cause: &'static str,
    /// What to change.
    whose: &'static str,
}

#[rustfmt::skip]
const DENYING_POLICIES: [DenyingPolicy; 6] = [
    DenyingPolicy { name: "identity-based policy", cause: "STS_CALLER_NOT_ALLOWED", whose: "the identity policies of {caller}" },
    DenyingPolicy { name: "permissions boundary", cause: "STS_BOUNDARY_DENIED", whose: "the permissions boundary of {caller}" },
    DenyingPolicy { name: "session policy", cause: "STS_SESSION_POLICY_DENIED", whose: "the session policy that was passed when {caller} was assumed" },
    DenyingPolicy { name: "VPC endpoint policy", cause: "STS_ENDPOINT_POLICY_DENIED", whose: "the policy of the VPC endpoint for STS that this machine uses" },
    DenyingPolicy { name: "service control policy", cause: "STS_SCP_DENIED", whose: "the service control policies (SCP) of the account of {caller}, in AWS Organizations" },
    DenyingPolicy { name: "resource control policy", cause: "STS_RCP_DENIED", whose: "the resource control policies (RCP) of the account of {role}, in AWS Organizations" },
];

fn account(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).unwrap_or_default()
}

/// AWS says no more than "not authorized", whatever the reason.
fn denied(target: &Target, role: &str, caller: &str) -> Vec<Candidate> {
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

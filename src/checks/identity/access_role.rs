//! The access role signs the token. ClickPipes assumes it with session tags, so `sts:TagSession` is needed too.

use crate::{
    checks::{
        Candidate, Diagnostic, Observations,
        check::{Cause, Check, Judge},
        connection::dial::local_failure,
        sources::{OWN_WORDS, STS},
    },
    diagnostic::Outcome,
    identity::{IdentityError, IdentityEvidence},
    target::{Region, Target},
};

pub(crate) static CHECK: Check =
    Check::identity("STS_ACCESS_ROLE", "access role can be assumed with session tags", Judge::Run(judge))
        .expected("sts:AssumeRole and sts:TagSession allowed, by the role's trust policy and to the caller")
        .source(STS)
        .causes(&[
            &STS_TAG_SESSION_DENIED,
            &STS_ASSUME_ROLE_DENIED,
            &STS_NOT_TRUSTED,
            &STS_EXTERNAL_ID,
            &STS_NO_SUCH_ROLE,
            &STS_CALLER_NOT_ALLOWED,
            &STS_EXPLICIT_DENY,
            &STS_BOUNDARY_DENIED,
            &STS_SESSION_POLICY_DENIED,
            &STS_ENDPOINT_POLICY_DENIED,
            &STS_SCP_DENIED,
            &STS_RCP_DENIED,
            &STS_OTHER_PARTITION,
            &STS_SOURCE_IDENTITY,
            &STS_CREDENTIALS_EXPIRED,
            &STS_CREDENTIALS_UNKNOWN,
            &STS_SECRET_KEY_WRONG,
            &STS_CLOCK_SKEW,
            &STS_DURATION_REFUSED,
            &STS_TAGS_TOO_LARGE,
            &STS_REGION_DISABLED,
            &STS_THROTTLED,
            &STS_UNREACHABLE,
            &STS_PROXY,
            &STS_OTHER_ANSWER,
            &STS_REFUSED,
        ]);

pub(in crate::checks) static STS_TAG_SESSION_DENIED: Cause = Cause::new(
    "STS_TAG_SESSION_DENIED",
    "the role can be assumed, but not with session tags",
    "AWS names sts:TagSession, or the same call without tags succeeds",
)
.fix("allow sts:TagSession next to sts:AssumeRole in the role's trust policy, and in the caller's policy");

pub(in crate::checks) static STS_ASSUME_ROLE_DENIED: Cause = Cause::new(
    "STS_ASSUME_ROLE_DENIED",
    "AWS does not allow this caller to assume the role, and does not say why",
    "AccessDenied for sts:AssumeRole, with and without tags; the report ranks the possible causes",
)
.candidates(&[&STS_NOT_TRUSTED, &STS_EXTERNAL_ID, &STS_CALLER_NOT_ALLOWED, &STS_NO_SUCH_ROLE]);

pub(in crate::checks) static STS_NOT_TRUSTED: Cause = Cause::new(
    "STS_NOT_TRUSTED",
    "the role's trust policy does not name the caller",
    "a candidate of STS_ASSUME_ROLE_DENIED, the most common",
)
.fix("name the caller, or its role, as Principal in the trust policy");

pub(in crate::checks) static STS_EXTERNAL_ID: Cause = Cause::new(
    "STS_EXTERNAL_ID",
    "the trust policy has an sts:ExternalId condition that is not met",
    "a candidate of STS_ASSUME_ROLE_DENIED, the most likely if an external id was passed",
)
.fix("make `external_id` and the condition equal; ClickPipes itself passes none");

pub(in crate::checks) static STS_NO_SUCH_ROLE: Cause = Cause::new(
    "STS_NO_SUCH_ROLE",
    "the role does not exist",
    "a candidate of STS_ASSUME_ROLE_DENIED, because AWS gives the same error",
)
.fix("check the role's name and account");

pub(in crate::checks) static STS_CALLER_NOT_ALLOWED: Cause = Cause::new(
    "STS_CALLER_NOT_ALLOWED",
    "the caller's identity policies do not allow it, or deny it",
    "AWS names the identity-based policy; a candidate if caller and role are in different accounts",
)
.fix("allow the caller sts:AssumeRole and sts:TagSession on the role");

pub(in crate::checks) static STS_EXPLICIT_DENY: Cause = Cause::new(
    "STS_EXPLICIT_DENY",
    "a policy denies it explicitly: the trust policy, or one that AWS does not name",
    "AWS says \"with an explicit deny\"",
)
.fix("remove the role or the caller from that Deny statement");

pub(in crate::checks) static STS_BOUNDARY_DENIED: Cause = Cause::new(
    "STS_BOUNDARY_DENIED",
    "the permissions boundary of the caller does not allow it, or denies it",
    "AWS names the permissions boundary",
)
.fix("allow both actions on the role in the permissions boundary of the caller");

pub(in crate::checks) static STS_SESSION_POLICY_DENIED: Cause = Cause::new(
    "STS_SESSION_POLICY_DENIED",
    "the session policy of the caller does not allow it, or denies it",
    "AWS names the session policy",
)
.fix("assume the caller's role with a session policy that allows both actions, or without one");

pub(in crate::checks) static STS_ENDPOINT_POLICY_DENIED: Cause = Cause::new(
    "STS_ENDPOINT_POLICY_DENIED",
    "the policy of a VPC endpoint for STS does not allow it, or denies it",
    "AWS names the VPC endpoint policy",
)
.fix("allow both actions on the role in the policy of the VPC endpoint");

pub(in crate::checks) static STS_SCP_DENIED: Cause = Cause::new(
    "STS_SCP_DENIED",
    "a service control policy (SCP) of the caller's organization does not allow it, or denies it",
    "AWS names the service control policy",
)
.fix("change the SCP in AWS Organizations");

pub(in crate::checks) static STS_RCP_DENIED: Cause = Cause::new(
    "STS_RCP_DENIED",
    "a resource control policy (RCP) of the role's organization denies it",
    "AWS names the resource control policy",
)
.fix("change the RCP in AWS Organizations");

pub(in crate::checks) static STS_OTHER_PARTITION: Cause = Cause::new(
    "STS_OTHER_PARTITION",
    "the caller is in another partition (aws, aws-cn, aws-us-gov) than the role",
    "the ARNs of both",
)
.fix("use credentials of an account in the partition of the role");

pub(in crate::checks) static STS_SOURCE_IDENTITY: Cause = Cause::new(
    "STS_SOURCE_IDENTITY",
    "the caller's session has a source identity, and the role does not allow it; that says nothing about the \
     pipe",
    "AWS names sts:SetSourceIdentity",
)
.fix("check with credentials whose session has no source identity");

pub(in crate::checks) static STS_CREDENTIALS_EXPIRED: Cause =
    Cause::new("STS_CREDENTIALS_EXPIRED", "the source credentials have expired", "ExpiredToken")
        .fix("renew the source credentials (`aws sso login`, a new session)");

pub(in crate::checks) static STS_CREDENTIALS_UNKNOWN: Cause = Cause::new(
    "STS_CREDENTIALS_UNKNOWN",
    "AWS does not know the access key, or its session token is missing",
    "InvalidClientTokenId",
)
.fix("check the key, its partition, and that a temporary key comes with its AWS_SESSION_TOKEN");

pub(in crate::checks) static STS_SECRET_KEY_WRONG: Cause = Cause::new(
    "STS_SECRET_KEY_WRONG",
    "the secret access key belongs to another access key id",
    "SignatureDoesNotMatch without a time error",
)
.fix("give the right secret access key: this one does not belong to this access key id");

pub(in crate::checks) static STS_CLOCK_SKEW: Cause = Cause::new(
    "STS_CLOCK_SKEW",
    "this machine's clock differs from AWS by more than 15 minutes",
    "SignatureDoesNotMatch with \"Signature expired\" or \"not yet current\", and the Date header of AWS",
)
.fix("set the clock (NTP)");

pub(in crate::checks) static STS_DURATION_REFUSED: Cause = Cause::new(
    "STS_DURATION_REFUSED",
    "the session duration is too long",
    "ValidationError about DurationSeconds",
)
.fix("lower `duration`: at most 1h where roles are chained, else the role's maximum session duration");

pub(in crate::checks) static STS_TAGS_TOO_LARGE: Cause =
    Cause::new("STS_TAGS_TOO_LARGE", "the session tags are too large", "PackedPolicyTooLarge")
        .fix("pass fewer or shorter session_tags");

pub(in crate::checks) static STS_REGION_DISABLED: Cause = Cause::new(
    "STS_REGION_DISABLED",
    "STS is not active in the Region for the role's account",
    "RegionDisabledException",
)
.fix(
    "activate STS in {region} for that account (IAM console, Account settings), or, for this check only, call STS of another \
     Region: --sts-region; a pipe has no such setting",
);

pub(in crate::checks) static STS_THROTTLED: Cause = Cause::new(
    "STS_THROTTLED",
    "AWS limits the calls of the account",
    "Throttling, ThrottlingException or RequestLimitExceeded, after the SDK's own retries",
)
.fix("try again in a minute; AWS limits calls per account");

pub(in crate::checks) static STS_UNREACHABLE: Cause =
    Cause::new("STS_UNREACHABLE", "STS did not respond", "no connection, no response in time, or no HTTP")
        .fix("allow this machine to connect to the Region's STS endpoint on port 443");

pub(in crate::checks) static STS_PROXY: Cause = Cause::new(
    "STS_PROXY",
    "the proxy of HTTPS_PROXY did not open a connection to STS",
    "the proxy refused the connection or answered CONNECT with an error, such as HTTP status 407",
)
.fix("let the proxy connect to STS, correct HTTPS_PROXY, or use NO_PROXY");

pub(in crate::checks) static STS_OTHER_ANSWER: Cause = Cause::new(
    "STS_OTHER_ANSWER",
    "something else than STS answered, or its answer is not complete",
    "an HTTP answer without the XML of STS; the report contains its status, kind of content and host",
)
.fix("find the proxy, login page or other service that answers in place of STS; check AWS_ENDPOINT_URL_STS");

pub(in crate::checks) static STS_REFUSED: Cause =
    Cause::new("STS_REFUSED", "STS refused for another reason", OWN_WORDS)
        .fix("see AWS's own words, and the call in CloudTrail, of the account of the caller and of the role");

fn judge(target: &Target, seen: &Observations) -> Option<Diagnostic> {
    match seen.identity()? {
        Ok(()) => Some(assumed(&seen.identity_evidence)),
        Err(error) => refused(target, &seen.identity_evidence, error),
    }
}

fn assumed(evidence: &IdentityEvidence) -> Diagnostic {
    let Some(last) = evidence.hops.last() else {
        return CHECK.pass("no role: the source credentials sign the token");
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
    CHECK.pass(found)
}

/// `None` if the credentials are the problem.
fn refused(target: &Target, evidence: &IdentityEvidence, error: &IdentityError) -> Option<Diagnostic> {
    let fail = |cause, found: String| CHECK.fail(cause, found);
    let (role, code, message) = match error {
        IdentityError::Refused { role, code, message, .. } => (role, code.as_str(), message.as_str()),
        IdentityError::Unreachable { role, what } => {
            let (host, note) = (sts_host(target, evidence), fips_note(target, evidence));
            let remedy = format!(
                "let this machine reach {host} on port 443 (or the endpoint in AWS_ENDPOINT_URL_STS){note}"
            );
            return Some(fail(&STS_UNREACHABLE, format!("{role}: {what}")).remedy(remedy));
        }
        IdentityError::Proxy { role, what } => {
            let (host, note) = (sts_host(target, evidence), fips_note(target, evidence));
            return Some(fail(&STS_PROXY, format!("{role}: {what}")).remedy(format!(
                "let the proxy connect to {host} on port 443, correct HTTPS_PROXY (with user and password if the proxy requires \
                 them), or list the host in NO_PROXY{note}"
            )));
        }
        IdentityError::NotSts { role, what } => {
            let host = sts_host(target, evidence);
            return Some(fail(&STS_OTHER_ANSWER, format!("{role}: {what}")).expected("an answer of AWS STS").remedy(format!(
                "find what answers in place of {host}: a proxy or a login page that intercepts HTTPS, a VPC endpoint or \
                 AWS_ENDPOINT_URL_STS that leads to another service"
            )));
        }
        IdentityError::NoCredentials(_) | IdentityError::Local { role: None, .. } => return None,
        IdentityError::Local { failure, .. } => {
            return Some(local_failure(&CHECK, Outcome::Fail, failure.to_string(), failure));
        }
    };
    let words = format!("{code}: {message}");
    let caller = evidence
        .hops
        .last()
        .map(|hop| hop.became.as_str())
        .or(evidence.caller.as_deref())
        .unwrap_or("the caller");
    Some(match code {
        "AccessDenied" | "AccessDeniedException" => access_denied(target, evidence, role, caller, &words, message),
        "ExpiredToken" | "ExpiredTokenException" => {
            fail(&STS_CREDENTIALS_EXPIRED, words)
        }
        "InvalidClientTokenId" => fail(&STS_CREDENTIALS_UNKNOWN, words).remedy(format!(
            "check that the access key exists, that it belongs to partition {}, and that a temporary key comes with its \
             AWS_SESSION_TOKEN",
            partition(role)
        )),
        "SignatureDoesNotMatch" if message.contains("Signature expired") || message.contains("not yet current") => {
            let offset = evidence.clock_offset_seconds.map(|s| format!(" ({s:+} s to AWS's)")).unwrap_or_default();
            fail(&STS_CLOCK_SKEW, words).remedy(format!("set this machine's clock{offset}; AWS allows 15 minutes"))
        }
        "SignatureDoesNotMatch" => {
            fail(&STS_SECRET_KEY_WRONG, words)
        }
        "ValidationError" if message.contains("DurationSeconds") => fail(&STS_DURATION_REFUSED, words),
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => {
            fail(&STS_TAGS_TOO_LARGE, words)
        }
        "RegionDisabledException" => {
            let region = target.access.sts_region.as_ref().unwrap_or(&target.region);
            fail(&STS_REGION_DISABLED, words).filled(&[("{region}", region.as_str())])
        }
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => {
            fail(&STS_THROTTLED, words)
        }
        _ => fail(&STS_REFUSED, words),
    })
}

/// The host of STS that was called, without the domain of the partition.
fn sts_host(target: &Target, evidence: &IdentityEvidence) -> String {
    let service = if evidence.fips { "sts-fips" } else { "sts" };
    format!("{service}.{}.*", sts_region(target))
}

/// What to add to a remedy if FIPS endpoints are on: the SDK forms the name of one for every Region, and few Regions have one
/// (botocore, `endpoints.json`).
fn fips_note(target: &Target, evidence: &IdentityEvidence) -> String {
    if !evidence.fips {
        return String::new();
    }
    let region = sts_region(target);
    format!(
        "; FIPS endpoints are on (AWS_USE_FIPS_ENDPOINT, or use_fips_endpoint of the profile), and STS has one in few Regions: if \
         {region} has none, turn that setting off, or call STS of a Region that has one, such as --sts-region us-east-1"
    )
}

fn sts_region(target: &Target) -> &Region {
    target.access.sts_region.as_ref().unwrap_or(&target.region)
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
    let fail = |cause, found: String| CHECK.fail(cause, found);
    let tag_session = |found: String| {
        let both = "\"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"]";
        let in_caller = match account(caller) == account(role) {
            true => String::new(),
            false => {
                format!(", and allow {caller} both in its identity policy, because it is of another account")
            }
        };
        fail(&STS_TAG_SESSION_DENIED, found)
            .remedy(format!("in the trust policy of {role}, allow both actions: {both}{in_caller}"))
    };
    if message.contains("sts:SetSourceIdentity") {
        return CHECK.unknown(&STS_SOURCE_IDENTITY,
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
            &STS_OTHER_PARTITION,
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
        return fail(&STS_EXPLICIT_DENY, words.to_owned()).remedy(match in_trust {
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
    fail(&STS_ASSUME_ROLE_DENIED, format!("{words}{second}")).with_candidates(denied(target, role, caller))
}

/// A kind of policy that only one cause can mean. A trust policy is not here: AWS answers the same if the role does not exist.
struct DenyingPolicy {
    /// In the messages of AWS.
    name: &'static str,
    cause: &'static Cause,
    /// What to change.
    whose: &'static str,
}

#[rustfmt::skip]
static DENYING_POLICIES: [DenyingPolicy; 6] = [
    DenyingPolicy { name: "identity-based policy", cause: &STS_CALLER_NOT_ALLOWED, whose: "the identity policies of {caller}" },
    DenyingPolicy { name: "permissions boundary", cause: &STS_BOUNDARY_DENIED, whose: "the permissions boundary of {caller}" },
    DenyingPolicy { name: "session policy", cause: &STS_SESSION_POLICY_DENIED, whose: "the session policy that was passed when {caller} was assumed" },
    DenyingPolicy { name: "VPC endpoint policy", cause: &STS_ENDPOINT_POLICY_DENIED, whose: "the policy of the VPC endpoint for STS that this machine uses" },
    DenyingPolicy { name: "service control policy", cause: &STS_SCP_DENIED, whose: "the service control policies (SCP) of the account of {caller}, in AWS Organizations" },
    DenyingPolicy { name: "resource control policy", cause: &STS_RCP_DENIED, whose: "the resource control policies (RCP) of the account of {role}, in AWS Organizations" },
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
        &STS_NOT_TRUSTED,
        "the most common cause: the trust policy names someone else, or denies the caller",
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
    let external = Candidate::new(&STS_EXTERNAL_ID, because, remedy);
    let at = usize::from(target.access.external_id.is_none());
    causes.insert(at, external);
    if account(caller) != account(role) {
        causes.push(Candidate::new(
            &STS_CALLER_NOT_ALLOWED,
            "the role is of another account, where the caller needs permission as well",
            format!(
                "allow {caller} \"Action\": [\"sts:AssumeRole\", \"sts:TagSession\"] on {role}, in its own identity policy"
            ),
        ));
    }
    causes.push(Candidate::new(
        &STS_NO_SUCH_ROLE,
        "AWS answers the same when the role does not exist",
        format!(
            "check the spelling: aws iam get-role --role-name {}",
            role.rsplit('/').next().unwrap_or(role)
        ),
    ));
    causes
}

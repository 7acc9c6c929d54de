//! AssumeRole: decides whether this caller gets this session. Pure; the caller passes time and session store.

mod input;

use jiff::Timestamp;
use serde_json::Value;

pub(crate) use self::input::{Form, Input};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::policy::{self, Context, Kind, Request, Verdict};
use crate::session::{Tag, same_key};
use crate::world::{Arn, Role, World};

/// Where and when the request was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) now: Timestamp,
    /// Region of the credential scope.
    pub(crate) region: &'a str,
    pub(crate) source_ip: &'a str,
}

/// A session that may be issued.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grant {
    pub(crate) role: String,
    pub(crate) session_name: String,
    /// Seconds.
    pub(crate) duration: u32,
    /// The inherited ones first.
    pub(crate) tags: Vec<Tag>,
    pub(crate) transitive: Vec<String>,
    pub(crate) policies: Option<Vec<Value>>,
    pub(crate) source_identity: Option<String>,
    /// Bytes of tags and session policies.
    pub(crate) packed: usize,
}

/// Bytes that tags and session policies may take together. AWS packs them in a way it does not publish.
const ALLOTTED: usize = 2048;

/// # Errors
/// AWS's: `RegionDisabledException`, `InvalidParameterValue`, `MalformedPolicyDocument`, `AccessDenied`,
/// `ValidationError`, `PackedPolicyTooLarge`.
pub(crate) fn decide(
    world: &World,
    caller: &Caller,
    input: &Input,
    scene: Scene<'_>,
) -> Result<Grant, ApiError> {
    let role_arn = Arn::iam(&input.role_arn, "role/")
        .ok_or_else(|| ApiError::validation(format!("{} is invalid", input.role_arn)))?;
    region_issues(world, role_arn.account, scene.region)?;

    let (tags, transitive) = merge_tags(caller, input)?;
    let policies = session_policies(input)?;
    let inherited = caller.session.as_ref().and_then(|session| session.source_identity.clone());
    let source_identity = input.source_identity.clone().or_else(|| inherited.clone());

    let role = world.role(&input.role_arn);
    let context = context(caller, input, scene, role_arn.account);
    let may = |action| authorize(action, caller, role, role_arn, &input.role_arn, &context);
    may("sts:AssumeRole")?;
    if !tags.is_empty() {
        may("sts:TagSession")?;
    }
    if source_identity.is_some() {
        may("sts:SetSourceIdentity")?;
    }
    if inherited.is_some() && inherited != source_identity {
        return Err(denied("sts:SetSourceIdentity", caller, &input.role_arn, ""));
    }

    let duration = duration(caller, input, role)?;
    let packed = packed(&tags, policies.as_deref(), &input.policy_arns);
    if packed > ALLOTTED {
        let message = format!(
            "Packed policy consumes {}% of allotted space, please use smaller policy.",
            percent(packed)
        );
        return Err(ApiError::new(400, "PackedPolicyTooLarge", message));
    }
    Ok(Grant {
        role: input.role_arn.clone(),
        session_name: input.session_name.clone(),
        duration,
        tags,
        transitive,
        policies,
        source_identity,
        packed,
    })
}

impl Grant {
    /// `PackedPolicySize`: absent from the answer if there is nothing packed.
    pub(crate) fn packed_percent(&self) -> Option<usize> {
        (self.packed > 0).then(|| percent(self.packed))
    }
}

fn region_issues(world: &World, account: &str, region: &str) -> Result<(), ApiError> {
    if !world.disabled_sts_regions.iter().any(|disabled| disabled == region) {
        return Ok(());
    }
    let message = format!(
        "STS is not activated in this region for account:{account}. Your account administrator can activate STS in \
         this region using the IAM Console."
    );
    Err(ApiError::new(403, "RegionDisabledException", message))
}

/// The caller's transitive tags and the new tags, and which of them are transitive.
fn merge_tags(caller: &Caller, input: &Input) -> Result<(Vec<Tag>, Vec<String>), ApiError> {
    let mut tags: Vec<Tag> = caller.session.iter().flat_map(|session| session.inherited().cloned()).collect();
    if input.tags.iter().any(|new| tags.iter().any(|old| same_key(&old.key, &new.key))) {
        return Err(ApiError::new(
            400,
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key \
             from the calling session.",
        ));
    }
    let mut transitive: Vec<String> = tags.iter().map(|tag| tag.key.clone()).collect();
    tags.extend(input.tags.iter().cloned());
    transitive.extend(input.transitive.iter().cloned());
    Ok((tags, transitive))
}

/// Managed policies do not exist here: a session limited to some of them may do nothing.
fn session_policies(input: &Input) -> Result<Option<Vec<Value>>, ApiError> {
    let malformed = |message: &str| ApiError::new(400, "MalformedPolicyDocument", message);
    let Some(text) = &input.policy else {
        return Ok((!input.policy_arns.is_empty()).then(Vec::new));
    };
    let document =
        serde_json::from_str(text).map_err(|_| malformed("The policy is not in the valid JSON format."))?;
    policy::check(&document, Kind::Identity).map_err(|_| malformed("Syntax errors in policy."))?;
    Ok(Some(vec![document]))
}

fn context(caller: &Caller, input: &Input, scene: Scene<'_>, role_account: &str) -> Context {
    let mut context = caller.context(scene.now);
    context.set("aws:SourceIp", scene.source_ip);
    context.set("aws:RequestedRegion", scene.region);
    context.set("aws:ResourceAccount", role_account);
    context.set("sts:RoleSessionName", &input.session_name);
    if let Some(id) = &input.external_id {
        context.set("sts:ExternalId", id);
    }
    if let Some(identity) = &input.source_identity {
        context.set("sts:SourceIdentity", identity);
    }
    for tag in &input.tags {
        context.set(&format!("aws:RequestTag/{}", tag.key), &tag.value);
        context.add("aws:TagKeys", &tag.key);
    }
    for key in &input.transitive {
        context.add("sts:TransitiveTagKeys", key);
    }
    context
}

/// Evaluates the role's trust policy and the caller's policies for one action.
///
/// In one account a trust policy that names the caller is enough. Across accounts, or if only the account is named,
/// the caller's own policies must allow it too. A role that does not exist trusts nobody.
fn authorize(
    action: &str,
    caller: &Caller,
    role: Option<&Role>,
    role_arn: Arn<'_>,
    resource: &str,
    context: &Context,
) -> Result<(), ApiError> {
    let request = Request { action, resource, principal: &caller.principal, context, ignored: &[] };
    let trust = policy::evaluate(role.map(|role| &role.trust_policy), Kind::Trust, request);
    let (identity, limit) = (caller.identity(request), caller.session_limit(request));

    let same_account = caller.principal.account == role_arn.account;
    let delegated = !same_account || trust == Verdict::AllowAccount;
    let explicit = [
        (identity, "an identity-based policy", true),
        (limit, "a session policy", true),
        (trust, "a role trust policy", same_account),
    ];
    if let Some((_, place, told)) = explicit.iter().find(|(verdict, ..)| *verdict == Verdict::ExplicitDeny) {
        let how = if *told { format!(" with an explicit deny in {place}") } else { String::new() };
        return Err(denied(action, caller, resource, &how));
    }
    let missing = if trust == Verdict::ImplicitDeny {
        "role trust"
    } else if delegated && identity != Verdict::Allow {
        "identity-based"
    } else if limit != Verdict::Allow {
        "session"
    } else {
        return Ok(());
    };
    // AWS does not disclose the reasons of another account.
    let how = format!(" because no {missing} policy allows the {action} action");
    Err(denied(action, caller, resource, if same_account { &how } else { "" }))
}

fn denied(action: &str, caller: &Caller, resource: &str, how: &str) -> ApiError {
    let who = &caller.principal.arn;
    let message = format!("User: {who} is not authorized to perform: {action} on resource: {resource}{how}");
    ApiError::new(403, "AccessDenied", message)
}

fn duration(caller: &Caller, input: &Input, role: Option<&Role>) -> Result<u32, ApiError> {
    let most = role.map_or(3600, |role| role.max_session_duration);
    let Some(seconds) = input.duration else { return Ok(most.min(3600)) };
    if caller.session.is_some() && seconds > 3600 {
        return Err(ApiError::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    if seconds > most {
        return Err(ApiError::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(seconds)
}

fn packed(tags: &[Tag], policies: Option<&[Value]>, policy_arns: &[String]) -> usize {
    let tags: usize = tags.iter().map(|tag| tag.key.len() + tag.value.len() + 2).sum();
    let policies: usize =
        policies.unwrap_or_default().iter().map(|document| document.to_string().len()).sum();
    tags + policies + policy_arns.iter().map(String::len).sum::<usize>()
}

fn percent(packed: usize) -> usize {
    (packed * 100).div_ceil(ALLOTTED)
}

#[cfg(test)]
mod tests;

//! IAM's Query API: a role, its trust policy and its permission policies. Pure.
//!
//! Source: AWS IAM API Reference, `GetRole`, `ListRolePolicies`, `GetRolePolicy`, `ListAttachedRolePolicies`,
//! `GetPolicy`, `GetPolicyVersion`. Documents are URL-encoded (RFC 3986), as IAM answers.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::assume_role::Form;
use crate::caller::{Caller, unique_id};
use crate::error::ApiError;
use crate::record::ManagedPolicy;
use crate::service::{authorize, field, no_such_action, page, required};
use crate::world::{Arn, Role, World};
use crate::xml::{leaf, node};

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Entries per page. IAM may return fewer than requested; this stand-in always does.
const PAGE: usize = 2;

/// The one version a policy has.
const VERSION: &str = "v1";

/// The elements of the action's result.
///
/// # Errors
/// AWS's: `AccessDenied`, `NoSuchEntity`, `ValidationError`.
pub(crate) fn act(
    world: &World,
    caller: &Caller,
    form: &Form,
    now: Timestamp,
) -> Result<Vec<String>, ApiError> {
    let action = field(form, "Action").unwrap_or_default();
    let may = |resource: &str| authorize(caller, &format!("iam:{action}"), resource, now);
    let marker = field(form, "Marker");
    match action {
        "GetRole" => {
            let role = role(world, caller, form, may)?;
            Ok(vec![node("Role", &described(world, role))])
        }
        "ListRolePolicies" => {
            let role = role(world, caller, form, may)?;
            let names: Vec<String> = (1..=role.identity_policies.len()).map(inline_name).collect();
            let (found, next) = page(&names.iter().collect::<Vec<_>>(), marker, PAGE)?;
            let found: Vec<String> = found.into_iter().map(|name| leaf("member", name)).collect();
            Ok(listed("PolicyNames", &found, next))
        }
        "GetRolePolicy" => {
            let role = role(world, caller, form, may)?;
            let name = required(form, "PolicyName")?;
            let document = (1..).zip(&role.identity_policies).find(|(n, _)| inline_name(*n) == name);
            let (_, document) = document.ok_or_else(|| {
                no_such_entity(format!("The role policy with name {name} cannot be found."))
            })?;
            let role = required(form, "RoleName")?;
            Ok(vec![
                leaf("RoleName", role),
                leaf("PolicyName", name),
                leaf("PolicyDocument", &encoded(document)),
            ])
        }
        "ListAttachedRolePolicies" => {
            let role = role(world, caller, form, may)?;
            let (found, next) = page(&role.attached_policies.iter().collect::<Vec<_>>(), marker, PAGE)?;
            let entry = |arn: &String| {
                let name = arn.rsplit('/').next().unwrap_or_default();
                node("member", &[leaf("PolicyName", name), leaf("PolicyArn", arn)])
            };
            let found: Vec<String> = found.into_iter().map(entry).collect();
            Ok(listed("AttachedPolicies", &found, next))
        }
        "GetPolicy" => {
            let policy = policy(world, caller, form, may)?;
            let inner = [
                leaf("PolicyName", policy.arn.rsplit('/').next().unwrap_or_default()),
                leaf("PolicyId", &unique_id("ANPA", &policy.arn)),
                leaf("Arn", &policy.arn),
                leaf("Path", "/"),
                leaf("DefaultVersionId", VERSION),
                leaf("IsAttachable", "true"),
                leaf("CreateDate", CREATED),
            ];
            Ok(vec![node("Policy", &inner)])
        }
        "GetPolicyVersion" => {
            let policy = policy(world, caller, form, may)?;
            let version = required(form, "VersionId")?;
            if version != VERSION {
                let message =
                    format!("Policy {} version {version} does not exist or is not attachable.", policy.arn);
                return Err(no_such_entity(message));
            }
            let inner = [
                leaf("Document", &encoded(&policy.document)),
                leaf("VersionId", VERSION),
                leaf("IsDefaultVersion", "true"),
                leaf("CreateDate", CREATED),
            ];
            Ok(vec![node("PolicyVersion", &inner)])
        }
        other => Err(no_such_action(form, other)),
    }
}

const CREATED: &str = "2026-01-02T03:04:05Z";

/// The role of that name in the caller's account. Permission is checked before existence.
fn role<'w>(
    world: &'w World,
    caller: &Caller,
    form: &Form,
    may: impl Fn(&str) -> Result<(), ApiError>,
) -> Result<&'w Role, ApiError> {
    let name = required(form, "RoleName")?;
    let account = caller.principal.account.as_str();
    let is_it = |role: &&Role| {
        Arn::iam(&role.arn, "role/").is_some_and(|arn| arn.account == account && arn.name() == name)
    };
    let found = world.roles.iter().find(is_it);
    let named = || format!("arn:{}:iam::{account}:role/{name}", world.partition);
    may(&found.map_or_else(named, |role| role.arn.clone()))?;
    found.ok_or_else(|| no_such_entity(format!("The role with name {name} cannot be found.")))
}

fn policy<'w>(
    world: &'w World,
    caller: &Caller,
    form: &Form,
    may: impl Fn(&str) -> Result<(), ApiError>,
) -> Result<&'w ManagedPolicy, ApiError> {
    let arn = required(form, "PolicyArn")?;
    may(arn)?;
    let own = |arn: &str| arn.split(':').nth(4) == Some(caller.principal.account.as_str());
    let found = world.managed_policies.iter().find(|policy| policy.arn == arn && own(arn));
    found.ok_or_else(|| no_such_entity(format!("Policy {arn} was not found.")))
}

fn no_such_entity(message: String) -> ApiError {
    ApiError::new(404, "NoSuchEntity", message)
}

fn described(world: &World, role: &Role) -> Vec<String> {
    let arn = Arn::iam(&role.arn, "role/");
    let (resource, name) = arn.map_or(("", ""), |arn| (arn.resource, arn.name()));
    let path = resource.strip_prefix("role").and_then(|path| path.strip_suffix(name)).unwrap_or("/");
    let mut inner = vec![
        leaf("Path", path),
        leaf("RoleName", name),
        leaf("RoleId", &unique_id("AROA", &role.arn)),
        leaf("Arn", &role.arn),
        leaf("CreateDate", CREATED),
        leaf("AssumeRolePolicyDocument", &encoded(&role.trust_policy)),
        leaf("MaxSessionDuration", &role.max_session_duration.to_string()),
    ];
    if let Some(boundary) = world.boundary_of(role) {
        let attached =
            [leaf("PermissionsBoundaryType", "Policy"), leaf("PermissionsBoundaryArn", &boundary.arn)];
        inner.push(node("PermissionsBoundary", &attached));
    }
    inner
}

/// Inline policies of the stand-in have no names.
fn inline_name(n: usize) -> String {
    format!("policy-{n}")
}

fn listed(name: &str, found: &[String], next: Option<String>) -> Vec<String> {
    let mut inner = vec![node(name, found), leaf("IsTruncated", &next.is_some().to_string())];
    inner.extend(next.map(|next| leaf("Marker", &next)));
    inner
}

fn encoded(document: &Value) -> String {
    utf8_percent_encode(&document.to_string(), ENCODED).to_string()
}

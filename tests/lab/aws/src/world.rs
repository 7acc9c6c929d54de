//! What exists in the pretend AWS. Plain data, built by tests.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::policy::{self, Kind};
use crate::record::{DbCluster, DbInstance, DbProxy, ManagedPolicy};

/// Users, roles and the switches of the accounts. One world may hold several accounts: an ARN says whose it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    #[serde(default = "aws")]
    pub partition: String,
    #[serde(default)]
    pub users: Vec<User>,
    #[serde(default)]
    pub roles: Vec<Role>,
    /// Regions in which STS issues nothing (`RegionDisabledException`).
    #[serde(default)]
    pub disabled_sts_regions: Vec<String>,
    #[serde(default)]
    pub managed_policies: Vec<ManagedPolicy>,
    /// What RDS has on record.
    #[serde(default)]
    pub instances: Vec<DbInstance>,
    #[serde(default)]
    pub clusters: Vec<DbCluster>,
    #[serde(default)]
    pub proxies: Vec<DbProxy>,
}

/// An IAM user with one long-lived access key.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// `arn:aws:iam::111111111111:user/name`
    pub arn: String,
    /// `AKIA…`
    pub access_key_id: String,
    pub secret_access_key: String,
    #[serde(default)]
    pub identity_policies: Vec<Value>,
}

/// A role, as the JSON documents a customer writes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// `arn:aws:iam::222222222222:role/name`
    pub arn: String,
    pub trust_policy: Value,
    /// Inline ones.
    #[serde(default)]
    pub identity_policies: Vec<Value>,
    /// ARNs of managed policies.
    #[serde(default)]
    pub attached_policies: Vec<String>,
    /// The ARN of a managed policy: what it does not allow, the role's own cannot give.
    #[serde(default)]
    pub permissions_boundary: Option<String>,
    /// Seconds; AWS's default is 3600.
    #[serde(default = "one_hour")]
    pub max_session_duration: u32,
}

/// What a database knows about itself: the things a token must have been signed for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The RDS endpoint's name, whatever address the client dials.
    pub host: String,
    pub port: u16,
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// `db-…`, `cluster-…` or `prx-…`: what the policy's resource names.
    pub resource_id: String,
}

impl World {
    /// Looks for mistakes of the test's author, so that they do not pass for AWS refusing.
    pub(crate) fn check(&self) -> Result<(), String> {
        for user in &self.users {
            Arn::iam(&user.arn, "user/").ok_or_else(|| format!("not the ARN of a user: {}", user.arn))?;
            for document in &user.identity_policies {
                policy::check(document, Kind::Identity).map_err(|why| format!("{}: {why}", user.arn))?;
            }
        }
        for role in &self.roles {
            Arn::iam(&role.arn, "role/").ok_or_else(|| format!("not the ARN of a role: {}", role.arn))?;
            policy::check(&role.trust_policy, Kind::Trust)
                .and_then(|()| policy::check_principals(&role.trust_policy, &self.partition))
                .map_err(|why| format!("{} (trust): {why}", role.arn))?;
            for document in &role.identity_policies {
                policy::check(document, Kind::Identity).map_err(|why| format!("{}: {why}", role.arn))?;
            }
        }
        for managed in &self.managed_policies {
            Arn::iam(&managed.arn, "policy/")
                .ok_or_else(|| format!("not the ARN of a policy: {}", managed.arn))?;
            policy::check(&managed.document, Kind::Identity)
                .map_err(|why| format!("{}: {why}", managed.arn))?;
        }
        for role in &self.roles {
            let named = role.attached_policies.iter().chain(&role.permissions_boundary);
            if let Some(stray) = named.into_iter().find(|arn| self.managed(arn).is_none()) {
                return Err(format!("{}: no such policy: {stray}", role.arn));
            }
        }
        Ok(())
    }

    fn managed(&self, arn: &str) -> Option<&ManagedPolicy> {
        self.managed_policies.iter().find(|policy| policy.arn == arn)
    }

    /// Everything that says what the role may do, inline and attached.
    pub(crate) fn policies_of(&self, role: &Role) -> Vec<Value> {
        let attached = role.attached_policies.iter().filter_map(|arn| self.managed(arn));
        role.identity_policies.iter().chain(attached.map(|policy| &policy.document)).cloned().collect()
    }

    pub(crate) fn boundary_of(&self, role: &Role) -> Option<&ManagedPolicy> {
        role.permissions_boundary.as_ref().and_then(|arn| self.managed(arn))
    }

    /// Whether RDS has IAM authentication off for the database with this resource id. One without a record has it on.
    pub(crate) fn iam_is_off(&self, resource_id: &str) -> bool {
        let instance = self.instances.iter().find(|instance| instance.resource_id == resource_id);
        let cluster = self.clusters.iter().find(|cluster| cluster.resource_id == resource_id);
        instance.is_some_and(|instance| instance.cluster.is_none() && !instance.iam)
            || cluster.is_some_and(|cluster| !cluster.iam)
    }

    pub(crate) fn role(&self, arn: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.arn == arn)
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            partition: aws(),
            users: Vec::new(),
            roles: Vec::new(),
            disabled_sts_regions: Vec::new(),
            managed_policies: Vec::new(),
            instances: Vec::new(),
            clusters: Vec::new(),
            proxies: Vec::new(),
        }
    }
}

impl Role {
    /// A role that may do nothing yet, with AWS's default session duration of an hour.
    pub fn new(arn: impl Into<String>, trust_policy: Value) -> Self {
        Self {
            arn: arn.into(),
            trust_policy,
            identity_policies: Vec::new(),
            attached_policies: Vec::new(),
            permissions_boundary: None,
            max_session_duration: one_hour(),
        }
    }

    #[must_use]
    pub fn with_policy(mut self, document: Value) -> Self {
        self.identity_policies.push(document);
        self
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("arn", &self.arn)
            .field("access_key_id", &self.access_key_id)
            .field("identity_policies", &self.identity_policies)
            .finish_non_exhaustive()
    }
}

/// `arn:partition:service:region:account:resource`, cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub(crate) partition: &'a str,
    pub(crate) account: &'a str,
    pub(crate) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// An IAM ARN whose resource begins with `prefix` (`role/`) and goes on after it.
    pub(crate) fn iam(text: &'a str, prefix: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next();
        let ("arn", partition, "iam", "", account, resource) =
            (next()?, next()?, next()?, next()?, next()?, next()?)
        else {
            return None;
        };
        let fits = partition.starts_with("aws") && is_account(account);
        let named =
            resource.strip_prefix(prefix).is_some_and(|name| !name.is_empty() && !name.ends_with('/'));
        (fits && named).then_some(Self { partition, account, resource })
    }

    /// The last segment: a role's name without its path, as session ARNs carry it.
    pub(crate) fn name(&self) -> &'a str {
        self.resource.rsplit('/').next().unwrap_or_default()
    }
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn aws() -> String {
    "aws".to_owned()
}

fn one_hour() -> u32 {
    3600
}

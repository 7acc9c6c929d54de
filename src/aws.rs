//! The operator's look: what RDS and IAM have on record about the database and the access role. Read with an
//! operator's credentials, only where that is asked for; every call reads and none changes anything.
//!
//! A call that is denied, or fails, leaves its fact unknown and keeps AWS's words. What the records mean is
//! [`crate::checks`]' to say. Reading them takes the cargo feature `operator`; the facts are there without it.
//!
//! Source: Amazon RDS API Reference, `DescribeDBInstances`, `DescribeDBClusters`, `DescribeDBProxies`; AWS IAM API
//! Reference, `GetRole` and the calls that list and read policies.

#[cfg(feature = "aws-diagnostics")]
mod iam;
#[cfg(feature = "aws-diagnostics")]
mod notes;
#[cfg(feature = "aws-diagnostics")]
mod rds;

use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use crate::target::{Operator, Target};

/// Everything that was asked for and seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct AwsRecords {
    /// ARN of who looked, where STS said so.
    pub operator: Option<String>,
    /// In the order in which they were asked.
    pub asked: Vec<ApiCall>,
    pub database: Lookup<DatabaseRecord>,
    pub role: Lookup<Role>,
    #[cfg_attr(test, serde(skip))]
    pub took: Duration,
}

/// One call, with all its pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize, schemars::JsonSchema), serde(deny_unknown_fields))]
pub struct ApiCall {
    /// As a policy names it: `rds:DescribeDBInstances`.
    #[serde(rename(serialize = "action"))]
    pub call: String,
    /// The resource that the call is about; empty (null in JSON) if it lists all resources.
    #[serde(rename(serialize = "resource"), serialize_with = "none_if_empty")]
    #[cfg_attr(test, serde(default), schemars(with = "Option<String>"))]
    pub about: String,
    /// AWS's words, where it gave no answer or a refusal.
    #[serde(rename(serialize = "error"))]
    pub refused: Option<String>,
}

fn none_if_empty<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Some(text).filter(|text| !text.is_empty()).serialize(serializer)
}

/// In place of a call, where there was nobody to ask it.
pub const CREDENTIALS: &str = "credentials";

/// Something that was looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Lookup<T> {
    Found(T),
    /// Everything that it could be among was told, and it is not there.
    NotFound,
    /// It could not be asked.
    #[default]
    Unavailable,
}

impl<T> Lookup<T> {
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(found) => Some(found),
            Self::NotFound | Self::Unavailable => None,
        }
    }

    /// What was found as something else.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Found(found) => Lookup::Found(make(found)),
            Self::NotFound => Lookup::NotFound,
            Self::Unavailable => Lookup::Unavailable,
        }
    }
}

/// What RDS has on record of an endpoint. An instance of a cluster has both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct DatabaseRecord {
    pub instance: Option<Instance>,
    pub cluster: Option<Cluster>,
    pub proxy: Option<Proxy>,
}

/// A setting, and what it will be once a change that waits is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Switch {
    pub on: Option<bool>,
    /// Of `PendingModifiedValues`: waits for the maintenance window.
    pub pending: Option<bool>,
}

/// A parameter group and whether its settings are in force: `in-sync`, `pending-reboot`, `applying`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct ParameterGroup {
    pub name: String,
    pub status: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Instance {
    pub identifier: String,
    pub arn: String,
    /// `db-…`; of an instance of a cluster it is not the one that counts.
    pub resource_id: String,
    /// `available`, `modifying`, `rebooting`, …
    pub status: String,
    pub port: Option<u16>,
    pub iam: Switch,
    /// The cluster it is an instance of: Aurora's, or a Multi-AZ DB cluster.
    pub cluster: Option<String>,
    pub ca: Option<String>,
    /// 0: automated backups are off, and so is the binary log of MySQL and MariaDB.
    pub backup_retention_days: Option<u16>,
    pub parameter_groups: Vec<ParameterGroup>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Cluster {
    pub identifier: String,
    pub arn: String,
    /// `cluster-…`
    pub resource_id: String,
    pub status: String,
    pub port: Option<u16>,
    pub iam: Switch,
    pub backup_retention_days: Option<u16>,
    /// The cluster's group, with what each member says of it.
    pub parameter_groups: Vec<ParameterGroup>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Proxy {
    pub name: String,
    pub arn: String,
    pub status: String,
    /// `IAMAuth` of each of its users' secrets: `DISABLED`, `REQUIRED`, `ENABLED`.
    pub iam_auth: Vec<String>,
    /// `DefaultAuthScheme` is `IAM_AUTH`: by IAM into the database too, without secrets.
    pub end_to_end: bool,
}

impl Proxy {
    /// `prx-…`, which only its ARN tells.
    pub fn resource_id(&self) -> Option<&str> {
        self.arn.rsplit(':').next().filter(|id| id.starts_with("prx-"))
    }
}

/// What IAM has on record of the access role. Documents are as IAM gives them: URL-encoded JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Role {
    pub arn: String,
    pub trust: String,
    /// Inline and attached.
    pub policies: Vec<Policy>,
    /// Whether these are all of them.
    pub complete: bool,
    /// Its permissions boundary, where it has one.
    pub boundary: Option<Boundary>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Policy {
    /// Of an inline policy its name, of an attached one its ARN.
    pub name: String,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Boundary {
    pub arn: String,
    /// `None` where it could not be read.
    pub text: Option<String>,
}

/// Looks until `deadline`. What has not been answered by then is unknown.
#[cfg(feature = "aws-diagnostics")]
pub async fn look(target: &Target, operator: &Operator, deadline: Instant) -> AwsRecords {
    use crate::{identity, target::RdsName, trust};

    let start = Instant::now();
    let notes = notes::Notes::until(deadline);
    let roots =
        trust::web_roots(target.access.ca_bundle.as_ref()).unwrap_or_else(|_| rustls::RootCertStore::empty());
    let becoming = identity::operator(operator, &target.access, &target.region, roots);
    let Some(identity) = notes.credentials(&operator.to_string(), becoming).await else {
        return AwsRecords { asked: notes.into_calls(), took: start.elapsed(), ..AwsRecords::default() };
    };
    let kind = RdsName::parse(&target.sign.host).map(|name| name.kind);
    let role = async {
        let Some(role) = target.access.roles.last() else { return Lookup::Unavailable };
        let account = identity.account();
        if account.is_some_and(|account| account != role.account()) {
            // Roles are asked for by name, so another account's would be taken for it.
            let why = format!(
                "not asked: the operator is of account {}, and IAM tells of the roles of its own alone",
                account.unwrap_or_default()
            );
            notes.refused("iam:GetRole", role.as_str(), why);
            return Lookup::Unavailable;
        }
        iam::read(&identity.sdk, role, &notes).await
    };
    let database = rds::find(&identity.sdk, target.sign.host.as_str(), kind, &notes);
    let (database, role) = tokio::join!(database, role);
    let took = start.elapsed();
    AwsRecords { operator: identity.arn, asked: notes.into_calls(), database, role, took }
}

/// The configuration refuses to ask for it; this is for whoever calls the library.
#[cfg(not(feature = "aws-diagnostics"))]
#[expect(clippy::unused_async, reason = "the same signature as with the feature")]
pub async fn look(_: &Target, operator: &Operator, _: Instant) -> AwsRecords {
    let refused = Some("this pipeprobe was built without the feature aws-diagnostics".to_owned());
    let asked = ApiCall { call: CREDENTIALS.to_owned(), about: operator.to_string(), refused };
    AwsRecords { asked: vec![asked], ..AwsRecords::default() }
}

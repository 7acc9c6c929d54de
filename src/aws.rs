//! AWS diagnostics: records of RDS, EC2 and IAM about the database and the access role. They are read only on request
//! (`--diagnose-profile`, `--diagnose-role`), with separate credentials and with read-only calls.
//!
//! If a call is denied or fails, its fact is unknown and the message of AWS is kept. [`crate::checks`] interprets the
//! records. Reading them requires the cargo feature `aws-diagnostics`, which is on by default; the types exist without it.
//!
//! Source: Amazon RDS API Reference, `DescribeDBInstances`, `DescribeDBClusters`, `DescribeDBProxies`; AWS IAM API
//! Reference, `GetRole` and the calls that list and read policies.

#[cfg(feature = "aws-diagnostics")]
mod ec2;
#[cfg(feature = "aws-diagnostics")]
mod iam;
#[cfg(feature = "aws-diagnostics")]
mod api_calls;
#[cfg(feature = "aws-diagnostics")]
mod query;
#[cfg(feature = "aws-diagnostics")]
mod rds;
#[cfg(feature = "aws-diagnostics")]
mod xml;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    evidence::none_if_empty,
    static_ips::Rule,
    target::{AwsDiagnosticsCredentials, Target},
};

/// All calls and their results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct AwsRecords {
    /// ARN of the caller, if STS returned it.
    pub caller: Option<String>,
    /// In the order of the calls.
    pub calls: Vec<ApiCall>,
    pub database: Lookup<DatabaseRecord>,
    pub role: Lookup<Role>,
    /// Read only if the addresses of ClickPipes are known.
    pub network: Option<Network>,
    #[cfg_attr(test, serde(skip))]
    pub took: Duration,
}

/// One call, with all its pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize, schemars::JsonSchema), serde(deny_unknown_fields))]
pub struct ApiCall {
    /// The IAM action: `rds:DescribeDBInstances`.
    #[serde(rename(serialize = "action"))]
    pub call: String,
    /// The resource that the call is about; empty (null in JSON) if it lists all resources.
    #[serde(rename(serialize = "resource"), serialize_with = "none_if_empty")]
    #[cfg_attr(test, serde(default), schemars(with = "Option<String>"))]
    pub about: String,
    /// The message, if AWS refused the call or did not respond.
    #[serde(rename(serialize = "error"))]
    pub refused: Option<String>,
}

/// Entry for missing credentials, in place of a call.
pub const CREDENTIALS: &str = "credentials";

/// Result of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Lookup<T> {
    Found(T),
    /// All records were read, and it is not among them.
    NotFound,
    /// The records could not be read.
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

    /// Converts the result.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Found(found) => Lookup::Found(make(found)),
            Self::NotFound => Lookup::NotFound,
            Self::Unavailable => Lookup::Unavailable,
        }
    }
}

/// The records of RDS for an endpoint. An instance of a cluster has both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct DatabaseRecord {
    pub instance: Option<Instance>,
    pub cluster: Option<Cluster>,
    pub proxy: Option<Proxy>,
}

impl DatabaseRecord {
    /// The security groups of the endpoint.
    pub fn security_groups(&self) -> &[String] {
        let proxy = self.proxy.as_ref().map(|proxy| &proxy.security_groups);
        let instance = self.instance.as_ref().map(|instance| &instance.security_groups);
        let cluster = self.cluster.as_ref().map(|cluster| &cluster.security_groups);
        let all = [proxy, instance, cluster].into_iter().flatten();
        all.into_iter().find(|groups| !groups.is_empty()).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What is in front of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Network {
    /// Whether its name has a public address (`PubliclyAccessible`).
    pub public: Option<bool>,
    pub groups: Lookup<Vec<SecurityGroup>>,
}

/// The inbound rules of a security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct SecurityGroup {
    pub id: String,
    pub rules: Vec<Rule>,
}

/// A setting, and its value after pending changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Switch {
    pub on: Option<bool>,
    /// From `PendingModifiedValues`: applied in the maintenance window.
    pub pending: Option<bool>,
}

/// A parameter group and its status: `in-sync`, `pending-reboot`, `applying`.
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
    /// `db-…`. IAM does not use it for an instance of a cluster.
    pub resource_id: String,
    /// `available`, `modifying`, `rebooting`, …
    pub status: String,
    pub port: Option<u16>,
    pub iam: Switch,
    /// The cluster of the instance: Aurora, or a Multi-AZ DB cluster.
    pub cluster: Option<String>,
    pub ca: Option<String>,
    /// 0: automated backups are off, and with them the binary log of MySQL and MariaDB.
    pub backup_retention_days: Option<u16>,
    pub parameter_groups: Vec<ParameterGroup>,
    pub public: Option<bool>,
    pub security_groups: Vec<String>,
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
    /// The parameter group of the cluster, with its status on each member.
    pub parameter_groups: Vec<ParameterGroup>,
    /// Only of a Multi-AZ DB cluster; in Aurora, each instance has its own.
    pub public: Option<bool>,
    pub security_groups: Vec<String>,
    /// Identifier of the writer instance.
    pub writer: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Proxy {
    pub name: String,
    pub arn: String,
    pub status: String,
    /// `IAMAuth` of the secret of each user: `DISABLED`, `REQUIRED`, `ENABLED`.
    pub iam_auth: Vec<String>,
    /// `DefaultAuthScheme` is `IAM_AUTH`: IAM for the connection to the database too, without secrets.
    pub end_to_end: bool,
    pub security_groups: Vec<String>,
}

impl Proxy {
    /// `prx-…`, from the ARN.
    pub fn resource_id(&self) -> Option<&str> {
        self.arn.rsplit(':').next().filter(|id| id.starts_with("prx-"))
    }
}

/// The records of IAM for the access role. Documents are URL-encoded JSON, as IAM returns them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Role {
    pub arn: String,
    pub trust: String,
    /// Inline and attached.
    pub policies: Vec<Policy>,
    /// Whether all policies could be read.
    pub complete: bool,
    /// The permissions boundary, if there is one.
    pub boundary: Option<Boundary>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Policy {
    /// The name of an inline policy, the ARN of an attached one.
    pub name: String,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Boundary {
    pub arn: String,
    /// `None` if it could not be read.
    pub text: Option<String>,
}

/// Reads the records until `deadline`. Later results are unknown.
#[cfg(feature = "aws-diagnostics")]
pub async fn read_records(
    target: &Target,
    credentials: &AwsDiagnosticsCredentials,
    deadline: Instant,
    now: Timestamp,
) -> AwsRecords {
    use crate::{identity, target::RdsName, trust};

    let start = Instant::now();
    let calls = api_calls::ApiCalls::until(deadline);
    let roots =
        trust::web_roots(target.access.ca_bundle.as_ref()).unwrap_or_else(|_| rustls::RootCertStore::empty());
    let becoming = identity::diagnostics_identity(credentials, &target.access, &target.region, roots);
    let Some(identity) = calls.credentials(&credentials.to_string(), becoming).await else {
        return AwsRecords { calls: calls.into_calls(), took: start.elapsed(), ..AwsRecords::default() };
    };
    let api = query::QueryApi { identity: &identity, region: &target.region, now, start };
    let kind = RdsName::parse(&target.sign.host).map(|name| name.kind);
    let role = async {
        let Some(role) = target.access.roles.last() else { return Lookup::Unavailable };
        let account = identity.account();
        if account.is_some_and(|account| account != role.account()) {
            // IAM finds roles by name, so it would return a role of the same name in the wrong account.
            let why = format!(
                "not called: the credentials belong to account {}, and IAM returns only roles of that account",
                account.unwrap_or_default()
            );
            calls.refused("iam:GetRole", role.as_str(), why);
            return Lookup::Unavailable;
        }
        iam::read(&api, role, &calls).await
    };
    let database = rds::find(&api, target.sign.host.as_str(), kind, &calls);
    let (database, role) = tokio::join!(database, role);
    let network = match (&target.pipe.static_ips, database.found()) {
        (Some(_), Some(record)) => {
            let ids = record.security_groups();
            let groups = async {
                match ids.is_empty() {
                    true => Lookup::NotFound,
                    false => ec2::security_groups(&api, ids, &calls).await,
                }
            };
            let (public, groups) = tokio::join!(rds::is_public(&api, record, &calls), groups);
            Some(Network { public, groups })
        }
        _ => None,
    };
    let took = start.elapsed();
    AwsRecords { caller: identity.arn, calls: calls.into_calls(), database, role, network, took }
}

/// The configuration refuses the options without the feature. This is for other callers of the library.
#[cfg(not(feature = "aws-diagnostics"))]
#[expect(clippy::unused_async, reason = "the same signature as with the feature")]
pub async fn read_records(
    _: &Target,
    credentials: &AwsDiagnosticsCredentials,
    _: Instant,
    _: Timestamp,
) -> AwsRecords {
    let refused = Some("this pipeprobe was built without the feature aws-diagnostics".to_owned());
    let call = ApiCall { call: CREDENTIALS.to_owned(), about: credentials.to_string(), refused };
    AwsRecords { calls: vec![call], ..AwsRecords::default() }
}

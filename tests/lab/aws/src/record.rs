//! RDS records of databases, and IAM records besides roles. Plain data, built by tests.

use serde::Deserialize;
use serde_json::Value;

/// A DB instance, of a cluster or on its own.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct DbInstance {
    /// Its name: the first label of its endpoint.
    pub identifier: String,
    /// `db-…`
    pub resource_id: String,
    pub engine: String,
    /// The endpoint's name.
    pub host: String,
    pub port: u16,
    pub region: String,
    /// Twelve digits.
    pub account: String,
    pub status: String,
    /// IAM database authentication. If it is off, the database's verifier refuses every token.
    pub iam: bool,
    /// The pending value, which is applied in the maintenance window.
    pub iam_pending: Option<bool>,
    /// The identifier of the cluster it is of.
    pub cluster: Option<String>,
    pub backup_retention_days: u16,
    pub ca: String,
    /// Name, and whether its settings are in force: `in-sync`, `pending-reboot`.
    pub parameter_group: (String, String),
}

/// A cluster: Aurora's, or a Multi-AZ DB cluster.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct DbCluster {
    pub identifier: String,
    /// `cluster-…`
    pub resource_id: String,
    pub engine: String,
    pub endpoint: String,
    pub reader_endpoint: String,
    pub custom_endpoints: Vec<String>,
    pub port: u16,
    pub region: String,
    pub account: String,
    pub iam: bool,
    pub iam_pending: Option<bool>,
    /// Identifiers of its instances, the writer first, and the status of the cluster's parameter group in each.
    pub members: Vec<(String, String)>,
}

/// An RDS Proxy.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct DbProxy {
    pub name: String,
    /// `prx-…`
    pub resource_id: String,
    pub endpoint: String,
    pub region: String,
    pub account: String,
    /// `IAMAuth` of its one secret: `DISABLED`, `REQUIRED` or `ENABLED`.
    pub iam_auth: String,
    /// `NONE` or `IAM_AUTH`.
    pub default_auth_scheme: String,
}

/// A managed policy; its default version is the one there is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ManagedPolicy {
    /// `arn:aws:iam::222222222222:policy/name`
    pub arn: String,
    pub document: Value,
}

impl DbInstance {
    /// On its own, with everything in order.
    pub fn new(identifier: &str, resource_id: &str, host: &str, port: u16) -> Self {
        Self {
            identifier: identifier.to_owned(),
            resource_id: resource_id.to_owned(),
            engine: "postgres".to_owned(),
            host: host.to_owned(),
            port,
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            status: "available".to_owned(),
            iam: true,
            iam_pending: None,
            cluster: None,
            backup_retention_days: 7,
            ca: "rds-ca-rsa2048-g1".to_owned(),
            parameter_group: ("default.postgres15".to_owned(), "in-sync".to_owned()),
        }
    }

    pub(crate) fn arn(&self, partition: &str) -> String {
        format!("arn:{partition}:rds:{}:{}:db:{}", self.region, self.account, self.identifier)
    }
}

impl DbCluster {
    pub(crate) fn arn(&self, partition: &str) -> String {
        format!("arn:{partition}:rds:{}:{}:cluster:{}", self.region, self.account, self.identifier)
    }
}

impl DbProxy {
    pub(crate) fn arn(&self, partition: &str) -> String {
        format!("arn:{partition}:rds:{}:{}:db-proxy:{}", self.region, self.account, self.resource_id)
    }
}

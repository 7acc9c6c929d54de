//! The target that the documents are judged for, as far as it was given.

use crate::target::{
    DbUser, Host, RdsName, RdsNameKind, Region, ResourceId, ResourceKind, RoleArn, SessionTag, SourceType,
};

/// Caller, role and database. Everything except the user can be missing, and is not compared then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub source_type: Option<SourceType>,
    /// The host name that the token is signed for.
    pub host: Option<Host>,
    pub region: Option<Region>,
    pub user: DbUser,
    pub access_role: Option<RoleArn>,
    /// The ClickHouse service role, which must be able to assume the access role.
    pub service_role: Option<RoleArn>,
    /// The session tags; `None` if they are not known.
    pub tags: Option<Vec<SessionTag>>,
    /// Whether an external id was given. pipeprobe sends it, ClickPipes does not.
    pub external_id: bool,
    pub resource_id: Option<ResourceId>,
}

impl Subject {
    pub fn partition(&self) -> Option<&str> {
        let region = self.region.as_ref().map(Region::partition);
        region.or_else(|| self.access_role.as_ref().map(RoleArn::partition))
    }

    /// The account of the database: IAM authentication requires the access role to be in the same account.
    pub fn account(&self) -> Option<&str> {
        self.access_role.as_ref().map(RoleArn::account)
    }

    pub fn rds_name(&self) -> Option<RdsNameKind> {
        self.host.as_ref().and_then(RdsName::parse).map(|name| name.kind)
    }

    /// The kinds of Resource ID that the database can have.
    pub fn id_kinds(&self) -> &'static [ResourceKind] {
        use ResourceKind::{Cluster, Instance, Proxy};
        let aurora = self.source_type.map(SourceType::is_aurora);
        match (self.rds_name(), aurora) {
            (Some(RdsNameKind::Proxy), _) => &[Proxy],
            (Some(RdsNameKind::Instance), Some(false)) => &[Instance],
            // The endpoint of an Aurora instance looks like that of any other instance.
            (Some(RdsNameKind::Instance), None) => &[Instance, Cluster],
            (Some(_), _) => &[Cluster],
            (None, Some(true)) => &[Cluster, Proxy],
            // A Multi-AZ DB cluster has a type rds… and the Resource ID of a cluster.
            (None, _) => &[Instance, Cluster, Proxy],
        }
    }
}

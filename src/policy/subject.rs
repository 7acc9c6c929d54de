//! What the documents are asked about: as much of the target as was given.

use crate::target::{
    DbUser, Host, RdsName, RdsNameKind, Region, ResourceId, ResourceKind, RoleArn, SessionTag, SourceType,
};

/// Who wants in where. Everything but the user may be missing, and then is not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub source_type: Option<SourceType>,
    /// The name the token is signed for.
    pub host: Option<Host>,
    pub region: Option<Region>,
    pub user: DbUser,
    pub access_role: Option<RoleArn>,
    /// The ClickHouse service role: who must be let in.
    pub service_role: Option<RoleArn>,
    /// The tags of the session, where they were given; `None` is "some, but not known".
    pub tags: Option<Vec<SessionTag>>,
    /// Whether an external id was given: it lets pipeprobe in, and not ClickPipes.
    pub external_id: bool,
    pub resource_id: Option<ResourceId>,
}

impl Subject {
    pub fn partition(&self) -> Option<&str> {
        let region = self.region.as_ref().map(Region::partition);
        region.or_else(|| self.access_role.as_ref().map(RoleArn::partition))
    }

    /// The database's account: IAM authentication wants the access role in the same one.
    pub fn account(&self) -> Option<&str> {
        self.access_role.as_ref().map(RoleArn::account)
    }

    pub fn rds_name(&self) -> Option<RdsNameKind> {
        self.host.as_ref().and_then(RdsName::parse).map(|name| name.kind)
    }

    /// Which kinds of resource id the database can have.
    pub fn id_kinds(&self) -> &'static [ResourceKind] {
        use ResourceKind::{Cluster, Instance, Proxy};
        let aurora = self.source_type.map(SourceType::is_aurora);
        match (self.rds_name(), aurora) {
            (Some(RdsNameKind::Proxy), _) => &[Proxy],
            (Some(RdsNameKind::Instance), Some(false)) => &[Instance],
            // An Aurora instance's endpoint looks like any instance's.
            (Some(RdsNameKind::Instance), None) => &[Instance, Cluster],
            (Some(_), _) => &[Cluster],
            (None, Some(true)) => &[Cluster, Proxy],
            // A Multi-AZ DB cluster is of type rds… and has a cluster's id.
            (None, _) => &[Instance, Cluster, Proxy],
        }
    }
}

//! What the documents are asked about: as much of the target as was given.

use std::{fmt, str::FromStr};

use crate::target::{
    DbUser, Host, Invalid, RdsName, RdsNameKind, Region, RoleArn, SessionTag, SourceType, no_placeholder,
    quoted,
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
    pub fn id_kinds(&self) -> &'static [IdKind] {
        use IdKind::{Cluster, Instance, Proxy};
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

/// The kinds of resource id that `rds-db:connect` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    Instance,
    Cluster,
    Proxy,
}

impl IdKind {
    pub const ALL: [Self; 3] = [Self::Instance, Self::Cluster, Self::Proxy];

    pub fn prefix(self) -> &'static str {
        match self {
            Self::Instance => "db-",
            Self::Cluster => "cluster-",
            Self::Proxy => "prx-",
        }
    }

    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| id.starts_with(kind.prefix()))
    }
}

/// The Resource ID of the console's Configuration tab: `db-…`, `cluster-…`, `prx-…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceId(String);

impl ResourceId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn kind(&self) -> Option<IdKind> {
        IdKind::of(&self.0)
    }
}

impl FromStr for ResourceId {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        no_placeholder("resource_id", text)?;
        let rest = IdKind::of(text).map(|kind| &text[kind.prefix().len()..]);
        match rest {
            Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Invalid::new(
                "resource_id",
                "the Resource ID of the Configuration tab (db-…, cluster-… or prx-…)",
                quoted(text),
            )),
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

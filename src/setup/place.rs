//! Where the database is in RDS, as far as its endpoint's name says, and the command that prints the rest.

use super::quote::shell;
use crate::target::{RdsName, RdsNameKind, ResourceKind, Target};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: ResourceKind,
    /// Identifier of the instance or cluster, or name of the proxy.
    pub(super) id: Option<String>,
    /// Identifier of an instance of the cluster, where only that one is known.
    pub(super) member: Option<String>,
    region: String,
}

impl Place {
    pub(super) fn of(target: &Target) -> Self {
        let host = target.sign.host.as_str().to_ascii_lowercase();
        let labels: Vec<&str> = host.split('.').collect();
        let first = || labels.first().map(|label| (*label).to_owned());
        let (kind, name) = (target.resource_kind(), RdsName::parse(&target.sign.host).map(|name| name.kind));
        let (id, member) = match (name, kind) {
            (Some(RdsNameKind::Instance), ResourceKind::Cluster) => (None, first()),
            (Some(RdsNameKind::Instance | RdsNameKind::ClusterWriter | RdsNameKind::ClusterReader), _) => {
                (first(), None)
            }
            // `<endpoint>.endpoint.proxy-…` is an endpoint that was added to a proxy of another name.
            (Some(RdsNameKind::Proxy), _) if labels.get(1) != Some(&"endpoint") => (first(), None),
            // A custom or global endpoint has a name of its own.
            _ => (None, None),
        };
        Self { kind, id, member, region: target.region.to_string() }
    }

    /// What people call it.
    pub(super) fn noun(&self) -> &'static str {
        match self.kind {
            ResourceKind::Instance => "DB instance",
            ResourceKind::Cluster => "DB cluster",
            ResourceKind::Proxy => "DB proxy",
        }
    }

    pub(super) fn resource_id_text(&self) -> String {
        format!("Resource id of the {}", self.noun())
    }

    /// The variable of `aws.sh` that has its identifier.
    pub(super) fn variable(&self) -> &'static str {
        match self.kind {
            ResourceKind::Instance => "DB_INSTANCE",
            ResourceKind::Cluster => "DB_CLUSTER",
            ResourceKind::Proxy => "DB_PROXY",
        }
    }

    /// The command that prints the cluster of the instance that is known.
    pub(super) fn cluster_of_member(&self) -> Option<String> {
        self.member.as_ref().map(|member| {
            format!(
                "aws rds describe-db-instances --db-instance-identifier {} \
                 --query 'DBInstances[0].DBClusterIdentifier' --output text",
                shell(member)
            )
        })
    }

    /// The command that prints the resource id of what has this identifier.
    pub(super) fn resource_id_of(&self, id: &str) -> String {
        match self.kind {
            ResourceKind::Instance => format!(
                "aws rds describe-db-instances --db-instance-identifier {id} \
                 --query 'DBInstances[0].DbiResourceId' --output text"
            ),
            ResourceKind::Cluster => format!(
                "aws rds describe-db-clusters --db-cluster-identifier {id} \
                 --query 'DBClusters[0].DbClusterResourceId' --output text"
            ),
            ResourceKind::Proxy => format!(
                "aws rds describe-db-proxies --db-proxy-name {id} \
                 --query 'DBProxies[0].DBProxyArn' --output text | sed 's/.*://'"
            ),
        }
    }

    /// A command that prints the resource id, alone where the identifier is known, else beside every endpoint there is.
    pub(super) fn resource_id_command(&self) -> String {
        let command = match (&self.id, &self.member) {
            (None, Some(member)) => format!(
                "aws rds describe-db-clusters --query \
                 \"DBClusters[?DBClusterMembers[?DBInstanceIdentifier=='{member}']].DbClusterResourceId\" --output text"
            ),
            (Some(id), _) => self.resource_id_of(&shell(id)),
            (None, None) => match self.kind {
                ResourceKind::Instance => "aws rds describe-db-instances --query \
                     'DBInstances[].[Endpoint.Address,DbiResourceId]' --output text"
                    .to_owned(),
                ResourceKind::Cluster => "aws rds describe-db-clusters --query \
                     'DBClusters[].[Endpoint,DbClusterResourceId]' --output text"
                    .to_owned(),
                ResourceKind::Proxy => {
                    "aws rds describe-db-proxies --query 'DBProxies[].[Endpoint,DBProxyArn]' --output text"
                        .to_owned()
                }
            },
        };
        command.replacen("aws rds ", &format!("aws --region {} rds ", self.region), 1)
    }
}

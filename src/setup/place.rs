//! The RDS resource of a database, as far as the endpoint name tells it, and the commands that print the rest.

use super::quote::shell;
use crate::target::{RdsName, RdsNameKind, ResourceKind, Target};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: ResourceKind,
    /// Identifier of the instance or cluster, or name of the proxy.
    pub(super) id: Option<String>,
    /// Identifier of an instance of the cluster, if only that is known.
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
            // `<endpoint>.endpoint.proxy-…` is an additional endpoint; the proxy has another name.
            (Some(RdsNameKind::Proxy), _) if labels.get(1) != Some(&"endpoint") => (first(), None),
            // The name of a custom or global endpoint is not the identifier of the cluster.
            _ => (None, None),
        };
        Self { kind, id, member, region: target.region.to_string() }
    }

    /// The term in texts.
    pub(super) fn noun(&self) -> &'static str {
        match self.kind {
            ResourceKind::Instance => "DB instance",
            ResourceKind::Cluster => "DB cluster",
            ResourceKind::Proxy => "DB proxy",
        }
    }

    /// Its identifier in the RDS console, if it is known.
    pub(super) fn label(&self) -> String {
        match (&self.id, &self.member) {
            (Some(id), _) => id.clone(),
            (None, Some(member)) => format!("the cluster of {member}"),
            (None, None) => format!("the {}", self.noun()),
        }
    }

    pub(super) fn resource_id_text(&self) -> String {
        format!("Resource ID of the {}", self.noun())
    }

    /// The variable of `aws.sh` for its identifier.
    pub(super) fn variable(&self) -> &'static str {
        match self.kind {
            ResourceKind::Instance => "DB_INSTANCE",
            ResourceKind::Cluster => "DB_CLUSTER",
            ResourceKind::Proxy => "DB_PROXY",
        }
    }

    /// The command that prints the cluster of the known instance.
    pub(super) fn cluster_of_member(&self) -> Option<String> {
        self.member.as_ref().map(|member| {
            format!(
                "aws rds describe-db-instances --db-instance-identifier {} \
                 --query 'DBInstances[0].DBClusterIdentifier' --output text",
                shell(member)
            )
        })
    }

    /// The command that prints the resource ID for this identifier.
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

    /// The command that prints the resource ID; if the identifier is not known, one line for each endpoint.
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

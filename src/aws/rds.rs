//! The records of RDS. The database is found by the address of its endpoint. The only file that uses aws_sdk_rds.

use aws_sdk_rds::{
    Client,
    types::{
        ClusterPendingModifiedValues, DbCluster, DbClusterMember, DbInstance, DbParameterGroupStatus,
        DbProxy, Endpoint, PendingModifiedValues, VpcSecurityGroupMembership,
    },
};

use super::{Cluster, DatabaseRecord, Instance, Lookup, ParameterGroup, Proxy, Switch, notes::Notes};
use crate::{diagnostic::printable, identity::OperatorSdk, target::RdsNameKind};

/// Records per page. The default of AWS is 100. The record of an instance has several kilobytes of XML, and a response is
/// limited to 1 MiB.
const PAGE: i32 = 50;

const INSTANCES: &str = "rds:DescribeDBInstances";
const CLUSTERS: &str = "rds:DescribeDBClusters";
const PROXIES: &str = "rds:DescribeDBProxies";

/// Kinds of endpoints.
#[derive(Clone, Copy)]
enum List {
    Instances,
    Clusters,
    Proxies,
}

/// The record of the database behind `host`. `kind`: the kind of endpoint that the name shows, which limits the search.
pub(super) async fn find(
    sdk: &OperatorSdk,
    host: &str,
    kind: Option<RdsNameKind>,
    notes: &Notes,
) -> Lookup<DatabaseRecord> {
    let asked = Asker { client: Client::new(sdk), host, notes };
    let lists: &[List] = match kind {
        Some(RdsNameKind::Instance) => &[List::Instances],
        Some(RdsNameKind::Proxy) => &[List::Proxies],
        Some(_) => &[List::Clusters],
        None => &[List::Instances, List::Clusters, List::Proxies],
    };
    let mut result = Lookup::NotFound;
    for list in lists {
        let found = match list {
            List::Instances => asked.instance().await,
            List::Clusters => asked.cluster().await,
            List::Proxies => asked.proxy().await,
        };
        match found {
            Lookup::Found(record) => return Lookup::Found(record),
            Lookup::Unavailable => result = Lookup::Unavailable,
            Lookup::NotFound => {}
        }
    }
    result
}

/// The first record that matches; does not read further pages. A macro, because the paginators have no common trait.
macro_rules! first {
    ($notes:expr, $call:expr, $all:expr, $its:expr) => {
        loop {
            match $notes.ask($call, "", $all.try_next()).await {
                Ok(Some(found)) if $its(&found) => break Lookup::Found(found),
                Ok(Some(_)) => {}
                Ok(None) => break Lookup::NotFound,
                Err(_) => break Lookup::Unavailable,
            }
        }
    };
}

struct Asker<'a> {
    client: Client,
    host: &'a str,
    notes: &'a Notes,
}

impl Asker<'_> {
    fn is_it(&self, address: Option<&str>) -> bool {
        address.is_some_and(|address| address.trim_end_matches('.').eq_ignore_ascii_case(self.host))
    }

    async fn instance(&self) -> Lookup<DatabaseRecord> {
        let mut all = self.client.describe_db_instances().into_paginator().page_size(PAGE).items().send();
        let its = |found: &DbInstance| self.is_it(found.endpoint().and_then(Endpoint::address));
        let found = first!(self.notes, INSTANCES, all, its);
        let found = found.map(|found| instance(&found));
        let cluster = match found.found().and_then(|instance| instance.cluster.as_deref()) {
            Some(identifier) => self.cluster_of(identifier).await,
            None => None,
        };
        found.map(|instance| DatabaseRecord { instance: Some(instance), cluster, proxy: None })
    }

    /// The cluster that an instance belongs to.
    async fn cluster_of(&self, identifier: &str) -> Option<Cluster> {
        let one = self.client.describe_db_clusters().db_cluster_identifier(identifier).send();
        let answer = self.notes.ask(CLUSTERS, identifier, one).await.ok()?;
        answer.db_clusters().first().map(cluster)
    }

    async fn cluster(&self) -> Lookup<DatabaseRecord> {
        let mut all = self.client.describe_db_clusters().into_paginator().page_size(PAGE).items().send();
        let its = |found: &DbCluster| {
            let customs = found.custom_endpoints().iter().map(String::as_str).map(Some);
            [found.endpoint(), found.reader_endpoint()].into_iter().chain(customs).any(|at| self.is_it(at))
        };
        let found = first!(self.notes, CLUSTERS, all, its);
        found.map(|found| DatabaseRecord { cluster: Some(cluster(&found)), ..DatabaseRecord::default() })
    }

    async fn proxy(&self) -> Lookup<DatabaseRecord> {
        let mut all = self.client.describe_db_proxies().into_paginator().page_size(PAGE).items().send();
        let its = |found: &DbProxy| self.is_it(found.endpoint());
        let found = first!(self.notes, PROXIES, all, its);
        found.map(|found| DatabaseRecord { proxy: Some(proxy(&found)), ..DatabaseRecord::default() })
    }
}

/// Whether the endpoint has a public address. In Aurora, the writer instance knows it. A proxy has none (RDS User Guide,
/// limitations of RDS Proxy).
pub(super) async fn is_public(sdk: &OperatorSdk, record: &DatabaseRecord, notes: &Notes) -> Option<bool> {
    if record.proxy.is_some() {
        return Some(false);
    }
    let instance = record.instance.as_ref().and_then(|instance| instance.public);
    let cluster = record.cluster.as_ref();
    if let Some(public) = instance.or(cluster.and_then(|cluster| cluster.public)) {
        return Some(public);
    }
    let writer = cluster?.writer.as_deref()?;
    let asking = Client::new(sdk).describe_db_instances().db_instance_identifier(writer).send();
    notes.ask(INSTANCES, writer, asking).await.ok()?.db_instances().first()?.publicly_accessible()
}

fn groups(found: &[VpcSecurityGroupMembership]) -> Vec<String> {
    found.iter().filter_map(|group| group.vpc_security_group_id()).map(printable).collect()
}

fn text(value: Option<&str>) -> String {
    printable(value.unwrap_or_default())
}

fn small(number: Option<i32>) -> Option<u16> {
    number.and_then(|number| u16::try_from(number).ok())
}

fn instance(found: &DbInstance) -> Instance {
    let group = |group: &DbParameterGroupStatus| ParameterGroup {
        name: text(group.db_parameter_group_name()),
        status: text(group.parameter_apply_status()),
    };
    Instance {
        identifier: text(found.db_instance_identifier()),
        arn: text(found.db_instance_arn()),
        resource_id: text(found.dbi_resource_id()),
        status: text(found.db_instance_status()),
        port: small(found.endpoint().and_then(Endpoint::port)),
        iam: Switch {
            on: found.iam_database_authentication_enabled(),
            pending: found
                .pending_modified_values()
                .and_then(PendingModifiedValues::iam_database_authentication_enabled),
        },
        cluster: found.db_cluster_identifier().map(str::to_owned),
        ca: found.ca_certificate_identifier().map(str::to_owned),
        backup_retention_days: small(found.backup_retention_period()),
        parameter_groups: found.db_parameter_groups().iter().map(group).collect(),
        public: found.publicly_accessible(),
        security_groups: groups(found.vpc_security_groups()),
    }
}

fn cluster(found: &DbCluster) -> Cluster {
    let name = text(found.db_cluster_parameter_group());
    let member = |member: &DbClusterMember| ParameterGroup {
        name: name.clone(),
        status: text(member.db_cluster_parameter_group_status()),
    };
    let mut parameter_groups: Vec<ParameterGroup> = Vec::new();
    for group in found.db_cluster_members().iter().map(member) {
        if !parameter_groups.contains(&group) {
            parameter_groups.push(group);
        }
    }
    Cluster {
        identifier: text(found.db_cluster_identifier()),
        arn: text(found.db_cluster_arn()),
        resource_id: text(found.db_cluster_resource_id()),
        status: text(found.status()),
        port: small(found.port()),
        iam: Switch {
            on: found.iam_database_authentication_enabled(),
            pending: found
                .pending_modified_values()
                .and_then(ClusterPendingModifiedValues::iam_database_authentication_enabled),
        },
        backup_retention_days: small(found.backup_retention_period()),
        parameter_groups,
        public: found.publicly_accessible(),
        security_groups: groups(found.vpc_security_groups()),
        writer: found
            .db_cluster_members()
            .iter()
            .find(|member| member.is_cluster_writer() == Some(true))
            .and_then(|member| member.db_instance_identifier().map(str::to_owned)),
    }
}

fn proxy(found: &DbProxy) -> Proxy {
    let auth = found.auth().iter().filter_map(|auth| auth.iam_auth());
    Proxy {
        name: text(found.db_proxy_name()),
        arn: text(found.db_proxy_arn()),
        status: found.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        iam_auth: auth.map(|mode| mode.as_str().to_owned()).collect(),
        end_to_end: found.default_auth_scheme() == Some("IAM_AUTH"),
        security_groups: found.vpc_security_group_ids().iter().map(|id| printable(id)).collect(),
    }
}

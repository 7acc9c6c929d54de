//! The records of RDS. The database is found by the address of its endpoint.

use super::{
    Cluster, DatabaseRecord, Instance, Lookup, ParameterGroup, Proxy, Switch,
    api_calls::ApiCalls,
    query::{QueryApi, RDS},
    xml::{Element, Malformed},
};
use crate::{diagnostic::printable, identity::ApiError, target::RdsNameKind};

/// Records per page. The default of AWS is 100. The record of an instance has several kilobytes of XML, and a response is
/// limited to 1 MiB.
const PAGE: &str = "50";

/// Kinds of endpoints.
#[derive(Clone, Copy, Debug)]
enum List {
    Instances,
    Clusters,
    Proxies,
}

impl List {
    fn action(self) -> &'static str {
        match self {
            Self::Instances => "DescribeDBInstances",
            Self::Clusters => "DescribeDBClusters",
            Self::Proxies => "DescribeDBProxies",
        }
    }

    /// The element that contains the records.
    fn element(self) -> &'static str {
        match self {
            Self::Instances => "DBInstances",
            Self::Clusters => "DBClusters",
            Self::Proxies => "DBProxies",
        }
    }
}

/// The record of the database behind `host`. `kind`: the kind of endpoint that the name shows, which limits the search.
pub(super) async fn find(
    api: &QueryApi<'_>,
    host: &str,
    kind: Option<RdsNameKind>,
    calls: &ApiCalls,
) -> Lookup<DatabaseRecord> {
    let records = Records { api, host, calls };
    let lists: &[List] = match kind {
        Some(RdsNameKind::Instance) => &[List::Instances],
        Some(RdsNameKind::Proxy) => &[List::Proxies],
        Some(_) => &[List::Clusters],
        None => &[List::Instances, List::Clusters, List::Proxies],
    };
    let mut result = Lookup::NotFound;
    for list in lists {
        let found = match list {
            List::Instances => records.instance().await,
            List::Clusters => records.cluster().await,
            List::Proxies => records.proxy().await,
        };
        match found {
            Lookup::Found(record) => return Lookup::Found(record),
            Lookup::Unavailable => result = Lookup::Unavailable,
            Lookup::NotFound => {}
        }
    }
    result
}

/// Whether the endpoint has a public address. In Aurora, the writer instance knows it. A proxy has none (RDS User Guide,
/// limitations of RDS Proxy).
pub(super) async fn is_public(api: &QueryApi<'_>, record: &DatabaseRecord, calls: &ApiCalls) -> Option<bool> {
    if record.proxy.is_some() {
        return Some(false);
    }
    let instance = record.instance.as_ref().and_then(|instance| instance.public);
    let cluster = record.cluster.as_ref();
    if let Some(public) = instance.or(cluster.and_then(|cluster| cluster.public)) {
        return Some(public);
    }
    let writer = cluster?.writer.as_deref()?;
    one(api, List::Instances, ("DBInstanceIdentifier", writer), calls, instance_of).await?.public
}

struct Records<'a> {
    api: &'a QueryApi<'a>,
    host: &'a str,
    calls: &'a ApiCalls,
}

impl Records<'_> {
    fn is_it(&self, address: Option<String>) -> bool {
        address.is_some_and(|address| address.trim_end_matches('.').eq_ignore_ascii_case(self.host))
    }

    async fn instance(&self) -> Lookup<DatabaseRecord> {
        let its = |found: Element<'_>| {
            self.is_it(found.child("Endpoint").and_then(|endpoint| endpoint.raw("Address")))
        };
        let found = self.first(List::Instances, its, instance_of).await;
        let cluster = match found.found().and_then(|instance| instance.cluster.as_deref()) {
            Some(name) => {
                one(self.api, List::Clusters, ("DBClusterIdentifier", name), self.calls, cluster_of).await
            }
            None => None,
        };
        found.map(|instance| DatabaseRecord { instance: Some(instance), cluster, proxy: None })
    }

    async fn cluster(&self) -> Lookup<DatabaseRecord> {
        let its = |found: Element<'_>| {
            let customs = found.items("CustomEndpoints").map(|endpoint| Some(endpoint.content()));
            let named = [found.raw("Endpoint"), found.raw("ReaderEndpoint")];
            named.into_iter().chain(customs).any(|address| self.is_it(address))
        };
        let found = self.first(List::Clusters, its, cluster_of).await;
        found.map(|cluster| DatabaseRecord { cluster: Some(cluster), ..DatabaseRecord::default() })
    }

    async fn proxy(&self) -> Lookup<DatabaseRecord> {
        let its = |found: Element<'_>| self.is_it(found.raw("Endpoint"));
        let found = self.first(List::Proxies, its, proxy_of).await;
        found.map(|proxy| DatabaseRecord { proxy: Some(proxy), ..DatabaseRecord::default() })
    }

    /// The first record that matches; does not read further pages.
    async fn first<T>(
        &self,
        list: List,
        its: impl Fn(Element<'_>) -> bool,
        make: impl Fn(Element<'_>) -> Result<T, Malformed>,
    ) -> Lookup<T> {
        let mut marker: Option<String> = None;
        loop {
            let mut parameters = vec![("MaxRecords", PAGE)];
            parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
            let page = self.api.call(&RDS, list.action(), &parameters, |result| {
                // Without its list, an answer does not show that the database is not in it.
                let mut records = result.required(list.element())?.children();
                let found = records.find(|record| its(*record)).map(&make).transpose()?;
                Ok((found, result.raw("Marker")))
            });
            let page = async {
                match page.await? {
                    (None, next) if next.is_some() && next == marker => {
                        Err(ApiError::new("the same page again"))
                    }
                    page => Ok::<_, ApiError>(page),
                }
            };
            match self.calls.record(&format!("rds:{}", list.action()), "", page).await {
                Ok((Some(found), _)) => return Lookup::Found(found),
                Ok((None, None)) => return Lookup::NotFound,
                Ok((None, next)) => marker = next,
                Err(_) => return Lookup::Unavailable,
            }
        }
    }
}

/// The record with this identifier.
async fn one<T>(
    api: &QueryApi<'_>,
    list: List,
    (parameter, identifier): (&str, &str),
    calls: &ApiCalls,
    make: impl Fn(Element<'_>) -> Result<T, Malformed>,
) -> Option<T> {
    let parameters = [(parameter, identifier)];
    let asking = api.call(&RDS, list.action(), &parameters, |result| {
        result.items(list.element()).next().map(make).transpose()
    });
    calls.record(&format!("rds:{}", list.action()), identifier, asking).await.ok()?
}

fn iam(found: Element<'_>) -> Result<Switch, Malformed> {
    const IAM: &str = "IAMDatabaseAuthenticationEnabled";
    let pending = found.child("PendingModifiedValues");
    let pending = pending.map(|pending| pending.value(IAM)).transpose()?.flatten();
    Ok(Switch { on: found.value(IAM)?, pending })
}

fn security_groups(found: Element<'_>) -> Vec<String> {
    let groups = found.items("VpcSecurityGroups");
    groups.filter_map(|group| group.raw("VpcSecurityGroupId")).map(|id| printable(&id)).collect()
}

fn instance_of(found: Element<'_>) -> Result<Instance, Malformed> {
    let group = |group: Element<'_>| ParameterGroup {
        name: group.text("DBParameterGroupName"),
        status: group.text("ParameterApplyStatus"),
    };
    let port = found.child("Endpoint").map(|endpoint| endpoint.value("Port")).transpose()?;
    Ok(Instance {
        identifier: found.text("DBInstanceIdentifier"),
        arn: found.text("DBInstanceArn"),
        resource_id: found.text("DbiResourceId"),
        status: found.text("DBInstanceStatus"),
        port: port.flatten(),
        iam: iam(found)?,
        cluster: found.raw("DBClusterIdentifier"),
        ca: found.raw("CACertificateIdentifier"),
        backup_retention_days: found.value("BackupRetentionPeriod")?,
        parameter_groups: found.items("DBParameterGroups").map(group).collect(),
        public: found.value("PubliclyAccessible")?,
        security_groups: security_groups(found),
    })
}

fn cluster_of(found: Element<'_>) -> Result<Cluster, Malformed> {
    let name = found.text("DBClusterParameterGroup");
    let mut parameter_groups: Vec<ParameterGroup> = Vec::new();
    let mut writer = None;
    for member in found.items("DBClusterMembers") {
        let status = member.text("DBClusterParameterGroupStatus");
        let group = ParameterGroup { name: name.clone(), status };
        if !parameter_groups.contains(&group) {
            parameter_groups.push(group);
        }
        if writer.is_none() && member.value("IsClusterWriter")? == Some(true) {
            writer = member.raw("DBInstanceIdentifier");
        }
    }
    // Only a Multi-AZ DB cluster has the setting. In Aurora, the instances have it.
    let is_aurora = found.raw("Engine").is_some_and(|engine| engine.starts_with("aurora"));
    Ok(Cluster {
        identifier: found.text("DBClusterIdentifier"),
        arn: found.text("DBClusterArn"),
        resource_id: found.text("DbClusterResourceId"),
        status: found.text("Status"),
        port: found.value("Port")?,
        iam: iam(found)?,
        backup_retention_days: found.value("BackupRetentionPeriod")?,
        parameter_groups,
        public: if is_aurora { None } else { found.value("PubliclyAccessible")? },
        security_groups: security_groups(found),
        writer,
    })
}

fn proxy_of(found: Element<'_>) -> Result<Proxy, Malformed> {
    let auth = found.items("Auth").filter_map(|auth| auth.raw("IAMAuth"));
    Ok(Proxy {
        name: found.text("DBProxyName"),
        arn: found.text("DBProxyArn"),
        status: found.text("Status"),
        iam_auth: auth.map(|mode| printable(&mode)).collect(),
        end_to_end: found.raw("DefaultAuthScheme").as_deref() == Some("IAM_AUTH"),
        security_groups: found.items("VpcSecurityGroupIds").map(|id| printable(&id.content())).collect(),
    })
}

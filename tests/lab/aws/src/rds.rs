//! RDS's Query API: the three lists that tell what a database is. Pure.
//!
//! Source: Amazon RDS API Reference, `DescribeDBInstances`, `DescribeDBClusters`, `DescribeDBProxies`.

use jiff::Timestamp;

use crate::assume_role::Form;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::record::{DbCluster, DbInstance, DbProxy};
use crate::service::{authorize, field, no_such_action, page};
use crate::world::World;
use crate::xml::{leaf, node};

/// The elements of the action's result.
///
/// # Errors
/// AWS's: `AccessDenied`, `DBInstanceNotFound`, `DBClusterNotFoundFault`, `InvalidParameterValue`.
pub(crate) fn act(
    world: &World,
    caller: &Caller,
    region: &str,
    form: &Form,
    now: Timestamp,
) -> Result<Vec<String>, ApiError> {
    let action = field(form, "Action").unwrap_or_default();
    let account = caller.principal.account.as_str();
    let partition = world.partition.as_str();
    let resource = |kind: &str, id: Option<&str>| {
        format!("arn:{partition}:rds:{region}:{account}:{kind}:{}", id.unwrap_or("*"))
    };
    let may = |resource: &str| authorize(caller, &format!("rds:{action}"), resource, now);
    let own = |its_region: &str, its_account: &str| its_region == region && its_account == account;
    let (marker, most) = (field(form, "Marker"), most(form)?);
    match action {
        "DescribeDBInstances" => {
            let wanted = field(form, "DBInstanceIdentifier");
            may(&resource("db", wanted))?;
            let is_it = |i: &&DbInstance| {
                own(&i.region, &i.account) && wanted.is_none_or(|wanted| wanted == i.identifier)
            };
            let all: Vec<&DbInstance> = world.instances.iter().filter(is_it).collect();
            if let (Some(wanted), true) = (wanted, all.is_empty()) {
                return Err(ApiError::new(
                    404,
                    "DBInstanceNotFound",
                    format!("DBInstance {wanted} not found."),
                ));
            }
            let (found, next) = page(&all, marker, most)?;
            let found: Vec<String> = found.into_iter().map(|i| instance(i, partition)).collect();
            Ok(listed("DBInstances", &found, next))
        }
        "DescribeDBClusters" => {
            let wanted = field(form, "DBClusterIdentifier");
            may(&resource("cluster", wanted))?;
            let is_it = |c: &&DbCluster| {
                own(&c.region, &c.account) && wanted.is_none_or(|wanted| wanted == c.identifier)
            };
            let all: Vec<&DbCluster> = world.clusters.iter().filter(is_it).collect();
            if let (Some(wanted), true) = (wanted, all.is_empty()) {
                let message = format!("DBCluster {wanted} not found.");
                return Err(ApiError::new(404, "DBClusterNotFoundFault", message));
            }
            let (found, next) = page(&all, marker, most)?;
            let found: Vec<String> = found.into_iter().map(|c| cluster(c, partition)).collect();
            Ok(listed("DBClusters", &found, next))
        }
        "DescribeDBProxies" => {
            may(&resource("db-proxy", None))?;
            let all: Vec<&DbProxy> = world.proxies.iter().filter(|p| own(&p.region, &p.account)).collect();
            let (found, next) = page(&all, marker, most)?;
            let found: Vec<String> = found.into_iter().map(|p| proxy(p, partition)).collect();
            Ok(listed("DBProxies", &found, next))
        }
        other => Err(no_such_action(form, other)),
    }
}

/// `MaxRecords`: 20 to 100, and 100 where nothing is said.
fn most(form: &Form) -> Result<usize, ApiError> {
    let Some(text) = field(form, "MaxRecords") else { return Ok(100) };
    text.parse().ok().filter(|most| (20..=100).contains(most)).ok_or_else(|| {
        let message = "Invalid value for max records. Must be between 20 and 100";
        ApiError::new(400, "InvalidParameterValue", message)
    })
}

fn listed(name: &str, found: &[String], next: Option<String>) -> Vec<String> {
    let marker = next.map(|next| leaf("Marker", &next));
    marker.into_iter().chain([node(name, found)]).collect()
}

fn text(name: &str, value: impl ToString) -> String {
    leaf(name, &value.to_string())
}

fn pending(iam: Option<bool>) -> String {
    let waiting: Vec<String> =
        iam.map(|on| text("IAMDatabaseAuthenticationEnabled", on)).into_iter().collect();
    node("PendingModifiedValues", &waiting)
}

fn instance(i: &DbInstance, partition: &str) -> String {
    let (group, status) = &i.parameter_group;
    let group = [leaf("DBParameterGroupName", group), leaf("ParameterApplyStatus", status)];
    let mut inner = vec![
        leaf("DBInstanceIdentifier", &i.identifier),
        leaf("DBInstanceClass", "db.t4g.medium"),
        leaf("Engine", &i.engine),
        leaf("DBInstanceStatus", &i.status),
        leaf("MasterUsername", "postgres"),
        node(
            "Endpoint",
            &[leaf("Address", &i.host), text("Port", i.port), leaf("HostedZoneId", "Z2R2ITUGPM61AM")],
        ),
        text("AllocatedStorage", 20),
        text("BackupRetentionPeriod", i.backup_retention_days),
        node("DBParameterGroups", &[node("DBParameterGroup", &group)]),
        pending(i.iam_pending),
        text("MultiAZ", false),
        text("PubliclyAccessible", false),
        text("StorageEncrypted", true),
        leaf("DbiResourceId", &i.resource_id),
        leaf("CACertificateIdentifier", &i.ca),
        leaf("DBInstanceArn", &i.arn(partition)),
        text("IAMDatabaseAuthenticationEnabled", i.iam),
    ];
    inner.extend(i.cluster.iter().map(|cluster| leaf("DBClusterIdentifier", cluster)));
    node("DBInstance", &inner)
}

fn cluster(c: &DbCluster, partition: &str) -> String {
    let member = |(at, (identifier, status)): (usize, &(String, String))| {
        node(
            "DBClusterMember",
            &[
                leaf("DBInstanceIdentifier", identifier),
                text("IsClusterWriter", at == 0),
                leaf("DBClusterParameterGroupStatus", status),
            ],
        )
    };
    let members: Vec<String> = c.members.iter().enumerate().map(member).collect();
    let customs: Vec<String> = c.custom_endpoints.iter().map(|name| leaf("member", name)).collect();
    let mut inner = vec![
        leaf("DBClusterIdentifier", &c.identifier),
        leaf("Engine", &c.engine),
        leaf("Status", "available"),
        leaf("Endpoint", &c.endpoint),
        leaf("ReaderEndpoint", &c.reader_endpoint),
        node("CustomEndpoints", &customs),
        text("Port", c.port),
        text("BackupRetentionPeriod", 1),
        leaf("DBClusterParameterGroup", "default.aurora"),
        node("DBClusterMembers", &members),
        leaf("DbClusterResourceId", &c.resource_id),
        leaf("DBClusterArn", &c.arn(partition)),
        text("IAMDatabaseAuthenticationEnabled", c.iam),
    ];
    inner.extend(c.iam_pending.map(|on| pending(Some(on))));
    node("DBCluster", &inner)
}

fn proxy(p: &DbProxy, partition: &str) -> String {
    let secret = format!("arn:{partition}:secretsmanager:{}:{}:secret:db", p.region, p.account);
    let auth = [leaf("AuthScheme", "SECRETS"), leaf("SecretArn", &secret), leaf("IAMAuth", &p.iam_auth)];
    let inner = [
        leaf("DBProxyName", &p.name),
        leaf("DBProxyArn", &p.arn(partition)),
        leaf("Status", "available"),
        leaf("EngineFamily", "POSTGRESQL"),
        leaf("DefaultAuthScheme", &p.default_auth_scheme),
        node("Auth", &[node("member", &auth)]),
        leaf("Endpoint", &p.endpoint),
        text("RequireTLS", true),
    ];
    node("member", &inner)
}

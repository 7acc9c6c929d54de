//! What RDS has on record of the database.

use super::{AwsEvidence, all_refused};
use crate::checks::{
    connection::auth_request::{AUTH_IAM_OFF, AUTH_IAM_PENDING},
    connection::dial::DB_NOT_AVAILABLE,
    connection::login::token::{TOKEN_OTHER_ACCOUNT, TOKEN_WRONG_PORT},
    mysql::binary_log::{MYSQL_BACKUPS_OFF, MYSQL_PENDING_REBOOT},
    postgres::logical_replication::PG_PENDING_REBOOT,
};
use crate::{
    aws::{AwsRecords, DatabaseRecord, Lookup, ParameterGroup, Proxy, Switch},
    target::{Engine, RdsName, RdsNameKind, RoleArn, Target},
};

const SUBJECT: &str = "database";
const IAM: &str = "IAM authentication";

/// What `rds-db:connect` names. Of an instance of a cluster only the cluster's counts.
pub(super) fn resource_id(record: &DatabaseRecord) -> Option<&str> {
    let id = match (&record.proxy, &record.cluster, &record.instance) {
        (Some(proxy), ..) => proxy.resource_id()?,
        (_, Some(cluster), _) => &cluster.resource_id,
        (_, None, Some(instance)) if instance.cluster.is_none() => &instance.resource_id,
        (_, None, _) => return None,
    };
    Some(id).filter(|id| !id.is_empty())
}

pub(super) fn aws_evidence(target: &Target, records: &AwsRecords) -> Vec<AwsEvidence> {
    match &records.database {
        Lookup::Found(record) => of_record(target, record),
        Lookup::NotFound => vec![nowhere(target, records)],
        Lookup::Unavailable => {
            let calls = ["rds:DescribeDBInstances", "rds:DescribeDBClusters", "rds:DescribeDBProxies"];
            vec![AwsEvidence::unknown(SUBJECT, all_refused(records, &calls))]
        }
    }
}

fn account(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

/// The list of an account and Region was read to its end.
fn nowhere(target: &Target, records: &AwsRecords) -> AwsEvidence {
    let (host, region) = (&target.sign.host, &target.region);
    let account_of_caller = records.caller.as_deref().and_then(account);
    let roles = target.access.roles.last().map(RoleArn::account);
    let whose =
        account_of_caller.map_or_else(|| "the operator's account".to_owned(), |id| format!("account {id}"));
    let listed = matches!(
        RdsName::parse(host).map(|name| name.kind),
        Some(
            RdsNameKind::Instance
                | RdsNameKind::ClusterWriter
                | RdsNameKind::ClusterReader
                | RdsNameKind::ClusterCustom
        )
    );
    let found = format!("nothing of {whose} in {region} has the endpoint {host}");
    match (account_of_caller, roles) {
        // IAM authentication does not reach from one account into another.
        (Some(operators), Some(roles)) if listed && operators == roles => {
            AwsEvidence::warn(SUBJECT, &TOKEN_OTHER_ACCOUNT, format!("{found}, and the access role is of that account"))
                .remedy("check `host`; the access role must be of the account that the database belongs to")
        }
        _ => AwsEvidence::unknown(SUBJECT, found)
            .remedy("look with a profile of the database's own account; a proxy's further endpoints and names that are no \
                 RDS endpoint's are not listed"),
    }
}

fn of_record(target: &Target, record: &DatabaseRecord) -> Vec<AwsEvidence> {
    let mut aws_evidence = vec![named(record)];
    aws_evidence.push(switch(target, record));
    aws_evidence.extend(of_another_account(target, record));
    aws_evidence.extend(port(target, record));
    aws_evidence.extend(parameters(target, record));
    aws_evidence.extend(backups(target, record));
    aws_evidence.extend(certificate(record));
    aws_evidence
}

/// States in which a database takes no connections. Source: RDS User Guide, "Viewing DB instance status".
const NOT_AVAILABLE: [&str; 12] = [
    "creating",
    "deleting",
    "failed",
    "inaccessible-encryption-credentials",
    "inaccessible-encryption-credentials-recoverable",
    "incompatible-network",
    "incompatible-parameters",
    "rebooting",
    "starting",
    "stopped",
    "stopping",
    "storage-full",
];

fn named(record: &DatabaseRecord) -> AwsEvidence {
    let id = resource_id(record)
        .map_or_else(|| "its resource id is not known".to_owned(), |id| format!("resource id {id}"));
    let (what, status) = match (&record.proxy, &record.instance, &record.cluster) {
        (Some(proxy), ..) => (format!("proxy {}", proxy.name), &proxy.status),
        (_, Some(instance), Some(cluster)) => {
            (format!("instance {} of cluster {}", instance.identifier, cluster.identifier), &instance.status)
        }
        (_, Some(instance), None) => {
            let of = instance.cluster.as_ref().map(|c| format!(" of cluster {c}")).unwrap_or_default();
            (format!("instance {}{of}", instance.identifier), &instance.status)
        }
        (_, None, Some(cluster)) => (format!("cluster {}", cluster.identifier), &cluster.status),
        (None, None, None) => return AwsEvidence::unknown(SUBJECT, "the record is empty"),
    };
    let found = format!("{what} ({status}), {id}");
    match NOT_AVAILABLE.contains(&status.as_str()) {
        true => AwsEvidence::warn(SUBJECT, &DB_NOT_AVAILABLE, format!("{what} is {status}"))
            .remedy("start it, or wait until its status is available"),
        false => AwsEvidence::pass(SUBJECT, found),
    }
}

fn switch(target: &Target, record: &DatabaseRecord) -> AwsEvidence {
    if let Some(proxy) = &record.proxy {
        return of_proxy(target, proxy);
    }
    let region = &target.region;
    let (what, switch, status, modify) = match (&record.cluster, &record.instance) {
        (Some(cluster), _) => (
            format!("cluster {}", cluster.identifier),
            cluster.iam,
            &cluster.status,
            format!("aws rds modify-db-cluster --db-cluster-identifier {}", cluster.identifier),
        ),
        (None, Some(instance)) if instance.cluster.is_none() => (
            format!("instance {}", instance.identifier),
            instance.iam,
            &instance.status,
            format!("aws rds modify-db-instance --db-instance-identifier {}", instance.identifier),
        ),
        _ => return AwsEvidence::unknown(IAM, "it is the cluster's, whose record was not read"),
    };
    let enable =
        format!("{modify} --enable-iam-database-authentication --apply-immediately --region {region}");
    match switch {
        Switch { on: Some(true), pending: Some(false) } => AwsEvidence::new(
            IAM,
            crate::diagnostic::Outcome::Warn,
            None,
            format!("on for {what}, and about to be turned off"),
        )
        .remedy(enable),
        Switch { on: Some(true), .. } if status == "configuring-iam-database-auth" => {
            AwsEvidence::pass(IAM, format!("on for {what}, and being configured at this moment"))
        }
        Switch { on: Some(true), .. } => {
            AwsEvidence::pass(IAM, format!("on for {what}")).rules_out(&[&AUTH_IAM_OFF, &AUTH_IAM_PENDING])
        }
        Switch { pending: Some(true), .. } => AwsEvidence::fail(
            IAM,
            &AUTH_IAM_PENDING,
            format!("off for {what}; it was turned on, and waits for the maintenance window"),
        )
        .remedy(format!("{enable} # applies every change that waits")),
        Switch { on: Some(false), .. } => {
            AwsEvidence::fail(IAM, &AUTH_IAM_OFF, format!("off for {what}")).remedy(enable)
        }
        Switch { on: None, .. } => AwsEvidence::unknown(IAM, format!("the record of {what} does not say")),
    }
}

/// A proxy takes tokens where one of its secrets' users does, or where it goes by IAM from end to end.
fn of_proxy(target: &Target, proxy: &Proxy) -> AwsEvidence {
    let (name, region) = (&proxy.name, &target.region);
    let modes = proxy.iam_auth.join(", ");
    match proxy.iam_auth.iter().any(|mode| mode != "DISABLED") {
        _ if proxy.end_to_end => AwsEvidence::pass(IAM, format!("proxy {name} goes by IAM from end to end"))
            .rules_out(&[&AUTH_IAM_OFF]),
        true => AwsEvidence::pass(IAM, format!("proxy {name} takes tokens (IAMAuth {modes})"))
            .rules_out(&[&AUTH_IAM_OFF]),
        false => {
            let found = match modes.as_str() {
                "" => format!("proxy {name} has no IAMAuth"),
                modes => format!("proxy {name} takes no tokens (IAMAuth {modes})"),
            };
            AwsEvidence::fail(IAM, &AUTH_IAM_OFF, found).remedy(format!(
                "aws rds modify-db-proxy --db-proxy-name {name} --region {region} \
                 --auth AuthScheme=SECRETS,IAMAuth=REQUIRED,SecretArn=<secret of the user>"
            ))
        }
    }
}

fn of_another_account(target: &Target, record: &DatabaseRecord) -> Option<AwsEvidence> {
    let arns = [
        record.proxy.as_ref().map(|proxy| &proxy.arn),
        record.cluster.as_ref().map(|cluster| &cluster.arn),
        record.instance.as_ref().map(|instance| &instance.arn),
    ];
    let databases = arns.into_iter().flatten().find_map(|arn| account(arn))?;
    let role = target.access.roles.last()?;
    (databases != role.account()).then(|| {
        let found =
            format!("the database belongs to account {databases}, and the access role to {}", role.account());
        AwsEvidence::fail("account", &TOKEN_OTHER_ACCOUNT, found).remedy(format!(
            "make the access role in account {databases}: IAM authentication does not cross accounts"
        ))
    })
}

fn port(target: &Target, record: &DatabaseRecord) -> Option<AwsEvidence> {
    let instances = record.instance.as_ref().and_then(|instance| instance.port);
    let port = instances.or(record.cluster.as_ref().and_then(|cluster| cluster.port))?;
    Some(match port == target.sign.port {
        true => AwsEvidence::pass("port", format!("{port}, as in the token")).rules_out(&[&TOKEN_WRONG_PORT]),
        false => {
            let found = format!("it listens on {port}, and the token is signed for {}", target.sign.port);
            AwsEvidence::fail("port", &TOKEN_WRONG_PORT, found).remedy(format!(
                "set `port` to {port}, here and in the pipe, and remove `sign_port`, which ClickPipes does not have; let a \
                 load balancer or a tunnel in between listen on {port} too"
            ))
        }
    })
}

fn parameters(target: &Target, record: &DatabaseRecord) -> Option<AwsEvidence> {
    let subject = "parameter groups";
    let instances = record.instance.iter().flat_map(|instance| &instance.parameter_groups);
    let clusters = record.cluster.iter().flat_map(|cluster| &cluster.parameter_groups);
    let groups: Vec<&ParameterGroup> = instances.chain(clusters).collect();
    let said = |groups: &[&ParameterGroup]| {
        groups.iter().map(|g| format!("{} ({})", g.name, g.status)).collect::<Vec<_>>().join(", ")
    };
    let waiting: Vec<&ParameterGroup> = groups.iter().copied().filter(|g| g.status != "in-sync").collect();
    if groups.is_empty() {
        return None;
    }
    if waiting.is_empty() {
        return Some(AwsEvidence::pass(subject, said(&groups)));
    }
    let cause = match target.engine() {
        Engine::Postgres => &PG_PENDING_REBOOT,
        Engine::Mysql | Engine::Mariadb => &MYSQL_PENDING_REBOOT,
    };
    let instance = record.instance.as_ref().map_or("<the cluster's writer>", |i| &i.identifier);
    let reboot =
        format!("aws rds reboot-db-instance --db-instance-identifier {instance} --region {}", target.region);
    let found = format!("{}: settings that have changed there are not in force", said(&waiting));
    Some(AwsEvidence::warn(subject, cause, found).remedy(reboot))
}

/// Aurora's binary log does not hang on backups.
fn backups(target: &Target, record: &DatabaseRecord) -> Option<AwsEvidence> {
    let subject = "automated backups";
    let instance = record.instance.as_ref().filter(|instance| instance.cluster.is_none())?;
    let days = instance.backup_retention_days?;
    let needed = target.engine() != Engine::Postgres && target.pipe.follows_changes();
    match days {
        0 if needed => Some(
            AwsEvidence::warn(subject, &MYSQL_BACKUPS_OFF, "off (retention 0), and with them the binary log").remedy(format!(
                "aws rds modify-db-instance --db-instance-identifier {} --backup-retention-period 1 --apply-immediately \
                 --region {}",
                instance.identifier, target.region
            )),
        ),
        _ if needed => Some(AwsEvidence::pass(subject, format!("kept for {days} days"))),
        _ => None,
    }
}

fn certificate(record: &DatabaseRecord) -> Option<AwsEvidence> {
    let ca = record.instance.as_ref()?.ca.as_ref()?;
    Some(AwsEvidence::pass("certificate authority", ca))
}

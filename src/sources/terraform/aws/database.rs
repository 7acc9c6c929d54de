//! The database: IAM database authentication, the parameter group and backups.

use serde_json::Value as Json;

use super::{Found, Judged, Reader, Value};
use crate::target::{
    Engine, Host, Parameter, PlannedPart, ProblemKind, RdsName, RdsNameKind, ReplicationMechanism,
    SourceType, Unset,
};

const PARAMETERS: PlannedPart = PlannedPart::Parameters;

/// What an endpoint belongs to. An instance of a cluster has the settings of the cluster.
pub(super) struct Database<'r> {
    /// `aws_db_instance` or `aws_rds_cluster`.
    pub(super) resource: &'r Found<'r>,
    /// The instances of a cluster.
    pub(super) members: Vec<&'r Found<'r>>,
}

impl Database<'_> {
    fn is_cluster(&self) -> bool {
        self.resource.kind == "aws_rds_cluster"
    }

    pub(super) fn resource_id(&self) -> Option<&str> {
        self.resource.text(if self.is_cluster() { "cluster_resource_id" } else { "resource_id" })
    }
}

const KINDS: [&str; 3] = ["aws_db_instance", "aws_rds_cluster", "aws_rds_cluster_instance"];

/// `None` if no resource of the document, or more than one, can be the database.
pub(super) fn find<'r>(reader: &'r Reader<'_>) -> Option<Database<'r>> {
    let found = match reader.host() {
        Some(host) => {
            KINDS.iter().flat_map(|kind| reader.graph.of_kind(kind)).find(|found| is_at(found, &host))?
        }
        None => {
            let mut found = reader.referenced(&KINDS);
            // An expression that names a cluster and its instance means one database.
            if found.iter().any(|found| found.kind == "aws_rds_cluster") {
                found.retain(|found| found.kind != "aws_rds_cluster_instance");
            }
            match found[..] {
                [only] => only,
                _ => return None,
            }
        }
    };
    let resource = match found.kind {
        "aws_rds_cluster_instance" => {
            match reader.named(found, "cluster_identifier", "aws_rds_cluster", &["cluster_identifier", "id"])
                [..]
            {
                [cluster] => cluster,
                _ => return None,
            }
        }
        _ => found,
    };
    let is_member = |member: &&Found<'_>| {
        reader.names(member, "cluster_identifier", resource, &["cluster_identifier", "id"])
    };
    let members = match resource.kind {
        "aws_rds_cluster" => reader.graph.of_kind("aws_rds_cluster_instance").filter(is_member).collect(),
        _ => Vec::new(),
    };
    Some(Database { resource, members })
}

/// By the endpoint; before it exists, by the identifier that the name of an endpoint begins with.
fn is_at(found: &Found<'_>, host: &Host) -> bool {
    let endpoints: &[&str] = match found.kind {
        "aws_db_instance" => &["address"],
        "aws_rds_cluster" => &["endpoint", "reader_endpoint"],
        _ => &["endpoint"],
    };
    let known: Vec<&str> = endpoints.iter().filter_map(|name| found.text(name)).collect();
    if !known.is_empty() {
        return known.iter().any(|name| name.eq_ignore_ascii_case(host.as_str()));
    }
    let identifier = match (found.kind, RdsName::parse(host).map(|name| name.kind)) {
        ("aws_db_instance" | "aws_rds_cluster_instance", Some(RdsNameKind::Instance)) => "identifier",
        ("aws_rds_cluster", Some(RdsNameKind::ClusterWriter | RdsNameKind::ClusterReader)) => {
            "cluster_identifier"
        }
        _ => return false,
    };
    let first = host.as_str().split('.').next().unwrap_or_default();
    found.text(identifier).is_some_and(|identifier| identifier.eq_ignore_ascii_case(first))
}

pub(super) fn judge(reader: &Reader<'_>, database: &Database<'_>, judged: &mut Judged) {
    iam(database.resource, judged);
    let Some(source_type) = reader.source_type().filter(|_| reader.follows_changes()) else { return };
    let instance = !database.is_cluster();
    if instance && source_type.engine() != Engine::Postgres {
        backups(database.resource, judged);
    }
    group(reader, database, source_type, judged);
}

fn iam(resource: &Found<'_>, judged: &mut Judged) {
    const ATTRIBUTE: &str = "iam_database_authentication_enabled";
    const PART: PlannedPart = PlannedPart::DatabaseIam;
    judged.seen(PART, resource);
    let found = match resource.get(ATTRIBUTE) {
        Value::Known(Json::Bool(true)) => return,
        Value::Unknown => return judged.known_after_apply(PART, resource, ATTRIBUTE),
        Value::Known(value) => value.to_string(),
        Value::Null => "not set".to_owned(),
    };
    let help = format!("set {ATTRIBUTE} = true");
    judged.problem(ProblemKind::IamOff, &resource.at(ATTRIBUTE), ("true", &found), help);
}

/// RDS writes the binary log only with automated backups.
fn backups(instance: &Found<'_>, judged: &mut Judged) {
    const ATTRIBUTE: &str = "backup_retention_period";
    judged.seen(PARAMETERS, instance);
    let found = match instance.get(ATTRIBUTE) {
        Value::Known(value) if value.as_u64().is_some_and(|days| days > 0) => return,
        Value::Unknown => return judged.known_after_apply(PARAMETERS, instance, ATTRIBUTE),
        Value::Known(value) => value.to_string(),
        Value::Null => "not set: 0".to_owned(),
    };
    let expected = ("1 day or more: RDS writes the binary log only with automated backups", &*found);
    judged.problem(
        ProblemKind::BackupsOff,
        &instance.at(ATTRIBUTE),
        expected,
        format!("set {ATTRIBUTE} = 1"),
    );
}

fn group(reader: &Reader<'_>, database: &Database<'_>, source_type: SourceType, judged: &mut Judged) {
    let (attribute, kind) = match database.is_cluster() {
        true => ("db_cluster_parameter_group_name", "aws_rds_cluster_parameter_group"),
        false => ("parameter_group_name", "aws_db_parameter_group"),
    };
    let resource = database.resource;
    let groups = reader.named(resource, attribute, kind, &["name", "id"]);
    let is_default = match resource.get(attribute) {
        Value::Known(name) => name.as_str().is_some_and(|name| name.starts_with("default.")),
        // AWS chooses the default group if the configuration names none.
        Value::Unknown => groups.is_empty() && reader.graph.sets(resource, attribute) == Some(false),
        Value::Null => true,
    };
    if is_default {
        judged.seen(PARAMETERS, resource);
        let found =
            resource.text(attribute).unwrap_or("the default group, whose parameters cannot be changed");
        let expected = ("a parameter group with the parameters that CDC needs", found);
        let help = format!("create an {kind} and name it in {attribute}: pipeprobe setup --only terraform");
        return judged.problem(ProblemKind::ParameterWrong, &resource.at(attribute), expected, help);
    }
    match groups[..] {
        [group] => parameters(reader, group, source_type, judged),
        // A group that is not in the document.
        [] if resource.text(attribute).is_some() => {}
        _ => {
            judged.seen(PARAMETERS, resource);
            judged.known_after_apply(PARAMETERS, resource, attribute);
        }
    }
}

fn parameters(reader: &Reader<'_>, group: &Found<'_>, source_type: SourceType, judged: &mut Judged) {
    const ATTRIBUTE: &str = "parameter";
    judged.seen(PARAMETERS, group);
    let list = match group.get(ATTRIBUTE) {
        Value::Known(list) => list.as_array().map(Vec::as_slice).unwrap_or_default(),
        Value::Unknown => return judged.known_after_apply(PARAMETERS, group, ATTRIBUTE),
        Value::Null => &[],
    };
    let mechanism = Reader::text(reader.pipe.fields.pipe.replication_mechanism.as_ref());
    let mechanism = mechanism.and_then(|text| text.to_ascii_lowercase().parse::<ReplicationMechanism>().ok());
    // RDS has gtid-mode, and newer versions gtid_mode.
    let same = |a: &str, b: &str| a.replace('-', "_").eq_ignore_ascii_case(&b.replace('-', "_"));
    for needed in Parameter::for_cdc(source_type, mechanism.unwrap_or_default()) {
        let named = |item: &&Json| item["name"].as_str().is_some_and(|name| same(name, needed.name));
        let value = list.iter().find(named).and_then(|item| item["value"].as_str());
        let field = format!("{}[{}]", group.at(ATTRIBUTE), needed.name);
        let help = format!("set {} = {}", needed.name, needed.value);
        match value {
            Some(value) if value.eq_ignore_ascii_case(needed.value) => {}
            Some(value) => {
                judged.problem(ProblemKind::ParameterWrong, &field, (needed.value, value), help);
            }
            None if needed.unset == Unset::Prevents => {
                judged.problem(ProblemKind::ParameterWrong, &field, (needed.value, "not set"), help);
            }
            None if needed.unset == Unset::Depends => {
                let found = "not set: its default depends on the version of the server";
                judged.problem(ProblemKind::PlannedUnknown(PARAMETERS), &field, (needed.value, found), help);
            }
            None => {}
        }
    }
}

//! Plans in the form of `terraform show -json`, with the attributes of Terraform's provider for AWS (5.x). What is known only
//! after apply is absent and marked, and the configuration has its references: as in a plan of terraform 1.11 in which
//! resources of the built-in provider refer to each other.

use serde_json::{Map, Value, json};

use crate::{
    sources::{
        DeclaredPipe,
        terraform::{Kind, read},
    },
    static_ips,
    target::{Planned, PlannedPart, ProblemKind},
};

const SERVICE_ROLE: &str = "arn:aws:iam::999988887777:role/CH-S3-service-role";
const ROLE: &str = "arn:aws:iam::123456789012:role/pipes/access";
const SERVICE: &str = "s1";
const REGION: &str = "us-east-1";

/// A plan that is made resource by resource.
#[derive(Default)]
struct Plan {
    resources: Vec<Value>,
    changes: Vec<Value>,
    configuration: Vec<Value>,
}

impl Plan {
    /// `unknown`: attributes that are known only after apply. `refers`: what the configuration of an attribute names.
    fn add(&mut self, address: &str, values: Value, unknown: &[&str], refers: &[(&str, &[&str])]) {
        let kind = address.split('.').find(|part| part.contains('_')).unwrap().to_owned();
        assert_provided(&kind, values.as_object().unwrap().keys().chain(&unknown_names(unknown)));
        let mut known = values;
        for name in unknown {
            known.as_object_mut().unwrap().remove(*name);
        }
        let marks: Map<String, Value> =
            unknown.iter().map(|name| ((*name).to_owned(), true.into())).collect();
        self.resources.push(json!({ "address": address, "mode": "managed", "type": kind, "values": known, "sensitive_values": {} }));
        self.changes.push(json!({ "address": address, "type": kind,
            "change": { "actions": ["create"], "after_unknown": marks } }));
        let expressions: Map<String, Value> = refers
            .iter()
            .map(|(name, references)| ((*name).to_owned(), json!({ "references": references })))
            .collect();
        let plain = super::graph::without_indices(address);
        self.configuration
            .push(json!({ "address": plain, "mode": "managed", "type": kind, "expressions": expressions }));
    }

    fn get(&mut self, address: &str) -> &mut Value {
        let found = self.resources.iter_mut().find(|resource| resource["address"] == address);
        &mut found.unwrap_or_else(|| panic!("no {address}"))["values"]
    }

    /// Marks an attribute as known only after apply.
    fn unknown(&mut self, address: &str, attribute: &str) {
        self.get(address).as_object_mut().unwrap().remove(attribute);
        let change = self.changes.iter_mut().find(|change| change["address"] == address).unwrap();
        change["change"]["after_unknown"][attribute] = true.into();
    }

    fn text(&self) -> String {
        json!({
            "format_version": "1.2",
            "planned_values": { "root_module": { "resources": self.resources } },
            "resource_changes": self.changes,
            "configuration": { "root_module": { "resources": self.configuration } },
        })
        .to_string()
    }

    #[track_caller]
    fn pipe(&self) -> DeclaredPipe {
        only_pipe(&self.text())
    }

    /// Kind, field and found of each problem about AWS.
    #[track_caller]
    fn problems(&self) -> Vec<(ProblemKind, String, String)> {
        let problems = self.pipe().declaration.problems.into_iter();
        let of_aws = problems.filter(|problem| problem.kind.planned().is_some());
        of_aws.map(|problem| (problem.kind, problem.invalid.topic.field, problem.invalid.found)).collect()
    }

    #[track_caller]
    fn is_only(&self, kind: ProblemKind, field: &str, found: &str) {
        let problems = self.problems();
        let [(k, f, said)] = &problems[..] else { panic!("{problems:#?}") };
        assert_eq!((*k, f.as_str()), (kind, field), "{said}");
        assert!(said.contains(found), "{said}");
    }
}

fn unknown_names(unknown: &[&str]) -> Vec<String> {
    unknown.iter().map(|name| (*name).to_owned()).collect()
}

/// Whether the provider has these attributes of an AWS resource.
#[track_caller]
fn assert_provided<'a>(kind: &str, names: impl Iterator<Item = &'a String>) {
    const SCHEMA: &str = include_str!("../../../../tests/terraform/aws-provider.json");
    if !kind.starts_with("aws_") {
        return;
    }
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let known = schema["resource"][kind]["attributes"].as_array().unwrap_or_else(|| panic!("no {kind}"));
    for name in names {
        assert!(known.iter().any(|known| known == name.as_str()), "{kind} has no attribute {name}");
    }
}

/// The pipe of a document, with its security groups judged by the Region in the document.
#[track_caller]
fn only_pipe(document: &str) -> DeclaredPipe {
    let mut declared = read(Kind::Plan, document, "plan.json").unwrap();
    assert_eq!(declared.pipes.len(), 1, "{declared:?}");
    let mut pipe = declared.pipes.remove(0);
    if let (Some(groups), Some(region)) = (&pipe.security_groups, &pipe.fields.pipe.service_region) {
        let ips = static_ips::of_service(&region.text, None, None).unwrap();
        groups.judge(&ips, &mut pipe.declaration);
    }
    pipe
}

fn trust() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": { "AWS": SERVICE_ROLE },
        "Action": ["sts:AssumeRole", "sts:TagSession"] }] })
}

fn connect(id: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "rds-db:connect",
        "Resource": format!("arn:aws:rds-db:us-east-1:123456789012:dbuser:{id}/clickpipes_iam_user") }] })
}

/// Kind of the database: its source type, resource, endpoint and Resource ID.
#[derive(Clone, Copy)]
struct Engine {
    source_type: &'static str,
    address: &'static str,
    host: &'static str,
    id: &'static str,
}

const POSTGRES: Engine = Engine {
    source_type: "rdspostgres",
    address: "aws_db_instance.db",
    host: "orders.abc.us-east-1.rds.amazonaws.com",
    id: "db-ABCDEFGHIJKL01234",
};
const MYSQL: Engine = Engine { source_type: "rdsmysql", ..POSTGRES };
const MARIADB: Engine = Engine { source_type: "rdsmariadb", ..POSTGRES };
const AURORA: Engine = Engine {
    source_type: "auroramysql",
    address: "aws_rds_cluster.db",
    host: "orders.cluster-abc.us-east-1.rds.amazonaws.com",
    id: "cluster-ABCDEFGHIJKL01234",
};

fn parameters(engine: Engine) -> Value {
    let list: &[(&str, &str)] = match engine.source_type {
        "rdspostgres" => &[("rds.logical_replication", "1"), ("rds.iam_auth_for_replication", "1")],
        "rdsmariadb" => &[("binlog_format", "row"), ("binlog_row_metadata", "full")],
        _ => &[
            ("binlog_format", "ROW"),
            ("binlog_row_image", "full"),
            ("binlog_row_metadata", "FULL"),
            ("enforce_gtid_consistency", "ON"),
            ("gtid_mode", "ON"),
        ],
    };
    list.iter()
        .map(|(name, value)| json!({ "name": name, "value": value, "apply_method": "pending-reboot" }))
        .collect()
}

fn source(engine: Engine) -> (&'static str, Value) {
    let name = if engine.source_type == "rdspostgres" { "postgres" } else { "mysql" };
    let mut source = json!({ "type": engine.source_type, "host": engine.host, "authentication": "IAM_ROLE", "iam_role": ROLE,
        "tls_host": null, "port": 5432, "credentials": { "username": "clickpipes_iam_user" },
        "settings": { "replication_mode": "cdc" },
        "table_mappings": [{ "source_schema_name": "s", "source_table": "t", "target_table": "t" }] });
    if name == "postgres" {
        source["database"] = "app".into();
    }
    (name, source)
}

/// Everything exists, and every value is known.
fn existing(engine: Engine) -> Plan {
    let mut plan = Plan::default();
    let (name, source) = source(engine);
    let source = json!({ name: source });
    plan.add(
        "clickhouse_clickpipe.p",
        json!({ "name": "p", "service_id": SERVICE, "source": source }),
        &[],
        &[],
    );
    let service =
        json!({ "id": SERVICE, "iam_role": SERVICE_ROLE, "cloud_provider": "aws", "region": REGION });
    plan.add("clickhouse_service.s", service, &[], &[]);
    let role = json!({ "arn": ROLE, "name": "access", "path": "/pipes/", "assume_role_policy": trust().to_string(), "inline_policy": [] });
    plan.add("aws_iam_role.access", role, &[], &[]);
    let policy = json!({ "role": "access", "policy": connect(engine.id).to_string() });
    plan.add("aws_iam_role_policy.connect", policy, &[], &[]);
    let common = json!({ "iam_database_authentication_enabled": true, "port": 5432, "vpc_security_group_ids": ["sg-1"] });
    let mut values = common.as_object().unwrap().clone();
    let more = match engine.address {
        "aws_rds_cluster.db" => json!({ "cluster_identifier": "orders", "endpoint": engine.host,
            "reader_endpoint": engine.host.replace("cluster-", "cluster-ro-"), "cluster_resource_id": engine.id,
            "db_cluster_parameter_group_name": "pipes" }),
        _ => {
            json!({ "identifier": "orders", "address": engine.host, "endpoint": format!("{}:5432", engine.host),
            "resource_id": engine.id, "parameter_group_name": "pipes", "publicly_accessible": true,
            "backup_retention_period": 7 })
        }
    };
    values.extend(more.as_object().unwrap().clone());
    plan.add(engine.address, values.into(), &[], &[]);
    let group = match engine.address {
        "aws_rds_cluster.db" => {
            let member = json!({ "identifier": "orders-1", "cluster_identifier": "orders", "publicly_accessible": true,
                "endpoint": "orders-1.abc.us-east-1.rds.amazonaws.com" });
            plan.add("aws_rds_cluster_instance.one", member, &[], &[]);
            "aws_rds_cluster_parameter_group.pipes"
        }
        _ => "aws_db_parameter_group.pipes",
    };
    plan.add(group, json!({ "name": "pipes", "family": "f", "parameter": parameters(engine) }), &[], &[]);
    plan.add("aws_security_group.db", json!({ "id": "sg-1", "ingress": [rule(&addresses())] }), &[], &[]);
    plan
}

/// Nothing exists: what AWS decides is known only after apply, and the configuration refers to it.
fn created(engine: Engine) -> Plan {
    let mut plan = existing(engine);
    for (address, attributes) in [
        ("aws_iam_role.access", &["arn"][..]),
        ("aws_iam_role_policy.connect", &["policy"]),
        (
            engine.address,
            &[
                "address",
                "endpoint",
                "reader_endpoint",
                "resource_id",
                "cluster_resource_id",
                "vpc_security_group_ids",
            ],
        ),
        ("aws_security_group.db", &["id"]),
    ] {
        for attribute in attributes {
            plan.unknown(address, attribute);
        }
    }
    let (name, source) = source(engine);
    let mut source = json!({ name: source });
    for attribute in ["host", "iam_role"] {
        source[name].as_object_mut().unwrap().remove(attribute);
    }
    plan.get("clickhouse_clickpipe.p")["source"] = source;
    plan.changes[0]["change"]["after_unknown"] =
        json!({ "source": { name: { "host": true, "iam_role": true } } });
    let endpoint = if engine.address == "aws_rds_cluster.db" { "endpoint" } else { "address" };
    let host = format!("{}.{endpoint}", engine.address);
    let of = |plan: &mut Plan, address: &str, name: &str, references: Value| {
        let found = plan.configuration.iter_mut().find(|resource| resource["address"] == address).unwrap();
        found["expressions"][name] = json!({ "references": references });
    };
    let references = json!([host, engine.address, "aws_iam_role.access.arn", "aws_iam_role.access"]);
    of(&mut plan, "clickhouse_clickpipe.p", "source", references);
    let group = json!(["aws_security_group.db.id", "aws_security_group.db"]);
    of(&mut plan, engine.address, "vpc_security_group_ids", group);
    plan
}

fn addresses() -> Vec<String> {
    let ips = static_ips::of_service(REGION, None, None).unwrap();
    ips.candidates.iter().flat_map(|serving| &serving.addresses).map(|ip| format!("{ip}/32")).collect()
}

fn rule(cidrs: &[String]) -> Value {
    json!({ "from_port": 5432, "to_port": 5432, "protocol": "tcp", "cidr_blocks": cidrs, "prefix_list_ids": [],
        "ipv6_cidr_blocks": [], "security_groups": [], "self": false, "description": "" })
}

const ALL: [Engine; 4] = [POSTGRES, MYSQL, MARIADB, AURORA];

#[test]
fn existing_resources_that_are_in_order_pass() {
    for engine in ALL {
        let plan = existing(engine);
        assert_eq!(plan.problems(), [], "{}", engine.source_type);
        let parts: Vec<PlannedPart> =
            plan.pipe().declaration.planned.iter().map(|planned| planned.part).collect();
        for part in
            [PlannedPart::AccessRole, PlannedPart::DatabaseIam, PlannedPart::Parameters, PlannedPart::Route]
        {
            assert!(parts.contains(&part), "{part:?} of {}: {parts:?}", engine.source_type);
        }
    }
}

/// The pipe belongs to them by the references of its configuration.
#[test]
fn resources_that_do_not_exist_yet_are_judged_by_references() {
    for engine in ALL {
        let mut plan = created(engine);
        let unknown =
            (ProblemKind::PlannedUnknown(PlannedPart::AccessRole), "aws_iam_role_policy.connect.policy");
        plan.is_only(unknown.0, unknown.1, "known only after apply");
        plan.get(engine.address)["iam_database_authentication_enabled"] = Value::Null;
        plan.get("aws_security_group.db")["ingress"] = json!([rule(&addresses()[1..])]);
        let kinds: Vec<ProblemKind> = plan.problems().into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(
            kinds,
            [unknown.0, ProblemKind::IamOff, ProblemKind::AddressesBlocked],
            "{}",
            engine.source_type
        );
    }
}

#[test]
fn a_plan_without_the_resources_of_the_pipe_is_not_judged() {
    for address in ["aws_iam_role.access", "aws_db_instance.db"] {
        let mut plan = existing(POSTGRES);
        // Another role, and another database.
        plan.get("aws_iam_role.access")["arn"] = "arn:aws:iam::123456789012:role/other".into();
        plan.get("aws_db_instance.db")["address"] = "other.abc.us-east-1.rds.amazonaws.com".into();
        assert_eq!((plan.problems(), plan.pipe().declaration.planned), (vec![], vec![]), "{address}");
    }
    let mut plan = existing(POSTGRES);
    plan.resources.retain(|resource| !resource["type"].as_str().unwrap().starts_with("aws_"));
    assert_eq!(plan.pipe().declaration.planned, Vec::<Planned>::new());
}

#[test]
fn trust_policies_are_judged_by_the_rules_of_lint() {
    const FIELD: &str = "aws_iam_role.access.assume_role_policy";
    let with = |change: &dyn Fn(&mut Value)| {
        let (mut plan, mut policy) = (existing(POSTGRES), trust());
        change(&mut policy["Statement"][0]);
        plan.get("aws_iam_role.access")["assume_role_policy"] = policy.to_string().into();
        plan
    };
    with(&|s| s["Action"] = "sts:AssumeRole".into()).is_only(
        ProblemKind::RoleNotTrusted,
        FIELD,
        "POLICY_TAG_SESSION",
    );
    with(&|s| s["Principal"]["AWS"] = "arn:aws:iam::1:role/x".into()).is_only(
        ProblemKind::RoleNotTrusted,
        FIELD,
        "POLICY_",
    );
    with(&|s| s["Condition"] = json!({ "StringEquals": { "sts:ExternalId": "x" } })).is_only(
        ProblemKind::RoleNotTrusted,
        FIELD,
        "POLICY_EXTERNAL_ID",
    );
    with(&|s| s["Condition"] = json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1" } })).is_only(
        ProblemKind::PlannedUnknown(PlannedPart::AccessRole),
        FIELD,
        "POLICY_ORGANISATION",
    );
    let mut plan = existing(POSTGRES);
    plan.unknown("aws_iam_role.access", "assume_role_policy");
    plan.is_only(ProblemKind::PlannedUnknown(PlannedPart::AccessRole), FIELD, "known only after apply");
    plan.get("aws_iam_role.access")["assume_role_policy"] = "not JSON".into();
    plan.changes.iter_mut().for_each(|change| change["change"]["after_unknown"] = json!({}));
    assert!(!plan.problems().is_empty(), "nothing passes that cannot be read");
    // A service role that the document does not contain.
    let mut plan = existing(POSTGRES);
    plan.get("clickhouse_service.s")["iam_role"] = Value::Null;
    let problems = plan.problems();
    assert!(
        problems.iter().all(|(kind, ..)| *kind == ProblemKind::PlannedUnknown(PlannedPart::AccessRole)),
        "{problems:?}"
    );
}

#[test]
fn policies_are_judged_wherever_they_are_attached() {
    const POLICY: &str = "aws_iam_role_policy.connect.policy";
    let unknown = ProblemKind::PlannedUnknown(PlannedPart::AccessRole);
    let mut plan = existing(POSTGRES);
    plan.get("aws_iam_role_policy.connect")["policy"] = connect("db-ANOTHERONE0000000").to_string().into();
    plan.is_only(ProblemKind::RoleConnectMissing, POLICY, "POLICY_RESOURCE_ID");
    // Of another role.
    plan.get("aws_iam_role_policy.connect")["role"] = "other".into();
    plan.is_only(ProblemKind::RoleConnectMissing, "aws_iam_role.access.policy", "no policy of the role");
    // A Deny wins, wherever it is.
    let mut plan = existing(POSTGRES);
    let mut deny = connect(POSTGRES.id);
    deny["Statement"][0]["Effect"] = "Deny".into();
    plan.get("aws_iam_role.access")["inline_policy"] =
        json!([{ "name": "deny", "policy": deny.to_string() }]);
    let denied = plan.problems();
    assert!(denied.len() == 1 && denied[0].0 == ProblemKind::RoleConnectDenied, "{denied:?}");

    // A managed policy that is attached; and one that is not in the document.
    let mut plan = existing(POSTGRES);
    plan.resources.retain(|resource| resource["address"] != "aws_iam_role_policy.connect");
    let arn = "arn:aws:iam::123456789012:policy/connect";
    plan.add(
        "aws_iam_policy.connect",
        json!({ "arn": arn, "policy": connect(POSTGRES.id).to_string() }),
        &[],
        &[],
    );
    plan.is_only(ProblemKind::RoleConnectMissing, "aws_iam_role.access.policy", "no policy");
    plan.add("aws_iam_role_policy_attachment.a", json!({ "role": "access", "policy_arn": arn }), &[], &[]);
    assert_eq!(plan.problems(), []);
    plan.get("aws_iam_role_policy_attachment.a")["policy_arn"] = "arn:aws:iam::aws:policy/Other".into();
    plan.is_only(unknown, "aws_iam_role_policy_attachment.a.policy_arn", "not in the document");
    // Known only after apply, by references.
    let reference: &[(&str, &[&str])] =
        &[("policy_arn", &["aws_iam_policy.connect.arn", "aws_iam_policy.connect"])];
    plan.resources.retain(|resource| resource["type"] != "aws_iam_role_policy_attachment");
    plan.configuration.retain(|resource| resource["type"] != "aws_iam_role_policy_attachment");
    plan.add("aws_iam_role_policy_attachment.b", json!({ "role": "access" }), &["policy_arn"], reference);
    plan.unknown("aws_iam_policy.connect", "arn");
    assert_eq!(plan.problems(), []);
}

#[test]
fn iam_must_be_on() {
    const FIELD: &str = "iam_database_authentication_enabled";
    for engine in ALL {
        let field = format!("{}.{FIELD}", engine.address);
        let mut plan = existing(engine);
        plan.get(engine.address)[FIELD] = false.into();
        plan.is_only(ProblemKind::IamOff, &field, "false");
        plan.get(engine.address)[FIELD] = Value::Null;
        plan.is_only(ProblemKind::IamOff, &field, "not set");
        plan.unknown(engine.address, FIELD);
        plan.is_only(ProblemKind::PlannedUnknown(PlannedPart::DatabaseIam), &field, "known only after apply");
    }
}

#[test]
fn parameters_are_those_that_setup_prints() {
    let unknown = ProblemKind::PlannedUnknown(PlannedPart::Parameters);
    for engine in ALL {
        let aurora = engine.address == "aws_rds_cluster.db";
        let (group, attribute) = match aurora {
            true => ("aws_rds_cluster_parameter_group.pipes", "db_cluster_parameter_group_name"),
            false => ("aws_db_parameter_group.pipes", "parameter_group_name"),
        };
        let list = parameters(engine);
        for (number, parameter) in list.as_array().unwrap().iter().enumerate() {
            let name = parameter["name"].as_str().unwrap();
            let field = format!("{group}.parameter[{}]", name.replace("gtid_mode", "gtid-mode"));
            let mut plan = existing(engine);
            plan.get(group)["parameter"][number]["value"] = "0".into();
            plan.is_only(ProblemKind::ParameterWrong, &field, "0");
            plan.get(group)["parameter"].as_array_mut().unwrap().remove(number);
            match name {
                // Its default is the value.
                "binlog_row_image" => assert_eq!(plan.problems(), []),
                "binlog_format" if !aurora => plan.is_only(unknown, &field, "depends on the version"),
                _ => plan.is_only(ProblemKind::ParameterWrong, &field, "not set"),
            }
        }
        let field = format!("{}.{attribute}", engine.address);
        let mut plan = existing(engine);
        plan.get(engine.address)[attribute] = "default.family1".into();
        plan.is_only(ProblemKind::ParameterWrong, &field, "default.family1");
        // Not in the configuration: AWS chooses the default group.
        plan.unknown(engine.address, attribute);
        plan.is_only(ProblemKind::ParameterWrong, &field, "the default group");
        // By reference, and by something that cannot be resolved.
        let set = |plan: &mut Plan, references: Value| {
            let found =
                plan.configuration.iter_mut().find(|found| found["address"] == engine.address).unwrap();
            found["expressions"][attribute] = json!({ "references": references });
        };
        set(&mut plan, json!([format!("{group}.name"), group]));
        assert_eq!(plan.problems(), []);
        set(&mut plan, json!(["local.group"]));
        plan.is_only(unknown, &field, "known only after apply");
        let mut plan = existing(engine);
        plan.unknown(group, "parameter");
        plan.is_only(unknown, &format!("{group}.parameter"), "known only after apply");
        // Initial Load Only needs none.
        let name = if engine.source_type == "rdspostgres" { "postgres" } else { "mysql" };
        plan.get("clickhouse_clickpipe.p")["source"][name]["settings"]["replication_mode"] =
            "snapshot".into();
        assert_eq!(plan.problems(), []);
    }
}

#[test]
fn the_binary_log_of_rds_needs_backups() {
    const FIELD: &str = "backup_retention_period";
    for engine in [MYSQL, MARIADB] {
        let mut plan = existing(engine);
        plan.get(engine.address)[FIELD] = 0.into();
        plan.is_only(ProblemKind::BackupsOff, "aws_db_instance.db.backup_retention_period", "0");
        plan.get(engine.address)[FIELD] = Value::Null;
        plan.is_only(ProblemKind::BackupsOff, "aws_db_instance.db.backup_retention_period", "not set");
        plan.unknown(engine.address, FIELD);
        let unknown = ProblemKind::PlannedUnknown(PlannedPart::Parameters);
        plan.is_only(unknown, "aws_db_instance.db.backup_retention_period", "known only after apply");
    }
    let mut plan = existing(POSTGRES);
    plan.get(POSTGRES.address)[FIELD] = 0.into();
    assert_eq!(plan.problems(), []);
}

#[test]
fn every_address_of_clickpipes_must_be_allowed() {
    let field = "aws_db_instance.db.vpc_security_group_ids";
    let unknown = ProblemKind::PlannedUnknown(PlannedPart::Route);
    let all = addresses();
    let with = |ingress: Value| {
        let mut plan = existing(POSTGRES);
        plan.get("aws_security_group.db")["ingress"] = ingress;
        plan
    };
    let last = all.last().unwrap().trim_end_matches("/32").to_owned();
    with(json!([rule(&all[..all.len() - 1])])).is_only(
        ProblemKind::AddressesBlocked,
        field,
        &format!("blocked: {last}"),
    );
    with(json!([])).is_only(ProblemKind::AddressesBlocked, field, "0 of");
    let mut other_port = rule(&all);
    other_port["from_port"] = 3306.into();
    other_port["to_port"] = 3306.into();
    with(json!([other_port])).is_only(ProblemKind::AddressesBlocked, field, "port 5432");
    let everything = json!({ "from_port": 0, "to_port": 0, "protocol": "-1", "cidr_blocks": ["0.0.0.0/0"] });
    assert_eq!(with(json!([everything])).problems(), []);
    let list = json!({ "from_port": 5432, "to_port": 5432, "protocol": "tcp", "cidr_blocks": [], "prefix_list_ids": ["pl-1"] });
    with(json!([list])).is_only(unknown, field, "prefix list");
    // Rules that are resources.
    let mut plan = with(json!([]));
    let one = json!({ "type": "ingress", "security_group_id": "sg-1", "protocol": "tcp", "from_port": 5432, "to_port": 5432, "cidr_blocks": &all[1..] });
    plan.add("aws_security_group_rule.some", one, &[], &[]);
    plan.is_only(ProblemKind::AddressesBlocked, field, "blocked");
    let two = json!({ "security_group_id": "sg-1", "ip_protocol": "tcp", "from_port": 5432, "to_port": 5432, "cidr_ipv4": all[0] });
    plan.add("aws_vpc_security_group_ingress_rule.one", two, &[], &[]);
    assert_eq!(plan.problems(), []);
    plan.get("aws_security_group_rule.some")["type"] = "egress".into();
    plan.is_only(ProblemKind::AddressesBlocked, field, "blocked");
    // What is not in the document can allow them.
    plan.get("aws_db_instance.db")["vpc_security_group_ids"] = json!(["sg-1", "sg-2"]);
    plan.is_only(unknown, field, "sg-2 is not in the document");
    let mut plan = with(json!([]));
    plan.unknown("aws_security_group.db", "ingress");
    plan.configuration.iter_mut().for_each(|resource| resource["expressions"]["ingress"] = json!({}));
    plan.is_only(unknown, field, "aws_security_group.db.ingress is known only after apply");
    // A group of the configuration, and a known one beside it.
    let mut plan = created(POSTGRES);
    plan.get(POSTGRES.address)["vpc_security_group_ids"] = json!(["sg-2", null]);
    plan.get("aws_security_group.db")["ingress"] = json!([]);
    assert!(
        plan.problems().iter().any(|(kind, _, found)| *kind == unknown && found.contains("sg-2 is not")),
        "{:?}",
        plan.problems()
    );
}

#[test]
fn a_private_database_needs_privatelink() {
    for (engine, member) in [(POSTGRES, "aws_db_instance.db"), (AURORA, "aws_rds_cluster_instance.one")] {
        let mut plan = existing(engine);
        let field = format!("{member}.publicly_accessible");
        plan.get(member)["publicly_accessible"] = false.into();
        plan.get("aws_security_group.db")["ingress"] = json!([]);
        plan.is_only(ProblemKind::NotPublic, &field, "false");
        plan.unknown(member, "publicly_accessible");
        plan.get("aws_security_group.db")["ingress"] = json!([rule(&addresses())]);
        plan.is_only(ProblemKind::PlannedUnknown(PlannedPart::Route), &field, "known only after apply");
        // By PrivateLink, the static addresses do not count.
        let name = if engine.source_type == "rdspostgres" { "postgres" } else { "mysql" };
        let source = &mut plan.get("clickhouse_clickpipe.p")["source"][name];
        source["tls_host"] = engine.host.into();
        source["host"] = "vpce-1.rds.us-east-1.vpce.amazonaws.com".into();
        assert_eq!(plan.problems(), []);
    }
}

/// A module for the database, one for the pipe, and `for_each` on both.
#[test]
fn references_are_followed_through_modules() {
    let plan = created(POSTGRES);
    let mut document: Value = serde_json::from_str(&plan.text()).unwrap();
    let of = |kind: &str| {
        let resources =
            plan.configuration.iter().filter(|resource| resource["type"].as_str().unwrap().starts_with(kind));
        resources.cloned().collect::<Vec<_>>()
    };
    let (mut pipes, aws) = (of("clickhouse_clickpipe"), of("aws_"));
    pipes[0]["expressions"]["source"] = json!({ "references": ["var.host", "var.role"] });
    let outputs = json!({
        "host": { "expression": { "references": ["aws_db_instance.db.address", "aws_db_instance.db"] } },
        "role": { "expression": { "references": ["aws_iam_role.access.arn", "aws_iam_role.access"] } },
    });
    let call = json!({ "host": { "references": ["module.db[\"eu.1\"].host", "module.db[\"eu.1\"]"] },
        "role": { "references": ["module.db[\"eu.1\"].role", "module.db[\"eu.1\"]"] } });
    document["configuration"]["root_module"] = json!({ "module_calls": {
        "db": { "module": { "resources": aws, "outputs": outputs } },
        "pipe": { "expressions": call, "module": { "resources": pipes, "variables": { "host": {}, "role": {} } } },
    } });
    let moved = |address: &str| match address.starts_with("aws_") {
        true => format!("module.db[\"eu.1\"].{address}"),
        false => format!("module.pipe.{address}"),
    };
    for list in ["/planned_values/root_module/resources", "/resource_changes"] {
        for item in document.pointer_mut(list).unwrap().as_array_mut().unwrap() {
            item["address"] = moved(item["address"].as_str().unwrap()).into();
        }
    }
    let pipe = only_pipe(&document.to_string());
    let planned: Vec<&str> =
        pipe.declaration.planned.iter().map(|planned| planned.resource.as_str()).collect();
    for resource in
        ["aws_iam_role.access", "aws_db_instance.db", "aws_db_parameter_group.pipes", "aws_security_group.db"]
    {
        assert!(planned.contains(&&*moved(resource)), "{resource}: {planned:?}");
    }
}

/// Attributes of other types, references in circles and 500 pipes end in time, and nothing passes by them.
#[test]
fn hostile_documents_are_judged_in_time() {
    for value in [json!(1), json!("x"), json!([]), json!({ "a": [[[]]] }), json!(true)] {
        for address in [
            "aws_iam_role.access",
            "aws_db_instance.db",
            "aws_db_parameter_group.pipes",
            "aws_security_group.db",
        ] {
            let mut plan = existing(POSTGRES);
            let names: Vec<String> = plan.get(address).as_object().unwrap().keys().cloned().collect();
            for name in names {
                plan.get(address)[&name] = value.clone();
                let _ = plan.problems();
            }
        }
    }
    let mut document: Value = serde_json::from_str(&created(POSTGRES).text()).unwrap();
    let circle = json!({ "references": ["module.a.o", "module.a.o", "module.b.o", "var.x"] });
    let module = json!({ "outputs": { "o": { "expression": circle } }, "module_calls": {} });
    document["configuration"]["root_module"]["module_calls"] =
        json!({ "a": { "module": module }, "b": { "module": module } });
    for resource in document["configuration"]["root_module"]["resources"].as_array_mut().unwrap() {
        resource["expressions"]["source"] = circle.clone();
    }
    read(Kind::Plan, &document.to_string(), "plan.json").unwrap();

    let plan = created(AURORA);
    let mut document: Value = serde_json::from_str(&plan.text()).unwrap();
    for list in ["/planned_values/root_module/resources", "/resource_changes"] {
        let items = document.pointer_mut(list).unwrap().as_array_mut().unwrap();
        let own = items.clone();
        items.clear();
        for number in 0..500 {
            items.extend(own.iter().map(|item| {
                let mut item = item.clone();
                item["address"] = format!("{}[{number}]", item["address"].as_str().unwrap()).into();
                item
            }));
        }
    }
    let declared = read(Kind::Plan, &document.to_string(), "plan.json").unwrap();
    assert_eq!(declared.pipes.len(), 500);
    for (number, pipe) in declared.pipes.iter().enumerate() {
        let own = format!("aws_rds_cluster.db[{number}]");
        assert!(pipe.declaration.planned.iter().any(|planned| planned.resource == own), "{number}");
    }
}

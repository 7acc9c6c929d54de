//! Targets of Terraform plans and states.

use serde_json::json;

use super::*;
use crate::{
    cli::{Cli, Command},
    config::{LintConfig, Setup},
    target::ProblemKind,
};

const ORDERS: &str = "clickhouse_clickpipe.orders";
const MARIA: &str = "module.maria.clickhouse_clickpipe.this[0]";
const PLAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/terraform/plan.json");
const STATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/terraform/state.json");

/// A plan with one Postgres pipe `p` and a user that may not be printed.
fn plan(attributes: serde_json::Value) -> tempfile::NamedTempFile {
    let mut source = json!({
        "type": "postgres", "host": HOST, "authentication": "IAM_ROLE", "iam_role": ROLE,
        "credentials": { "username": "secret_user" }, "settings": { "replication_mode": "cdc" },
    });
    source.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
    let pipe = json!({
        "address": "p", "mode": "managed", "type": "clickhouse_clickpipe",
        "values": { "name": "pipe", "service_id": "s", "source": { "postgres": source } },
        "sensitive_values": { "source": { "postgres": { "credentials": true } } },
    });
    let service = json!({
        "address": "s", "mode": "managed", "type": "clickhouse_service",
        "values": { "id": "s", "iam_role": "arn:aws:iam::999988887777:role/CH-service-role" },
    });
    let kafka = json!({
        "address": "k", "mode": "managed", "type": "clickhouse_clickpipe", "values": { "source": { "kafka": {} } },
    });
    let root = json!({ "resources": [pipe, service, kafka] });
    temporary(&json!({ "format_version": "1.2", "planned_values": { "root_module": root } }).to_string())
}

fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

fn read_plan(file: &tempfile::NamedTempFile, more: &[&str]) -> Result<Config, ConfigErrors> {
    read(&[&["--terraform-plan", path(file)], more].concat())
}

#[test]
fn pipes_are_targets_and_what_is_not_known_yet_is_not_checked() {
    let config = read(&["--terraform-plan", PLAN, "--profile", "ci", "--basis", "server"]).unwrap();
    let names: Vec<&str> = config.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, [ORDERS, "clickhouse_clickpipe.tenant[\"eu\"]", "clickhouse_clickpipe.tenant[\"us\"]"]);
    assert!(config.targets.iter().all(|target| target.access.profile.as_deref() == Some("ci")));
    assert_eq!(config.judge.basis, Basis::Server);
    assert_eq!(config.requirement(&config.targets[0]).required, Capability::Cdc);
    let [maria] = &config.unchecked[..] else { panic!("{:?}", config.unchecked) };
    assert_eq!((maria.name.as_str(), maria.mode), (MARIA, Some(ReplicationMode::Snapshot)));

    let config = read(&["--terraform-state", STATE]).unwrap();
    assert_eq!((config.targets.len(), config.unchecked.len()), (4, 0));
}

#[test]
fn targets_are_selected_by_their_address() {
    let config = read(&["--terraform-plan", PLAN, ORDERS]).unwrap();
    assert_eq!((config.targets.len(), config.unchecked.len()), (1, 0));
    let errors = read(&["--terraform-plan", PLAN, "clickhouse_clickpipe.order"]).unwrap_err();
    assert_eq!(errors.first().field, "TARGET");
    assert_eq!(errors.first().remedy.as_deref(), Some("did you mean `clickhouse_clickpipe.orders`?"));
    let file = plan(json!({}));
    let errors = read_plan(&file, &["k"]).unwrap_err();
    assert!(errors.first().found.contains("which is skipped: source `kafka`"), "{errors}");
    assert_eq!(read_plan(&file, &[]).unwrap().skipped.len(), 1);
    assert_eq!(read_plan(&file, &["p"]).unwrap().skipped, [], "only what was named");
}

#[test]
fn flags_and_a_table_of_the_file_add_to_a_pipe_and_defaults_do_not_replace_what_is_not_known() {
    let file = temporary(&format!(
        "[defaults]\niam_role = 'arn:aws:iam::123456789012:role/default'\nexternal_id = 'shared'\n\
         [targets.'{ORDERS}']\nconnect_to = '127.0.0.1:6000'\n[targets.other]\ntype = 'rdsmysql'\nhost = '{HOST}'\n"
    ));
    let args = ["--terraform-plan", PLAN, "-c", path(&file)];
    let config = read(&args).unwrap();
    assert_eq!(config.targets.len(), 4);
    let orders = &config.targets[0];
    assert_eq!(orders.dial.to_string(), "127.0.0.1:6000");
    assert_eq!(orders.access.roles[0].name(), "clickpipes-rds-access", "the plan is above the defaults");
    assert!(config.targets.iter().all(|target| target.access.external_id.is_some()));
    assert_eq!(config.unchecked.len(), 1, "the default role is not the role of the pipe");

    let known = temporary(&format!("[targets.'{MARIA}']\nhost = '{HOST}'\niam_role = '{ROLE}'\n"));
    let config = read(&["--terraform-plan", PLAN, "-c", path(&known), MARIA]).unwrap();
    assert_eq!((config.targets[0].dial.host.as_str(), config.unchecked.len()), (HOST, 0));
    let config = read(&["--terraform-plan", PLAN, MARIA, "--host", HOST, "--iam-role", ROLE]).unwrap();
    assert_eq!(config.targets.len(), 1);
    let config = read(&["--terraform-plan", PLAN, MARIA, "--host", HOST]).unwrap();
    let problems = &config.unchecked[0].declaration.problems;
    assert_eq!(problems.iter().filter_map(|problem| problem.key).collect::<Vec<_>>(), ["iam_role"]);
}

#[test]
fn a_value_that_cannot_be_used_is_a_problem_of_its_pipe_and_a_wrong_flag_is_an_error() {
    for (attributes, field) in [
        (json!({ "host": "https://secret_user" }), "host"),
        (json!({ "iam_role": "arn:aws:iam::123456789012:user/x" }), "iam_role"),
        (json!({ "iam_role": "arn:aws-cn:iam::123456789012:role/x" }), "iam_role"),
        (json!({ "port": 0 }), "port"),
        (json!({ "port": 1e9 }), "port"),
        (json!({ "type": "neon" }), "type"),
        (json!({ "tls_host": "10.0.0.1" }), "tls_host"),
        (json!({ "settings": { "replication_mode": "full" } }), "replication_mode"),
        (
            json!({ "table_mappings": [{ "source_schema_name": "s", "source_table": "a.b", "target_table": "t" }] }),
            "tables",
        ),
    ] {
        let file = plan(attributes);
        let config = read_plan(&file, &[]).unwrap();
        let [pipe] = &config.unchecked[..] else { panic!("{field}: {config:?}") };
        let problems = &pipe.declaration.problems;
        let of_field = |kind| {
            problems.iter().any(|problem| problem.kind == kind && problem.invalid.field.ends_with(field))
        };
        assert!(
            of_field(ProblemKind::Invalid) || of_field(ProblemKind::RegionUnreadable),
            "{field}: {problems:?}"
        );
        assert!(!format!("{problems:?}").contains("secret_user"), "{field}: {problems:?}");
        let errors = read_plan(&file, &["--duration", "5m"]).unwrap_err();
        assert_eq!(errors.all().iter().map(|invalid| &*invalid.field).collect::<Vec<_>>(), ["duration"]);
    }
}

#[test]
fn a_host_without_a_region_blocks_also_if_pipeprobe_knows_the_region() {
    let file = plan(json!({ "host": "pl.internal" }));
    assert_eq!(read_plan(&file, &[]).unwrap().unchecked.len(), 1);
    let config = read_plan(&file, &["--region", "eu-west-1"]).unwrap();
    let declaration = config.targets[0].declaration.as_ref().unwrap();
    assert!(declaration.has(ProblemKind::RegionUnreadable));
}

#[test]
fn a_user_that_is_missing_is_a_warning_until_it_is_given() {
    let file = plan(json!({ "credentials": null }));
    let problems = |more: &[&str]| {
        let target = read_plan(&file, more).unwrap().targets.remove(0);
        target.declaration.unwrap().problems.len()
    };
    assert_eq!((problems(&[]), problems(&["--user", "app"])), (1, 0));
}

#[test]
fn sources_that_contradict_each_other_are_refused() {
    for (args, field) in [
        (&["--terraform-plan", PLAN, "--terraform-state", STATE][..], "terraform_state"),
        (&["--terraform-plan", "-", "-c", "-"], "terraform_plan"),
        (&["--terraform-plan", "/none/plan.json"], "terraform_plan"),
        (&["--terraform-plan", PLAN, "postgres://db.abc.eu-west-1.rds.amazonaws.com"], "TARGET"),
        (&["--terraform-plan", PLAN, "--host", HOST], "host"),
    ] {
        let errors = read(args).unwrap_err();
        assert_eq!(errors.first().field, field, "{args:?}: {errors}");
    }
    // An empty flag or variable is one that is not given.
    assert_eq!(read(&["--terraform-plan", ""]).unwrap_err().first().field, "target");
}

#[test]
fn serve_setup_and_lint_read_the_same_pipes() {
    let serve = read_serve(&["--terraform-state", STATE]).unwrap();
    assert_eq!(serve.targets.len(), 4);
    let errors = read_serve(&["--terraform-plan", PLAN]).unwrap_err();
    let fields: Vec<&str> = errors.all().iter().map(|invalid| &*invalid.field).collect();
    assert_eq!(fields, [format!("{MARIA}.source.mysql.host"), format!("{MARIA}.source.mysql.iam_role")]);
    assert!(errors.first().remedy.as_deref().unwrap().contains("--terraform-state"), "{errors}");

    let file = plan(json!({}));
    let setup = |more: &[&str]| {
        let args = [&["pipeprobe", "setup", "--terraform-plan", path(&file)], more].concat();
        let Command::Setup(args) = Cli::parse_from(args).command else { unreachable!() };
        Setup::read(*args, &|_| None)
    };
    assert_eq!(setup(&[]).unwrap_err().first().field, "user", "the SQL would contain it");
    let made = setup(&["--user", "app"]).unwrap();
    assert_eq!((made.target.name.as_str(), made.service_role.unwrap().name()), ("p", "CH-service-role"));
    let own = "arn:aws:iam::999988887777:role/own";
    assert_eq!(setup(&["--user", "app", "--service-role", own]).unwrap().service_role.unwrap().name(), "own");

    let lint = |args: &[&str]| {
        let args = [&["pipeprobe", "lint", "--terraform-plan"], args].concat();
        let Command::Lint(args) = Cli::parse_from(args).command else { unreachable!() };
        LintConfig::read(*args, &|_| None)
    };
    let subject = lint(&[path(&file), "policy.json"]).unwrap().subject;
    assert_eq!(subject.service_role.unwrap().name(), "CH-service-role");
    assert_eq!(subject.source_type, Some(crate::target::SourceType::RdsPostgres));
    assert_eq!(lint(&[PLAN, "x.json"]).unwrap_err().first().field, "--target");
    // What is not known yet is not compared.
    assert_eq!(lint(&[PLAN, "x.json", "--target", MARIA]).unwrap().subject.host, None);
    assert_eq!(lint(&["-", "-"]).unwrap_err().first().field, "FILE");
}

/// The security groups of a plan are judged for the addresses that the target has, wherever its Region and the list come from.
#[test]
fn flags_and_files_decide_which_addresses_the_security_groups_must_allow() {
    const EU: &str = r#"{"aws": [{"region": "eu-central-1", "clickpipes_egress_ips": ["192.0.2.7"]}]}"#;
    let allowed = |cidr: &str| {
        let source = json!({
            "type": "postgres", "host": HOST, "authentication": "IAM_ROLE", "iam_role": ROLE,
            "credentials": { "username": "u" }, "settings": { "replication_mode": "cdc" },
        });
        let rule = json!({ "protocol": "tcp", "from_port": 5432, "to_port": 5432, "cidr_blocks": [cidr] });
        let resource = |address: &str, values: serde_json::Value| {
            let kind = address.split('.').next().unwrap();
            json!({ "address": address, "mode": "managed", "type": kind, "values": values })
        };
        let service = json!({ "id": "s", "cloud_provider": "aws", "region": "us-east-1" });
        let database = json!({ "address": HOST, "port": 5432, "publicly_accessible": true,
            "iam_database_authentication_enabled": true, "vpc_security_group_ids": ["sg-1"] });
        let resources = [
            resource(
                "clickhouse_clickpipe.p",
                json!({ "name": "p", "service_id": "s", "source": { "postgres": source } }),
            ),
            resource("clickhouse_service.s", service),
            resource("aws_db_instance.d", database),
            resource("aws_security_group.g", json!({ "id": "sg-1", "ingress": [rule] })),
        ];
        let root = json!({ "resources": resources });
        temporary(&json!({ "format_version": "1.2", "planned_values": { "root_module": root } }).to_string())
    };
    let found = |plan: &tempfile::NamedTempFile, more: &[&str]| {
        let target = read_plan(plan, more).unwrap().targets.remove(0);
        let problems = target.declaration.unwrap().problems.into_iter();
        let of_route = problems.filter(|problem| problem.kind == ProblemKind::AddressesBlocked);
        of_route.map(|problem| problem.invalid.found).collect::<Vec<_>>().concat()
    };
    let (list, one) = (temporary(EU), allowed("192.0.2.7/32"));
    let of_plan = found(&one, &[]);
    assert!(of_plan.contains("0 of 9 addresses of us-east-1 are allowed"), "{of_plan}");
    let region = found(&one, &["--service-region", "eu-central-1"]);
    assert!(region.contains("0 of 6 addresses of eu-central-1 are allowed"), "{region}");
    let both = ["--service-region", "eu-central-1", "--static-ips", path(&list)];
    assert_eq!(found(&one, &both), "");
    let other = found(&allowed("192.0.2.8/32"), &both);
    assert!(other.contains("0 of 1 addresses of eu-central-1 are allowed"), "{other}");
    let table = temporary("[targets.'clickhouse_clickpipe.p']\nservice_region = 'eu-central-1'\n");
    assert_eq!(found(&one, &["-c", path(&table)]), region);
}

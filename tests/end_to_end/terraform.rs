//! Pipes of a Terraform plan, on real servers.

use std::{io::Write, process::Stdio};

use lab::{ACCESS_ROLE, Engine, Instance, Lab, ServerVersion};
use serde_json::{Value, json};

use crate::{
    secrets::secrets_in,
    support::{Answer, Run, server_versions, shared, text},
};

/// One server of each engine that is available, with the address of its pipe.
fn pipes(lab: &Lab) -> Vec<(&'static str, &Instance)> {
    let all = [
        ("clickhouse_clickpipe.this[\"pg\"]", ServerVersion::Postgres15),
        ("module.a.clickhouse_clickpipe.this[0]", ServerVersion::MariaDb10_11),
        ("module.b.clickhouse_clickpipe.this", ServerVersion::Mysql9_7),
    ];
    let there = server_versions();
    let there = all.into_iter().filter(|(_, server_version)| there.contains(server_version));
    there.map(|(address, server_version)| (address, lab.instance(server_version))).collect()
}

/// The source of a pipe that copies the tables of that server; with `cdc`, it also replicates changes.
fn source(instance: &Instance, mode: &str) -> Value {
    let engine = instance.server_version.engine();
    let (kind, schema) = match engine {
        // The type of the engine: the RDS type follows from the host name.
        Engine::Postgres => ("postgres", "public"),
        Engine::Mysql => ("mysql", "app"),
        Engine::MariaDb => ("mariadb", "app"),
    };
    let mut source = json!({
        "type": kind, "host": instance.host, "port": instance.port, "authentication": "IAM_ROLE",
        "iam_role": ACCESS_ROLE, "tls_host": null, "ca_certificate": null,
        "credentials": { "username": "clickpipes_iam_user", "password": null },
        "settings": { "replication_mode": mode, "publication_name": null },
        "table_mappings": [{ "source_schema_name": schema, "source_table": "orders", "target_table": "orders" }],
    });
    if engine == Engine::Postgres {
        source["database"] = "app".into();
    }
    json!({ if engine == Engine::Postgres { "postgres" } else { "mysql" }: source })
}

fn pipe(address: &str, source: Value) -> Value {
    let sensitive =
        json!({ "source": { "postgres": { "credentials": true }, "mysql": { "credentials": true } } });
    json!({
        "address": address, "mode": "managed", "type": "clickhouse_clickpipe",
        "values": { "name": format!("{address}-pipe"), "service_id": "s", "source": source },
        "sensitive_values": sensitive,
    })
}

fn plan(pipes: Vec<Value>) -> Value {
    json!({ "format_version": "1.2", "planned_values": { "root_module": { "resources": pipes } } })
}

/// `check --terraform-plan -` with that plan on stdin. The file adds what a plan does not contain: how this machine reaches
/// the servers, and their CA.
fn check<'a>(lab: &'a Lab, pipes: &[(&str, &Instance)], more: &[&str]) -> Run<'a> {
    let mut config = format!("[defaults]\nca_certificate = \"{}\"\n", lab.ca_pem().display());
    for (address, instance) in pipes {
        config += &format!("[targets.'{address}']\nconnect_to = \"{}\"\n", instance.address());
    }
    Run::check(lab, &[&["--terraform-plan", "-"], more].concat()).only(&config)
}

fn output(run: &Run<'_>, plan: &Value) -> std::process::Output {
    let mut command = run.spawnable();
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn json_of(run: &Run<'_>, plan: &Value) -> Answer {
    let output = output(run, plan);
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    Answer { status: output.status.code().unwrap(), document }
}

#[test]
fn one_plan_checks_three_engines_with_an_exit_code() {
    let lab = shared();
    let pipes = pipes(lab);
    let declared = |postgres_mode: &str| {
        plan(
            pipes
                .iter()
                .map(|(name, instance)| match instance.server_version.engine() {
                    Engine::Postgres => pipe(name, source(instance, postgres_mode)),
                    Engine::Mysql | Engine::MariaDb => pipe(name, source(instance, "cdc")),
                })
                .collect(),
        )
    };
    let answer = json_of(&check(lab, &pipes, &["-o", "json"]), &declared("snapshot"));
    assert_eq!(answer.status, 0, "{:#}", answer.document);
    let reports = answer.document["targets"].as_array().unwrap();
    assert_eq!(reports.len(), pipes.len());
    for (report, (name, instance)) in reports.iter().zip(&pipes) {
        let (kind, capability) = match instance.server_version.engine() {
            Engine::Postgres => ("rdspostgres", "initial_load_only"),
            Engine::Mysql => ("rdsmysql", "cdc"),
            Engine::MariaDb => ("rdsmariadb", "cdc"),
        };
        let found = [&report["target"], &report["type"], &report["verdict"]["capability"]].map(text);
        assert_eq!(found, [*name, kind, capability]);
        assert_eq!(report["pipe"], format!("{name}-pipe"));
    }
    for code in ["PIPE_SETTINGS", "PIPE_AUTHENTICATION", "PIPE_REGION", "PIPE_TLS", "PIPE_TARGET_TABLES"] {
        assert_eq!(answer.row(code)["outcome"], "pass");
    }
    // The guide allows no CDC on PostgreSQL with IAM.
    let output = output(&check(lab, &pipes, &["-q"]), &declared("cdc"));
    assert_eq!(output.status.code(), Some(3));
    let screen = String::from_utf8(output.stdout).unwrap();
    let first = format!("× {}: Initial Load Only, not CDC (PG_DOCUMENTED_RULE", pipes[0].0);
    assert!(screen.starts_with(&first), "{screen}");
    assert!(screen.contains(&format!("{}: CDC", pipes[1].0)), "{screen}");
    // One pipe is selected by its address.
    let answer = json_of(&check(lab, &pipes, &[pipes[1].0, "-o", "json"]), &declared("cdc"));
    assert_eq!((answer.status, answer.document["targets"].as_array().unwrap().len()), (0, 1));
}

#[test]
fn what_the_plan_alone_shows_blocks_a_pipe_that_the_server_would_allow() {
    let lab = shared();
    let mysql = lab.instance(ServerVersion::MariaDb10_11);
    let mut without_tls = source(mysql, "cdc");
    without_tls["mysql"]["disable_tls"] = true.into();
    let mut basic = source(mysql, "cdc");
    basic["mysql"]["authentication"] = "basic".into();
    let mut unknown = source(mysql, "cdc");
    unknown["mysql"].as_object_mut().unwrap().remove("iam_role");
    let mut plan = plan(vec![
        pipe("basic", basic),
        pipe("good", source(mysql, "cdc")),
        pipe("kafka", json!({ "kafka": {} })),
        pipe("unknown", unknown),
        pipe("without_tls", without_tls),
    ]);
    plan["resource_changes"] = json!([{ "address": "unknown", "type": "clickhouse_clickpipe",
        "change": { "actions": ["create"], "after_unknown": { "source": { "mysql": { "iam_role": true } } } } }]);
    let pipes: Vec<_> = ["basic", "good", "unknown", "without_tls"].map(|name| (name, mysql)).to_vec();
    let answer = json_of(&check(lab, &pipes, &["-o", "json"]), &plan);
    assert_eq!(answer.status, 3);
    let blocked: Vec<_> = answer.document["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|report| {
            (
                text(&report["target"]),
                report["verdict"]["blocked_by"].clone(),
                report["endpoints"].is_object(),
            )
        })
        .collect();
    assert_eq!(
        blocked,
        [
            ("basic", json!(["PIPE_AUTHENTICATION"]), true),
            ("good", json!([]), true),
            ("unknown", json!(["PIPE_SETTINGS"]), false),
            ("without_tls", json!(["PIPE_TLS"]), true),
        ]
    );
    assert_eq!(answer.document["skipped"], json!([{ "target": "kafka", "reason": "source `kafka`" }]));
    // The role of the pipe that will be created can be given.
    let known = check(lab, &pipes, &["unknown", "--iam-role", ACCESS_ROLE, "-o", "json"]);
    assert_eq!(json_of(&known, &plan).status, 0);
}

/// The database of today is in order, and apply would change that.
#[test]
fn aws_resources_of_the_plan_are_judged_with_the_server() {
    let lab = shared();
    let server = lab.instance(ServerVersion::MariaDb10_11);
    let document = |trusted: &[&str], format: &str, iam: bool| {
        let mut plan = plan(vec![pipe("p", source(server, "cdc"))]);
        let trust = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "AWS": lab::SERVICE_ROLE }, "Action": trusted }] });
        let connect = lab::connect_policy(&[&server.resource_id]);
        let resource = |address: &str, values: Value| {
            let kind = address.split('.').next().unwrap();
            json!({ "address": address, "mode": "managed", "type": kind, "values": values, "sensitive_values": {} })
        };
        let name = ACCESS_ROLE.rsplit('/').next().unwrap();
        let database = json!({ "address": server.host, "resource_id": server.resource_id, "parameter_group_name": "g",
            "iam_database_authentication_enabled": iam, "backup_retention_period": 7, "publicly_accessible": true });
        let parameters = json!([{ "name": "binlog_format", "value": format }, { "name": "binlog_row_metadata", "value": "FULL" }]);
        let resources = plan["planned_values"]["root_module"]["resources"].as_array_mut().unwrap();
        resources.extend([
            resource("clickhouse_service.s", json!({ "id": "s", "iam_role": lab::SERVICE_ROLE })),
            resource(
                "aws_iam_role.r",
                json!({ "arn": ACCESS_ROLE, "name": name, "assume_role_policy": trust.to_string() }),
            ),
            resource("aws_iam_role_policy.c", json!({ "role": name, "policy": connect.to_string() })),
            resource("aws_db_instance.d", database),
            resource("aws_db_parameter_group.g", json!({ "name": "g", "parameter": parameters })),
        ]);
        plan
    };
    let check = check(lab, &[("p", server)], &["-o", "json"]);
    let both = ["sts:AssumeRole", "sts:TagSession"];
    let passed = json_of(&check, &document(&both, "ROW", true));
    assert_eq!(passed.status, 0, "{:#}", passed.document);
    for (code, resource) in [
        ("PIPE_ACCESS_ROLE", "aws_iam_role.r"),
        ("PIPE_DATABASE_IAM", "aws_db_instance.d"),
        ("PIPE_PARAMETERS", "aws_db_instance.d, aws_db_parameter_group.g"),
    ] {
        let row = passed.row(code);
        assert_eq!((text(&row["outcome"]), text(&row["found"])), ("pass", resource), "{code}");
    }
    for (plan, code, cause, capability) in [
        (document(&both[..1], "ROW", true), "PIPE_ACCESS_ROLE", "PIPE_ROLE_NOT_TRUSTED", "blocked"),
        (document(&both, "ROW", false), "PIPE_DATABASE_IAM", "PIPE_IAM_OFF", "blocked"),
        (document(&both, "MIXED", true), "PIPE_PARAMETERS", "PIPE_PARAMETER_WRONG", "initial_load_only"),
    ] {
        let answer = json_of(&check, &plan);
        assert_eq!((answer.status, text(&answer.row(code)["cause"])), (3, cause), "{:#}", answer.document);
        assert_eq!(answer.report()["verdict"]["capability"], capability, "{cause}");
        assert_eq!(answer.row("AUTH_LOG_IN")["outcome"], "pass", "the server was asked");
    }
}

#[test]
fn no_output_contains_a_sensitive_value_of_the_plan() {
    let lab = shared();
    let pipes = pipes(lab);
    let mut declared: Vec<Value> = Vec::new();
    for (name, instance) in &pipes {
        let mut source = source(instance, "cdc");
        let engine = if source["mysql"].is_object() { "mysql" } else { "postgres" };
        source[engine]["credentials"]["username"] = "confidential_user".into();
        declared.push(pipe(name, source));
        let mut basic = json!({ engine: { "authentication": "basic", "credentials": { "username": "confidential_user", "password": "hunter2" } } });
        declared.push(pipe(&format!("{name}_basic"), basic.clone()));
        basic[engine]["authentication"] = "IAM_ROLE".into();
        declared.push(pipe(&format!("{name}_password"), basic));
    }
    let mut plan = plan(declared);
    plan["variables"] = json!({ "password": { "value": "hunter2" } });
    for format in ["text", "json", "junit", "prometheus", "nagios"] {
        let run =
            check(lab, &pipes, &["-v", "-o", format, "--log-level", "trace"]).env("RUST_BACKTRACE", "1");
        let output = output(&run, &plan);
        let shown = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        assert!(shown.contains("this[0]_password"), "{format}: {shown}");
        assert_eq!(secrets_in(&shown, &["confidential_user", "hunter2"]), Vec::<String>::new(), "{format}");
        // The servers were asked with it.
        if format == "json" {
            assert!(shown.contains("(sensitive value)") && shown.contains("AUTH_"), "{shown}");
        }
    }
}

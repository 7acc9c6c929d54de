//! Documents of the real terraform (tests/terraform), and own ones for what they do not contain.

use serde_json::{Value, json};

use super::*;
use crate::{
    sources::DeclaredPipe,
    target::{ProblemKind, Skipped},
};

const PLAN: &str = include_str!("../../../tests/terraform/plan.json");
const UPDATE: &str = include_str!("../../../tests/terraform/plan-update.json");
const STATE: &str = include_str!("../../../tests/terraform/state.json");

const HOST: &str = "db.abc.eu-west-1.rds.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/clickpipes-rds-access";

fn declared(kind: Kind, text: &str) -> Declared {
    read(kind, text, "plan.json").unwrap()
}

fn names(declared: &Declared) -> Vec<&str> {
    let mut names: Vec<&str> = declared.pipes.iter().map(|pipe| pipe.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn pipe<'a>(declared: &'a Declared, name: &str) -> &'a DeclaredPipe {
    declared.pipes.iter().find(|pipe| pipe.name == name).unwrap_or_else(|| panic!("no {name}: {declared:?}"))
}

fn text(given: Option<&Given>) -> Option<&str> {
    given.map(|given| given.text.as_str())
}

/// The fields that a pipe has, as `key=value`.
fn fields(pipe: &DeclaredPipe) -> String {
    let (t, p) = (&pipe.fields.target, &pipe.fields.pipe);
    let names = |given: &Option<Vec<Given>>| {
        given.iter().flatten().map(|given| given.text.as_str()).collect::<Vec<_>>().join(",")
    };
    let single = [
        ("type", &t.source_type),
        ("host", &t.host),
        ("port", &t.port),
        ("database", &t.database),
        ("user", &t.user),
        ("tls_host", &t.tls_host),
        ("iam_role", &t.iam_role),
        ("mode", &p.replication_mode),
        ("mechanism", &p.replication_mechanism),
        ("publication", &p.publication),
        ("server_id", &p.server_id),
        ("failover", &p.enable_failover_slots),
        ("load", &p.initial_load_parallelism),
        ("parallel", &p.snapshot_number_of_parallel_tables),
    ];
    let single =
        single.into_iter().filter_map(|(key, given)| Some(format!("{key}={}", text(given.as_ref())?)));
    let lists = [
        ("tables", names(&p.tables)),
        ("excluded_columns", names(&p.excluded_columns)),
        ("sorting_keys", names(&p.sorting_keys)),
        ("partition_key", names(&p.partition_keys)),
        ("table_engine", names(&p.table_engines)),
    ];
    let lists = lists.into_iter().filter(|(_, names)| !names.is_empty());
    let all = single.chain(lists.map(|(key, names)| format!("{key}={names}")));
    all.collect::<Vec<_>>().join(" ")
}

fn problems(pipe: &DeclaredPipe) -> Vec<(ProblemKind, &str)> {
    let problems = pipe.declaration.problems.iter();
    problems.map(|problem| (problem.kind, problem.invalid.field.as_str())).collect()
}

/// A source of each engine on which everything is in order.
fn source(engine: &str) -> Value {
    let mappings = json!([{ "source_schema_name": "s", "source_table": "t", "target_table": "t" }]);
    let settings = json!({ "replication_mode": "cdc" });
    let mut source = json!({
        "type": format!("rds{engine}"), "host": HOST, "port": 1234, "authentication": "IAM_ROLE", "iam_role": ROLE,
        "tls_host": null, "ca_certificate": null, "credentials": { "username": "clickpipes_iam_user", "password": null },
        "settings": settings, "table_mappings": mappings,
    });
    if engine == "postgres" {
        source["database"] = "app".into();
    } else {
        source["disable_tls"] = false.into();
        source["skip_cert_verification"] = false.into();
    }
    source
}

fn resource(address: &str, source: Value) -> Value {
    json!({
        "address": address, "mode": "managed", "type": PIPE,
        "values": { "name": "p", "service_id": "s1", "source": source }, "sensitive_values": {},
    })
}

fn plan(resources: Vec<Value>) -> Value {
    json!({ "format_version": "1.2", "planned_values": { "root_module": { "resources": resources } } })
}

/// A plan with one pipe `p`.
fn with(engine: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut source = source(engine);
    change(&mut source);
    plan(vec![resource("p", json!({ engine: source }))])
}

fn only(document: &Value) -> DeclaredPipe {
    let mut declared = declared(Kind::Plan, &document.to_string());
    assert!(declared.skipped.is_empty(), "{declared:?}");
    declared.pipes.remove(0)
}

#[test]
fn a_plan_of_terraform_is_read() {
    let declared = declared(Kind::Plan, PLAN);
    let maria = "module.maria.clickhouse_clickpipe.this[0]";
    assert_eq!(
        names(&declared),
        [
            "clickhouse_clickpipe.orders",
            "clickhouse_clickpipe.tenant[\"eu\"]",
            "clickhouse_clickpipe.tenant[\"us\"]",
            maria
        ]
    );
    assert_eq!(declared.skipped, []);
    let orders = pipe(&declared, "clickhouse_clickpipe.orders");
    let host = "orders.c9lab0example.us-east-1.rds.amazonaws.com";
    assert_eq!(
        fields(orders),
        format!(
            "type=rdspostgres host={host} port=5432 database=shop user=clickpipes_iam_user tls_host={host} \
             iam_role={ROLE} mode=cdc publication=clickpipes_publication failover=false tables=public.customers,public.orders \
             excluded_columns=public.customers.email,public.customers.phone \
             sorting_keys=public.customers.id,public.customers.created_at \
             table_engine=public.customers=ReplacingMergeTree"
        )
    );
    assert_eq!(orders.declaration.pipe_name.as_deref(), Some("orders"));
    assert_eq!(problems(orders), []);
    let tenant = pipe(&declared, "clickhouse_clickpipe.tenant[\"eu\"]");
    assert_eq!(
        fields(tenant),
        format!(
            "type=auroramysql host=tenant-eu.cluster-c9lab0example.us-east-1.rds.amazonaws.com port=3306 \
             user=clickpipes_iam_user iam_role={ROLE} mode=cdc mechanism=GTID tables=shop.orders"
        )
    );
    let maria = pipe(&declared, maria);
    assert_eq!(
        fields(maria),
        "type=rdsmariadb port=3306 user=clickpipes_iam_user mode=snapshot mechanism=GTID tables=shop.orders"
    );
    let open = ProblemKind::KnownAfterApply;
    assert_eq!(problems(maria), [(open, "source.mysql.host"), (open, "source.mysql.iam_role")]);
}

#[test]
fn a_plan_of_an_update_has_what_is_there_after_apply() {
    let declared = declared(Kind::Plan, UPDATE);
    // tenant["eu"] will be deleted.
    assert_eq!(
        names(&declared),
        [
            "clickhouse_clickpipe.orders",
            "clickhouse_clickpipe.tables_unknown",
            "clickhouse_clickpipe.tenant[\"us\"]",
            "module.maria.clickhouse_clickpipe.this[0]"
        ]
    );
    let open = pipe(&declared, "clickhouse_clickpipe.tables_unknown");
    assert_eq!(problems(open), [(ProblemKind::KnownAfterApply, "source.postgres.table_mappings")]);
    assert!(fields(open).ends_with(" tables=public.known"), "{}", fields(open));
    // An update is known now.
    let maria = pipe(&declared, "module.maria.clickhouse_clickpipe.this[0]");
    assert!(
        fields(maria).contains(" iam_role=arn:aws:iam::123456789012:role/fresh mode=cdc "),
        "{}",
        fields(maria)
    );
    assert_eq!(problems(maria), []);
}

#[test]
fn a_state_of_terraform_is_read() {
    let declared = declared(Kind::State, STATE);
    assert_eq!(names(&declared).len(), 4);
    assert!(declared.pipes.iter().all(|pipe| problems(pipe).is_empty()), "{declared:?}");
    assert!(declared.pipes.iter().all(|pipe| fields(pipe).contains(" iam_role=arn:aws:")), "{declared:?}");
    // A state without resources has no `values`.
    assert_eq!(read(Kind::State, r#"{"format_version":"1.0"}"#, "s").unwrap(), Declared::default());
}

/// Every attribute that is read, and the field that it is for.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("type", "type"),
    ("host", "host"),
    ("port", "port"),
    ("database", "database"),
    ("tls_host", "tls_host"),
    ("ca_certificate", "ca_certificate"),
    ("iam_role", "iam_role"),
    ("credentials.username", "user"),
    ("settings.replication_mode", "replication_mode"),
    ("settings.replication_mechanism", "replication_mechanism"),
    ("settings.publication_name", "publication"),
    ("table_mappings", "tables"),
    ("authentication", ""),
    ("disable_tls", ""),
    ("skip_cert_verification", ""),
];

/// Removes an attribute, as terraform does if its value is not known, and marks it.
fn make_unknown(document: &mut Value, engine: &str, attribute: &str) {
    let mut values =
        &mut document["planned_values"]["root_module"]["resources"][0]["values"]["source"][engine];
    let mut marks = json!(true);
    let path: Vec<&str> = attribute.split('.').collect();
    for (i, name) in path.iter().enumerate() {
        match i + 1 == path.len() {
            true => drop(values.as_object_mut().unwrap().remove(*name)),
            false => values = &mut values[*name],
        }
    }
    for name in path.iter().rev().chain(&[engine, "source"]) {
        marks = json!({ *name: marks });
    }
    document["resource_changes"] = json!([{ "address": "p", "type": PIPE, "change": { "actions": ["create"], "after_unknown": marks } }]);
}

#[test]
fn each_attribute_that_is_not_known_yet_is_a_problem_without_a_default() {
    for engine in ["postgres", "mysql"] {
        for (attribute, key) in ATTRIBUTES {
            let mut document = with(engine, |_| {});
            make_unknown(&mut document, engine, attribute);
            let pipe = only(&document);
            let field = format!("source.{engine}.{attribute}");
            assert_eq!(problems(&pipe), [(ProblemKind::KnownAfterApply, field.as_str())]);
            let problem = &pipe.declaration.problems[0];
            assert_eq!(problem.key.unwrap_or_default(), *key, "{field}");
            assert!(!pipe.fields.has(key), "{field} has no default");
        }
    }
}

#[test]
fn a_part_or_all_of_the_source_is_not_known_yet() {
    for (marks, field) in [
        (json!({ "source": true }), "source"),
        (json!({ "source": { "mysql": true } }), "source.mysql"),
        (json!(true), "source"),
    ] {
        let mut document = plan(vec![resource("p", json!(null))]);
        document["resource_changes"] =
            json!([{ "address": "p", "type": PIPE, "change": { "after_unknown": marks } }]);
        assert_eq!(problems(&only(&document)), [(ProblemKind::KnownAfterApply, field)]);
    }
    let mut document = with("mysql", |source| source["credentials"] = json!({}));
    document["resource_changes"] = json!([{ "address": "p", "type": PIPE,
        "change": { "after_unknown": { "source": { "mysql": { "credentials": true } } } } }]);
    let open = ProblemKind::KnownAfterApply;
    assert_eq!(problems(&only(&document)), [(open, "source.mysql.credentials.username")]);
}

#[test]
fn the_declaration_alone_shows_problems() {
    use ProblemKind as Kind;
    type Change = fn(&mut Value);
    let cases: [(Change, Kind, &str); 15] = [
        (|s| s["disable_tls"] = true.into(), Kind::TlsDisabled, "disable_tls"),
        (|s| s["skip_cert_verification"] = true.into(), Kind::TlsUnverified, "skip_cert_verification"),
        (|s| s["authentication"] = "basic".into(), Kind::BasicWithRole, "authentication"),
        (|s| s["authentication"] = Value::Null, Kind::BasicWithRole, "authentication"),
        (|s| s["iam_role"] = Value::Null, Kind::RoleMissing, "iam_role"),
        (|s| s["iam_role"] = "".into(), Kind::RoleMissing, "iam_role"),
        (|s| s["credentials"]["password"] = "hunter2".into(), Kind::PasswordWithRole, "credentials"),
        (|s| s["credentials"]["password_wo"] = "hunter2".into(), Kind::PasswordWithRole, "credentials"),
        (|s| s["credentials"] = Value::Null, Kind::UserMissing, "credentials.username"),
        (|s| s["host"] = "vpce-0a.rds.example.com".into(), Kind::RegionUnreadable, "tls_host"),
        (|s| s["host"] = "x.global-abc.global.rds.amazonaws.com".into(), Kind::RegionUnreadable, "tls_host"),
        (|s| s["host"] = "db.abc.rds.cn-north-1.amazonaws.com.cn".into(), Kind::RegionUnreadable, "tls_host"),
        (|s| s["ca_certificate"] = "/etc/passwd".into(), Kind::Invalid, "ca_certificate"),
        (|s| s["table_mappings"][0]["source_table"] = "*".into(), Kind::Invalid, "table_mappings"),
        (
            |s| {
                let first = s["table_mappings"][0].clone();
                s["table_mappings"] =
                    json!([first, { "source_schema_name": "s", "source_table": "u", "target_table": "t" }]);
            },
            Kind::DuplicateTargetTable,
            "table_mappings",
        ),
    ];
    for engine in ["postgres", "mysql"] {
        for (change, kind, attribute) in &cases {
            let pipe = only(&with(engine, change));
            assert_eq!(problems(&pipe), [(*kind, &*format!("source.{engine}.{attribute}"))]);
            assert!(!format!("{pipe:?}").contains("hunter2"));
        }
        assert_eq!(problems(&only(&with(engine, |_| {}))), []);
    }
    // PrivateLink, with the name that ClickPipes verifies and signs for.
    let private = only(&with("postgres", |source| {
        source["host"] = "vpce-0a.rds.example.com".into();
        source["tls_host"] = HOST.into();
    }));
    assert_eq!(problems(&private), []);
}

#[test]
fn a_type_of_the_engine_is_resolved_by_the_host_name() {
    let cluster = "db.cluster-abc.eu-west-1.rds.amazonaws.com";
    for (engine, kind, host, expected) in [
        ("postgres", "postgres", HOST, "rdspostgres"),
        ("postgres", "postgres", cluster, "aurorapostgres"),
        ("mysql", "mysql", HOST, "rdsmysql"),
        ("mysql", "mysql", cluster, "auroramysql"),
        ("mysql", "mariadb", HOST, "rdsmariadb"),
        ("mysql", "auroramysql", HOST, "auroramysql"),
        ("postgres", "neon", HOST, "neon"),
    ] {
        let of = |kind: Value| {
            only(&with(engine, |source| {
                source["type"] = kind;
                source["host"] = host.into();
            }))
        };
        assert_eq!(text(of(kind.into()).fields.target.source_type.as_ref()), Some(expected), "{kind} {host}");
        if kind == engine {
            // The provider's default.
            assert_eq!(text(of(Value::Null).fields.target.source_type.as_ref()), Some(expected));
        }
    }
}

#[test]
fn other_sources_and_other_authentication_are_skipped() {
    let mut basic = source("mysql");
    basic["authentication"] = "basic".into();
    basic["iam_role"] = Value::Null;
    basic["credentials"] = json!({ "username": "u", "password": "hunter2" });
    let declared = declared(
        Kind::Plan,
        &plan(vec![
            resource("kafka", json!({ "kafka": { "brokers": "x" }, "postgres": null, "mysql": null })),
            resource("basic", json!({ "mysql": basic })),
            resource("none", json!(null)),
            resource("iam", json!({ "mysql": source("mysql") })),
            json!({ "address": "data.p", "mode": "data", "type": PIPE, "values": {} }),
            json!({ "address": "x", "mode": "managed", "type": "aws_db_instance", "values": { "source": 5 } }),
        ])
        .to_string(),
    );
    let skipped: Vec<_> =
        declared.skipped.iter().map(|s: &Skipped| (s.target.as_str(), s.reason.as_str())).collect();
    assert_eq!(
        skipped,
        [("kafka", "source `kafka`"), ("basic", "authentication is `basic`"), ("none", "no source")]
    );
    assert_eq!(names(&declared), ["iam"]);
    assert!(!format!("{declared:?}").contains("hunter2"));
}

#[test]
fn the_service_role_comes_from_the_service_of_the_pipe() {
    let service = |address: &str, mode: &str, id: &str, role: &str| json!({ "address": address, "mode": mode, "type": SERVICE, "values": { "id": id, "iam_role": role } });
    let mut document = with("mysql", |_| {});
    let resources = document["planned_values"]["root_module"]["resources"].as_array_mut().unwrap();
    resources.push(service("clickhouse_service.other", "managed", "s0", "arn:other"));
    assert_eq!(only(&document).service_role, None);
    let prior = service("data.clickhouse_service.own", "data", "s1", "arn:own");
    document["prior_state"] =
        json!({ "format_version": "1.0", "values": { "root_module": { "resources": [prior] } } });
    assert_eq!(text(only(&document).service_role.as_ref()), Some("arn:own"));
    assert_eq!(only(&document).fields.pipe.service_region, None);
    // Its Region decides from which addresses ClickPipes connects. No rule names the Regions of Azure.
    for (provider, region, expected) in [
        ("aws", "eu-west-1", Some("eu-west-1")),
        ("gcp", "europe-west4", Some("europe-west4")),
        ("azure", "eastus2", None),
        ("azure", "eu-west-1", None),
        ("aws", "\u{1b}[31m", None),
    ] {
        let values = json!({ "id": "s1", "cloud_provider": provider, "region": region });
        let service = json!({ "address": "clickhouse_service.own", "mode": "managed", "type": SERVICE, "values": values });
        let mut document = document.clone();
        document["planned_values"]["root_module"]["resources"].as_array_mut().unwrap().push(service);
        let pipe = only(&document);
        assert_eq!(text(pipe.fields.pipe.service_region.as_ref()), expected, "{provider} {region}");
        assert_eq!(text(pipe.service_role.as_ref()), Some("arn:own"));
    }
    // A service that is created by the same plan.
    document["prior_state"] = Value::Null;
    let resources = document["planned_values"]["root_module"]["resources"].as_array_mut().unwrap();
    resources.push(
        json!({ "address": "clickhouse_service.new", "mode": "managed", "type": SERVICE, "values": {} }),
    );
    assert_eq!(only(&document).service_role, None);
}

#[test]
fn sensitive_values_are_marked_but_for_the_user_of_the_guide() {
    let mut document = with("postgres", |source| source["credentials"]["username"] = "secret_user".into());
    let marks = json!({ "source": { "postgres": { "credentials": true, "host": true, "table_mappings": [{ "source_table": true }] } } });
    document["planned_values"]["root_module"]["resources"][0]["sensitive_values"] = marks;
    let pipe = only(&document);
    assert_eq!(text(pipe.fields.target.user.as_ref()), Some("secret_user"));
    for value in ["secret_user", HOST, "t"] {
        assert!(pipe.declaration.sensitive.contains(value), "{value}");
    }
    assert!(!pipe.declaration.sensitive.contains("app"));
    assert!(!format!("{pipe:?}").contains("secret_user"));
    let declared = declared(Kind::Plan, PLAN);
    assert!(
        declared.pipes.iter().all(|pipe| pipe.declaration.sensitive == crate::secret::Sensitive::default())
    );
}

#[test]
fn a_replaced_pipe_is_the_new_one_and_a_deposed_object_is_ignored() {
    let mut document = with("mysql", |_| {});
    make_unknown(&mut document, "mysql", "iam_role");
    let changes = document["resource_changes"].as_array_mut().unwrap();
    changes[0]["change"]["actions"] = json!(["delete", "create"]);
    changes.push(json!({ "address": "p", "type": PIPE, "deposed": "8a7b", "change": { "actions": ["delete"],
        "after_unknown": { "source": true } } }));
    assert_eq!(problems(&only(&document)), [(ProblemKind::KnownAfterApply, "source.mysql.iam_role")]);
}

/// Every path to a value below the pipe's resource.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        Value::Object(entries) => {
            entries.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{key}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| leaves(item, &format!("{path}/{i}"), found));
        }
        _ => {}
    }
}

#[test]
fn whatever_a_value_is_reading_ends_with_pipes_or_an_error_and_shows_nothing_sensitive() {
    for engine in ["postgres", "mysql"] {
        let document = with(engine, |_| {});
        let mut paths = Vec::new();
        leaves(&document, "", &mut paths);
        assert!(paths.len() > 25, "{paths:?}");
        for path in paths {
            for replaced in [
                json!(null),
                json!(true),
                json!(-1e300),
                json!("hunter2"),
                json!(["hunter2"]),
                json!({ "hunter2": {} }),
            ] {
                let mut document = document.clone();
                // All of the pipe is sensitive.
                document["planned_values"]["root_module"]["resources"][0]["sensitive_values"] = json!(true);
                *document.pointer_mut(&path).unwrap() = replaced;
                let text = document.to_string();
                let shown = match read(Kind::Plan, &text, "p") {
                    Ok(declared) => format!("{declared:?}"),
                    Err(errors) => errors.to_string(),
                };
                let is_name = path.ends_with("/address") || path.ends_with("/source");
                assert!(is_name || !shown.contains("hunter2"), "{path}: {shown}");
            }
        }
    }
}

#[test]
fn a_part_of_a_document_is_an_error() {
    for text in [PLAN, UPDATE, STATE] {
        for end in (0..text.trim_end().len()).step_by(501) {
            let error = read(Kind::Plan, &text[..end], "p").unwrap_err();
            assert_eq!(error.first().field, "terraform_plan");
        }
    }
}

#[test]
fn another_document_is_refused_with_the_command_that_prints_the_right_one() {
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_modules = format!(
        r#"{{"format_version":"1.0","planned_values":{{"root_module":{}{}}}}}"#,
        r#"{"child_modules":["#.repeat(10_000),
        "]}".repeat(10_000)
    );
    let twice = plan(vec![resource("p", json!(null)), resource("p", json!(null))]).to_string();
    let control = plan(vec![resource("p\u{1b}[2J\u{202e}", json!(null))]).to_string();
    let typed = with("mysql", |source| source["host"] = json!({ "hunter2": 1 })).to_string();
    let attribute = plan(vec![resource("p", json!("hunter2"))]).to_string();
    for (kind, document, expected) in [
        (Kind::Plan, "", "nothing"),
        (Kind::Plan, "  \n", "nothing"),
        (Kind::Plan, "hunter2", "not JSON"),
        (Kind::Plan, "PK\u{3}\u{4}", "not JSON"),
        (Kind::Plan, "Terraform will perform the following actions:", "not JSON"),
        (Kind::Plan, "[]", "another form"),
        (Kind::Plan, "\"hunter2\"", "another form"),
        (Kind::Plan, "{", "ends too early"),
        (Kind::Plan, r#"{"format_version":"hunter2"}"#, "another `format_version`"),
        (Kind::Plan, r#"{"format_version":"2.0","planned_values":{}}"#, "another `format_version`"),
        (Kind::Plan, r#"{"planned_values":{}}"#, "without `format_version`"),
        (Kind::Plan, r#"{"format_version":"1.0","values":{}}"#, "a state"),
        (
            Kind::Plan,
            r#"{"format_version":"1.0","planned_values":{"root_module":"hunter2"}}"#,
            "another form",
        ),
        (Kind::Plan, r#"{"format_version":"1.2","errored":true,"planned_values":{}}"#, "ended with an error"),
        (Kind::Plan, r#"{"version":4,"lineage":"x","resources":[]}"#, "terraform.tfstate"),
        (Kind::Plan, "{\"@level\":\"info\"}\n{\"@level\":\"info\"}", "the log of"),
        (Kind::Plan, r#"{"@level":"info"}"#, "the log of"),
        (Kind::State, PLAN, "a plan"),
        (Kind::Plan, STATE, "a state"),
        (Kind::Plan, &nested, "another form"),
        (Kind::Plan, &deep_modules, "not JSON"),
        (Kind::Plan, &twice, "`p` twice"),
        (Kind::Plan, &control, "control or invisible"),
        (Kind::Plan, &typed, ""),
        (Kind::Plan, &attribute, "an attribute of another type"),
    ] {
        let shown: String = document.chars().take(40).collect();
        if expected.is_empty() {
            // The source alone has another form: a problem of that pipe.
            assert_eq!(
                problems(&only(&with("mysql", |s| s["host"] = json!(["x"])))),
                [(ProblemKind::Invalid, "source.mysql")]
            );
            continue;
        }
        let errors = read(kind, document, "plan.json").expect_err(&shown);
        let error = errors.first();
        assert_eq!(error.field, kind.field(), "{shown}");
        assert!(error.expected.contains("terraform show -json"), "{shown}: {error}");
        assert!(error.found.contains(expected), "{shown}: {error}");
        let all = errors.to_string();
        assert!(!all.contains("hunter2") && !all.contains('\u{1b}'), "{shown}: {all}");
    }
}

#[test]
fn five_hundred_pipes_in_nested_modules_are_read() {
    let mut module = json!({});
    for i in 0..50 {
        let resources: Vec<_> = (0..10)
            .map(|j| {
                resource(
                    &format!("module.m{i}.clickhouse_clickpipe.p[{j}]"),
                    json!({ "mysql": source("mysql") }),
                )
            })
            .collect();
        module =
            json!({ "address": format!("module.m{i}"), "resources": resources, "child_modules": [module] });
    }
    let document = json!({ "format_version": "1.2", "planned_values": { "root_module": module } });
    let declared = declared(Kind::Plan, &document.to_string());
    assert_eq!(declared.pipes.len(), 500);
    assert!(declared.pipes.iter().all(|pipe| problems(pipe).is_empty()));
}

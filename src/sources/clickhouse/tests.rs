//! Answers of the API. The end-to-end test compares such answers with its specification.

use serde_json::{Value, json};

use super::*;
use crate::{
    sources::DeclaredPipe,
    target::{Problem, ProblemKind},
};

const ROLE: &str = "arn:aws:iam::123456789012:role/clickpipes";

fn answers(pipes: Value) -> String {
    let service = json!({
        "id": "s-1", "name": "shop", "iamRole": "arn:aws:iam::999988887777:role/CH-S3-shop", "provider": "aws",
        "region": "eu-central-1", "state": "running", "createdAt": "2026-01-02T23:59:59Z",
    });
    json!({ "service": service, "pipes": pipes }).to_string()
}

fn mysql() -> Value {
    json!({ "mysql": {
        "type": "mysql", "host": "db.abc.eu-west-1.rds.amazonaws.com", "port": 3307, "authentication": "IAM_ROLE",
        "iamRole": ROLE, "tlsHost": "", "caCertificate": "", "serverId": 4242,
        "settings": { "replicationMode": "cdc", "replicationMechanism": "GTID" },
        "tableMappings": [{
            "sourceSchemaName": "app", "sourceTable": "orders", "targetTable": "orders", "excludedColumns": ["note"],
        }],
    } })
}

fn postgres() -> Value {
    json!({ "kafka": null, "postgres": {
        "type": "rdspostgres", "host": "10.0.0.1", "port": 5432, "database": "app", "authentication": "IAM_ROLE",
        "iamRole": ROLE, "tlsHost": "db.abc.eu-west-1.rds.amazonaws.com", "disableTls": true,
        "settings": {
            "replicationMode": "cdc_only", "publicationName": "p", "replicationSlotName": "s", "enableFailoverSlots": true,
            "initialLoadParallelism": 8, "snapshotNumberOfParallelTables": 2,
        },
        "tableMappings": [
            { "sourceSchemaName": "a", "sourceTable": "b", "targetTable": "c", "partitionKey": "id",
              "useCustomSortingKey": true, "sortingKeys": ["x", "y"] },
            { "sourceSchemaName": "a", "sourceTable": "d", "targetTable": "d", "sortingKeys": ["unused"] },
        ],
    } })
}

fn pipe(name: &str, source: Value) -> Value {
    json!({ "id": format!("id-{name}"), "serviceId": "s-1", "name": name, "state": "Running", "source": source })
}

fn text(given: Option<&Given>) -> &str {
    given.map_or("", |given| given.text.as_str())
}

fn only(pipe: Value) -> DeclaredPipe {
    read(&answers(json!([pipe]))).unwrap().1.pipes.remove(0)
}

fn kinds(pipe: &DeclaredPipe) -> Vec<ProblemKind> {
    pipe.declaration.problems.iter().map(|Problem { kind, .. }| *kind).collect()
}

#[test]
fn a_pipe_of_a_service_has_the_fields_of_a_target() {
    let (name, declared) = read(&answers(json!([pipe("m", mysql()), pipe("p", postgres())]))).unwrap();
    assert_eq!((name.as_str(), declared.pipes.len()), ("ClickHouse service shop", 2));
    let [mysql, postgres] = &declared.pipes[..] else { panic!("{declared:?}") };
    let (t, p) = (&mysql.fields.target, &mysql.fields.pipe);
    let host = "db.abc.eu-west-1.rds.amazonaws.com";
    let expected = ["rdsmysql", host, "3307", ROLE, "cdc", "GTID", "eu-central-1"];
    let found =
        [&t.source_type, &t.host, &t.port, &t.iam_role, &p.replication_mode, &p.replication_mechanism];
    let found = found.into_iter().chain([&p.service_region]).map(|given| text(given.as_ref()));
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert_eq!(text(p.server_id.as_ref()), "4242");
    assert!(t.tls_host.is_none() && t.ca_certificate.is_none() && t.user.is_none());
    assert_eq!(text(p.tables.as_ref().and_then(|tables| tables.first())), "app.orders");
    assert_eq!(text(p.excluded_columns.as_ref().and_then(|columns| columns.first())), "app.orders.note");
    assert_eq!(text(mysql.service_role.as_ref()), "arn:aws:iam::999988887777:role/CH-S3-shop");
    assert_eq!(mysql.declaration.pipe_state.as_deref(), Some("Running"));
    assert_eq!(mysql.service_created, Some(jiff::civil::date(2026, 1, 2)));
    assert_eq!(kinds(mysql), [ProblemKind::UserMissing]);

    let (t, p) = (&postgres.fields.target, &postgres.fields.pipe);
    let found = [&t.source_type, &t.host, &t.tls_host, &t.database, &p.publication, &p.replication_slot_name];
    let found: Vec<_> = found.into_iter().map(|given| text(given.as_ref())).collect();
    assert_eq!(found, ["rdspostgres", "10.0.0.1", host, "app", "p", "s"]);
    let found =
        [&p.enable_failover_slots, &p.initial_load_parallelism, &p.snapshot_number_of_parallel_tables];
    assert_eq!(found.map(|given| text(given.as_ref())), ["true", "8", "2"]);
    let names = |given: &Option<Vec<Given>>| {
        given.iter().flatten().map(|given| given.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&p.sorting_keys), ["a.b.x", "a.b.y"]);
    assert_eq!(names(&p.partition_keys), ["a.b.id"]);
    assert_eq!(kinds(postgres), [ProblemKind::UserMissing, ProblemKind::TlsDisabled]);
}

#[test]
fn other_sources_and_passwords_are_skipped() {
    let mut basic = mysql();
    basic["mysql"]["authentication"] = "basic".into();
    basic["mysql"].as_object_mut().unwrap().remove("iamRole");
    let pipes = json!([
        pipe("kafka", json!({ "kafka": { "brokers": "b" } })),
        pipe("basic", basic),
        { "id": "id-none", "name": "none" },
    ]);
    let (_, declared) = read(&answers(pipes)).unwrap();
    assert_eq!(declared.pipes, []);
    let skipped: Vec<_> = declared.skipped.iter().map(|s| (s.target.as_str(), s.reason.as_str())).collect();
    assert_eq!(
        skipped,
        [("kafka", "source `kafka`"), ("basic", "authentication is `basic`"), ("none", "no source")]
    );
}

#[test]
fn every_pipe_has_its_own_name_that_can_be_printed() {
    let mut again = pipe("orders", mysql());
    again["id"] = "other".into();
    let pipes = json!([pipe("orders", mysql()), again, pipe("\u{1b}[2J", mysql()), pipe("ok", mysql())]);
    let text = answers(pipes).replace("id-\\u001b[2J", "id-3");
    let (_, declared) = read(&text).unwrap();
    let names: Vec<_> = declared.pipes.iter().map(|pipe| pipe.name.as_str()).collect();
    assert_eq!(names, ["orders (id-orders)", "orders (other)", "id-3", "ok"]);
    // A state that this version does not know is shown, but nothing else.
    let mut odd = pipe("odd", mysql());
    odd["state"] = "Hibernating".into();
    assert_eq!(only(odd.clone()).declaration.pipe_state.as_deref(), Some("Hibernating"));
    odd["state"] = "\u{1b}[2J".into();
    assert_eq!(only(odd).declaration.pipe_state, None);
}

#[test]
fn answers_of_another_form_are_errors_without_their_content() {
    let mut twice = pipe("other", mysql());
    twice["id"] = "id-orders".into();
    twice["name"] = "\u{7}".into();
    let mut first = twice.clone();
    first["name"] = "\u{8}".into();
    for text in [
        "hunter2".to_owned(),
        json!({ "service": { "id": "s" } }).to_string(),
        answers(json!({})),
        answers(json!(["hunter2"])),
        answers(json!([{ "id": 1 }])),
        answers(
            json!([{ "name": "without an id", "source": mysql() }, { "name": "without an id", "source": mysql() }]),
        ),
        answers(json!([first, twice])),
    ] {
        let errors = read(&text).unwrap_err();
        assert_eq!(errors.first().field, FIELD, "{text}");
        assert!(!errors.to_string().contains("hunter2"), "{errors}");
    }
    // A source of another form is a problem of its pipe only.
    let pipe = only(pipe("odd", json!({ "mysql": { "port": [] } })));
    assert_eq!(kinds(&pipe), [ProblemKind::Invalid]);
}

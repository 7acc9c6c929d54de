//! Pipes that the ClickHouse Cloud API lists, checked on real servers. The API is a stand-in on loopback that accepts only
//! requests of its OpenAPI specification, and whose answers the specification allows (tests/clickhouse_cloud/openapi.json, an
//! excerpt; its origin is in the file).

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
};

use lab::{ACCESS_ROLE, Engine, Instance, Lab, ServerVersion};
use serde_json::{Value, json};

use crate::support::{Run, answers, shared, text};

const SERVICE: &str = "11111111-2222-3333-4444-555555555555";
const ORGANIZATION: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const KEY: &str = "QWxhZGRpbgKeyIdKeyId";
const SECRET: &str = "4b1dOpenSesameOpenSesameOpenSesame0001";
/// Base64 of `KEY:SECRET`.
const BASIC: &str = "UVd4aFpHUnBiZ0tleUlkS2V5SWQ6NGIxZE9wZW5TZXNhbWVPcGVuU2VzYW1lT3BlblNlc2FtZTAwMDE=";

/// The specification. Every schema of an object is closed, so that a field with a wrong name is found.
fn specification() -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.values_mut().for_each(close);
                if object.get("properties").is_some_and(Value::is_object) && !object.contains_key("allOf") {
                    object.insert("additionalProperties".into(), false.into());
                }
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    let mut specification: Value =
        serde_json::from_str(include_str!("../clickhouse_cloud/openapi.json")).unwrap();
    close(&mut specification);
    specification
}

/// The operation of a path, with what its parameters have in that path.
fn operation<'a>(specification: &'a Value, path: &str) -> Option<(&'a str, &'a Value)> {
    let parts: Vec<&str> = path.split('/').collect();
    let paths = specification["paths"].as_object().unwrap();
    let (template, methods) = paths.iter().find(|(template, _)| {
        let template: Vec<&str> = template.split('/').collect();
        template.len() == parts.len()
            && template.iter().zip(&parts).all(|(t, p)| t == p || t.starts_with('{') && !p.is_empty())
    })?;
    Some((template, methods.get("get")?))
}

/// Whether the specification allows that body of a successful answer.
fn assert_allowed(specification: &Value, operation: &Value, body: &Value) {
    let mut schema = operation["responses"]["200"]["content"]["application/json"]["schema"].clone();
    schema["components"] = specification["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(body).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?} in {body:#}");
}

/// What the stand-in answers in place of a list of pipes.
#[derive(Clone)]
struct Other {
    status: u16,
    headers: &'static str,
    body: String,
}

/// The API of one service. Requests that the specification does not have, and other keys, are answered with an error.
struct Cloud {
    address: SocketAddr,
    /// Paths of the requests.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Cloud {
    fn start(pipes: &[Value], other: Option<Other>) -> Self {
        let specification = specification();
        let enveloped = |result: Value| json!({ "status": 200, "requestId": SERVICE, "result": result });
        let organizations =
            json!([{ "id": ORGANIZATION, "name": "org", "createdAt": "2026-01-02T03:04:05Z" }]);
        let service = json!({
            "id": SERVICE, "name": "shop", "provider": "aws", "region": "eu-central-1", "state": "running",
            "iamRole": lab::SERVICE_ROLE, "createdAt": "2026-01-02T03:04:05Z", "autoscalingMode": "vertical",
            "currentScaling": {},
        });
        let answers: Vec<(String, Value)> = [
            ("/v1/organizations".to_owned(), organizations),
            (format!("/v1/organizations/{ORGANIZATION}/services/{SERVICE}"), service),
            (format!("/v1/organizations/{ORGANIZATION}/services/{SERVICE}/clickpipes"), pipes.into()),
        ]
        .map(|(path, result)| (path, enveloped(result)))
        .into();
        for (path, body) in &answers {
            assert_allowed(&specification, operation(&specification, path).unwrap().1, body);
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = BufReader::new(stream);
                let lines: Vec<String> =
                    (&mut stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let path =
                    lines.first().and_then(|line| line.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1"));
                let path = path.unwrap_or_default().to_owned();
                let authorization = format!("authorization: Basic {BASIC}");
                let is_known = lines.iter().any(|line| line.eq_ignore_ascii_case(&authorization));
                let found = answers.iter().find(|(known, _)| *known == path);
                let failed = |status: u16, why: &str| {
                    let body = json!({ "status": status, "error": why, "requestId": SERVICE });
                    Other { status, headers: "", body: body.to_string() }
                };
                let answer = match (operation(&specification, &path), found, &other) {
                    _ if !is_known => failed(401, &format!("unknown key {}", lines.join(" "))),
                    (None, ..) => failed(400, "not in the specification"),
                    (Some((template, _)), _, Some(other)) if template.ends_with("/clickpipes") => {
                        other.clone()
                    }
                    (_, Some((_, body)), _) => Other { status: 200, headers: "", body: body.to_string() },
                    (_, None, _) => failed(404, "not found"),
                };
                seen.lock().unwrap().push(path);
                let Other { status, headers, body } = answer;
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.get_mut().write_all(format!("{head}{body}").as_bytes());
            }
        });
        Self { address, requests }
    }

    /// `check --clickhouse-service`. The file adds how this machine reaches the servers, and their CA.
    fn check<'a>(&self, lab: &'a Lab, pipes: &[(&str, &Instance)], more: &[&str]) -> Run<'a> {
        let mut config = format!("[defaults]\nca_certificate = \"{}\"\n", lab.ca_pem().display());
        for (name, instance) in pipes {
            config += &format!("[targets.'{name}']\nconnect_to = \"{}\"\n", instance.address());
        }
        Run::check(lab, &[&["--clickhouse-service", SERVICE], more].concat())
            .only(&config)
            .env("CLICKHOUSE_CLOUD_API_URL", &format!("http://{}", self.address))
            .env("CLICKHOUSE_CLOUD_API_KEY", KEY)
            .env("CLICKHOUSE_CLOUD_API_SECRET", SECRET)
    }
}

/// A pipe that copies the tables of a server, and replicates changes with `cdc`.
fn pipe(name: &str, state: &str, instance: &Instance, mode: &str) -> Value {
    let (engine, kind, schema) = match instance.server_version.engine() {
        Engine::Postgres => ("postgres", "postgres", "public"),
        Engine::Mysql => ("mysql", "mysql", "app"),
        Engine::MariaDb => ("mysql", "mariadb", "app"),
    };
    let mut source = json!({
        "type": kind, "host": instance.host, "port": instance.port, "authentication": "IAM_ROLE",
        "iamRole": ACCESS_ROLE, "settings": { "replicationMode": mode },
        "tableMappings": [{ "sourceSchemaName": schema, "sourceTable": "orders", "targetTable": "orders" }],
    });
    if engine == "postgres" {
        source["database"] = "app".into();
    }
    json!({
        "id": SERVICE.replace("1111", &format!("{:04x}", name.len())), "serviceId": SERVICE, "name": name, "state": state,
        "source": { engine: source },
    })
}

#[test]
fn the_pipes_of_a_service_are_checked_with_their_state() {
    let lab = shared();
    let (postgres, maria) =
        (lab.instance(ServerVersion::Postgres15), lab.instance(ServerVersion::MariaDb10_11));
    let mut lost = pipe("lost table", "Failed", maria, "cdc");
    lost["source"]["mysql"]["tableMappings"][0]["sourceTable"] = "no_such_table".into();
    let mut kafka = pipe("kafka", "Running", maria, "cdc");
    kafka["source"] = json!({ "kafka": { "brokers": "b:9092", "topics": "t" } });
    let declared =
        [pipe("maria", "Running", maria, "cdc"), pipe("pg", "Completed", postgres, "snapshot"), lost, kafka];
    let cloud = Cloud::start(&declared, None);
    let pipes = [("maria", maria), ("pg", postgres), ("lost table", maria)];
    let answer = cloud.check(lab, &pipes, &[]).json();
    assert_eq!(answer.status, 3, "{:#}", answer.document);
    let reports = answer.document["targets"].as_array().unwrap();
    let found: Vec<_> = reports
        .iter()
        .map(|r| [&r["target"], &r["pipe_state"], &r["verdict"]["capability"]].map(text))
        .collect();
    assert_eq!(
        found,
        [
            ["lost table", "Failed", "blocked"],
            ["maria", "Running", "cdc"],
            ["pg", "Completed", "initial_load_only"]
        ]
    );
    let reason = text(&reports[0]["verdict"]["reason"]);
    assert!(
        reason.starts_with("The pipe is Failed in ClickHouse Cloud, because of DB_TABLES_MISSING."),
        "{reason}"
    );
    assert_eq!(answer.document["skipped"], json!([{ "target": "kafka", "reason": "source `kafka`" }]));
    // The API returns no user.
    let row = answer.row("PIPE_SETTINGS");
    assert_eq!((text(&row["outcome"]), text(&row["cause"])), ("warn", "PIPE_USER_MISSING"));
    let service = format!("/v1/organizations/{ORGANIZATION}/services/{SERVICE}");
    let requests = cloud.requests.lock().unwrap().clone();
    assert_eq!(requests, ["/v1/organizations".to_owned(), service.clone(), format!("{service}/clickpipes")]);

    let output = cloud.check(lab, &pipes, &["lost table"]).output();
    let screen = String::from_utf8(output.stdout).unwrap();
    assert!(screen.contains("Pipe      lost table (Failed in ClickHouse Cloud)"), "{screen}");
    let organization = ["pg", "--clickhouse-organization", ORGANIZATION, "--user", "clickpipes_iam_user"];
    let answer = cloud.check(lab, &pipes, &organization).json();
    assert_eq!((answer.status, text(&answer.row("PIPE_SETTINGS")["outcome"])), (0, "pass"));
    // `setup` knows the role of the service.
    let setup = cloud.check(lab, &[], &["maria", "--only", "trust-policy"]).command("setup").output();
    let policy = String::from_utf8(setup.stdout).unwrap();
    assert!(policy.contains(lab::SERVICE_ROLE), "{policy}{}", String::from_utf8_lossy(&setup.stderr));
}

#[test]
fn an_api_that_does_not_list_pipes_is_one_clear_error() {
    let lab = shared();
    let error =
        |status: u16, why: &str| json!({ "status": status, "error": why, "requestId": SERVICE }).to_string();
    let other = |status, headers, body: String| Other { status, headers, body };
    let idle = "Current state: idle";
    for (answer, found, help) in [
        (other(401, "", error(401, "no")), "HTTP status 401: `no`", "check CLICKHOUSE_CLOUD_API_KEY"),
        (other(403, "", error(403, "denied")), "HTTP status 403: `denied`", "manage-clickpipes"),
        (other(404, "", error(404, "none")), "HTTP status 404", "--clickhouse-organization"),
        (other(424, "", error(424, idle)), idle, "does not wake"),
        (other(429, "Retry-After: 17\r\n", error(429, "slow")), "HTTP status 429", "in 17 s"),
        (other(429, "X-RateLimit-Reset: 8\r\n", error(429, "slow")), "HTTP status 429", "in 8 s"),
        (other(500, "", error(500, "oops")), "HTTP status 500: `oops`", "later"),
        (other(503, "", "<html>".into()), "503 and an HTML page", "later"),
        (
            other(302, "Location: http://127.0.0.1:1/\r\n", String::new()),
            "302 and no content",
            "CLICKHOUSE_CLOUD_API_URL",
        ),
        (other(200, "", "<html>".into()), "200 and an HTML page", "CLICKHOUSE_CLOUD_API_URL"),
        (other(200, "", "{}".into()), "200 and JSON", "CLICKHOUSE_CLOUD_API_URL"),
        (other(200, "", r#"{"result":[1]}"#.into()), "another form", "--terraform-state"),
        (other(200, "", " ".repeat(33 << 20)), "longer than 32 MiB", "try again"),
        (other(403, "", error(403, &format!("{BASIC} {KEY}:{SECRET}"))), "[redacted]", "manage-clickpipes"),
        (other(403, "", error(403, &"x".repeat(9000))), "xxx", "manage-clickpipes"),
    ] {
        let cloud = Cloud::start(&[], Some(answer));
        let run = cloud.check(lab, &[], &["--log-level", "trace"]).json();
        assert_eq!((run.status, run.document["errors"].as_array().unwrap().len()), (2, 1), "{found}");
        let error = &run.document["errors"][0];
        assert_eq!(text(&error["field"]), "clickhouse_service");
        assert!(text(&error["found"]).contains(found), "{found}: {error:#}");
        assert!(text(&error["found"]).len() < 500, "{error:#}");
        assert!(text(&error["help"]).contains(help), "{found}: {error:#}");
    }
}

#[test]
fn no_output_contains_the_key() {
    let lab = shared();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let wrong = "0000WrongSecretWrongSecretWrongSecret";
    std::fs::write(&file, format!("{KEY}:{wrong}")).unwrap();
    let cloud = Cloud::start(&[], None);
    let key_file = ["--clickhouse-key-file", file.to_str().unwrap()];
    for (args, status) in [(&key_file[..], 2), (&[], 0)] {
        for format in ["text", "json"] {
            let args = [args, &["-o", format, "-v", "--log-level", "trace"]].concat();
            let output = cloud.check(lab, &[], &args).env("RUST_LOG", "trace").output();
            let shown =
                [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
            assert_eq!(output.status.code(), Some(status), "{shown}");
            // The stand-in repeats what it has received.
            assert_eq!(shown.contains("HTTP status 401"), status == 2, "{shown}");
            for secret in [KEY, SECRET, wrong, BASIC, &BASIC[..24]] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}

#[test]
fn the_stand_in_checks_requests_and_answers() {
    let specification = specification();
    let path = format!("/v1/organizations/{ORGANIZATION}/services/{SERVICE}/clickpipes");
    let (_, list) = operation(&specification, &path).unwrap();
    assert!(operation(&specification, "/v1/clickpipes").is_none());
    let pipe = pipe("p", "Running", shared().instance(ServerVersion::Postgres15), "cdc");
    for (key, wrong) in [
        ("state", json!("Fine")),
        ("host", json!("x")),
        ("source", json!({ "postgres": { "iam_role": "r" } })),
    ] {
        let mut pipe = pipe.clone();
        pipe[key] = wrong;
        let body = json!({ "status": 200, "requestId": SERVICE, "result": [pipe] });
        let result = std::panic::catch_unwind(|| assert_allowed(&specification, list, &body));
        assert!(result.is_err(), "{key}");
    }
}

/// `--static-ips` accepts the URL of the live list. The list is a stand-in in the documented format.
#[test]
fn the_live_list_is_read_from_its_url() {
    const LIST: &str = r#"{"aws": [{"region": "eu-central-1", "egress_ips": ["198.51.100.9"], "clickpipes_egress_ips": ["192.0.2.77"]}]}"#;
    let lab = shared();
    let name = lab.instance(ServerVersion::Postgres15).name.clone();
    let run = |url: &str, command: &str| {
        let args = [&*name, "--service-region", "eu-central-1", "--static-ips", url];
        let only = if command == "setup" { &["--only", "terraform"][..] } else { &[] };
        Run::check(lab, &[&args[..], only].concat()).command(command).output()
    };
    let url = |address: SocketAddr| format!("http://{address}/static-ips.json?key=hunter2");
    let output = run(&url(answers("200 OK", "application/json", LIST)), "setup");
    let screen = String::from_utf8(output.stdout).unwrap();
    assert!(screen.contains("192.0.2.77/32") && !screen.contains("198.51.100.9"), "{screen}");
    for (status, body, why) in [
        ("404 Not Found", "{}", "HTTP status 404"),
        ("302 Found", "", "HTTP status 302"),
        ("200 OK", "<html>", "JSON of another form"),
        ("200 OK", "{}", "no `clickpipes_egress_ips`"),
    ] {
        let server = answers(status, "application/json", body);
        for command in ["setup", "check"] {
            let output = run(&url(server), command);
            let shown =
                [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
            assert_eq!(output.status.code(), Some(2), "{shown}");
            assert!(
                shown.contains(why) && shown.contains("static_ips") && !shown.contains("hunter2"),
                "{shown}"
            );
        }
    }
    let output = run("http://198.51.100.1/static-ips.json", "check");
    assert_eq!(output.status.code(), Some(2), "plain HTTP leads beyond this host");
}

//! Second opinions: botocore on what a token is, the databases' own clients on whether ours works.

use std::process::Command;

use aws_credential_types::Credentials;
use lab::{Engine, Lab, Lane};
use pipeprobe::{
    target::{Endpoint, Host},
    token,
};

use crate::support::{Run, lanes, shared, skipped, text};

const USERS: [&str; 11] = [
    "clickpipes_iam_user",
    "a b",
    "jane+doe",
    "u&x=1",
    "pct%41",
    "hash#tag",
    "q?r",
    "semi;colon",
    "slash/é@x",
    "*~()!'",
    "東京",
];

/// Prints a token a line, for each user without and with a session token.
const BOTOCORE: &str = r#"
import sys, json, datetime, botocore.auth, botocore.session, botocore.credentials, botocore.signers, botocore.compat
case = json.load(sys.stdin)
fixed = datetime.datetime.fromtimestamp(case["at"], datetime.timezone.utc)
class Clock(datetime.datetime):
    @classmethod
    def utcnow(cls): return fixed.replace(tzinfo=None)
    @classmethod
    def now(cls, tz=None): return fixed.astimezone(tz) if tz else fixed.replace(tzinfo=None)
botocore.auth.datetime.datetime = Clock if hasattr(botocore.auth.datetime, "datetime") else None
for name in ("get_current_datetime",):
    for module in (botocore.compat, botocore.auth):
        if hasattr(module, name):
            setattr(module, name, lambda remove_tzinfo=True: fixed.replace(tzinfo=None) if remove_tzinfo else fixed)
tokens = []
for session_token in case["session_tokens"]:
    session = botocore.session.get_session()
    client = session.create_client("rds", region_name=case["region"], aws_access_key_id=case["key"],
        aws_secret_access_key=case["secret"], aws_session_token=session_token)
    for host, port in case["endpoints"]:
        for user in case["users"]:
            tokens.append(client.generate_db_auth_token(host, port, user))
json.dump(tokens, sys.stdout)
"#;

#[test]
fn tokens_equal_botocores_byte_for_byte() {
    let Some(python) = lab::oracle_python() else {
        skipped("the comparison with botocore: it could not be installed");
        return;
    };
    let name = format!("mydb.abc123.us-east-1.{}", "rds.amazonaws.com");
    let endpoints = [(name.clone(), 5432), (name.clone(), 443), (name.replace("mydb", "MyDB.Cluster"), 3306)];
    let session_tokens = [None, Some("FwoGZXIvYXdzEA+/abc+def==".repeat(40))];
    let at = 1_767_323_045;
    let case = serde_json::json!({
        "at": at, "region": "us-east-1", "key": "AKIDEXAMPLE", "secret": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "session_tokens": session_tokens, "endpoints": endpoints, "users": USERS,
    });
    let mut child = Command::new(python)
        .args(["-c", BOTOCORE])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &case).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let theirs: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    let mut ours = Vec::new();
    for session_token in &session_tokens {
        let secret = case["secret"].as_str().unwrap();
        let credentials = Credentials::new("AKIDEXAMPLE", secret, session_token.clone(), None, "test");
        for (host, port) in &endpoints {
            let endpoint = Endpoint { host: Host::parse("host", host).unwrap(), port: *port };
            for user in USERS {
                let now = jiff::Timestamp::from_second(at).unwrap();
                let region = "us-east-1".parse().unwrap();
                let token =
                    token::sign(&credentials, &endpoint, &region, &user.parse().unwrap(), now).unwrap();
                ours.push(token.text.reveal().to_owned());
            }
        }
    }
    assert_eq!(ours.len(), 2 * 3 * USERS.len());
    assert_eq!(theirs, ours);
}

/// What the database's own client says when it logs in with the token that `pipeprobe token` printed.
fn client(lab: &Lab, instance: &lab::Instance, token: &str) -> std::process::Output {
    let (ca, port) = (lab.ca_pem().display().to_string(), instance.port.to_string());
    let mut client = Command::new(instance.installed().program(instance.lane.engine().client()));
    if instance.lane.engine() == Engine::Postgres {
        let dsn = format!(
            "host={} hostaddr=127.0.0.1 port={port} dbname=app user=clickpipes_iam_user sslmode=verify-full sslrootcert={ca}",
            instance.host
        );
        return client
            .args([&dsn, "-XAtc", "SELECT current_user"])
            .env("PGPASSWORD", token)
            .output()
            .unwrap();
    }
    client.arg("--no-defaults").args(["-h127.0.0.1", &format!("-P{port}"), "-uclickpipes_iam_user"]);
    client.arg(format!("--ssl-ca={ca}")).args(["-BNe", "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)"]);
    if instance.lane.engine() == Engine::Mysql {
        client.args(["--ssl-mode=VERIFY_CA", "--enable-cleartext-plugin"]);
    }
    client.env("MYSQL_PWD", token).output().unwrap()
}

#[test]
fn the_databases_own_clients_log_in_with_our_token() {
    let lab = shared();
    for lane in lanes() {
        let instance = lab.instance(lane);
        let token = Run::check(lab, &[&instance.name]).command("token").output();
        let token = String::from_utf8(token.stdout).unwrap();
        let output = client(lab, instance, token.trim());
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.trim(), "clickpipes_iam_user", "{lane}: {}", String::from_utf8_lossy(&output.stderr));
        let output = client(lab, instance, &token.trim()[1..]);
        assert!(!output.status.success(), "{lane}: a token with its first letter cut off");
    }
}

/// The schema is the oracle of whoever reads the document.
#[test]
fn a_signed_token_is_printed_as_its_schema_says() {
    let answer = Run::check(shared(), &[Lane::Postgres15.name()]).command("token").json();
    assert_eq!(answer.status, 0);
    let schema = serde_json::from_str(pipeprobe::run::schema(pipeprobe::cli::Documented::Token)).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&answer.document).unwrap();
    assert!(text(&answer.document["token"]).contains("X-Amz-Signature"));
}

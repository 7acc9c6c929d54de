//! Independent checks: botocore compares tokens, and the databases' clients log in with them.

use std::{path::Path, process::Command};

use aws_credential_types::Credentials;
use lab::{Engine, Lab, ServerVersion};
use pipeprobe::{
    target::{Endpoint, Host},
    token,
};

use crate::support::{Run, server_versions, shared, skipped, text};

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

/// Prints one token per line, for each user without and with a session token.
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

/// Runs a script with this stdin and parses its JSON output.
fn ask_python<T: serde::de::DeserializeOwned>(python: &Path, script: &str, case: &serde_json::Value) -> T {
    let mut child = Command::new(python)
        .args(["-c", script])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), case).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn tokens_equal_botocore_byte_for_byte() {
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
    let theirs: Vec<String> = ask_python(&python, BOTOCORE, &case);
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

/// Output of the database's client after a login with the token from `pipeprobe token`.
fn client(lab: &Lab, instance: &lab::Instance, token: &str) -> std::process::Output {
    let (ca, port) = (lab.ca_pem().display().to_string(), instance.port.to_string());
    let mut client = Command::new(instance.installed().program(instance.server_version.engine().client()));
    if instance.server_version.engine() == Engine::Postgres {
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
    if instance.server_version.engine() == Engine::Mysql {
        client.args(["--ssl-mode=VERIFY_CA", "--enable-cleartext-plugin"]);
    }
    client.env("MYSQL_PWD", token).output().unwrap()
}

#[test]
fn database_clients_log_in_with_our_token() {
    let lab = shared();
    for server_version in server_versions() {
        let instance = lab.instance(server_version);
        let token = Run::check(lab, &[&instance.name]).command("token").output();
        let token = String::from_utf8(token.stdout).unwrap();
        let output = client(lab, instance, token.trim());
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            said.trim(),
            "clickpipes_iam_user",
            "{server_version}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let output = client(lab, instance, &token.trim()[1..]);
        assert!(!output.status.success(), "{server_version}: a token with its first letter cut off");
    }
}

/// The document must match its published schema.
#[test]
fn the_token_document_matches_its_schema() {
    let answer = Run::check(shared(), &[ServerVersion::Postgres15.name()]).command("token").json();
    assert_eq!(answer.status, 0);
    let schema = serde_json::from_str(&pipeprobe::run::schema(pipeprobe::cli::Documented::Token)).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&answer.document).unwrap();
    assert!(text(&answer.document["token"]).contains("X-Amz-Signature"));
}

/// Reads the records with botocore's models, with paging, and prints what it parsed.
const RECORDS: &str = r#"
import json, sys, botocore.session
case = json.load(sys.stdin)
session = botocore.session.get_session()
def client(name):
    return session.create_client(name, region_name="us-east-1", endpoint_url=case["endpoint"],
        aws_access_key_id=case["key"], aws_secret_access_key=case["secret"])
rds, iam = client("rds"), client("iam")
def pages(client, call, key, **more):
    return [item for page in client.get_paginator(call).paginate(**more) for item in page[key]]
role = case["role"]
attached = pages(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=role)
versions = [iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"] for policy in attached]
try:
    iam.get_role(RoleName="nobody")
except iam.exceptions.NoSuchEntityException as error:
    missing = error.response["Error"]["Message"]
json.dump({
    "instances": pages(rds, "describe_db_instances", "DBInstances"),
    "clusters": pages(rds, "describe_db_clusters", "DBClusters"),
    "proxies": pages(rds, "describe_db_proxies", "DBProxies"),
    "role": iam.get_role(RoleName=role)["Role"],
    "inline": [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in pages(iam, "list_role_policies", "PolicyNames", RoleName=role)],
    "attached": [iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
        for policy, version in zip(attached, versions)],
    "missing": missing,
}, sys.stdout, default=str)
"#;

#[test]
fn botocore_parses_the_records_of_the_aws_stand_in() {
    use lab_aws::{Aws, DbCluster, DbInstance, DbProxy, ManagedPolicy, Role, User, World};
    let Some(python) = lab::oracle_python() else {
        skipped("the reading of records by botocore: it could not be installed");
        return;
    };
    let basis = |id: &str| lab::connect_policy(&[id]);
    let managed = |n: usize| ManagedPolicy {
        arn: format!("arn:aws:iam::123456789012:policy/p{n}"),
        document: basis(&format!("db-MANAGED{n}")),
    };
    let instance = DbInstance {
        iam: false,
        iam_pending: Some(true),
        cluster: Some("orders".into()),
        ..DbInstance::new("db", "db-ONE", "db.abc.us-east-1.rds.amazonaws.com", 5432)
    };
    let cluster = DbCluster {
        identifier: "orders".into(),
        resource_id: "cluster-ONE".into(),
        engine: "aurora-postgresql".into(),
        endpoint: "orders.cluster-abc.us-east-1.rds.amazonaws.com".into(),
        reader_endpoint: "orders.cluster-ro-abc.us-east-1.rds.amazonaws.com".into(),
        custom_endpoints: vec!["some.cluster-custom-abc.us-east-1.rds.amazonaws.com".into()],
        port: 5432,
        region: "us-east-1".into(),
        account: "123456789012".into(),
        iam: true,
        iam_pending: Some(false),
        members: vec![("db".into(), "pending-reboot".into())],
    };
    let proxy = DbProxy {
        name: "pool".into(),
        resource_id: "prx-ONE".into(),
        endpoint: "pool.proxy-abc.us-east-1.rds.amazonaws.com".into(),
        region: "us-east-1".into(),
        account: "123456789012".into(),
        iam_auth: "REQUIRED".into(),
        default_auth_scheme: "IAM_AUTH".into(),
    };
    let role = Role {
        attached_policies: (0..3).map(|n| managed(n).arn).collect(),
        permissions_boundary: Some(managed(0).arn),
        ..Role::new("arn:aws:iam::123456789012:role/team/r", lab::trust_policy(&[lab::CALLER]))
    };
    let role = (0..3).fold(role, |role, n| role.with_policy(basis(&format!("db-INLINE{n}"))));
    let aws = Aws::start(World {
        users: vec![User {
            arn: "arn:aws:iam::123456789012:user/ops".into(),
            access_key_id: "AKIAOPERATOR".into(),
            secret_access_key: "secret".into(),
            identity_policies: vec![lab::allow_aws_diagnostics()],
        }],
        instances: (0..119).map(|n| DbInstance { identifier: format!("x{n}"), ..instance.clone() }).collect(),
        clusters: vec![cluster],
        proxies: vec![proxy],
        managed_policies: (0..3).map(managed).collect(),
        roles: vec![role.clone()],
        ..World::default()
    })
    .unwrap();
    let case = serde_json::json!({
        "endpoint": aws.endpoint(), "key": "AKIAOPERATOR", "secret": "secret", "role": "r",
    });
    let read: serde_json::Value = ask_python(&python, RECORDS, &case);

    assert_eq!(read["instances"].as_array().unwrap().len(), 119);
    for (pointer, expected) in [
        ("/instances/118/DBInstanceIdentifier", serde_json::json!("x118")),
        ("/instances/0/Endpoint/Address", "db.abc.us-east-1.rds.amazonaws.com".into()),
        ("/instances/0/Endpoint/Port", 5432.into()),
        ("/instances/0/IAMDatabaseAuthenticationEnabled", false.into()),
        ("/instances/0/PendingModifiedValues/IAMDatabaseAuthenticationEnabled", true.into()),
        ("/instances/0/DbiResourceId", "db-ONE".into()),
        ("/instances/0/DBClusterIdentifier", "orders".into()),
        ("/instances/0/CACertificateIdentifier", "rds-ca-rsa2048-g1".into()),
        ("/instances/0/BackupRetentionPeriod", 7.into()),
        ("/instances/0/DBParameterGroups/0/ParameterApplyStatus", "in-sync".into()),
        ("/clusters/0/DbClusterResourceId", "cluster-ONE".into()),
        ("/clusters/0/CustomEndpoints/0", "some.cluster-custom-abc.us-east-1.rds.amazonaws.com".into()),
        ("/clusters/0/PendingModifiedValues/IAMDatabaseAuthenticationEnabled", false.into()),
        ("/clusters/0/DBClusterMembers/0/DBClusterParameterGroupStatus", "pending-reboot".into()),
        ("/proxies/0/DBProxyArn", "arn:aws:rds:us-east-1:123456789012:db-proxy:prx-ONE".into()),
        ("/proxies/0/Auth/0/IAMAuth", "REQUIRED".into()),
        ("/proxies/0/DefaultAuthScheme", "IAM_AUTH".into()),
        ("/role/Path", "/team/".into()),
        ("/role/AssumeRolePolicyDocument", role.trust_policy.clone()),
        ("/role/PermissionsBoundary/PermissionsBoundaryArn", managed(0).arn.into()),
        ("/inline", role.identity_policies.clone().into()),
        ("/attached", (0..3).map(|n| managed(n).document).collect::<Vec<_>>().into()),
        ("/missing", "The role with name nobody cannot be found.".into()),
    ] {
        assert_eq!(read.pointer(pointer), Some(&expected), "{pointer}");
    }
}

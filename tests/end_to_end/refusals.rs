//! What a server must refuse, refused by the server itself. The tokens are made wrong here, on
//! purpose; the ladder they are sent up is the product's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_credential_types::Credentials;
use jiff::Timestamp;
use lab::{ACCESS_ROLE, Engine, Instance, Lab};
use pipeprobe::{
    connection::{self, ConnectError, ConnectionEvidence, Opening, Purpose, Stage},
    secret::{Redactor, Secret},
    target::{CaCertificate, Host, Target},
    token, trust,
};

use crate::support::{Run, server_versions, shared, text};

fn target(lab: &Lab, instance: &Instance) -> Target {
    use clap::Parser;
    use pipeprobe::{
        cli::{Cli, Command},
        config::Config,
    };
    let kind = match instance.server_version.engine() {
        Engine::Postgres => "rdspostgres",
        Engine::Mysql => "rdsmysql",
        Engine::MariaDb => "rdsmariadb",
    };
    let (port, address) = (instance.port.to_string(), instance.address().to_string());
    let args = [
        "pipeprobe",
        "check",
        "--type",
        kind,
        "--host",
        &instance.host,
        "--port",
        &port,
        "--connect-to",
        &address,
    ];
    let args = args.iter().chain(&["--iam-role", ACCESS_ROLE, "--database", "app"]);
    let Command::Check(check) = Cli::parse_from(args).command else { unreachable!("check was typed") };
    let mut target = Config::read(*check, &|_| None).unwrap().targets.remove(0);
    target.ca_certificate =
        Some(CaCertificate { pem: std::fs::read_to_string(lab.ca_pem()).unwrap().into() });
    target
}

fn credentials(lab: &Lab, life: Duration) -> Credentials {
    let issued = lab.aws().issue(ACCESS_ROLE, "test", &[], life);
    Credentials::new(issued.access_key_id, issued.secret_access_key, Some(issued.session_token), None, "lab")
}

/// Climbs and sends this very token.
fn log_in(target: &Target, token: &Secret) -> Result<(), ConnectError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let roots = Arc::new(trust::database_roots(target).unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut evidence = ConnectionEvidence::default();
        let (purpose, redactor) = (Purpose::Queries, Redactor::default());
        let pending = connection::connect_until_auth(
            target,
            Opening::Check(purpose),
            &roots,
            &redactor,
            deadline,
            &mut evidence,
        )
        .await?;
        pending.log_in(token, deadline, &mut evidence).await.map(drop)
    })
}

#[track_caller]
fn refused(instance: &Instance, result: Result<(), ConnectError>, why: &str) {
    let Err(ConnectError::Refused { stage: Stage::Login, refusal }) = result else {
        panic!("{}: {why}: wanted a refusal, found {result:?}", instance.server_version)
    };
    let code = if instance.server_version.engine() == Engine::Postgres { "28000" } else { "1045" };
    assert_eq!(refusal.code, code, "{}: {why}: {refusal}", instance.server_version);
}

#[test]
fn tokens_that_are_wrong_in_one_thing_are_refused_by_every_server() {
    let lab = shared();
    for server_version in server_versions() {
        let instance = lab.instance(server_version);
        let target = target(lab, instance);
        let good = credentials(lab, Duration::from_secs(900));
        let now = Timestamp::now();
        let sign = |change: &dyn Fn(&mut Target), at: Timestamp, with: &Credentials| {
            let mut target = target.clone();
            change(&mut target);
            token::sign(with, &target.sign, &target.region, &target.user, at).unwrap().text
        };
        let nothing = |_: &mut Target| {};

        log_in(&target, &sign(&nothing, now, &good))
            .unwrap_or_else(|e| panic!("{server_version}: the good token: {e:?}"));

        let good_text = sign(&nothing, now, &good).reveal().to_owned();
        let flipped = if good_text.ends_with('0') { '1' } else { '0' };
        let tampered = format!("{}{flipped}", &good_text[..good_text.len() - 1]);
        refused(instance, log_in(&target, &Secret::new(tampered)), "tampered");
        refused(instance, log_in(&target, &Secret::new(&good_text[..512])), "cut at 512 bytes");

        let old = now - Duration::from_secs(16 * 60);
        refused(instance, log_in(&target, &sign(&nothing, old, &good)), "expired");
        let other = Host::parse("host", "other.abc.us-east-1.rds.amazonaws.com").unwrap();
        let host = |t: &mut Target| t.sign.host = other.clone();
        refused(instance, log_in(&target, &sign(&host, now, &good)), "wrong host");
        refused(instance, log_in(&target, &sign(&|t| t.sign.port += 1, now, &good)), "wrong port");
        refused(
            instance,
            log_in(&target, &sign(&|t| t.user = "other".parse().unwrap(), now, &good)),
            "wrong user",
        );
        refused(
            instance,
            log_in(&target, &sign(&|t| t.region = "eu-west-1".parse().unwrap(), now, &good)),
            "wrong region",
        );
        let stranger = Credentials::new("ASIANOBODYKNOWSTHIS0", "secret", Some("token".into()), None, "test");
        refused(instance, log_in(&target, &sign(&nothing, now, &stranger)), "unknown key");
        let empty = log_in(&target, &Secret::new(""));
        assert!(
            matches!(empty, Err(ConnectError::Refused { stage: Stage::Login, .. })),
            "{server_version}: empty: {empty:?}"
        );
    }
}

#[test]
fn a_policy_for_another_database_is_refused_and_the_resource_named() {
    let lab = Lab::start(&server_versions()).unwrap();
    let role = "arn:aws:iam::123456789012:role/of-another-database";
    lab.aws().change(|world| world.roles.push(lab::access_role(role, &["db-OTHER"])));
    for server_version in server_versions() {
        let instance = lab.instance(server_version);
        let answer = Run::check(&lab, &["other"]).other(instance, role).json();
        let cause = if server_version.engine() == Engine::Postgres {
            "PG_TOKEN_REFUSED"
        } else {
            "MYSQL_TOKEN_REFUSED"
        };
        let row = answer.fails_at("AUTH_LOG_IN", cause);
        let resource = "arn:aws:rds-db:us-east-1:123456789012:dbuser:<db-…>/clickpipes_iam_user";
        assert!(text(&row["remedy"]).contains(resource), "{server_version}: {row:#}");
        let decisions = instance.decisions();
        let refusal = decisions.last().unwrap().refusal.as_ref().unwrap();
        assert_eq!(refusal.code(), "NotAuthorized", "{server_version}: it was the policy that refused");
    }
}

#[test]
fn a_user_without_iam_is_reported_as_that_and_never_sent_the_token() {
    let lab = Lab::start(&server_versions()).unwrap();
    for server_version in server_versions() {
        let instance = lab.instance(server_version);
        let create = match server_version.engine() {
            Engine::Postgres => "CREATE USER passworded PASSWORD 'p'",
            Engine::Mysql | Engine::MariaDb => "CREATE USER passworded IDENTIFIED BY 'p'",
        };
        instance.sql(create).unwrap();
        let answer = Run::check(&lab, &[&instance.name, "--user", "passworded"]).json();
        let row = answer.fails_at("AUTH_IAM_ASKED", "AUTH_NOT_IAM");
        let asks = match server_version.engine() {
            Engine::Postgres => "SCRAM-SHA-256",
            Engine::MariaDb => "mysql_native_password",
            Engine::Mysql => "caching_sha2_password",
        };
        assert!(text(&row["found"]).contains(asks), "{server_version}: {row:#}");
        assert!(instance.decisions().is_empty(), "{server_version}: the token was not sent");
    }
}

#[test]
fn a_user_that_does_not_exist_is_never_sent_the_token() {
    let lab = Lab::start(&server_versions()).unwrap();
    for server_version in server_versions() {
        let instance = lab.instance(server_version);
        let answer = Run::check(&lab, &[&instance.name, "--user", "nobody_here"]).json();
        assert_eq!(answer.status, 3);
        assert_eq!(
            answer.row("AUTH_IAM_ASKED")["outcome"],
            "fail",
            "{server_version}: {:#}",
            answer.report()
        );
        assert!(instance.decisions().is_empty(), "{server_version}: the token was not sent");
    }
}

#[test]
fn a_database_that_does_not_exist_is_named() {
    let lab = shared();
    for server_version in server_versions() {
        let instance = lab.instance(server_version);
        let answer = Run::check(lab, &[&instance.name, "--database", "nowhere"]).json();
        let (row, cause) = match server_version.engine() {
            Engine::Postgres => ("AUTH_LOG_IN", "PG_NO_DATABASE"),
            Engine::Mysql | Engine::MariaDb => ("AUTH_LOG_IN", "MYSQL_NO_DATABASE"),
        };
        let found = answer.fails_at(row, cause);
        assert!(text(&found["found"]).contains("nowhere"), "{server_version}: {found:#}");
    }
}

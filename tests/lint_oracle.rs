//! Compares lint with the lab's AWS stand-in on random policies. The stand-in's policy evaluator
//! shares no code with the product. A "yes" must be accepted and a "no" refused; an "unknown" is not compared. If the
//! stand-in rejects a document, the answer must be "no".

#![expect(clippy::disallowed_methods, reason = "tests are entry points, like main.rs")]

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    time::Duration,
};

use clap::Parser;
use lab_aws::{Aws, Database, Role, World, connect_policy, may_assume, trust_policy};
use pipeprobe::{
    cli::{Cli, Command as Typed},
    config::LintConfig,
    lint::{self, AnswerKind, Source},
};
use serde_json::{Value, json};

const SERVICE: &str = "arn:aws:iam::999988887777:role/ch/CH-service-role";
const ACCESS: &str = "arn:aws:iam::123456789012:role/clickpipes-rds-access";
const HOST: &str = "orders.abc123.eu-west-1.rds.amazonaws.com";
const ID: &str = "db-ABCDEFGHIJKL01234";
const USER: &str = "clickpipes_iam_user";
const TAG: &str = "team=data";

/// A seeded generator, so that every run has the same documents.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

fn conditions(dice: &mut Dice) -> Value {
    let one = dice
        .pick(&[
            ("StringEquals", "sts:ExternalId", json!("abc-1")),
            ("StringNotEquals", "sts:ExternalId", json!("abc-1")),
            ("StringEqualsIfExists", "sts:ExternalId", json!("abc-1")),
            ("StringEquals", "aws:RequestTag/team", json!("data")),
            ("StringEquals", "aws:RequestTag/Team", json!(["web", "ops"])),
            ("StringLike", "aws:RequestTag/stage", json!("*")),
            ("StringEquals", "aws:PrincipalTag/team", json!("data")),
            ("StringNotLike", "aws:PrincipalTag/team", json!("d*")),
            ("ForAllValues:StringEquals", "aws:TagKeys", json!(["team", "stage"])),
            ("ForAnyValue:StringLike", "aws:TagKeys", json!("st*")),
            ("ForAllValues:StringNotEquals", "aws:TagKeys", json!(["team"])),
            ("Null", "aws:TagKeys", json!("true")),
            ("Null", "aws:TagKeys", json!(false)),
            ("Null", "sts:SourceIdentity", json!(["true", "false"])),
            ("ArnLike", "aws:PrincipalArn", json!("arn:aws:iam::999988887777:role/*")),
            ("ArnNotEquals", "aws:PrincipalArn", json!(SERVICE)),
            ("ArnEquals", "AWS:principalarn", json!(ACCESS)),
            ("StringEquals", "aws:PrincipalAccount", json!("999988887777")),
            ("StringEquals", "aws:ResourceAccount", json!("123456789012")),
            ("StringEquals", "aws:PrincipalType", json!("AssumedRole")),
            ("StringEquals", "aws:username", json!("x")),
            ("Bool", "aws:MultiFactorAuthPresent", json!(true)),
            ("BoolIfExists", "aws:MultiFactorAuthPresent", json!("false")),
            ("Bool", "aws:SecureTransport", json!("true")),
            ("StringEquals", "aws:SourceVpc", json!("vpc-0abc")),
            ("IpAddress", "aws:SourceIp", json!("10.0.0.0/8")),
            ("NotIpAddress", "aws:SourceIp", json!(["10.0.0.0/8", "192.168.0.0/16"])),
            ("NumericLessThan", "aws:MultiFactorAuthAge", json!(3600)),
            ("DateGreaterThan", "aws:CurrentTime", json!("2020-01-01T00:00:00Z")),
            ("StringEquals", "aws:PrincipalTag/team", json!("${aws:RequestTag/team}")),
        ])
        .clone();
    json!({ one.0: { one.1: one.2 } })
}

fn one_or_many(dice: &mut Dice, from: &[&str]) -> Value {
    match dice.below(3) {
        0 => json!(dice.pick(from)),
        _ => json!([dice.pick(from), dice.pick(from)]),
    }
}

fn version(dice: &mut Dice) -> &'static str {
    if dice.one_in(4) { "2008-10-17" } else { "2012-10-17" }
}

fn trust(dice: &mut Dice) -> Value {
    let statement = |dice: &mut Dice| {
        let actions = [
            "sts:AssumeRole",
            "sts:TagSession",
            "sts:*",
            "STS:assumerole",
            "sts:Tag*",
            "sts:Assume????",
            "*",
        ];
        let principals = [
            SERVICE,
            SERVICE,
            "arn:aws:iam::999988887777:root",
            "999988887777",
            "*",
            "arn:aws:iam::999988887777:role/CH-service-role",
            "arn:aws-cn:iam::999988887777:root",
            "arn:aws:sts::999988887777:assumed-role/CH-service-role/other",
            "arn:aws:iam::111122223333:role/x",
            "arn:aws:iam::999988887777:role/*",
            "arn:aws:iam::999988887777:role",
            "AROAEXAMPLEID12345678",
        ];
        let mut written = json!({ "Effect": if dice.one_in(5) { "Deny" } else { "Allow" } });
        let who = match dice.below(8) {
            0 => json!("*"),
            1 => json!({ "Service": "rds.amazonaws.com" }),
            _ => json!({ "AWS": one_or_many(dice, &principals) }),
        };
        let key = if dice.one_in(12) { "NotPrincipal" } else { "Principal" };
        written[key] = if key == "NotPrincipal" { json!({ "AWS": dice.pick(&principals) }) } else { who };
        let key = if dice.one_in(12) { "NotAction" } else { "Action" };
        written[key] = match dice.below(2) {
            0 => json!(["sts:AssumeRole", "sts:TagSession"]),
            _ => one_or_many(dice, &actions),
        };
        if dice.one_in(2) {
            written["Condition"] = conditions(dice);
        }
        written
    };
    let statements: Vec<Value> = (0..=dice.below(3)).map(|_| statement(dice)).collect();
    json!({ "Version": version(dice), "Statement": statements })
}

fn permission(dice: &mut Dice) -> Value {
    let statement = |dice: &mut Dice| {
        let right = format!("arn:aws:rds-db:eu-west-1:123456789012:dbuser:{ID}/{USER}");
        let slips = [
            ("", ""),
            ("", ""),
            ("eu-west-1", "*"),
            ("eu-west-1", "eu-west-2"),
            ("123456789012", "*"),
            ("123456789012", "210987654321"),
            ("db-ABC", "db-XYZ"),
            ("db-ABCDEFGHIJKL01234", "*"),
            ("db-ABCDEFGHIJKL01234", "cluster-ABCDEFGHIJKL01234"),
            ("rds-db", "rds"),
            ("dbuser", "db"),
            (USER, "*"),
            (USER, "clickpipes_???_user"),
            (USER, "Clickpipes_iam_user"),
            (USER, "${aws:username}"),
            (USER, "${aws:PrincipalTag/user, 'clickpipes_iam_user'}"),
            ("dbuser:db-ABCDEFGHIJKL01234/clickpipes_iam_user", "*"),
        ];
        let resource = |dice: &mut Dice| match dice.below(10) {
            0 => "*".to_owned(),
            _ => {
                let (from, to) = dice.pick(&slips);
                right.replacen(from, to, 1)
            }
        };
        let actions = [
            "rds-db:connect",
            "rds-db:connect",
            "rds-db:*",
            "RDS-DB:Connect",
            "rds:connect",
            "*",
            "s3:GetObject",
        ];
        let mut written = json!({ "Effect": if dice.one_in(5) { "Deny" } else { "Allow" } });
        let key = if dice.one_in(12) { "NotResource" } else { "Resource" };
        written[key] = json!([resource(dice), resource(dice)]);
        let key = if dice.one_in(12) { "NotAction" } else { "Action" };
        written[key] = one_or_many(dice, &actions);
        if dice.one_in(3) {
            written["Condition"] = conditions(dice);
        }
        written
    };
    let statements: Vec<Value> = (0..=dice.below(3)).map(|_| statement(dice)).collect();
    json!({ "Version": version(dice), "Statement": statements })
}

/// The answers of lint.
fn judge(documents: &[&Value]) -> [AnswerKind; 2] {
    let args = [
        "pipeprobe",
        "lint",
        "-",
        "--service-role",
        SERVICE,
        "--iam-role",
        ACCESS,
        "--host",
        HOST,
        "--type",
        "rdspostgres",
        "--resource-id",
        ID,
        "--session-tag",
        TAG,
    ];
    let Typed::Lint(args) = Cli::parse_from(args).command else { unreachable!() };
    let subject = LintConfig::read(*args, &|_| None).unwrap().subject;
    let source = |(i, d): (usize, &&Value)| Source {
        file: i.to_string(),
        text: serde_json::to_string_pretty(d).unwrap(),
    };
    let sources: Vec<Source> = documents.iter().enumerate().map(source).collect();
    let answers = lint::lint(&sources, &subject).answers;
    [answers[0].answer, answers[1].answer]
}

/// The answers of the lab's AWS; `None` if it rejects a document.
fn ask(trust: &Value, permission: &Value, socket: &Path) -> Option<[bool; 2]> {
    let roles = vec![
        Role::new(SERVICE, trust_policy(SERVICE)).with_policy(may_assume(ACCESS)),
        Role::new(ACCESS, trust.clone()).with_policy(permission.clone()),
    ];
    let aws = Aws::start(World { roles, ..World::default() }).ok()?;
    let database = Database {
        host: HOST.into(),
        port: 5432,
        region: "eu-west-1".into(),
        account: "123456789012".into(),
        resource_id: ID.into(),
    };
    let _verifier = aws.verify_on(socket, database).unwrap();
    let keys = aws.issue(SERVICE, "pod", &[], Duration::from_secs(3600));
    let signed = Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
        .args(["token", "--type", "rdspostgres", "--host", HOST, "--iam-role", ACCESS, "--session-tag", TAG])
        .env_clear()
        .env("AWS_ENDPOINT_URL_STS", aws.endpoint())
        .env("AWS_ACCESS_KEY_ID", keys.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key)
        .env("AWS_SESSION_TOKEN", keys.session_token)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    if !signed.status.success() {
        let said = String::from_utf8_lossy(&signed.stderr).into_owned();
        assert!(said.contains("STS_"), "{said}");
        return Some([false, false]);
    }
    let token = String::from_utf8(signed.stdout).unwrap().trim().to_owned();
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(
        stream,
        "POST /verify HTTP/1.1\r\nhost: lab\r\nx-user: {USER}\r\nx-tls: yes\r\ncontent-length: {}\r\n\r\n{token}",
        token.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    Some([true, answer.starts_with("HTTP/1.1 200")])
}

#[test]
fn the_aws_stand_in_agrees_with_every_yes_and_no() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("verifier");
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(120);
    let mut dice = Dice(20_261_124);
    let (good_trust, good_permission) =
        (trust_policy(SERVICE), connect_policy("eu-west-1", "123456789012", ID));
    let mut counts = [0_usize; 4]; // yes, no, unknown, rejected by the lab
    let mut disagreements = Vec::new();
    for round in 0..rounds {
        let first = round % 2 == 0;
        let (trust, permission) = match first {
            true => (trust(&mut dice), good_permission.clone()),
            false => (good_trust.clone(), permission(&mut dice)),
        };
        let which = usize::from(!first);
        let said = judge(&[&trust, &permission])[which];
        let Some(auth_request) = ask(&trust, &permission, &socket) else {
            counts[3] += 1;
            if said != AnswerKind::No {
                disagreements.push(format!("lint: {said:?}, the lab rejects the document: {trust:#}"));
            }
            continue;
        };
        let agrees = match said {
            AnswerKind::Yes => auth_request[which],
            AnswerKind::No => !auth_request[which],
            AnswerKind::Unknown => true,
            AnswerKind::NotChecked => false,
        };
        counts[said as usize] += 1;
        if !agrees {
            let document = if first { &trust } else { &permission };
            disagreements.push(format!("lint: {said:?}, lab: {}: {document:#}", auth_request[which]));
        }
    }
    eprintln!("yes, no, unknown, refused by the lab: {counts:?}");
    assert!(disagreements.is_empty(), "{} of {rounds}:\n{}", disagreements.len(), disagreements.join("\n"));
    assert!(counts[0] > rounds / 10 && counts[1] > rounds / 10 && counts[3] > 0, "{counts:?}");
}

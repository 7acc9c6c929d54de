use serde_json::json;

use super::Verdict::{Allow, AllowAccount, ExplicitDeny, ImplicitDeny};
use super::*;
use crate::guide;

const ROLE: &str = "arn:aws:iam::111111111111:role/path/clickhouse";
const SESSION: &str = "arn:aws:sts::111111111111:assumed-role/clickhouse/pod";

fn session() -> Principal {
    Principal {
        arn: SESSION.into(),
        issuer: ROLE.into(),
        partition: "aws".into(),
        account: "111111111111".into(),
    }
}

fn context() -> Context {
    let mut context = Context::default();
    context.set("aws:RequestTag/Service", "clickpipes");
    context.set("aws:PrincipalTag/Team", "db-A");
    context.add("aws:TagKeys", "Service");
    context.add("aws:TagKeys", "Stage");
    context.set("aws:SourceIp", "127.0.0.1");
    context
}

fn ask(document: &Value, kind: Kind, action: &str, resource: &str) -> Verdict {
    check(document, kind).expect("a document IAM would take");
    let (principal, context) = (session(), context());
    let request =
        Request { action, resource, principal: &principal, context: &context, ignored: &["aws:SourceIp"] };
    evaluate([document], kind, request)
}

fn trust(statement: Value) -> Verdict {
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
    ask(&document, Kind::Trust, "sts:AssumeRole", "arn:aws:iam::222222222222:role/access")
}

#[test]
fn the_guides_documents() {
    let trusting = guide::trust_policy(ROLE);
    for (action, expected) in
        [("sts:AssumeRole", Allow), ("sts:TagSession", Allow), ("sts:SetSourceIdentity", ImplicitDeny)]
    {
        assert_eq!(ask(&trusting, Kind::Trust, action, "any"), expected, "{action}");
    }
    let connect = guide::connect_policy("us-east-1", "222222222222", "db-A");
    for (resource, expected) in [
        ("arn:aws:rds-db:us-east-1:222222222222:dbuser:db-A/clickpipes_iam_user", Allow),
        ("arn:aws:rds-db:us-east-1:222222222222:dbuser:db-A/other", ImplicitDeny),
        ("arn:aws:rds-db:us-east-1:222222222222:dbuser:db-a/clickpipes_iam_user", ImplicitDeny),
        ("arn:aws:rds-db:us-east-2:222222222222:dbuser:db-A/clickpipes_iam_user", ImplicitDeny),
    ] {
        assert_eq!(ask(&connect, Kind::Identity, "rds-db:connect", resource), expected, "{resource}");
    }
}

#[test]
fn principals() {
    for (principal, expected) in [
        (json!("*"), Allow),
        (json!({ "AWS": "*" }), Allow),
        (json!({ "AWS": ROLE }), Allow),
        (json!({ "AWS": SESSION }), Allow),
        (json!({ "AWS": ["arn:aws:iam::333333333333:role/x", ROLE] }), Allow),
        (json!({ "AWS": "111111111111" }), AllowAccount),
        (json!({ "AWS": "arn:aws:iam::111111111111:root" }), AllowAccount),
        (json!({ "AWS": ["arn:aws:iam::111111111111:root", ROLE] }), Allow),
        (json!({ "AWS": "arn:aws:iam::333333333333:root" }), ImplicitDeny),
        (json!({ "AWS": "arn:aws-cn:iam::111111111111:root" }), ImplicitDeny),
        (json!({ "AWS": "arn:aws:iam::111111111111:role/clickhouse" }), ImplicitDeny), // the path belongs to it
        (json!({ "AWS": "arn:aws:iam::111111111111:role/*" }), ImplicitDeny),          // no wildcards inside
        (json!({ "Service": "ec2.amazonaws.com" }), ImplicitDeny),
        (json!({ "Service": "ec2.amazonaws.com", "AWS": ROLE }), Allow),
    ] {
        let said = trust(json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" }));
        assert_eq!(said, expected, "{principal}");
    }
    let all_but =
        |who: &str| trust(json!({ "Effect": "Deny", "NotPrincipal": { "AWS": who }, "Action": "sts:*" }));
    assert_eq!(all_but(ROLE), ImplicitDeny);
    assert_eq!(all_but("arn:aws:iam::333333333333:role/x"), ExplicitDeny);
}

#[test]
fn one_invalid_principal_rejects_the_document() {
    for (name, valid) in [
        ("*", true),
        (ROLE, true),
        (SESSION, true),
        ("111111111111", true),
        ("AROAEXAMPLEID12345678", true),
        ("arn:aws:iam::111111111111:root", true),
        ("arn:aws:sts::111111111111:federated-user/x", true),
        ("clickhouse", false),
        ("11111111111", false),
        ("arn:aws:iam::111111111111:role/*", false),
        ("arn:aws:iam::111111111111:role", false),
        ("arn:aws:iam::111111111111:group/x", false),
        ("arn:aws:iam::*:root", false),
        ("arn:aws::iam::111111111111:root", false),
        ("arn:aws:sts::111111111111:assumed-role/clickhouse", false),
        ("arn:aws-cn:iam::111111111111:root", false),
    ] {
        for key in ["Principal", "NotPrincipal"] {
            let document = json!({ "Version": "2012-10-17", "Statement": [
                { "Effect": "Deny", key: { "AWS": [ROLE, name] }, "Action": "sts:*" },
            ] });
            assert_eq!(check_principals(&document, "aws").is_ok(), valid, "{key} {name}");
        }
    }
}

#[test]
fn actions_and_resources() {
    let statement = |extra: Value| {
        let mut statement = json!({ "Effect": "Allow" });
        for (key, value) in extra.as_object().expect("an object") {
            statement[key] = value.clone();
        }
        let document = json!({ "Version": "2012-10-17", "Statement": statement });
        ask(&document, Kind::Identity, "rds-db:connect", "arn:aws:rds-db:us-east-1:1:dbuser:db-A/u")
    };
    for (extra, expected) in [
        (json!({ "Action": "rds-db:connect", "Resource": "*" }), Allow),
        (json!({ "Action": "RDS-DB:Connect", "Resource": "*" }), Allow),
        (json!({ "Action": "rds-db:*", "Resource": "*" }), Allow),
        (json!({ "Action": "rds:connect", "Resource": "*" }), ImplicitDeny),
        (json!({ "NotAction": "rds:*", "Resource": "*" }), Allow),
        (json!({ "NotAction": ["sts:*", "rds-db:*"], "Resource": "*" }), ImplicitDeny),
        (json!({ "Action": "*", "Resource": "arn:aws:rds-db:*:*:dbuser:*/*" }), Allow),
        (json!({ "Action": "*", "Resource": "arn:aws:rds-db:us-east-1:1:dbuser:db-?/u" }), Allow),
        (json!({ "Action": "*", "Resource": "arn:aws:rds:us-east-1:1:db:*" }), ImplicitDeny),
        (json!({ "Action": "*", "NotResource": "arn:aws:rds-db:us-east-1:1:dbuser:db-B/*" }), Allow),
        (json!({ "Action": "*", "NotResource": "arn:aws:rds-db:us-east-1:1:dbuser:db-A/*" }), ImplicitDeny),
        (
            json!({ "Action": "*", "Resource": "arn:aws:rds-db:us-east-1:1:dbuser:${aws:PrincipalTag/Team}/u" }),
            Allow,
        ),
    ] {
        assert_eq!(statement(extra.clone()), expected, "{extra}");
    }
}

#[test]
fn an_explicit_deny_wins_wherever_it_stands() {
    let allow = json!({ "Version": "2012-10-17",
        "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
    let deny = json!({ "Version": "2012-10-17",
        "Statement": { "Effect": "Deny", "Action": "rds-db:*", "Resource": "*" } });
    let (principal, context) = (session(), context());
    let request = Request {
        action: "rds-db:connect",
        resource: "r",
        principal: &principal,
        context: &context,
        ignored: &[],
    };
    assert_eq!(evaluate([&allow, &deny], Kind::Identity, request), ExplicitDeny);
    assert_eq!(evaluate([&deny, &allow], Kind::Identity, request), ExplicitDeny);
    assert_eq!(evaluate([&allow], Kind::Identity, request), Allow);
    assert_eq!(evaluate([], Kind::Identity, request), ImplicitDeny);
}

#[test]
fn conditions() {
    for (condition, expected) in [
        (json!({ "StringEquals": { "aws:RequestTag/Service": "clickpipes" } }), Allow),
        (json!({ "StringEquals": { "AWS:requesttag/service": "clickpipes" } }), Allow),
        (json!({ "StringEquals": { "aws:RequestTag/Service": "other" } }), ImplicitDeny),
        (json!({ "StringEquals": { "sts:ExternalId": "x" } }), ImplicitDeny),
        (json!({ "ForAllValues:StringEquals": { "aws:TagKeys": ["Service", "Stage"] } }), Allow),
        (json!({ "ForAllValues:StringEquals": { "aws:TagKeys": "Service" } }), ImplicitDeny),
        (json!({ "Null": { "sts:SourceIdentity": true } }), Allow),
        (json!({ "Null": { "aws:TagKeys": "true" } }), ImplicitDeny),
        // All operators and all keys have to hold.
        (
            json!({ "StringEquals": { "aws:RequestTag/Service": "clickpipes", "aws:PrincipalTag/Team": "db-A" } }),
            Allow,
        ),
        (
            json!({ "StringEquals": { "aws:RequestTag/Service": "clickpipes" }, "Null": { "aws:TagKeys": "true" } }),
            ImplicitDeny,
        ),
        // The service does not look at it.
        (json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } }), Allow),
    ] {
        let said = trust(json!({ "Effect": "Allow", "Principal": { "AWS": ROLE },
            "Action": "sts:AssumeRole", "Condition": condition }));
        assert_eq!(said, expected, "{condition}");
    }
}

#[test]
fn variables_belong_to_the_language_of_2012() {
    let document = |version: &str| {
        json!({ "Version": version,
            "Statement": { "Effect": "Allow", "Action": "*", "Resource": "${aws:PrincipalTag/Team}" } })
    };
    assert_eq!(ask(&document("2012-10-17"), Kind::Identity, "a:b", "db-A"), Allow);
    assert_eq!(ask(&document("2008-10-17"), Kind::Identity, "a:b", "db-A"), ImplicitDeny);
}

#[test]
fn documents_iam_would_not_save() {
    let with = |statement: Value| json!({ "Version": "2012-10-17", "Statement": statement });
    for (kind, document) in [
        (Kind::Identity, json!(null)),
        (Kind::Identity, json!({})),
        (Kind::Identity, json!({ "Version": "2013-01-01", "Statement": [] })),
        (Kind::Identity, with(json!({ "Effect": "allow", "Action": "*", "Resource": "*" }))),
        (Kind::Identity, with(json!({ "Effect": "Allow", "Action": "*" }))),
        (Kind::Identity, with(json!({ "Effect": "Allow", "Resource": "*" }))),
        (
            Kind::Identity,
            with(json!({ "Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*" })),
        ),
        (Kind::Identity, with(json!({ "Effect": "Allow", "Actions": "*", "Resource": "*" }))),
        (
            Kind::Identity,
            with(json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*" })),
        ),
        (Kind::Trust, with(json!({ "Effect": "Allow", "Action": "*" }))),
        (Kind::Trust, with(json!({ "Effect": "Allow", "Action": "*", "Principal": "*", "Resource": "*" }))),
        (Kind::Trust, with(json!({ "Effect": "Allow", "Action": "*", "Principal": ROLE }))),
        (
            Kind::Trust,
            with(
                json!({ "Effect": "Allow", "Action": "*", "Principal": "*", "Condition": { "Like": { "a": "b" } } }),
            ),
        ),
    ] {
        check(&document, kind).expect_err(&document.to_string());
        let (principal, context) = (session(), context());
        let request =
            Request { action: "a:b", resource: "r", principal: &principal, context: &context, ignored: &[] };
        assert_eq!(evaluate([&document], kind, request), ExplicitDeny, "{document}");
    }
}

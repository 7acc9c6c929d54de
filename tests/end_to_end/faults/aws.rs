use std::{cell::RefCell, rc::Rc, time::Duration};

use lab::{ACCESS_ROLE, CALLER, Lab, SERVICE_ROLE};
use lab_aws::World;
use serde_json::{Value, json};

use super::{Fault, fault};

/// The access role's trust policy is made of these statements.
fn trust(world: &mut World, statements: &Value) {
    let role = world.roles.iter_mut().find(|role| role.arn == ACCESS_ROLE).unwrap();
    role.trust_policy = json!({ "Version": "2012-10-17", "Statement": statements });
}

fn allow(actions: &[&str], principal: &str, condition: &Value) -> Value {
    let mut statement = json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": actions });
    if !condition.is_null() {
        statement["Condition"] = condition.clone();
    }
    statement
}

const BOTH: &[&str] = &["sts:AssumeRole", "sts:TagSession"];

/// Source credentials that are a session's.
fn session(lab: &Lab, life: Duration) -> [(&'static str, String); 3] {
    let issued = lab.aws().issue(SERVICE_ROLE, "pod", &[], life);
    [
        ("AWS_ACCESS_KEY_ID", issued.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", issued.secret_access_key),
        ("AWS_SESSION_TOKEN", issued.session_token),
    ]
}

pub(super) fn faults() -> Vec<Fault> {
    let source = |name, cause, to_do| fault(name, "AWS_CREDENTIALS", cause, to_do);
    let role = |name, cause, to_do| fault(name, "STS_ACCESS_ROLE", cause, to_do);
    let mut faults = vec![
        source("no source has credentials", "AWS_NO_CREDENTIALS", "AWS_PROFILE=<name>")
            .env("AWS_ACCESS_KEY_ID", "")
            .env("AWS_SECRET_ACCESS_KEY", ""),
        source("a profile that is in no file", "AWS_PROFILE_UNKNOWN", "aws configure --profile")
            .env("AWS_ACCESS_KEY_ID", "")
            .env("AWS_SECRET_ACCESS_KEY", "")
            .args(&["--profile", "nobody"]),
        source("an access key without its secret", "AWS_NO_CREDENTIALS", "AWS_SECRET_ACCESS_KEY")
            .env("AWS_SECRET_ACCESS_KEY", ""),
        source("a web identity token that is in no file", "AWS_PROVIDER_FAILED", "what the message names")
            .env("AWS_ACCESS_KEY_ID", "")
            .env("AWS_SECRET_ACCESS_KEY", "")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/does/not/exist")
            .env("AWS_ROLE_ARN", ACCESS_ROLE),
        role("an access key nobody knows", "STS_CREDENTIALS_UNKNOWN", "check that the access key exists")
            .env("AWS_ACCESS_KEY_ID", "AKIANOBODYKNOWSTHIS0"),
        role("another key's secret", "STS_SECRET_KEY_WRONG", "does not belong to this access key id")
            .env("AWS_SECRET_ACCESS_KEY", "wrong"),
        role("the role trusts somebody else", "STS_ASSUME_ROLE_DENIED", CALLER).world(|world| {
            trust(world, &json!([allow(BOTH, "arn:aws:iam::999988887777:role/another", &Value::Null)]));
        }),
        role("the role does not exist", "STS_ASSUME_ROLE_DENIED", "aws iam get-role --role-name")
            .world(|world| world.roles.retain(|role| role.arn != ACCESS_ROLE)),
        role(
            "the name of the role is misspelt",
            "STS_ASSUME_ROLE_DENIED",
            "--role-name clickpipes-rds-acces",
        )
        .args(&["--iam-role", "arn:aws:iam::123456789012:role/clickpipes-rds-acces"]),
        role("the role is of another account", "STS_ASSUME_ROLE_DENIED", "in its own identity policy")
            .args(&["--iam-role", "arn:aws:iam::111111111111:role/clickpipes-rds-access"]),
        role(
            "sts:TagSession is missing in the trust policy",
            "STS_TAG_SESSION_DENIED",
            r#""sts:TagSession"]"#,
        )
        .world(|world| trust(world, &json!([allow(&["sts:AssumeRole"], CALLER, &Value::Null)]))),
        role("sts:TagSession is allowed to somebody else", "STS_TAG_SESSION_DENIED", r#""sts:TagSession"]"#)
            .world(|world| {
                let statements = json!([
                    allow(&["sts:AssumeRole"], CALLER, &Value::Null),
                    allow(&["sts:TagSession"], SERVICE_ROLE, &Value::Null),
                ]);
                trust(world, &statements);
            }),
        role("only some tags may be passed", "STS_TAG_SESSION_DENIED", r#""sts:TagSession"]"#).world(
            |world| {
                let condition = json!({ "StringEquals": { "aws:RequestTag/team": "data" } });
                let statements = json!([
                    allow(&["sts:AssumeRole"], CALLER, &Value::Null),
                    allow(&["sts:TagSession"], CALLER, &condition),
                ]);
                trust(world, &statements);
            },
        ),
        role("an external id is wanted and none is passed", "STS_ASSUME_ROLE_DENIED", "set `external_id`")
            .world(|world| {
                let condition = json!({ "StringEquals": { "sts:ExternalId": "pipe-42" } });
                trust(world, &json!([allow(BOTH, CALLER, &condition)]));
            }),
        role("another external id is passed", "STS_ASSUME_ROLE_DENIED", "equal to `external_id`")
            .world(|world| {
                let condition = json!({ "StringEquals": { "sts:ExternalId": "pipe-42" } });
                trust(world, &json!([allow(BOTH, CALLER, &condition)]));
            })
            .args(&["--external-id", "pipe-43"]),
        role("the trust policy denies the caller", "STS_ASSUME_ROLE_DENIED", "in the trust policy of").world(
            |world| {
                let mut deny = allow(&["sts:AssumeRole"], CALLER, &Value::Null);
                deny["Effect"] = "Deny".into();
                trust(world, &json!([allow(BOTH, CALLER, &Value::Null), deny]));
            },
        ),
        role("the caller's own policy denies it", "STS_CALLER_NOT_ALLOWED", "out of the Deny").world(
            |world| {
                let deny = json!({ "Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*" });
                world.users[0]
                    .identity_policies
                    .push(json!({ "Version": "2012-10-17", "Statement": [deny] }));
            },
        ),
        role(
            "the caller's own policy does not allow it",
            "STS_ASSUME_ROLE_DENIED", // of another account, so AWS names no policy
            "in its own identity policy",
        )
        .world(|world| world.users[0].identity_policies.clear()),
        role("the role before it refuses", "STS_ASSUME_ROLE_DENIED", "CH-S3-lab-service-role")
            .world(|world| world.roles.retain(|role| role.arn != SERVICE_ROLE))
            .args(&["--via-role", SERVICE_ROLE]),
        role("a longer session than the role allows", "STS_DURATION_REFUSED", "lower `duration`")
            .args(&["--duration", "2h"]),
        role("STS is off in the Region", "STS_REGION_DISABLED", "activate STS in us-east-1")
            .world(|world| world.disabled_sts_regions.push("us-east-1".into())),
        role("STS is not there", "STS_UNREACHABLE", "AWS_ENDPOINT_URL_STS")
            .env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9"),
        role("the name of STS has no address", "STS_UNREACHABLE", "AWS_ENDPOINT_URL_STS")
            .env("AWS_ENDPOINT_URL_STS", "https://sts.invalid"),
    ];
    let many: Vec<String> = (0..45).map(|i| format!("tag{i:02}={}", "x".repeat(200))).collect();
    let many: &'static str = many.join(",").leak();
    faults.push(
        role("more tags than fit", "STS_TAGS_TOO_LARGE", "fewer or shorter session_tags")
            .args(&["--session-tag", many]),
    );
    for (name, fault, cause, to_do) in [
        ("STS throttles", lab_aws::Fault::Throttle, "STS_THROTTLED", "again in a minute"),
        (
            "STS answers with half an answer",
            lab_aws::Fault::Malformed,
            "STS_OTHER_ANSWER",
            "AWS_ENDPOINT_URL_STS",
        ),
        ("STS never answers", lab_aws::Fault::Hang, "STS_UNREACHABLE", "port 443"),
    ] {
        let made = role(name, cause, to_do).lab(move |lab, _| {
            lab.aws().set_fault(fault.clone());
            None
        });
        faults.push(made.args(&["--timeout", "4s"]));
    }
    for (name, seconds) in [("a clock twenty minutes behind", 1200), ("a clock twenty minutes ahead", -1200)]
    {
        let made = fault(name, "AUTH_LOG_IN", "CLOCK_SKEW", "set this machine's clock").lab(move |lab, _| {
            lab.aws().shift_clock(seconds);
            None
        });
        faults.push(made);
    }
    faults.extend(sessions());
    faults
}

/// Source credentials that are temporary themselves.
fn sessions() -> Vec<Fault> {
    let with = |name, cause, to_do, life: u64, parts: usize| {
        let given = Rc::new(RefCell::new(Vec::new()));
        let issued = Rc::clone(&given);
        fault(name, "STS_ACCESS_ROLE", cause, to_do)
            .lab(move |lab, _| {
                *issued.borrow_mut() = session(lab, Duration::from_secs(life))[..parts].to_vec();
                None
            })
            .run(move |run, _| given.borrow().iter().fold(run, |run, (name, value)| run.env(name, value)))
    };
    vec![
        with(
            "credentials that have expired",
            "STS_CREDENTIALS_EXPIRED",
            "renew the source credentials",
            0,
            3,
        ),
        with(
            "temporary credentials without their session token",
            "STS_CREDENTIALS_UNKNOWN",
            "AWS_SESSION_TOKEN",
            900,
            2,
        ),
        with(
            "two hours from a session",
            "STS_DURATION_REFUSED",
            "at most 1h where roles are chained",
            900,
            3,
        )
        .args(&["--duration", "2h"]),
    ]
}

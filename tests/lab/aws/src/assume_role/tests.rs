use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::caller::Key;
use crate::guide::{may_assume, trust_policy};
use crate::session::{Credentials, Session, Sessions};
use crate::world::User;

const HOUSE: &str = "arn:aws:iam::111111111111:role/clickhouse";
const ACCESS: &str = "arn:aws:iam::222222222222:role/access";
const USER: &str = "arn:aws:iam::222222222222:user/operator";

fn user(arn: &str, policies: Vec<Value>) -> User {
    User {
        arn: arn.into(),
        access_key_id: "AKIAOPERATOR".into(),
        secret_access_key: "secret".into(),
        identity_policies: policies,
    }
}

/// The guide's arrangement: ClickHouse's role in one account, the customer's access role in another.
fn world() -> World {
    World {
        users: vec![user(USER, vec![])],
        roles: vec![
            Role::new(HOUSE, trust_policy("arn:aws:iam::111111111111:root"))
                .with_policy(may_assume("arn:aws:iam::*:role/*")),
            Role::new(ACCESS, trust_policy(HOUSE)),
        ],
        ..World::default()
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_767_323_045).expect("a time")
}

/// A pod's session of ClickHouse's role.
fn pod(world: &World, tags: &[(&str, &str)], transitive: &[&str]) -> Caller {
    let tags = tags.iter().map(|&(key, value)| Tag::new(key, value)).collect();
    let transitive = transitive.iter().map(|&key| key.to_owned()).collect();
    session_of(world, HOUSE, tags, transitive, None)
}

fn session_of(
    world: &World,
    role: &str,
    tags: Vec<Tag>,
    transitive: Vec<String>,
    policies: Option<Vec<Value>>,
) -> Caller {
    let expires = now() + SignedDuration::from_hours(1);
    let session = Arc::new(Session {
        credentials: Credentials::issue(0, expires),
        role: role.to_owned(),
        name: "pod".to_owned(),
        tags,
        transitive,
        policies,
        source_identity: None,
        issued: now(),
        expires,
    });
    let policies = world.role(role).map(|role| role.identity_policies.clone()).unwrap_or_default();
    Caller::of_session(&session, policies).expect("a role")
}

fn operator(world: &World) -> Caller {
    Key::find("AKIAOPERATOR", world, &Sessions::default()).expect("the operator").caller
}

fn form<'a>(more: &[(&'a str, &'a str)]) -> Vec<(String, String)> {
    let given = |name: &str| more.iter().any(|&(key, _)| key == name);
    let basics = [("RoleArn", ACCESS), ("RoleSessionName", "probe")];
    let basics = basics.into_iter().filter(|&(name, _)| !given(name));
    basics.chain(more.iter().copied()).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn try_as(world: &World, caller: &Caller, more: &[(&str, &str)]) -> Result<Grant, ApiError> {
    let scene = Scene { now: now(), region: "us-east-1", source_ip: "127.0.0.1" };
    decide(world, caller, &Input::read(&form(more))?, scene)
}

fn try_pod(world: &World, more: &[(&str, &str)]) -> Result<Grant, ApiError> {
    try_as(world, &pod(world, &[], &[]), more)
}

fn trusting(statement: Value) -> World {
    let mut world = world();
    world.roles[1].trust_policy = json!({ "Version": "2012-10-17", "Statement": statement });
    world.check().expect("a good policy");
    world
}

const TAG: [(&str, &str); 2] = [("Tags.member.1.Key", "Service"), ("Tags.member.1.Value", "clickpipes")];

#[track_caller]
fn assert_denied(result: Result<Grant, ApiError>, action: &str) {
    let error = result.expect_err("a refusal");
    assert_eq!((error.status, error.code), (403, "AccessDenied"));
    let expected = format!(
        "User: arn:aws:sts::111111111111:assumed-role/clickhouse/pod is not authorized to perform: {action} on \
         resource: {ACCESS}"
    );
    assert_eq!(error.message, expected);
}

#[track_caller]
fn assert_refused(result: Result<Grant, ApiError>, code: &str, words: &str) {
    let error = result.expect_err("a refusal");
    assert_eq!(error.code, code, "{}", error.message);
    assert!(error.message.contains(words), "{}", error.message);
}

#[test]
fn the_guides_trust_policy_lets_a_tagged_session_through() {
    let grant = try_pod(&world(), &TAG).expect("allowed");
    assert_eq!(grant.tags, [Tag::new("Service", "clickpipes")]);
    assert_eq!((grant.duration, grant.transitive.len()), (3600, 0));
    assert_eq!(grant.packed_percent(), Some(1));
    assert_eq!(try_pod(&world(), &[]).expect("allowed").packed_percent(), None);
}

#[test]
fn without_tag_session_only_untagged_sessions_pass() {
    let world =
        trusting(json!({ "Effect": "Allow", "Principal": { "AWS": HOUSE }, "Action": "sts:AssumeRole" }));
    assert_denied(try_pod(&world, &TAG), "sts:TagSession");
    try_pod(&world, &[]).expect("no tags, no sts:TagSession");
    // Tags that the caller brings along need it as well.
    let tagged = pod(&world, &[("kubernetes-namespace", "pipes")], &["kubernetes-namespace"]);
    assert_denied(try_as(&world, &tagged, &[]), "sts:TagSession");
    let not_transitive = pod(&world, &[("kubernetes-namespace", "pipes")], &[]);
    try_as(&world, &not_transitive, &[]).expect("they stay behind");
}

#[test]
fn across_accounts_the_caller_needs_permission_of_its_own() {
    let mut world = world();
    world.roles[0].identity_policies.clear();
    assert_denied(try_pod(&world, &[]), "sts:AssumeRole");
    world.roles[0].identity_policies = vec![
        json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*" } }),
    ];
    try_pod(&world, &[]).expect("allowed on both sides");
    assert_denied(try_pod(&world, &TAG), "sts:TagSession");
}

#[test]
fn within_an_account_being_named_is_enough() {
    let mut world = world();
    world.roles[1].trust_policy = trust_policy(USER);
    try_as(&world, &operator(&world), &TAG).expect("named by the trust policy");

    world.roles[1].trust_policy = trust_policy("222222222222");
    let refused = try_as(&world, &operator(&world), &[]);
    assert_refused(
        refused,
        "AccessDenied",
        "because no identity-based policy allows the sts:AssumeRole action",
    );
    world.users[0].identity_policies = vec![may_assume(ACCESS)];
    try_as(&world, &operator(&world), &TAG).expect("the account is named, and allows its user");
}

#[test]
fn a_role_that_does_not_exist_is_like_one_that_does_not_trust() {
    let mut world = world();
    world.roles[1].trust_policy = trust_policy("arn:aws:iam::333333333333:root");
    let untrusting = try_pod(&world, &[]);
    assert_denied(untrusting.clone(), "sts:AssumeRole");
    let own = try_as(&world, &operator(&world), &[]);
    world.roles.truncate(1);
    assert_eq!(try_pod(&world, &[]), untrusting);
    assert_eq!(try_as(&world, &operator(&world), &[]), own);
}

#[test]
fn external_id() {
    let world = trusting(json!({ "Effect": "Allow", "Principal": { "AWS": HOUSE },
        "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": { "StringEquals": { "sts:ExternalId": "e/1" } } }));
    assert_denied(try_pod(&world, &[]), "sts:AssumeRole");
    assert_denied(try_pod(&world, &[("ExternalId", "E/1")]), "sts:AssumeRole");
    try_pod(&world, &[("ExternalId", "e/1"), TAG[0], TAG[1]]).expect("the right one");
}

#[test]
fn conditions_on_tags_can_fail_one_action_alone() {
    let world = trusting(json!([
        { "Effect": "Allow", "Principal": { "AWS": HOUSE }, "Action": "sts:AssumeRole" },
        { "Effect": "Allow", "Principal": { "AWS": HOUSE }, "Action": "sts:TagSession", "Condition": {
            "StringEquals": { "aws:RequestTag/Service": "clickpipes" },
            "ForAllValues:StringEquals": { "aws:TagKeys": ["Service"] },
            "Null": { "sts:TransitiveTagKeys": "true" } } },
    ]));
    try_pod(&world, &TAG).expect("the tag that is asked for");
    let key = |key| [("Tags.member.1.Key", key), TAG[1]];
    let value = |value| [TAG[0], ("Tags.member.1.Value", value)];
    // A tag's key has no case as part of a condition key, but has one as the value of aws:TagKeys.
    assert_denied(try_pod(&world, &key("service")), "sts:TagSession");
    let mut lenient = world.clone();
    let conditions = &mut lenient.roles[1].trust_policy["Statement"][1]["Condition"];
    conditions["ForAllValues:StringEquals"]["aws:TagKeys"] = json!(["service", "Service"]);
    try_pod(&lenient, &key("service")).expect("as a condition key it fits");
    assert_denied(try_pod(&world, &value("other")), "sts:TagSession");
    let two = [TAG[0], TAG[1], ("Tags.member.2.Key", "Stage"), ("Tags.member.2.Value", "")];
    assert_denied(try_pod(&world, &two), "sts:TagSession");
    let transitive = [TAG[0], TAG[1], ("TransitiveTagKeys.member.1", "Service")];
    assert_denied(try_pod(&world, &transitive), "sts:TagSession");
}

#[test]
fn an_explicit_deny_wins_on_either_side() {
    let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "sts:TagSession" });
    let allow = json!({ "Effect": "Allow", "Principal": { "AWS": [HOUSE, USER] }, "Action": "sts:*" });
    let world = trusting(json!([allow, deny]));
    try_pod(&world, &[]).expect("untagged is not denied");
    assert_denied(try_pod(&world, &TAG), "sts:TagSession");
    let told = try_as(&world, &operator(&world), &TAG);
    assert_refused(told, "AccessDenied", "with an explicit deny in a role trust policy");

    let mut world = trusting(json!([allow]));
    world.users[0].identity_policies = vec![
        json!({ "Version": "2012-10-17", "Statement": { "Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*" } }),
    ];
    let own = try_as(&world, &operator(&world), &[]);
    assert_refused(own, "AccessDenied", "with an explicit deny in an identity-based policy");
}

#[test]
fn transitive_tags_go_down_the_chain_and_cannot_be_overridden() {
    let world = world();
    let caller = pod(&world, &[("Cluster", "prod"), ("Node", "n1")], &["cluster"]);
    let sent = [TAG[0], TAG[1], ("TransitiveTagKeys.member.1", "SERVICE")];
    let grant = try_as(&world, &caller, &sent).expect("allowed");
    assert_eq!(grant.tags, [Tag::new("Cluster", "prod"), Tag::new("Service", "clickpipes")]);
    assert_eq!(grant.transitive, ["Cluster", "SERVICE"]);

    let words = "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key \
                 from the calling session.";
    for value in ["prod", "other"] {
        let same = [("Tags.member.1.Key", "CLUSTER"), ("Tags.member.1.Value", value)];
        assert_refused(try_as(&world, &caller, &same), "InvalidParameterValue", words);
    }
    let left_behind = [("Tags.member.1.Key", "Node"), ("Tags.member.1.Value", "n2")];
    try_as(&world, &caller, &left_behind).expect("not transitive: free to use");
}

#[test]
fn principal_tags_come_from_the_callers_session() {
    let world = trusting(json!({ "Effect": "Allow", "Principal": { "AWS": HOUSE }, "Action": "sts:*",
        "Condition": { "StringLike": { "aws:PrincipalTag/Cluster": "prod-*" } } }));
    try_as(&world, &pod(&world, &[("Cluster", "prod-1")], &[]), &[]).expect("its tag fits");
    assert_denied(try_as(&world, &pod(&world, &[("Cluster", "dev")], &[]), &[]), "sts:AssumeRole");
}

#[test]
fn durations() {
    let mut world = world();
    let seconds = |text| [("DurationSeconds", text)];
    let chained =
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
    assert_eq!(try_pod(&world, &seconds("900")).expect("the least").duration, 900);
    assert_refused(try_pod(&world, &seconds("3601")), "ValidationError", chained);

    world.roles[1].trust_policy = trust_policy(USER);
    let as_user = |world: &World, text| try_as(world, &operator(world), &seconds(text));
    let role = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    assert_refused(as_user(&world, "3601"), "ValidationError", role);
    world.roles[1].max_session_duration = 43_200;
    assert_eq!(as_user(&world, "43200").expect("the most").duration, 43_200);
    assert_refused(as_user(&world, "899"), "ValidationError", "greater than or equal to 900");
    assert_refused(as_user(&world, "43201"), "ValidationError", "less than or equal to 43200");
    for text in ["-1", "1h", "", "99999999999999"] {
        assert_refused(as_user(&world, text), "MalformedInput", "DurationSeconds");
    }
}

#[test]
fn a_disabled_region_issues_nothing() {
    let mut world = world();
    world.disabled_sts_regions = vec!["us-east-1".into()];
    let error = try_pod(&world, &[]).expect_err("disabled");
    assert_eq!((error.status, error.code), (403, "RegionDisabledException"));
    assert!(
        error
            .message
            .starts_with("STS is not activated in this region for account:222222222222. Your account")
    );
}

#[test]
fn packed_size() {
    let world = world();
    let many: Vec<(String, String)> = (1..=20)
        .flat_map(|n| {
            [
                (format!("Tags.member.{n}.Key"), format!("k{n}")),
                (format!("Tags.member.{n}.Value"), "v".repeat(200)),
            ]
        })
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let words = "Packed policy consumes 200% of allotted space, please use smaller policy.";
    assert_refused(try_pod(&world, &many), "PackedPolicyTooLarge", words);
    assert_eq!(try_pod(&world, &many[..20]).expect("ten fit").packed_percent(), Some(100));
}

#[test]
fn session_policies() {
    let world = world();
    let policy = json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
    let text = policy.to_string();
    let grant = try_pod(&world, &[("Policy", &text)]).expect("a good policy");
    assert_eq!(grant.policies, Some(vec![policy]));
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let managed = try_pod(&world, &[("PolicyArns.member.1.arn", arn)]).expect("a good name");
    assert_eq!(managed.policies, Some(vec![]));
    for (text, words) in [("{", "not in the valid JSON format"), ("{}", "Syntax errors in policy.")] {
        assert_refused(try_pod(&world, &[("Policy", text)]), "MalformedPolicyDocument", words);
    }
    let long = " ".repeat(2049);
    assert_refused(try_pod(&world, &[("Policy", &long)]), "ValidationError", "less than or equal to 2048");
}

/// A session that was narrowed cannot assume what its role could.
#[test]
fn session_policies_limit_the_next_step() {
    let world = world();
    let narrowed = |policies| session_of(&world, HOUSE, vec![], vec![], Some(policies));
    try_as(&world, &narrowed(vec![may_assume(ACCESS)]), &TAG).expect("still allowed");
    assert_denied(try_as(&world, &narrowed(vec![may_assume(HOUSE)]), &TAG), "sts:AssumeRole");
    assert_denied(try_as(&world, &narrowed(vec![]), &TAG), "sts:AssumeRole");
}

#[test]
fn a_source_identity_needs_permission_and_stays() {
    let identity = [("SourceIdentity", "someone")];
    assert_denied(try_pod(&world(), &identity), "sts:SetSourceIdentity");
    let mut world = trusting(json!({ "Effect": "Allow", "Principal": { "AWS": USER }, "Action": "sts:*" }));
    let granted = try_as(&world, &operator(&world), &identity).expect("allowed");
    assert_eq!(granted.source_identity.as_deref(), Some("someone"));
    world.roles[1].trust_policy["Statement"]["Condition"] =
        json!({ "Null": { "sts:SourceIdentity": "true" } });
    assert_refused(try_as(&world, &operator(&world), &identity), "AccessDenied", "sts:AssumeRole");
}

#[test]
fn constraints() {
    let long_name = "n".repeat(65);
    let (long_key, long_value) = ("k".repeat(129), "v".repeat(257));
    for (sent, words) in [
        (
            &[("RoleSessionName", "x")][..],
            "at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2",
        ),
        (&[("RoleSessionName", &long_name)], "Member must have length less than or equal to 64"),
        (&[("RoleSessionName", "a b")], r"Member must satisfy regular expression pattern: [\w+=,.@-]*"),
        (&[("RoleSessionName", "naïve")], "1 validation error detected: Value 'naïve' at 'roleSessionName'"),
        (&[("RoleArn", "arn:short")], "Value 'arn:short' at 'roleArn'"),
        (
            &[("RoleArn", "arn:aws:iam::22222222222:role/short-account")],
            "arn:aws:iam::22222222222:role/short-account is invalid",
        ),
        (&[("RoleArn", "arn:aws:iam::222222222222:user/not-a-role")], "is invalid"),
        (&[("RoleArn", "arn:aws:sts::222222222222:assumed-role/r/s")], "is invalid"),
        (&[("ExternalId", "x")], "at 'externalId'"),
        (&[("ExternalId", "a b")], r"[\w+=,.@:\/-]*"),
        (&[("RoleSessionName", "x"), ("ExternalId", "y")], "2 validation errors detected: "),
        (&[("Tags.member.1.Key", ""), TAG[1]], "at 'tags.1.member.key'"),
        (&[("Tags.member.1.Key", &long_key), TAG[1]], "less than or equal to 128"),
        (&[TAG[0], ("Tags.member.1.Value", &long_value)], "less than or equal to 256"),
        (&[("Tags.member.1.Key", "a,b"), TAG[1]], r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+"),
        (&[TAG[0], ("Tags.member.1.Value", "tab\t")], "at 'tags.1.member.value'"),
        (
            &[TAG[0]],
            "Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null",
        ),
    ] {
        assert_refused(try_pod(&world(), sent), "ValidationError", words);
    }
    let missing = Input::read(&[]).expect_err("nothing was sent");
    assert_eq!(
        missing.message,
        "2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; \
         Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn tags_that_contradict_each_other() {
    let words = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
    let twice = [TAG[0], TAG[1], ("Tags.member.2.Key", "SERVICE"), ("Tags.member.2.Value", "x")];
    assert_refused(try_pod(&world(), &twice), "InvalidParameterValue", words);
    let reserved = [("Tags.member.1.Key", "AWS:x"), TAG[1]];
    assert_refused(try_pod(&world(), &reserved), "InvalidParameterValue", "aws:");
    let unknown = [TAG[0], TAG[1], ("TransitiveTagKeys.member.1", "Other")];
    let words = "The specified transitive tag key must be included in the requested tags.";
    assert_refused(try_pod(&world(), &unknown), "InvalidParameterValue", words);
    // Letters of any language, and what the guide's users may like to write.
    let fine = [("Tags.member.1.Key", "サービス 1/2:_.=+-@"), ("Tags.member.1.Value", "")];
    try_pod(&world(), &fine).expect("a good tag");
}

#[test]
fn fifty_tags_and_no_more() {
    let tags = |count: usize| -> Vec<(String, String)> {
        (1..=count)
            .flat_map(|n| {
                [
                    (format!("Tags.member.{n}.Key"), format!("k{n}")),
                    (format!("Tags.member.{n}.Value"), String::new()),
                ]
            })
            .chain(form(&[]))
            .collect()
    };
    assert_eq!(Input::read(&tags(50)).expect("fifty").tags.len(), 50);
    let error = Input::read(&tags(51)).expect_err("fifty-one");
    assert!(error.message.contains(
        "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"
    ));
    assert_eq!(Input::read(&tags(12)).expect("twelve").tags[9].key, "k10", "in the order of their numbers");
}

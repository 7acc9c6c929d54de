//! AWS diagnostics: what RDS and IAM have on record identifies causes that the database does not tell.

use lab::{
    ACCESS_ROLE, CALLER, Lab, OPERATOR, OPERATOR_PROFILE, ServerVersion, allow_aws_diagnostics,
    connect_policy,
};
use lab_aws::{DbCluster, DbInstance, DbProxy, Fault, ManagedPolicy, Role, Service, World};
use serde_json::{Value, json};

use crate::{
    secrets::secrets_in,
    support::{Answer, Run, text},
};

const LOOK: [&str; 3] = ["postgres15", "--explain-with-profile", OPERATOR_PROFILE];

fn lab(change: impl FnOnce(&mut World)) -> Lab {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    lab.aws().change(change);
    lab
}

fn role(world: &mut World) -> &mut Role {
    world.roles.iter_mut().find(|role| role.arn == ACCESS_ROLE).unwrap()
}

fn instance(world: &mut World) -> &mut DbInstance {
    &mut world.instances[0]
}

fn check(lab: &Lab) -> Answer {
    Run::check(lab, &LOOK).json()
}

fn look(answer: &Answer) -> &Value {
    &answer.report()["aws_diagnostics"]
}

/// What the look says about a subject.
#[track_caller]
fn found<'a>(answer: &'a Answer, subject: &str) -> &'a Value {
    let diagnostics = look(answer)["findings"].as_array().unwrap();
    diagnostics.iter().find(|found| found["subject"] == subject).unwrap_or_else(|| panic!("{diagnostics:#?}"))
}

fn causes(row: &Value) -> Vec<&str> {
    row["candidates"].as_array().unwrap().iter().map(|candidate| text(&candidate["cause"])).collect()
}

/// Asserts that the row failed as ever, and that this cause is the first of what it could be, with its remedy.
#[track_caller]
fn singled_out<'a>(answer: &'a Answer, row: (&str, &str), cause: &str, to_do: &str) -> &'a Value {
    let row = answer.fails_at(row.0, row.1);
    assert_eq!(causes(row)[0], cause, "{row:#} {:#}", look(answer));
    assert!(text(&row["candidates"][0]["evidence"]).starts_with("AWS diagnostics: "), "{row:#}");
    assert!(text(&row["remedy"]).contains(to_do), "{row:#}");
    assert!(text(&look(answer)["conclusion"]).starts_with("it singles out"), "{:#}", look(answer));
    row
}

/// The database takes tokens for this resource, whatever RDS has on record.
fn is_really(lab: &Lab, resource_id: &str) {
    let instance = &lab.instances()[0];
    instance.verifier().set_database(lab_aws::Database {
        host: instance.host.clone(),
        port: instance.port,
        region: lab::REGION.to_owned(),
        account: lab::CUSTOMER_ACCOUNT.to_owned(),
        resource_id: resource_id.to_owned(),
    });
}

const REFUSED: (&str, &str) = ("AUTH_LOG_IN", "PG_TOKEN_REFUSED");
const DENIED: (&str, &str) = ("STS_ACCESS_ROLE", "STS_ASSUME_ROLE_DENIED");

fn policy(effect: &str, resource: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": effect, "Action": "rds-db:connect", "Resource": resource },
    ]})
}

fn calls(lab: &Lab) -> Vec<String> {
    let auth_request = lab.aws().calls().into_iter();
    auth_request.filter(|call| call.caller.as_deref() == Some(OPERATOR)).map(|call| call.action).collect()
}

#[test]
fn a_policy_of_another_database_is_singled_out_on_every_engine() {
    let server_versions = crate::support::server_versions();
    let lab = Lab::start(&server_versions).unwrap();
    lab.aws().change(|world| role(world).identity_policies = vec![connect_policy(&["db-ANOTHER"])]);
    for server_version in server_versions {
        let instance = lab.instance(server_version);
        let args = [instance.name.as_str(), "--explain-with-profile", OPERATOR_PROFILE];
        let answer = Run::check(&lab, &args).json();
        let cause = if server_version.engine() == lab::Engine::Postgres {
            "PG_TOKEN_REFUSED"
        } else {
            "MYSQL_TOKEN_REFUSED"
        };
        let id = &instance.resource_id;
        let row = singled_out(&answer, ("AUTH_LOG_IN", cause), "TOKEN_OTHER_RESOURCE", id);
        assert!(
            text(&row["candidates"][0]["evidence"]).contains("`db-ANOTHER`, and this database is"),
            "{row:#}"
        );
        // IAM is on, and so is ruled out wherever it was in question; the policy that is wrong is not.
        assert_eq!(found(&answer, "IAM authentication")["outcome"], "pass");
        assert_eq!(look(&answer)["caller"], OPERATOR);
    }
}

#[test]
fn iam_that_is_off_or_waits_is_singled_out() {
    let lab = lab(|world| instance(world).iam = false);
    let to_do =
        "aws rds modify-db-instance --db-instance-identifier postgres15 --enable-iam-database-authentication";
    let row = check(&lab);
    singled_out(&row, REFUSED, "AUTH_IAM_OFF", to_do);
    assert!(
        causes(row.row("AUTH_LOG_IN")).last() == Some(&"TOKEN_NOT_ALLOWED"),
        "the policy is in order, and sinks"
    );

    lab.aws().change(|world| instance(world).iam_pending = Some(true));
    let answer = check(&lab);
    let row = singled_out(&answer, REFUSED, "AUTH_IAM_PENDING", "--apply-immediately");
    assert!(text(&row["candidates"][0]["evidence"]).contains("waits for the maintenance window"), "{row:#}");

    // A user who is asked for a password: the same record, at another rung.
    lab.instance(ServerVersion::Postgres15).sql("CREATE USER passworded PASSWORD 'p'").unwrap();
    let answer = Run::check(&lab, &LOOK).more(&["--user".into(), "passworded".into()]).json();
    singled_out(&answer, ("AUTH_IAM_ASKED", "AUTH_NOT_IAM"), "AUTH_IAM_PENDING", "--apply-immediately");
    lab.aws().change(|world| (instance(world).iam, instance(world).iam_pending) = (true, None));
    let answer = Run::check(&lab, &LOOK).more(&["--user".into(), "passworded".into()]).json();
    let row = answer.fails_at("AUTH_IAM_ASKED", "AUTH_NOT_IAM");
    assert_eq!(causes(row), ["AUTH_USER_NOT_IAM", "AUTH_NO_USER", "AUTH_IAM_OFF"]);
    assert!(text(&row["candidates"][2]["evidence"]).starts_with("ruled out by AWS diagnostics"), "{row:#}");
}

#[test]
fn policies_that_deny_or_allow_something_else_are_singled_out() {
    let lab = lab(|world| role(world).identity_policies.push(policy("Deny", "*")));
    let answer = check(&lab);
    let row = singled_out(&answer, REFUSED, "TOKEN_POLICY_DENIES", "policy-2");
    assert_eq!(causes(row), ["TOKEN_POLICY_DENIES", "IAM_OVERLOADED"]);
    assert!(text(&row["candidates"][0]["evidence"]).contains("Statement[0] of policy-2 denies"), "{row:#}");

    // Another user of the database: IAM compares that too.
    let resource =
        format!("arn:aws:rds-db:us-east-1:123456789012:dbuser:{}/somebody", lab.instances()[0].resource_id);
    lab.aws().change(|world| role(world).identity_policies = vec![policy("Allow", &resource)]);
    let answer = check(&lab);
    let row = singled_out(&answer, REFUSED, "TOKEN_NOT_ALLOWED", "/clickpipes_iam_user");
    assert!(text(&row["candidates"][0]["evidence"]).contains("POLICY_RESOURCE_USER"), "{row:#}");

    lab.aws().change(|world| role(world).identity_policies.clear());
    let answer = check(&lab);
    singled_out(&answer, REFUSED, "TOKEN_NOT_ALLOWED", "pipeprobe setup --only connect-policy");
    assert_eq!(found(&answer, "permission policies")["found"], "the role has no policy");

    // A managed policy allows it, and a boundary keeps it.
    let managed = |name: &str, document| ManagedPolicy {
        arn: format!("arn:aws:iam::123456789012:policy/{name}"),
        document,
    };
    let s3 = json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*" });
    lab.aws().change(|world| {
        world.managed_policies = vec![
            managed("connect", policy("Allow", "*")),
            managed("edge", json!({ "Version": "2012-10-17", "Statement": [s3] })),
        ];
        role(world).attached_policies = vec!["arn:aws:iam::123456789012:policy/connect".to_owned()];
        role(world).permissions_boundary = Some("arn:aws:iam::123456789012:policy/edge".to_owned());
    });
    let answer = check(&lab);
    singled_out(&answer, REFUSED, "TOKEN_BOUNDARY_DENIES", "let that boundary allow rds-db:connect");
    assert_eq!(found(&answer, "permission policies")["outcome"], "pass");
    lab.aws().change(|world| role(world).permissions_boundary = None);
    assert_eq!(check(&lab).status, 0, "by the managed policy alone");
}

#[test]
fn trust_policies_are_judged_for_this_caller() {
    let trusting = |statements: Value| json!({ "Version": "2012-10-17", "Statement": statements });
    let allow = |actions: Value, who: &str| json!({ "Effect": "Allow", "Principal": { "AWS": who }, "Action": actions });
    let both = json!(["sts:AssumeRole", "sts:TagSession"]);
    let lab = lab(|_| {});
    let with = |document: Value| {
        lab.aws().change(|world| role(world).trust_policy = document);
        check(&lab)
    };

    let answer = with(trusting(json!([allow(json!("sts:AssumeRole"), CALLER)])));
    singled_out(
        &answer,
        ("STS_ACCESS_ROLE", "STS_TAG_SESSION_DENIED"),
        "STS_TAG_SESSION_DENIED",
        "sts:TagSession",
    );
    // Where AWS is not asked a second time, its words alone do not tell.
    assert_eq!(found(&answer, "trust policy")["cause"], "STS_TAG_SESSION_DENIED");

    let answer = with(trusting(json!([allow(both.clone(), "arn:aws:iam::999988887777:role/another")])));
    let row = singled_out(&answer, DENIED, "STS_NOT_TRUSTED", CALLER);
    assert!(text(&row["candidates"][0]["evidence"]).contains("role/another, and not"), "{row:#}");
    assert_eq!(causes(row).last(), Some(&"STS_NO_SUCH_ROLE"), "the role is there");

    let mut conditional = allow(both.clone(), CALLER);
    conditional["Condition"] = json!({ "StringEquals": { "sts:ExternalId": "pipe-42" } });
    let answer = with(trusting(json!([conditional])));
    singled_out(&answer, DENIED, "STS_EXTERNAL_ID", "set `external_id`");
    assert!(!look(&answer).to_string().contains("pipe-42"), "the id is between the two parties");

    let mut deny = allow(json!("sts:AssumeRole"), CALLER);
    deny["Effect"] = "Deny".into();
    let answer = with(trusting(json!([allow(both.clone(), CALLER), deny])));
    singled_out(&answer, DENIED, "STS_EXPLICIT_DENY", "remove that statement from the trust policy");

    // The account is trusted, and the caller's own policies do not let it.
    let answer = {
        lab.aws().change(|world| {
            role(world).trust_policy = trusting(json!([allow(both.clone(), CALLER)]));
            world.users[0].identity_policies.clear();
        });
        check(&lab)
    };
    let row = answer.fails_at("STS_ACCESS_ROLE", "STS_ASSUME_ROLE_DENIED");
    assert_eq!(
        causes(row),
        ["STS_CALLER_NOT_ALLOWED", "STS_NOT_TRUSTED", "STS_EXTERNAL_ID", "STS_NO_SUCH_ROLE"]
    );
    for candidate in &row["candidates"].as_array().unwrap()[1..] {
        assert!(text(&candidate["evidence"]).starts_with("ruled out by AWS diagnostics"), "{row:#}");
    }

    lab.aws().change(|world| world.roles.retain(|role| role.arn != ACCESS_ROLE));
    let answer = check(&lab);
    singled_out(&answer, DENIED, "STS_NO_SUCH_ROLE", "correct `iam_role`");
}

#[test]
fn nothing_wrong_is_said_and_the_calls_are_those_that_were_promised() {
    let lab = lab(|_| {});
    let answer = check(&lab);
    assert_eq!(answer.status, 0, "{:#}", answer.report());
    assert_eq!(look(&answer)["conclusion"], "everything that was read is in order", "{:#}", look(&answer));
    assert!(look(&answer)["findings"].as_array().unwrap().iter().all(|found| found["outcome"] == "pass"));
    let auth_request = calls(&lab);
    let allowed = allow_aws_diagnostics()["Statement"][0]["Action"].to_string();
    for call in auth_request.iter().filter(|call| *call != "GetCallerIdentity") {
        assert!(allowed.contains(&format!(":{call}\"")), "{call}");
    }
    assert!(auth_request.len() < 10, "{auth_request:?}");

    // Not asked for, not made; and the verdict is the same.
    let plain = Run::check(&lab, &LOOK[..1]).json();
    assert_eq!(plain.report()["aws_diagnostics"], Value::Null);
    assert_eq!(plain.report()["verdict"], answer.report()["verdict"]);
    assert_eq!(calls(&lab).len(), auth_request.len());

    // In order on record, and refused all the same: by something above the account that nobody here sees.
    is_really(&lab, "db-ELSEWHERE");
    let answer = check(&lab);
    let row = answer.fails_at("AUTH_LOG_IN", "PG_TOKEN_REFUSED");
    assert_eq!(causes(row), ["TOKEN_DENIED_ABOVE", "IAM_OVERLOADED", "TOKEN_NOT_ALLOWED"]);
    assert!(text(&row["remedy"]).contains("simulate"), "{row:#}");
    assert_eq!(look(&answer)["conclusion"], "everything that was read is in order");
}

#[test]
fn what_is_denied_is_unknown_in_awss_own_words_and_fails_nothing() {
    let lab = lab(|world| world.users[1].identity_policies.clear());
    let answer = check(&lab);
    assert_eq!(answer.status, 0, "{:#}", answer.report());
    for (subject, call) in [("database", "rds:DescribeDBInstances"), ("access role", "iam:GetRole")] {
        let found = found(&answer, subject);
        assert_eq!(found["outcome"], "unknown");
        let words = format!("{call}: AccessDenied: User: {OPERATOR} is not authorized to perform: {call}");
        assert!(text(&found["found"]).starts_with(&words), "{found:#}");
    }
    assert!(
        look(&answer)["calls"]
            .as_array()
            .unwrap()
            .iter()
            .all(|auth_request| !auth_request["error"].is_null())
    );

    // One policy of two cannot be read: what the other allows is not the last word, what it denies is.
    lab.aws().change(|world| {
        let mut policy = allow_aws_diagnostics();
        policy["Statement"] = json!([
            policy["Statement"][0],
            { "Effect": "Deny", "Action": "iam:GetPolicyVersion", "Resource": "*" },
        ]);
        world.users[1].identity_policies = vec![policy];
        let arn = "arn:aws:iam::123456789012:policy/more".to_owned();
        let document = self::policy("Allow", "*");
        world.managed_policies = vec![ManagedPolicy { arn: arn.clone(), document }];
        role(world).attached_policies = vec![arn];
    });
    let answer = check(&lab);
    let found = found(&answer, "permission policies");
    assert_eq!(found["outcome"], "unknown");
    assert!(text(&found["found"]).contains("with an explicit deny in an identity-based policy"), "{found:#}");
}

#[test]
fn services_that_fail_or_hang_cost_their_facts_and_nothing_else() {
    let lab = lab(|_| {});
    lab.aws().set_fault_of(Service::Rds, Fault::Throttle);
    lab.aws().set_fault_of(Service::Iam, Fault::Hang);
    let answer = Run::check(&lab, &LOOK).more(&["--timeout".into(), "5s".into()]).json();
    assert_eq!(answer.status, 0, "{:#}", answer.report());
    assert!(
        text(&found(&answer, "database")["found"]).contains("Throttling: Rate exceeded"),
        "{:#}",
        look(&answer)
    );
    assert_eq!(found(&answer, "access role")["outcome"], "unknown");
    // A throttle that passes is tried again.
    lab.aws().set_fault_of(Service::Rds, Fault::Next { count: 1, fault: Box::new(Fault::Throttle) });
    lab.aws().set_fault_of(Service::Iam, Fault::Malformed);
    let answer = check(&lab);
    assert_eq!(
        (answer.status, &found(&answer, "database")["outcome"]),
        (0, &"pass".into()),
        "{:#}",
        look(&answer)
    );
    assert_eq!(found(&answer, "access role")["outcome"], "unknown");
}

#[test]
fn a_wrong_clock_does_not_hide_the_records() {
    let lab = lab(|_| {});
    for seconds in [1200, -1200] {
        lab.aws().shift_clock(seconds);
        let answer = check(&lab);
        assert_eq!(found(&answer, "IAM authentication")["outcome"], "pass", "{:#}", look(&answer));
        assert_eq!(found(&answer, "permission policies")["outcome"], "pass", "{:#}", look(&answer));
    }
}

#[test]
fn whose_credentials_look_is_a_profile_or_a_role() {
    let operators = "arn:aws:iam::123456789012:role/auditor";
    let lab = lab(|world| {
        world
            .roles
            .push(Role::new(operators, lab::trust_policy(&[CALLER])).with_policy(allow_aws_diagnostics()));
        world.users[1].identity_policies.push(lab_aws::may_assume(operators));
    });
    let with = |args: &[&str]| Run::check(&lab, &[&["postgres15"], args].concat()).json();
    let answer = with(&["--explain-with-role", operators]);
    assert!(text(&look(&answer)["caller"]).contains(":assumed-role/auditor/"), "{:#}", look(&answer));
    assert_eq!(found(&answer, "IAM authentication")["outcome"], "pass");
    // From the profile where both are given, which this role does not trust.
    let answer = with(&["--explain-with-role", operators, "--explain-with-profile", OPERATOR_PROFILE]);
    assert_eq!(answer.status, 0);
    let refused = found(&answer, "operator");
    assert!(text(&refused["found"]).contains(&format!("AccessDenied: User: {OPERATOR}")), "{refused:#}");
    let answer = with(&["--explain-with-profile", "nobody"]);
    assert_eq!((answer.status, &found(&answer, "operator")["outcome"]), (0, &"unknown".into()));
    // By the file, and by the environment.
    let run = Run::check(&lab, &["postgres15"]).table("[defaults]\nexplain_with_profile = \"operator\"\n");
    assert_eq!(look(&run.json())["caller"], OPERATOR);
    let run = Run::check(&lab, &["postgres15"]).env("PIPEPROBE_EXPLAIN_WITH_PROFILE", OPERATOR_PROFILE);
    assert_eq!(look(&run.json())["caller"], OPERATOR);
}

#[test]
fn an_operator_of_another_account_is_not_believed_about_this_one() {
    let lab = lab(|world| {
        world.users[1].arn = "arn:aws:iam::222222222222:user/stranger".to_owned();
        // A role of the same name over there must not be taken for it.
        world
            .roles
            .push(Role::new("arn:aws:iam::222222222222:role/clickpipes-rds-access", lab::trust_policy(&[])));
        world.roles.pop();
        role(world).identity_policies = vec![connect_policy(&["db-ANOTHER"])];
    });
    let answer = check(&lab);
    let row = answer.fails_at("AUTH_LOG_IN", "PG_TOKEN_REFUSED");
    assert_eq!(causes(row)[0], "TOKEN_NOT_ALLOWED", "nothing is singled out: {row:#}");
    assert_eq!(found(&answer, "database")["outcome"], "unknown");
    assert!(
        text(&found(&answer, "access role")["found"])
            .contains("not called: the credentials belong to account 222222222222")
    );
    assert!(!calls(&lab).contains(&"GetRole".to_owned()));
}

#[test]
fn an_endpoint_is_found_on_the_last_page_or_said_to_be_nowhere() {
    let lab = lab(|world| {
        let decoy = |n| {
            let host = format!("decoy-{n}.c9lab0example.us-east-1.rds.amazonaws.com");
            DbInstance {
                iam: false,
                ..DbInstance::new(&format!("decoy-{n}"), &format!("db-DECOY{n}"), &host, 5432)
            }
        };
        world.instances.splice(0..0, (0..120).map(decoy));
        role(world).identity_policies.extend((0..5).map(|n| connect_policy(&[format!("db-DECOY{n}")])));
    });
    let answer = check(&lab);
    assert_eq!(found(&answer, "IAM authentication")["found"], "on for instance postgres15");
    assert_eq!(calls(&lab).iter().filter(|call| *call == "DescribeDBInstances").count(), 3);
    assert_eq!(calls(&lab).iter().filter(|call| *call == "GetRolePolicy").count(), 6);
    assert_eq!(found(&answer, "permission policies")["outcome"], "pass");

    lab.aws().change(|world| drop(world.instances.pop()));
    lab.aws().change(|world| role(world).identity_policies.clear());
    let answer = check(&lab);
    let row = singled_out(&answer, REFUSED, "TOKEN_OTHER_ACCOUNT", "check `host`");
    assert!(
        text(&row["candidates"][0]["evidence"])
            .contains("nothing of account 123456789012 in us-east-1 has the endpoint")
    );
}

#[test]
fn clusters_and_proxies_have_switches_and_ids_of_their_own() {
    let lab = lab(|world| {
        let instance = instance(world).clone();
        world.instances[0].cluster = Some("orders".to_owned());
        world.instances[0].iam = false; // of a member it says nothing
        world.clusters.push(DbCluster {
            identifier: "orders".to_owned(),
            resource_id: "cluster-ORDERS".to_owned(),
            engine: "aurora-postgresql".to_owned(),
            endpoint: "orders.cluster-c9lab0example.us-east-1.rds.amazonaws.com".to_owned(),
            reader_endpoint: "orders.cluster-ro-c9lab0example.us-east-1.rds.amazonaws.com".to_owned(),
            custom_endpoints: vec![
                "some.cluster-custom-c9lab0example.us-east-1.rds.amazonaws.com".to_owned(),
            ],
            port: instance.port,
            region: instance.region.clone(),
            account: instance.account,
            iam: true,
            iam_pending: None,
            members: vec![("postgres15".to_owned(), "pending-reboot".to_owned())],
        });
        world.proxies.push(DbProxy {
            name: "pool".to_owned(),
            resource_id: "prx-0123456789abcdef0".to_owned(),
            endpoint: "pool.proxy-c9lab0example.us-east-1.rds.amazonaws.com".to_owned(),
            region: instance.region,
            account: "123456789012".to_owned(),
            iam_auth: "DISABLED".to_owned(),
            default_auth_scheme: "NONE".to_owned(),
        });
    });
    // The instance's own id is in the policy, and the cluster's is what counts.
    is_really(&lab, "cluster-ORDERS");
    let answer = check(&lab);
    singled_out(&answer, REFUSED, "TOKEN_OTHER_RESOURCE", "cluster-ORDERS");
    assert_eq!(found(&answer, "IAM authentication")["found"], "on for cluster orders");
    assert_eq!(found(&answer, "parameter groups")["cause"], "PG_PENDING_REBOOT");

    for (name, subject, expected) in [
        ("orders.cluster", "database", "cluster orders (available), resource id cluster-ORDERS"),
        ("orders.cluster-ro", "database", "cluster orders (available), resource id cluster-ORDERS"),
        ("some.cluster-custom", "database", "cluster orders (available), resource id cluster-ORDERS"),
        ("pool.proxy", "database", "proxy pool (available), resource id prx-0123456789abcdef0"),
        ("pool.proxy", "IAM authentication", "proxy pool takes no tokens (IAMAuth DISABLED)"),
    ] {
        let host = format!("\"{name}-c9lab0example.us-east-1.rds.amazonaws.com\"");
        let answer = Run::check(&lab, &LOOK).with("host", &host).json();
        assert_eq!(found(&answer, subject)["found"], expected, "{name}: {:#}", look(&answer));
    }
}

#[test]
fn a_cdc_setting_that_waits_for_a_reboot_is_singled_out() {
    let lab = lab(|world| instance(world).parameter_group.1 = "pending-reboot".to_owned());
    lab.instances()[0].restart_with(&[("wal_level", "replica")]).unwrap();
    let answer = check(&lab);
    let row = answer.row("PG_WAL_LEVEL");
    assert_eq!(causes(row), ["PG_PENDING_REBOOT", "PG_WAL_LEVEL"], "{row:#}");
    assert!(text(&row["remedy"]).contains("aws rds reboot-db-instance --db-instance-identifier postgres15"));

    let lab = Lab::start(&[ServerVersion::MariaDb10_11]).unwrap();
    lab.aws().change(|world| instance(world).backup_retention_days = 0);
    lab.instances()[0].restart_with(&[("skip-log-bin", "")]).unwrap();
    let answer = Run::check(&lab, &["--explain-with-profile", OPERATOR_PROFILE]).json();
    let row = answer.row("MYSQL_BINARY_LOG");
    assert_eq!(causes(row)[0], "MYSQL_BACKUPS_OFF", "{row:#} {:#}", look(&answer));
    assert!(text(&row["remedy"]).contains("--backup-retention-period 1"));
}

#[test]
fn no_secret_of_the_operator_is_shown() {
    let lab = lab(|world| {
        world.users[1].identity_policies.push(lab_aws::may_assume("*"));
        world.roles.push(
            Role::new("arn:aws:iam::123456789012:role/auditor", lab::trust_policy(&[OPERATOR]))
                .with_policy(allow_aws_diagnostics()),
        );
    });
    let args = [
        &LOOK[..],
        &["--explain-with-role", "arn:aws:iam::123456789012:role/auditor", "--log-level", "trace"],
    ]
    .concat();
    for format in ["text", "json"] {
        let output = Run::check(&lab, &args).more(&["-v".into(), "-o".into(), format.into()]).output();
        let shown =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(shown.contains("assumed-role/auditor"), "{shown}");
        let spans = r#" aws_diagnostics{target="postgres15"}: pipeprobe::aws::api_calls: API call finished call="iam:GetRole""#;
        assert!(shown.contains(spans), "{shown}");
        assert_eq!(secrets_in(&shown, &[lab.secret_access_key()]), Vec::<String>::new());
    }
}

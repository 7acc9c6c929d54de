//! After a refusal with several possible causes, there is exactly one more STS call or login.

use lab::{Engine, Lab, ServerVersion};
use serde_json::json;

use crate::support::{Run, server_versions, skipped, text};

const WRONG_ROLE: &str = "arn:aws:iam::123456789012:role/wrong";

fn wrong_role(lab: &Lab) {
    lab.aws().change(|world| world.roles.push(lab::access_role(WRONG_ROLE, &["db-ANOTHER"])));
}

fn role_calls(lab: &Lab) -> usize {
    lab.aws().calls().iter().filter(|call| call.action == "AssumeRole").count()
}

#[test]
fn a_role_that_refuses_tags_gets_one_call_without_tags() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    lab.aws().change(|world| {
        let role = world.roles.iter_mut().find(|role| role.arn == lab::ACCESS_ROLE).unwrap();
        role.trust_policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole" },
        ]});
    });
    let answer = Run::check(&lab, &[]).json();
    let row = answer.fails_at("STS_ACCESS_ROLE", "STS_TAG_SESSION_DENIED");
    assert!(text(&row["found"]).ends_with("a second call without tags succeeded"), "{row:#}");
    assert_eq!(role_calls(&lab), 2);

    let answer = Run::check(&lab, &["--no-second-look"]).json();
    let row = answer.fails_at("STS_ACCESS_ROLE", "STS_TAG_SESSION_DENIED");
    assert!(!text(&row["found"]).contains("a second call"), "{row:#}");
    assert_eq!(role_calls(&lab), 3);
}

#[test]
fn a_role_that_refuses_both_calls_gives_ranked_causes() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    lab.aws().change(|world| world.roles.retain(|role| role.arn != lab::ACCESS_ROLE));
    let ranked = |args: &[&str]| {
        let answer = Run::check(&lab, args).json();
        let row = answer.fails_at("STS_ACCESS_ROLE", "STS_ASSUME_ROLE_DENIED").clone();
        let causes = row["candidates"].as_array().unwrap().iter();
        (causes.map(|c| text(&c["cause"]).to_owned()).collect::<Vec<_>>(), row)
    };
    let (causes, row) = ranked(&[]);
    assert_eq!(causes, ["STS_NOT_TRUSTED", "STS_EXTERNAL_ID", "STS_CALLER_NOT_ALLOWED", "STS_NO_SUCH_ROLE"]);
    assert!(text(&row["found"]).ends_with("it refuses as well"), "{row:#}");
    assert_eq!(row["remedy"], row["candidates"][0]["remedy"]);
    // If an external id was passed, it is the more likely cause.
    assert_eq!(ranked(&["--external-id", "pipe-42"]).0[0], "STS_EXTERNAL_ID");
}

#[test]
fn a_refused_token_is_followed_by_exactly_one_retry() {
    for server_version in [ServerVersion::Postgres15, ServerVersion::MariaDb10_11] {
        let lab = Lab::start(&[server_version]).unwrap();
        wrong_role(&lab);
        let server = lab.instance(server_version);
        let refused = |args: &[&str]| {
            let answer = Run::check(&lab, &[&["other"], args].concat()).other(server, WRONG_ROLE).json();
            assert_eq!(answer.status, 3);
            answer.row("AUTH_LOG_IN").clone()
        };
        let row = refused(&[]);
        assert!(text(&row["found"]).ends_with("; and once more, with another token"), "{row:#}");
        let causes: Vec<_> =
            row["candidates"].as_array().unwrap().iter().map(|c| text(&c["cause"])).collect();
        // An account of MariaDB may also require a client certificate.
        let certificate = (server_version != ServerVersion::Postgres15).then_some("AUTH_CLIENT_CERTIFICATE");
        let expected: Vec<_> = ["TOKEN_NOT_ALLOWED"]
            .into_iter()
            .chain(certificate)
            .chain(["TOKEN_DENIED_ABOVE", "IAM_OVERLOADED"])
            .collect();
        assert_eq!(causes, expected, "{server_version}");
        let decisions = server.decisions();
        assert_eq!(decisions.len(), 2, "{server_version}");

        assert!(!text(&refused(&["--no-second-look"])["found"]).contains("a second call"));
        assert_eq!(server.decisions().len(), 3, "{server_version}");
    }
}

/// As on an instance that is short of memory: the first token is refused, the next one is accepted.
#[test]
fn a_token_accepted_on_retry_is_a_warning() {
    let lab = Lab::start(&[ServerVersion::MariaDb10_11]).unwrap();
    wrong_role(&lab);
    let server = lab.instance(ServerVersion::MariaDb10_11);
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            while server.decisions().is_empty() {
                std::thread::yield_now();
            }
            let right = lab::access_role(WRONG_ROLE, &[&server.resource_id]);
            lab.aws().change(|world| {
                world.roles.retain(|role| role.arn != WRONG_ROLE);
                world.roles.push(right);
            });
        });
        Run::check(&lab, &["other"]).other(server, WRONG_ROLE).json()
    });
    let row = answer.row("AUTH_LOG_IN");
    assert_eq!((text(&row["outcome"]), text(&row["cause"])), ("warn", "AUTH_INTERMITTENT"), "{row:#}");
    assert_eq!(answer.report()["verdict"]["capability"], "cdc");
}

/// MySQL locks an account after refused logins, if it has FAILED_LOGIN_ATTEMPTS. A retry of ours must not cause that.
#[test]
fn a_refused_token_is_not_sent_twice_to_mysql() {
    let Some(server_version) = server_versions().into_iter().find(|v| v.engine() == Engine::Mysql) else {
        return skipped("an account with FAILED_LOGIN_ATTEMPTS: MySQL is not available");
    };
    let lab = Lab::start(&[server_version]).unwrap();
    wrong_role(&lab);
    let server = lab.instance(server_version);
    let user = "'clickpipes_iam_user'@'%'";
    server.sql(&format!("ALTER USER {user} FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME 1")).unwrap();
    let answer = Run::check(&lab, &["other"]).other(server, WRONG_ROLE).json();
    answer.fails_at("AUTH_LOG_IN", "MYSQL_TOKEN_REFUSED");
    assert_eq!(server.decisions().len(), 1);
    let answer = Run::check(&lab, &["other"]).other(server, lab::ACCESS_ROLE).json();
    assert_eq!(answer.row("AUTH_LOG_IN")["outcome"], "pass", "{:#}", answer.report());

    // Two refusals lock it, and then the cause and the remedy are right.
    for _ in 0..2 {
        Run::check(&lab, &["other"]).other(server, WRONG_ROLE).json();
    }
    let answer = Run::check(&lab, &["other"]).other(server, lab::ACCESS_ROLE).json();
    let row = answer.fails_at("AUTH_LOG_IN", "MYSQL_ACCOUNT_BLOCKED");
    assert!(text(&row["remedy"]).starts_with("ALTER USER 'clickpipes_iam_user' ACCOUNT UNLOCK;"), "{row:#}");
    server.sql("ALTER USER 'clickpipes_iam_user' ACCOUNT UNLOCK").unwrap();
    let answer = Run::check(&lab, &["other"]).other(server, lab::ACCESS_ROLE).json();
    assert_eq!(answer.row("AUTH_LOG_IN")["outcome"], "pass", "{:#}", answer.report());
}

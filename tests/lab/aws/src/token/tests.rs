use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::client::{Keys, Presign};
use crate::session::{Credentials, Session, Sessions, Tag};
use crate::world::{Role, User, World};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const ROLE: &str = "arn:aws:iam::123456789012:role/access";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

/// 2026-01-02T03:04:05Z
const SIGNED: i64 = 1_767_323_045;

/// An AWS content in which one user, or one session, has these keys. The token is signed by independent code.
fn key(id: &str, secret: &str, session_token: Option<&str>, policies: Vec<Value>) -> Key {
    let world = World {
        users: vec![User {
            arn: "arn:aws:iam::123456789012:user/signer".into(),
            access_key_id: id.into(),
            secret_access_key: secret.into(),
            identity_policies: policies.clone(),
        }],
        roles: vec![Role {
            identity_policies: policies,
            ..Role::new(ROLE, crate::guide::trust_policy("123456789012"))
        }],
        ..World::default()
    };
    world.check().expect("a good world");
    let sessions = Sessions::default();
    if let Some(session_token) = session_token {
        sessions.add(session(id, secret, session_token));
    }
    Key::find(id, &world, &sessions).expect("the key")
}

fn session(id: &str, secret: &str, session_token: &str) -> Session {
    let expires = at(SIGNED + 600);
    Session {
        credentials: Credentials {
            access_key_id: id.into(),
            secret_access_key: secret.into(),
            session_token: session_token.into(),
            expires: clock::system(expires),
        },
        role: ROLE.into(),
        name: "probe".into(),
        tags: vec![Tag::new("Tenant", "clickpipes_iam_user")],
        transitive: vec![],
        policies: None,
        source_identity: None,
        issued: at(SIGNED - 60),
        expires,
    }
}

fn database(host: &str, port: u16, region: &str) -> Database {
    Database {
        host: host.into(),
        port,
        region: region.into(),
        account: "123456789012".into(),
        resource_id: "db-ABCDEFGHIJKL01234".into(),
    }
}

fn judge(token: &str, user: &str, database: &Database, key: &Key, now: i64) -> Result<(), Refusal> {
    let find = |id: &str| ["AKIDEXAMPLE", "ASIAPROBE", "akid"].contains(&id).then(|| key.clone());
    verify(token, user, database, find, at(now)).map(drop)
}

#[test]
fn tokens_botocore_made() {
    let text = include_str!("golden-tokens.txt");
    let tokens: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let rds = "mydb.123456789012.us-east-1.rds.amazonaws.com";
    let expected = [
        (rds, 5432, "us-east-1", "clickpipes_iam_user", None),
        (rds, 3306, "us-east-1", "clickpipes_iam_user", Some("FwoGZXIvYXdzEA+/abc+def==")),
        (rds, 3306, "us-east-1", "user with space+~*/é@x", Some("a/b+c==")),
        ("mydb.cluster-abc.us-east-1.rds.amazonaws.com", 443, "us-east-1", "U", None),
        ("db.cn-north-1.rds.amazonaws.com.cn", 5432, "cn-north-1", "u", None),
    ];
    assert_eq!(tokens.len(), expected.len());
    for (token, (host, port, region, user, session_token)) in tokens.into_iter().zip(expected) {
        let key = key("AKIDEXAMPLE", SECRET, session_token, vec![]);
        let database = database(host, port, region);
        assert_eq!(judge(token, user, &database, &key, SIGNED), Ok(()), "{host}");
        let expired = Err(Refusal::Expired { age: 901 });
        assert_eq!(judge(token, user, &database, &key, SIGNED + 901), expired, "{host}");
    }
}

/// smithy-rs' own unit test of its RDS signer.
#[test]
fn a_token_smithy_made() {
    let token = "prod-instance.us-east-1.rds.amazonaws.com:3306/?Action=connect&DBUser=peccy&X-Amz-Algorithm=\
                 AWS4-HMAC-SHA256&X-Amz-Credential=akid%2F20240826%2Fus-east-1%2Frds-db%2Faws4_request&X-Amz-Date=\
                 20240826T220000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=\
                 dd0cba843009474347af724090233265628ace491ea17ce3eb3da098b983ad89";
    let database = database("prod-instance.us-east-1.rds.amazonaws.com", 3306, "us-east-1");
    assert_eq!(judge(token, "peccy", &database, &key("akid", "secret", None, vec![]), 1_724_709_600), Ok(()));
}

struct Case {
    database: Database,
    keys: Keys,
    key: Key,
}

fn case() -> Case {
    let keys = Keys { id: "ASIAPROBE".into(), secret: SECRET.into(), token: Some("a+b/c==".into()) };
    Case {
        database: database("db.example.us-east-1.rds.amazonaws.com", 5432, "us-east-1"),
        key: key(&keys.id, &keys.secret, keys.token.as_deref(), vec![]),
        keys,
    }
}

fn presign() -> Presign<'static> {
    Presign {
        host: "db.example.us-east-1.rds.amazonaws.com",
        port: 5432,
        user: "clickpipes_iam_user",
        region: "us-east-1",
        service: "rds-db",
        expires: 900,
        time: at(SIGNED),
    }
}

impl Case {
    fn judge_at(&self, token: &str, now: i64) -> Result<(), Refusal> {
        judge(token, "clickpipes_iam_user", &self.database, &self.key, now)
    }

    fn judge(&self, token: &str) -> Result<(), Refusal> {
        self.judge_at(token, SIGNED)
    }
}

#[test]
fn a_token_is_for_one_endpoint_user_region_and_service() {
    let case = case();
    assert_eq!(case.judge(&presign().token(&case.keys)), Ok(()));
    let signed_for = |presign: Presign<'_>| case.judge(&presign.token(&case.keys));
    let here = "db.example.us-east-1.rds.amazonaws.com:5432".to_owned();
    let endpoint = |signed_for: &str| {
        Err(Refusal::WrongEndpoint { signed_for: signed_for.into(), expected: here.clone() })
    };
    assert_eq!(
        signed_for(Presign { host: "other.rds.amazonaws.com", ..presign() }),
        endpoint("other.rds.amazonaws.com:5432")
    );
    assert_eq!(
        signed_for(Presign { port: 5433, ..presign() }),
        endpoint("db.example.us-east-1.rds.amazonaws.com:5433")
    );
    assert_eq!(
        signed_for(Presign { user: "Clickpipes_IAM_user", ..presign() }),
        Err(Refusal::WrongUser {
            signed_for: "Clickpipes_IAM_user".into(),
            expected: "clickpipes_iam_user".into()
        })
    );
    assert_eq!(
        signed_for(Presign { region: "us-east-2", ..presign() }),
        Err(Refusal::WrongRegion { signed_for: "us-east-2".into(), expected: "us-east-1".into() })
    );
    assert_eq!(
        signed_for(Presign { service: "rds", ..presign() }),
        Err(Refusal::WrongService { signed_for: "rds".into() })
    );
}

#[test]
fn a_token_has_its_time() {
    let case = case();
    let token = presign().token(&case.keys);
    // The session behind it ends at 600.
    assert_eq!(case.judge_at(&token, SIGNED + 599), Ok(()));
    assert_eq!(case.judge_at(&token, SIGNED + 600), Err(Refusal::CredentialsExpired));
    assert_eq!(case.judge_at(&token, SIGNED + 901), Err(Refusal::Expired { age: 901 }));
    assert_eq!(case.judge_at(&token, SIGNED - 300), Ok(()));
    assert_eq!(case.judge_at(&token, SIGNED - 301), Err(Refusal::NotYetValid { ahead: 301 }));
    let short = Presign { expires: 60, ..presign() }.token(&case.keys);
    assert_eq!(case.judge_at(&short, SIGNED + 61), Err(Refusal::Expired { age: 61 }));
    let long = Presign { expires: 901, ..presign() }.token(&case.keys);
    assert_eq!(case.judge(&long), Err(Refusal::LivesTooLong { seconds: 901 }));
}

#[test]
fn keys_and_signatures() {
    let case = case();
    let good = presign().token(&case.keys);
    let with = |keys: Keys| case.judge(&presign().token(&keys));
    assert_eq!(with(Keys { id: "ASIANOBODY".into(), ..case.keys.clone() }), Err(Refusal::UnknownAccessKey));
    assert_eq!(with(Keys { secret: "other".into(), ..case.keys.clone() }), Err(Refusal::SignatureMismatch));
    assert_eq!(with(Keys { token: None, ..case.keys.clone() }), Err(Refusal::SessionTokenMismatch));
    assert_eq!(
        with(Keys { token: Some("a b/c==".into()), ..case.keys.clone() }),
        Err(Refusal::SessionTokenMismatch)
    );
    for (what, altered) in [
        ("a digit of the signature", good.replace("X-Amz-Signature=", "X-Amz-Signature=0")),
        ("the time", good.replace("20260102T030405Z", "20260102T030406Z")),
        ("the life", good.replace("X-Amz-Expires=900", "X-Amz-Expires=899")),
        ("one parameter more", format!("{good}&X=1")),
    ] {
        assert_eq!(case.judge(&altered), Err(Refusal::SignatureMismatch), "{what}");
    }
}

#[test]
fn what_is_no_token() {
    let case = case();
    let good = presign().token(&case.keys);
    let cut = &good[..good.len() / 2];
    for (what, text) in [
        ("nothing", String::new()),
        ("a password", "hunter2".into()),
        ("the URL itself", format!("https://{good}")),
        ("cut", cut.into()),
        ("no signature", good.split("&X-Amz-Signature").next().unwrap_or_default().into()),
        ("spaces", good.replace("Action=connect", "Action=connect%20&x= ")),
        ("a raw plus", good.replace("%2B", "+")),
        ("twice", format!("{good}&Action=connect")),
        ("another action", good.replace("Action=connect", "Action=Connect")),
        ("another algorithm", good.replace("SHA256", "SHA1")),
        ("other headers", good.replace("SignedHeaders=host", "SignedHeaders=host%3Bx")),
        ("no life", good.replace("Expires=900", "Expires=0")),
        ("a negative life", good.replace("Expires=900", "Expires=-1")),
        ("the day of another", good.replace("%2F20260102%2F", "%2F20260103%2F")),
        ("not UTF-8", good.replace("clickpipes", "%FF")),
        ("too much", format!("{good}{}", "&a".repeat(100_000))),
        ("a newline", format!("{good}\n")),
        ("a NUL", format!("{good}\0")),
    ] {
        assert!(matches!(case.judge(&text), Err(Refusal::Malformed(_))), "{what}: {:?}", case.judge(&text));
    }
}

/// Cuts and single-byte changes at every place: refused, and nothing worse.
#[test]
fn every_cut_and_every_changed_byte_is_refused() {
    let case = case();
    let good = presign().token(&case.keys);
    assert!(good.is_ascii());
    for at in 0..good.len() {
        case.judge(&good[..at]).expect_err("a cut");
        for byte in ["Z", "%", "&", "=", "é", "\0"] {
            let changed = format!("{}{byte}{}", &good[..at], &good[at + 1..]);
            // Hex digits, of an escape and of the signature, and the host's letters have no case.
            if !changed.eq_ignore_ascii_case(&good) {
                assert!(case.judge(&changed).is_err(), "{at} {byte}");
            }
        }
    }
}

fn may(policies: Vec<Value>, session_policies: Option<Vec<Value>>) -> Result<(), Refusal> {
    let session = Session { policies: session_policies, ..session("ASIAPROBE", SECRET, "t") };
    let caller = Caller::of_session(&Arc::new(session), policies).expect("a role");
    let database = database("h", 5432, "us-east-1");
    authorize(&caller, "clickpipes_iam_user", &database, "aws", at(SIGNED))
}

fn statement(effect: &str, resource: &str) -> Value {
    json!({ "Version": "2012-10-17",
        "Statement": { "Effect": effect, "Action": "rds-db:connect", "Resource": resource } })
}

#[test]
fn what_policies_allow() {
    let guide = crate::guide::connect_policy("us-east-1", "123456789012", "db-ABCDEFGHIJKL01234");
    let refused = |explicit| {
        Err(Refusal::NotAuthorized {
            caller: "arn:aws:sts::123456789012:assumed-role/access/probe".into(),
            resource: "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKL01234/clickpipes_iam_user"
                .into(),
            explicit,
        })
    };
    let any = statement("Allow", "arn:aws:rds-db:us-east-1:123456789012:dbuser:*/*");
    assert_eq!(may(vec![guide.clone()], None), Ok(()));
    assert_eq!(may(vec![any.clone()], None), Ok(()));
    assert_eq!(
        may(vec![statement("Allow", "arn:aws:rds-db:*:*:dbuser:*/${aws:PrincipalTag/Tenant}")], None),
        Ok(())
    );
    assert_eq!(may(vec![], None), refused(false));
    for wrong in [
        "arn:aws:rds:us-east-1:123456789012:db:mydb",
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:mydb/clickpipes_iam_user",
        "arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKL01234/other",
        "arn:aws:rds-db:us-east-2:123456789012:dbuser:db-ABCDEFGHIJKL01234/clickpipes_iam_user",
        "arn:aws:rds-db:us-east-1:123456789013:dbuser:db-ABCDEFGHIJKL01234/clickpipes_iam_user",
        "arn:aws-cn:rds-db:us-east-1:123456789012:dbuser:db-ABCDEFGHIJKL01234/clickpipes_iam_user",
    ] {
        assert_eq!(may(vec![statement("Allow", wrong)], None), refused(false), "{wrong}");
    }
    assert_eq!(may(vec![guide.clone(), statement("Deny", "*")], None), refused(true));
    // A session policy only restricts.
    assert_eq!(may(vec![guide.clone()], Some(vec![any.clone()])), Ok(()));
    assert_eq!(may(vec![guide.clone()], Some(vec![])), refused(false));
    assert_eq!(may(vec![], Some(vec![any])), refused(false));
    assert_eq!(may(vec![guide], Some(vec![statement("Deny", "*")])), refused(true));
}

#[test]
fn source_addresses_are_not_looked_at() {
    let mut policy = statement("Allow", "*");
    policy["Statement"]["Condition"] = json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } });
    assert_eq!(may(vec![policy.clone()], None), Ok(()));
    policy["Statement"]["Condition"] = json!({ "StringEquals": { "aws:PrincipalTag/Tenant": "x" } });
    may(vec![policy], None).expect_err("other conditions count");
}

#[test]
fn another_account_cannot_connect() {
    let key = key("AKIAUSER", SECRET, None, vec![statement("Allow", "*")]);
    let mut database = database("h", 1, "us-east-1");
    assert_eq!(authorize(&key.caller, "u", &database, "aws", at(SIGNED)), Ok(()));
    database.account = "210987654321".into();
    let refused = authorize(&key.caller, "u", &database, "aws", at(SIGNED)).expect_err("another account");
    assert_eq!(refused.code(), "NotAuthorized");
    assert!(matches!(refused, Refusal::OtherAccount { .. }));
}

#[test]
fn the_words_of_the_log() {
    let line = Refusal::Expired { age: 901 }.log_line("u");
    assert!(line.ends_with("for user u because the token age is longer than 15 minutes. (Status Code: 400, Error Code: ExpiredToken)"));
    assert!(Refusal::SignatureMismatch.log_line("u").contains("Error Code: InvalidToken"));
}

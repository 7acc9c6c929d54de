//! The whole of it, over real sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::client::{Answer, Keys, Presign, Sts, ask, send};
use crate::guide::{connect_policy, may_assume, trust_policy};
use crate::refusal::Refusal;
use crate::world::{Role, User};

const HOUSE: &str = "arn:aws:iam::111111111111:role/clickhouse";
const ACCESS: &str = "arn:aws:iam::222222222222:role/access";
const TAG: [(&str, &str); 2] = [("Tags.member.1.Key", "Service"), ("Tags.member.1.Value", "clickpipes")];
const WHO: [(&str, &str); 1] = [("Action", "GetCallerIdentity")];

fn world() -> World {
    let user = |arn: &str, id: &str, policies| User {
        arn: arn.into(),
        access_key_id: id.into(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
        identity_policies: policies,
    };
    World {
        users: vec![
            user("arn:aws:iam::111111111111:user/platform", "AKIAPLATFORM", vec![may_assume("*")]),
            user(
                "arn:aws:iam::222222222222:user/dba",
                "AKIADBA",
                vec![connect_policy("us-east-1", "222222222222", "db-A")],
            ),
        ],
        roles: vec![
            Role::new(HOUSE, trust_policy("arn:aws:iam::111111111111:root")).with_policy(may_assume(ACCESS)),
            Role::new(ACCESS, trust_policy(HOUSE)).with_policy(connect_policy(
                "us-east-1",
                "222222222222",
                "db-A",
            )),
        ],
        ..World::default()
    }
}

fn keys(id: &str) -> Keys {
    Keys { id: id.into(), secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(), token: None }
}

fn assume(sts: &Sts<'_>, keys: &Keys, role: &str, more: &[(&str, &str)]) -> Answer {
    let form = [&[("Action", "AssumeRole"), ("RoleArn", role), ("RoleSessionName", "probe")], more].concat();
    sts.call(keys, &form)
}

fn start() -> (Aws, String) {
    let aws = Aws::start(world()).expect("the lab's AWS");
    let endpoint = aws.endpoint();
    (aws, endpoint)
}

fn database() -> Database {
    Database {
        host: "db.example.us-east-1.rds.amazonaws.com".into(),
        port: 5432,
        region: "us-east-1".into(),
        account: "222222222222".into(),
        resource_id: "db-A".into(),
    }
}

fn presign(user: &str, time: Timestamp) -> Presign<'_> {
    Presign {
        host: "db.example.us-east-1.rds.amazonaws.com",
        port: 5432,
        user,
        region: "us-east-1",
        service: "rds-db",
        expires: 900,
        time,
    }
}

fn socket(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("lab-aws-{}-{name}.sock", std::process::id()))
}

#[test]
fn the_guides_chain_from_platform_to_database() {
    let (aws, endpoint) = start();
    let sts = Sts::at(&endpoint);
    let path = socket("chain");
    let verifier = aws.verify_on(&path, database()).expect("a verifier");

    let house = assume(&sts, &keys("AKIAPLATFORM"), HOUSE, &[]).keys();
    let access = assume(&sts, &house, ACCESS, &TAG);
    assert_eq!(access.field("PackedPolicySize").as_deref(), Some("1"));
    assert_eq!(access.field("Arn").as_deref(), Some("arn:aws:sts::222222222222:assumed-role/access/probe"));
    let access = access.keys();
    let length = access.token.as_deref().map_or(0, str::len);
    assert!((1024..=2048).contains(&length), "{length}");

    let who = sts.call(&access, &WHO);
    assert_eq!(who.field("Account").as_deref(), Some("222222222222"));
    assert!(who.field("UserId").is_some_and(|id| id.starts_with("AROA") && id.ends_with(":probe")));

    let token = presign("clickpipes_iam_user", Timestamp::now()).token(&access);
    let accepted =
        ask(&path, "clickpipes_iam_user", "X-Engine: postgres\r\nX-Replication: database\r\n", &token);
    assert_eq!((accepted.status, accepted.body.as_str()), (200, "accepted\n"));
    assert!(accepted.head.contains("connection: close"));
    let refused = ask(&path, "clickpipes_iam_user", "X-Engine: mysql\r\nX-Tls: no\r\n", &token);
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (403, "InvalidToken: the connection is not encrypted\n")
    );

    let decisions = verifier.decisions();
    let first = &decisions[0];
    assert!(first.accepted() && first.token_len == token.len());
    assert_eq!((first.engine.as_str(), first.replication.as_str()), ("postgres", "database"));
    assert_eq!(first.caller.as_deref(), Some("arn:aws:sts::222222222222:assumed-role/access/probe"));
    assert_eq!(decisions[1].refusal, Some(Refusal::NoTls));

    let calls = aws.calls();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[1].caller.as_deref(), Some("arn:aws:sts::111111111111:assumed-role/clickhouse/probe"));
    assert_eq!((calls[1].tags[0].key.as_str(), calls[1].status), ("Service", 200));
    for shown in [format!("{calls:?}"), format!("{decisions:?}"), format!("{aws:?}")] {
        for secret in [&access.secret, access.token.as_ref().expect("a token"), &token] {
            assert!(!shown.contains(secret.as_str()));
        }
        assert!(!shown.contains("wJalrXUtnFEMI"));
    }

    // The role's permission goes: the same token is no longer enough.
    aws.change(|world| world.roles[1].identity_policies.clear());
    let token = presign("clickpipes_iam_user", Timestamp::now()).token(&access);
    let refused = ask(&path, "clickpipes_iam_user", "", &token);
    assert!(
        refused.body.starts_with("NotAuthorized: arn:aws:sts::222222222222:assumed-role/access/probe is not")
    );
    aws.change(|world| world.roles.truncate(1));
    assert_eq!(ask(&path, "clickpipes_iam_user", "", &token).status, 403);

    drop(verifier);
    assert!(!path.exists());
}

#[test]
fn answers_look_like_awss() {
    let (_aws, endpoint) = start();
    let sts = Sts::at(&endpoint);
    let answer = assume(&sts, &keys("AKIAPLATFORM"), ACCESS, &TAG);
    assert_eq!((answer.status, answer.code().as_str()), (403, "AccessDenied"));
    assert_eq!(answer.field("Type").as_deref(), Some("Sender"));
    assert_eq!(
        answer.message(),
        "User: arn:aws:iam::111111111111:user/platform is not authorized to perform: sts:AssumeRole on resource: \
         arn:aws:iam::222222222222:role/access"
    );
    let id = answer.field("RequestId").expect("an id");
    assert!(answer.head.contains(&format!("x-amzn-requestid: {id}")), "{}", answer.head);
    assert!(answer.head.contains("\r\ndate: ") && answer.head.contains("content-type: text/xml"));
    let unknown = sts.call(&keys("AKIAPLATFORM"), &[("Action", "GetSessionToken")]);
    assert_eq!((unknown.status, unknown.code().as_str()), (400, "InvalidAction"));
    let none = sts.call(&keys("AKIAPLATFORM"), &[]);
    assert_eq!((none.status, none.code().as_str()), (400, "MissingAction"));
}

#[test]
fn credentials_that_are_none() {
    let (aws, endpoint) = start();
    let sts = Sts::at(&endpoint);
    let good = keys("AKIAPLATFORM");
    let session = assume(&sts, &good, HOUSE, &[]).keys();
    for (what, keys, code) in [
        ("an unknown key", keys("AKIANOBODY"), "InvalidClientTokenId"),
        ("a wrong secret", Keys { secret: "x".into(), ..good.clone() }, "SignatureDoesNotMatch"),
        (
            "a token for long-lived keys",
            Keys { token: Some("x".into()), ..good.clone() },
            "InvalidClientTokenId",
        ),
        ("no session token", Keys { token: None, ..session.clone() }, "InvalidClientTokenId"),
        (
            "a cut session token",
            Keys { token: session.token.as_ref().map(|t| t[..512].into()), ..session.clone() },
            "InvalidClientTokenId",
        ),
    ] {
        let answer = sts.call(&keys, &WHO);
        assert_eq!((answer.status, answer.code().as_str()), (403, code), "{what}");
    }
    assert_eq!(sts.call(&session, &WHO).status, 200);
    aws.shift_clock(3601);
    let later = Sts { time: Timestamp::now() + SignedDuration::from_secs(3601), ..sts };
    let expired = later.call(&session, &WHO);
    assert_eq!((expired.status, expired.code().as_str()), (403, "ExpiredToken"));
}

#[test]
fn requests_that_are_altered_or_unsigned() {
    let (_aws, endpoint) = start();
    let sts = Sts::at(&endpoint);
    let good = sts.request(&keys("AKIAPLATFORM"), &WHO);
    for (from, to, status, code) in [
        ("Version=2011-06-15", "Version=2011-06-16", 403, "SignatureDoesNotMatch"),
        ("host: 127", "host: x127", 403, "SignatureDoesNotMatch"),
        (
            "SignedHeaders=content-type;host;x-amz-date",
            "SignedHeaders=x-amz-date",
            403,
            "SignatureDoesNotMatch",
        ),
        ("/sts/aws4_request", "/iam/aws4_request", 403, "SignatureDoesNotMatch"),
        ("/sts/aws4_request", "/sts", 400, "IncompleteSignature"),
        ("x-amz-date:", "x-amz-dote:", 400, "IncompleteSignature"),
        ("Credential=", "Credential= ", 400, "IncompleteSignature"),
        ("AWS4-HMAC-SHA256", "Basic", 400, "IncompleteSignature"),
        ("Authorization:", "X-Authorization:", 403, "MissingAuthenticationToken"),
        ("Signature=", "Signature=zz", 403, "SignatureDoesNotMatch"),
    ] {
        assert!(good.contains(from), "{from}");
        let answer = send(&endpoint, &good.replacen(from, to, 1));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{to}: {answer}");
        assert!(answer.contains(&format!("<Code>{code}</Code>")), "{to}: {answer}");
    }
}

#[test]
fn a_scope_that_is_signed_but_wrong() {
    let (_aws, endpoint) = start();
    for (sts, words) in [
        (
            Sts { service: "ec2", ..Sts::at(&endpoint) },
            "Credential should be scoped to correct service: 'sts'.",
        ),
        (Sts { region: "", ..Sts::at(&endpoint) }, "Credential should be scoped to a valid region."),
        (
            Sts { day: Some("20200101"), ..Sts::at(&endpoint) },
            "Date in Credential scope does not match YYYYMMDD",
        ),
    ] {
        let answer = sts.call(&keys("AKIAPLATFORM"), &WHO);
        assert_eq!((answer.status, answer.code().as_str()), (403, "SignatureDoesNotMatch"));
        assert!(answer.message().starts_with(words), "{}", answer.message());
    }
}

#[test]
fn a_clock_that_is_off() {
    let (aws, endpoint) = start();
    let sts = Sts::at(&endpoint);
    let who = || sts.call(&keys("AKIAPLATFORM"), &WHO);
    for (minutes, begins, middle, ends) in [
        (20, "Signature expired: ", " is now earlier than ", " - 15 min.)"),
        (-20, "Signature not yet current: ", " is still later than ", " + 15 min.)"),
    ] {
        aws.shift_clock(minutes * 60);
        let answer = who();
        assert_eq!((answer.status, answer.code().as_str()), (403, "SignatureDoesNotMatch"));
        let message = answer.message();
        assert!(
            message.starts_with(begins) && message.contains(middle) && message.ends_with(ends),
            "{message}"
        );
        // The Date header tells how far off.
        let theirs = Timestamp::now() + SignedDuration::from_mins(minutes);
        assert!(
            (-2..=2).any(|off| {
                let date = crate::clock::http(theirs + SignedDuration::from_secs(off)).to_lowercase();
                answer.head.contains(&format!("date: {date}"))
            }),
            "{}",
            answer.head
        );
    }
    for minutes in [-14, 14, 0] {
        aws.shift_clock(minutes * 60);
        assert_eq!(who().status, 200, "{minutes}");
    }
}

#[test]
fn the_verifier_has_awss_clock() {
    let (aws, _) = start();
    let path = socket("clock");
    let verifier = aws.verify_on(&path, database()).expect("a verifier");
    let token = presign("clickpipes_iam_user", Timestamp::now()).token(&keys("AKIADBA"));
    let judge = |seconds| {
        aws.shift_clock(seconds);
        ask(&path, "clickpipes_iam_user", "X-Engine: mariadb\r\nX-Tls: unknown\r\n", &token);
        verifier.decisions().pop().and_then(|decision| decision.refusal)
    };
    assert_eq!(judge(0), None, "users with keys of their own may connect");
    assert!(matches!(judge(20 * 60), Some(Refusal::Expired { .. })));
    assert!(matches!(judge(-20 * 60), Some(Refusal::NotYetValid { .. })));
    assert_eq!(judge(0), None);
}

#[test]
fn a_verifier_can_become_another_databases() {
    let (aws, _) = start();
    let path = socket("move");
    let verifier = aws.verify_on(&path, database()).expect("a verifier");
    let token = presign("clickpipes_iam_user", Timestamp::now()).token(&keys("AKIADBA"));
    let status = || ask(&path, "clickpipes_iam_user", "", &token).status;
    assert_eq!(status(), 200);
    verifier.set_database(Database { port: 5433, ..database() });
    assert_eq!(status(), 403);
    verifier.set_database(Database { resource_id: "cluster-B".into(), ..database() });
    assert_eq!(status(), 403);
    let reasons: Vec<_> = verifier.decisions().into_iter().map(|d| d.refusal.map(|r| r.code())).collect();
    assert_eq!(reasons, [None, Some("InvalidToken"), Some("NotAuthorized")]);
}

#[test]
fn faults() {
    let (aws, endpoint) = start();
    let sts = Sts::at(&endpoint);
    let who = || sts.call(&keys("AKIAPLATFORM"), &WHO);
    for (fault, status, code, side) in [
        (Fault::Throttle, 400, "Throttling", "Sender"),
        (Fault::InternalFailure, 500, "InternalFailure", "Receiver"),
        (Fault::ServiceUnavailable, 503, "ServiceUnavailable", "Receiver"),
    ] {
        aws.set_fault(fault);
        let answer = who();
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert_eq!(answer.field("Type").as_deref(), Some(side));
    }

    aws.set_fault(Fault::Malformed);
    let half = who();
    assert_eq!(half.status, 200);
    assert!(half.body.ends_with("<AccessKeyId>ASIA"), "{}", half.body);

    aws.set_fault(Fault::Next { count: 2, fault: Box::new(Fault::ServiceUnavailable) });
    let statuses = [who().status, who().status, who().status];
    assert_eq!(statuses, [503, 503, 200]);
    let recorded: Vec<_> = aws.calls().iter().map(|call| call.status).collect();
    assert_eq!(recorded, [400, 500, 503, 200, 503, 503, 200]);
}

#[test]
fn a_hang_lasts_until_the_client_gives_up() {
    let (aws, endpoint) = start();
    let sts = Sts::at(&endpoint);
    aws.set_fault(Fault::Next { count: 1, fault: Box::new(Fault::Hang) });
    let request = sts.request(&keys("AKIAPLATFORM"), &WHO);
    let mut stream = TcpStream::connect(aws.address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("sent");
    let waited = stream.read(&mut [0; 1]).expect_err("no answer");
    assert!(matches!(waited.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut));
    assert_eq!(sts.call(&keys("AKIAPLATFORM"), &WHO).status, 200, "others are served meanwhile");
    assert_eq!(aws.calls()[0].status, 0);
    drop(aws);
    assert_eq!(stream.read(&mut [0; 1]).expect("closed"), 0, "a stop ends what hangs");
}

#[test]
fn disabled_regions_are_of_the_credential_scope() {
    let (aws, endpoint) = start();
    aws.change(|world| world.disabled_sts_regions.push("eu-south-1".into()));
    let there = Sts { region: "eu-south-1", ..Sts::at(&endpoint) };
    let answer = assume(&there, &keys("AKIAPLATFORM"), HOUSE, &[]);
    assert_eq!((answer.status, answer.code().as_str()), (403, "RegionDisabledException"));
    assert_eq!(there.call(&keys("AKIAPLATFORM"), &WHO).status, 200, "nothing is issued by it");
    assert_eq!(assume(&Sts::at(&endpoint), &keys("AKIAPLATFORM"), HOUSE, &[]).status, 200);
}

#[test]
fn an_issued_session_brings_its_tags_along() {
    let (aws, endpoint) = start();
    let sts = Sts::at(&endpoint);
    let tags = [Tag::new("kubernetes-namespace", "pipes")];
    let pod: Keys = aws.issue(HOUSE, "pod", &tags, Duration::from_mins(15)).into();
    assert_eq!(assume(&sts, &pod, ACCESS, &TAG).status, 200);
    aws.change(|world| world.roles[1].trust_policy["Statement"][0]["Action"] = json!("sts:AssumeRole"));
    let refused = assume(&sts, &pod, ACCESS, &[]);
    assert!(refused.message().contains("is not authorized to perform: sts:TagSession"), "{refused:?}");
}

#[test]
fn session_policies_reach_the_database() {
    let (aws, endpoint) = start();
    let sts = Sts::at(&endpoint);
    let path = socket("policy");
    let _verifier = aws.verify_on(&path, database()).expect("a verifier");
    let pod: Keys = aws.issue(HOUSE, "pod", &[], Duration::from_mins(15)).into();
    let policy = json!({ "Version": "2012-10-17",
        "Statement": { "Effect": "Allow", "Action": "rds-db:connect", "Resource": "*:dbuser:db-B/*" } });
    let narrow = assume(&sts, &pod, ACCESS, &[("Policy", &policy.to_string())]).keys();
    let token = presign("clickpipes_iam_user", Timestamp::now()).token(&narrow);
    assert_eq!(ask(&path, "clickpipes_iam_user", "", &token).status, 403);
}

#[test]
fn odd_requests_are_answered_or_dropped() {
    let (aws, endpoint) = start();
    let path = socket("odd");
    let _verifier = aws.verify_on(&path, database()).expect("a verifier");
    let big =
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n{}", "x".repeat(2_000_000));
    let answer = send(&endpoint, &big);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    for request in [
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /?Action=%FF&&&=&+ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\n%%%",
        "POST / HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=////,SignedHeaders=;;,Signature=\r\nX-Amz-Date: \
         99999999T999999Z\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b/c/sts/aws4_request,SignedHeaders=host,\
         Signature=\r\nX-Amz-Date: 00000101T000000Z\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    ] {
        let answer = send(
            &endpoint,
            request.replacen("GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nConnection: close\r\n", 1).as_str(),
        );
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{request}: {answer}");
    }
    assert_eq!(ask(&path, "u", "", "").status, 403);
    assert_eq!(ask(&path, "ü", "X-Engine: \u{7f}\r\n".trim_matches('x'), "x").status / 100, 4);
    assert_eq!(Sts::at(&endpoint).call(&keys("AKIAPLATFORM"), &WHO).status, 200, "still there");
}

#[test]
fn many_logins_at_once() {
    let (aws, _) = start();
    let path = socket("many");
    let verifier = aws.verify_on(&path, database()).expect("a verifier");
    let token = presign("clickpipes_iam_user", Timestamp::now()).token(&keys("AKIADBA"));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..16 {
                    assert_eq!(ask(&path, "clickpipes_iam_user", "", &token).status, 200);
                }
            });
        }
    });
    assert_eq!(verifier.decisions().len(), 64 * 16);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn it_starts_and_stops_inside_a_runtime_too() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (aws, endpoint) = start();
        let path = socket("inside");
        let _verifier = aws.verify_on(&path, database()).expect("a verifier");
        assert_eq!(Sts::at(&endpoint).call(&keys("AKIAPLATFORM"), &WHO).status, 200);
        drop(aws);
        TcpStream::connect(endpoint.trim_start_matches("http://")).expect_err("nobody listens");
    });
}

#[test]
fn sockets_are_for_everyone_and_replace_only_sockets() {
    let (aws, _) = start();
    let path = socket("mode");
    let first = aws.verify_on(&path, database()).expect("a verifier");
    let mode = std::fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o666);
    std::mem::forget(first); // an earlier run that was ended the hard way
    drop(aws.verify_on(&path, database()).expect("takes its place"));
    std::fs::write(&path, "someone's file").expect("written");
    aws.verify_on(&path, database()).expect_err("not a socket");
    std::fs::remove_file(&path).expect("still there");
}

#[test]
fn a_world_that_is_none_is_refused() {
    let mut world = world();
    world.roles[0].trust_policy = json!({ "Statement": [{ "Effect": "Allow" }] });
    let error = Aws::start(world.clone()).expect_err("no such policy");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains(HOUSE), "{error}");
    let (aws, endpoint) = start();
    let changed =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| aws.change(|place| *place = world)));
    changed.expect_err("no such world");
    assert_eq!(Sts::at(&endpoint).call(&keys("AKIAPLATFORM"), &WHO).status, 200, "the old one stays");
}

mod records;

use std::time::Duration;

use lab::{ACCESS_ROLE, Lab, SERVICE_ROLE, ServerVersion};
use lab_aws::Fault;
use serde_json::json;

use crate::support::{Run, answers, text};

fn lab() -> Lab {
    Lab::start(&[ServerVersion::Postgres15]).unwrap()
}

fn trust(lab: &Lab, actions: &[&str], condition: Option<serde_json::Value>) {
    let mut statement =
        json!({ "Effect": "Allow", "Principal": { "AWS": [lab::CALLER, SERVICE_ROLE] }, "Action": actions });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    lab.aws().change(|world| {
        let role = world.roles.iter_mut().find(|role| role.arn == ACCESS_ROLE).unwrap();
        role.trust_policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
    });
}

#[test]
fn a_missing_tag_session_cannot_go_unnoticed() {
    let lab = lab();
    trust(&lab, &["sts:AssumeRole"], None);
    let answer = Run::check(&lab, &[]).json();
    let row = answer.fails_at("STS_ACCESS_ROLE", "STS_TAG_SESSION_DENIED");
    assert!(text(&row["remedy"]).contains(r#""Action": ["sts:AssumeRole", "sts:TagSession"]"#), "{row:#}");
    assert!(text(&row["found"]).contains("sts:TagSession"), "AWS's own words: {row:#}");
    // The climb went on beside it, so the network is known to be good.
    assert_eq!(answer.row("AUTH_IAM_ASKED")["outcome"], "pass");
    assert_eq!(answer.row("AUTH_LOG_IN")["outcome"], "not_reached");
    assert!(lab.instance(ServerVersion::Postgres15).decisions().is_empty(), "no token was sent");
}

#[test]
fn an_external_id_is_passed_where_it_is_asked_for() {
    let lab = lab();
    let condition = json!({ "StringEquals": { "sts:ExternalId": "pipe-42" } });
    trust(&lab, &["sts:AssumeRole", "sts:TagSession"], Some(condition));
    let without = Run::check(&lab, &[]).json();
    let row = without.fails_at("STS_ACCESS_ROLE", "STS_ASSUME_ROLE_DENIED");
    assert!(text(&row["candidates"][1]["remedy"]).contains("set `external_id`"), "{row:#}");
    Run::check(&lab, &["--external-id", "pipe-43"])
        .json()
        .fails_at("STS_ACCESS_ROLE", "STS_ASSUME_ROLE_DENIED");
    // ClickPipes sends none. Whether the role requires it of the service role too is not known to this caller …
    let with = Run::check(&lab, &["--external-id", "pipe-42"]).json();
    assert_eq!(with.status, 3);
    assert_eq!(with.row("AUTH_LOG_IN")["outcome"], "pass", "it was passed");
    assert_eq!(with.report()["verdict"]["blocked_by"], json!(["CLICKPIPES_ROLE"]));
    let row = with.row("CLICKPIPES_ROLE");
    assert_eq!((text(&row["outcome"]), text(&row["cause"])), ("unknown", "CLICKPIPES_EXTERNAL_ID"));
    // … and through the service role it is.
    let via = Run::check(&lab, &["--external-id", "pipe-42", "--via-role", SERVICE_ROLE]).json();
    let row = via.fails_at("CLICKPIPES_ROLE", "CLICKPIPES_EXTERNAL_ID");
    assert!(text(&row["remedy"]).contains("in a statement without sts:ExternalId"), "{row:#}");
}

#[test]
fn an_external_id_that_is_not_needed_does_not_matter() {
    let lab = lab();
    trust(&lab, &["sts:AssumeRole", "sts:TagSession"], None);
    for via in [&[][..], &["--via-role", SERVICE_ROLE]] {
        let answer = Run::check(&lab, &[&["--external-id", "pipe-42"], via].concat()).json();
        assert_eq!(answer.status, 0, "{:#}", answer.report());
    }
}

#[test]
fn a_clock_twenty_minutes_off_is_named_as_that() {
    for (shift, offset) in [(1200, "+1200 s"), (-1200, "-1200 s")] {
        let lab = lab();
        lab.aws().shift_clock(shift);
        let answer = Run::check(&lab, &[]).json();
        // The SDK corrects a skewed clock by itself and tries again, so STS lets us in; what it cannot
        // correct is the token.
        let seen = answer.report()["identity"]["clock_offset_seconds"].as_i64().unwrap();
        assert!((seen - shift).abs() <= 2, "{seen} for {offset}");
        answer.fails_at("AUTH_LOG_IN", "CLOCK_SKEW");
        assert_eq!(answer.row("TOKEN_LIFE")["cause"], "CLOCK_SKEW");
    }
}

#[test]
fn profiles_and_credential_process_give_source_credentials() {
    let lab = lab();
    let config = lab.dir().join("aws-config");
    let keys = format!(
        r#"{{"Version":1,"AccessKeyId":"{}","SecretAccessKey":"{}"}}"#,
        lab::CALLER_ACCESS_KEY_ID,
        lab.secret_access_key()
    );
    let script = lab.dir().join("credentials.json");
    std::fs::write(&script, keys).unwrap();
    let shared = format!(
        "[profile keys]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
         [profile program]\ncredential_process = cat {}\n",
        lab::CALLER_ACCESS_KEY_ID,
        lab.secret_access_key(),
        script.display()
    );
    std::fs::write(&config, shared).unwrap();
    let run = |args: &[&str]| {
        let path = std::env::var("PATH").unwrap();
        Run::check(&lab, args)
            .env("AWS_ACCESS_KEY_ID", "")
            .env("AWS_SECRET_ACCESS_KEY", "")
            .env("AWS_CONFIG_FILE", config.to_str().unwrap())
            .env("PATH", &path)
    };
    for profile in ["keys", "program"] {
        let by_flag = run(&["--profile", profile]).json();
        assert_eq!(by_flag.status, 0, "{profile}: {:#}", by_flag.report());
        let by_environment = run(&[]).env("AWS_PROFILE", profile).json();
        assert_eq!(by_environment.status, 0, "{profile}: {:#}", by_environment.report());
    }
    // Keys of the environment are not taken for those of a profile that is named.
    let other = run(&["--profile", "keys"]).env("AWS_ACCESS_KEY_ID", "AKIANOBODYKNOWSTHIS0");
    assert_eq!(other.env("AWS_SECRET_ACCESS_KEY", "of-somebody-else").json().status, 0);
    run(&["--profile", "nobody"]).json().fails_at("AWS_CREDENTIALS", "AWS_PROFILE_UNKNOWN");
}

#[test]
fn faults_of_sts_end_in_a_report() {
    let lab = lab();
    for (fault, cause) in [
        (Fault::Throttle, "STS_THROTTLED"),
        (Fault::InternalFailure, "STS_REFUSED"),
        (Fault::Malformed, "STS_OTHER_ANSWER"),
    ] {
        lab.aws().set_fault(fault.clone());
        let answer = Run::check(&lab, &[]).json();
        let row = answer.row("STS_ACCESS_ROLE");
        assert_eq!((text(&row["cause"]), answer.status), (cause, 3), "{fault:?}: {row:#}");
    }
    lab.aws().set_fault(Fault::Hang);
    let answer = Run::check(&lab, &["--timeout", "2s"]).json();
    assert_eq!(answer.row("STS_ACCESS_ROLE")["cause"], "STS_UNREACHABLE");
    // One bad answer is no verdict: the SDK tries again.
    lab.aws().set_fault(Fault::Next { count: 1, fault: Box::new(Fault::ServiceUnavailable) });
    assert_eq!(Run::check(&lab, &[]).json().status, 0);
}

#[test]
fn what_answers_in_place_of_sts_is_named() {
    let lab = lab();
    let ec2 = "<?xml version=\"1.0\"?><Response><Errors><Error><Code>AuthFailure</Code><Message>hunter2</Message>\
               </Error></Errors><RequestID>1</RequestID></Response>";
    let s3 = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>hunter2</Message></Error>";
    let page = "<!DOCTYPE html><html><title>hunter2</title></html>";
    for (status, kind, body, found) in [
        ("401 Unauthorized", "text/xml;charset=UTF-8", ec2, "HTTP status 401 and XML"),
        (
            "400 Bad Request",
            "text/xml",
            "<Errors><Error><Code>x</Code></Error></Errors>",
            "(<Errors>) (text/xml)",
        ),
        ("403 Forbidden", "application/xml", s3, "HTTP status 403 and XML"),
        ("200 OK", "text/html", page, "HTTP status 200 and an HTML page (text/html)"),
        ("403 Forbidden", "text/html", page, "HTTP status 403 and an HTML page (text/html)"),
        ("503 Service Unavailable", "text/html", page, "HTTP status 503 and an HTML page"),
        ("407 Proxy Authentication Required", "text/plain", "hunter2", "HTTP status 407 and text"),
        ("404 Not Found", "application/json", r#"{"message":"hunter2"}"#, "HTTP status 404 and JSON"),
        ("200 OK", "application/json", r#"{"AssumeRoleResponse":"hunter2"}"#, "HTTP status 200 and JSON"),
    ] {
        let server = answers(status, kind, body);
        let answer = Run::check(&lab, &[]).env("AWS_ENDPOINT_URL_STS", &format!("http://{server}")).json();
        let row = answer.fails_at("STS_ACCESS_ROLE", "STS_OTHER_ANSWER");
        let said = text(&row["found"]);
        assert!(said.contains(found) && said.contains(&server.to_string()), "{status} {kind}: {row:#}");
        assert!(!answer.document.to_string().contains("hunter2"), "{:#}", answer.report());
        assert!(text(&row["remedy"]).contains("AWS_ENDPOINT_URL_STS"), "{row:#}");
        assert!(text(&row["remedy"]).contains("sts.us-east-1.*"), "{row:#}");
        // The Region of STS is not always that of the database.
        let other = Run::check(&lab, &["--sts-region", "eu-central-1"]);
        let answer = other.env("AWS_ENDPOINT_URL_STS", &format!("http://{server}")).json();
        let row = answer.fails_at("STS_ACCESS_ROLE", "STS_OTHER_ANSWER");
        assert!(text(&row["remedy"]).contains("in place of sts.eu-central-1.*"), "{row:#}");
    }
}

#[test]
fn a_token_without_a_role_is_signed_without_the_network() {
    let lab = lab();
    let token = || Run::check(&lab, &[]).command("token").with("iam_role", "");
    let calls = lab.aws().calls().len();
    let answer = token().json();
    assert_eq!((answer.status, &answer.document["identity"]), (0, &serde_json::Value::Null));
    assert_eq!(lab.aws().calls().len(), calls, "STS was called");
    // The token ends with the credentials, if their end is known.
    let end = (jiff::Timestamp::now() + Duration::from_secs(400)).to_string();
    let keys = json!({ "Version": 1, "AccessKeyId": lab::CALLER_ACCESS_KEY_ID,
        "SecretAccessKey": lab.secret_access_key(), "SessionToken": "t", "Expiration": end });
    let (file, config) = (lab.dir().join("ends.json"), lab.dir().join("ends-config"));
    std::fs::write(&file, keys.to_string()).unwrap();
    std::fs::write(&config, format!("[profile ends]\ncredential_process = cat {}\n", file.display()))
        .unwrap();
    let answer = token()
        .env("PATH", &std::env::var("PATH").unwrap())
        .env("AWS_CONFIG_FILE", config.to_str().unwrap())
        .env("PIPEPROBE_PROFILE", "ends")
        .json();
    let expires_at: jiff::Timestamp = text(&answer.document["expires_at"]).parse().unwrap();
    assert_eq!(expires_at.as_second(), end.parse::<jiff::Timestamp>().unwrap().as_second());
    assert_eq!(lab.aws().calls().len(), calls, "STS was called");
}

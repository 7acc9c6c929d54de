mod clickpipes;
mod fixtures;
mod records;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::*;
use crate::{
    config::tests::read,
    connection::{
        AuthRequest, CertificateSummary, ConnectionEvidence, Refusal, Stage, TlsEvidence, TlsFailure,
    },
    diagnostic::Outcome,
    identity::{Hop, IdentityError, IdentityEvidence},
    target::{Endpoint, Host},
    token::AuthToken,
};

fn target(kind: &str) -> Target {
    let (host, role) = ("db.abc.eu-west-1.rds.amazonaws.com", "arn:aws:iam::123456789012:role/r");
    read(&["--type", kind, "--host", host, "--iam-role", role]).unwrap().targets.remove(0)
}

fn found<'a>(diagnostics: &'a [Diagnostic], code: &str) -> &'a Diagnostic {
    diagnostics.iter().find(|f| f.check.code == code).unwrap()
}

/// Everything went well, with these facts.
fn complete(facts: Facts) -> Observations {
    let mut seen = until_auth();
    seen.connection.tls =
        Some(TlsEvidence { version: Some("TLSv1.3".into()), cipher_suite: None, chain: vec![] });
    seen.reached = Reached::LoggedIn { token: token(900), first_refusal: None, facts, load: None };
    seen
}

/// The login failed.
fn login_failed(error: ConnectError) -> Observations {
    let reached = Reached::LoginFailed { token: token(900), first_refusal: None, error };
    Observations { reached, ..until_auth() }
}

/// A token, and a stage of the connection that failed.
fn not_connected(error: ConnectError) -> Observations {
    let reached = Reached::Preparation { token: Some(Ok(token(900))), connect_error: Some(error) };
    Observations { reached, ..until_auth() }
}

fn no_identity(error: IdentityError) -> Observations {
    let reached = Reached::no_token(TokenError::NoIdentity(error));
    Observations { reached, ..until_auth() }
}

fn token(seconds: u64) -> AuthToken {
    let signed_at = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let expires_at = signed_at + Duration::from_secs(seconds);
    AuthToken { text: crate::secret::Secret::new("t"), signed_at, expires_at }
}

/// Everything up to the authentication request succeeded.
fn until_auth() -> Observations {
    let took = Duration::from_millis(1);
    Observations {
        reached: Reached::Preparation { token: Some(Ok(token(900))), connect_error: None },
        connection: ConnectionEvidence {
            peer: Some("10.0.0.7:5432".parse().unwrap()),
            addresses: vec!["10.0.0.7".parse().unwrap()],
            auth_request: Some(AuthRequest::Cleartext),
            stage_durations: [Stage::Resolve, Stage::Connect, Stage::Tls, Stage::AuthRequest]
                .map(|s| (s, took))
                .to_vec(),
            ..ConnectionEvidence::default()
        },
        ..Observations::default()
    }
}

#[test]
fn every_check_and_every_cause_has_its_own_code() {
    for (i, check) in CHECKS.iter().enumerate() {
        assert!(CHECKS[..i].iter().all(|other| other.code != check.code), "{}", check.code);
    }
    let codes: BTreeSet<&str> = causes().map(|cause| cause.code).collect();
    assert_eq!(codes.len(), causes().count(), "a cause belongs to one check");
    assert!(codes.len() > 100, "{}", codes.len());
}

/// Judges name causes by value. A cause that only its own file and its own check's list name would never be reported.
#[test]
fn every_cause_is_written_once_and_reported() {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let (mut source, mut judges) = (String::new(), String::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.file_name().unwrap().to_str().unwrap() {
                "tests" | "tests.rs" => {}
                _ if path.is_dir() => folders.push(path),
                _ if path.extension().is_some_and(|extension| extension == "rs") => {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                    source += text;
                    let statements = text.split(";\n").filter(|statement| {
                        let is = |words: &str| statement.contains(words);
                        !is("static CHECK: Check")
                            && !is(": Cause = Cause::new(")
                            && !statement.trim_start().starts_with("use ")
                    });
                    judges.extend(statements.flat_map(|statement| [statement, ";\n"]));
                }
                _ => {}
            }
        }
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named: BTreeSet<&str> = judges.split(|c| !is_name(c)).collect();
    for cause in causes() {
        // A check can have the code of its only cause.
        let definitions = 1 + CHECKS.iter().filter(|check| check.code == cause.code).count();
        assert_eq!(source.matches(&format!("\"{cause}\"")).count(), definitions, "{cause} as text");
        assert!(named.contains(cause.code), "{cause} is never reported");
    }
}

#[test]
fn every_cause_says_what_to_do_here_or_in_its_check() {
    for check in CHECKS {
        for cause in check.causes.iter().filter(|cause| cause.fix.is_empty()) {
            assert!(!cause.candidates.is_empty() || !check.fix.is_empty(), "{}", cause.code);
        }
    }
}

#[test]
fn nothing_seen_is_every_row_unreached() {
    for kind in ["rdspostgres", "rdsmysql", "rdsmariadb"] {
        let target = target(kind);
        let diagnostics = judge(&target, &Observations::default());
        assert_eq!(diagnostics.len(), of(target.engine()).count());
        assert!(diagnostics.iter().all(|f| f.outcome == Outcome::NotReached), "{kind}");
    }
}

#[test]
fn a_role_that_is_refused_after_the_run_voids_its_session() {
    let error = IdentityError::Refused {
        role: "arn:r".into(),
        code: "AccessDenied".into(),
        message: "not authorized".into(),
        request_id: None,
    };
    let in_order = include_str!("../../tests/checks/servers/postgres.toml");
    let mut seen = complete(Facts::Postgres(Arc::new(toml::from_str(in_order).unwrap())));
    let outcome = |seen: &Observations, code: &str| found(&judge(&target("rdspostgres"), seen), code).outcome;
    for code in ["STS_ACCESS_ROLE", "TOKEN_LIFE", "NET_DIAL", "AUTH_LOG_IN", "DB_VERSION"] {
        assert_eq!(outcome(&seen, code), Outcome::Pass, "{code}");
    }
    seen.fail_identity(error, IdentityEvidence::default());
    assert_eq!(outcome(&seen, "STS_ACCESS_ROLE"), Outcome::Fail);
    assert_eq!(outcome(&seen, "NET_DIAL"), Outcome::Pass, "the connection needed no identity");
    for code in ["TOKEN_LIFE", "AUTH_LOG_IN", "DB_VERSION"] {
        assert_eq!(outcome(&seen, code), Outcome::NotReached, "{code}");
    }
    // A failure of the connection is kept.
    let mut seen = not_connected(ConnectError::PlaintextOnly);
    seen.fail_identity(
        IdentityError::Unreachable { role: "arn:r".into(), what: "no answer".into() },
        IdentityEvidence::default(),
    );
    assert_eq!(outcome(&seen, "TLS_VERIFY"), Outcome::Fail);
}

#[test]
fn sts_refusals_have_their_causes() {
    let denied = |action: &str| {
        format!("User: arn:aws:iam::1:user/u is not authorized to perform: {action} on resource: r")
    };
    for (code, message, cause) in [
        ("AccessDenied", denied("sts:TagSession"), "STS_TAG_SESSION_DENIED"),
        ("AccessDenied", denied("sts:AssumeRole"), "STS_ASSUME_ROLE_DENIED"),
        (
            "ExpiredToken",
            "The security token included in the request is expired".into(),
            "STS_CREDENTIALS_EXPIRED",
        ),
        (
            "InvalidClientTokenId",
            "The security token included in the request is invalid.".into(),
            "STS_CREDENTIALS_UNKNOWN",
        ),
        (
            "SignatureDoesNotMatch",
            "Signature expired: 2023 is now earlier than 2024".into(),
            "STS_CLOCK_SKEW",
        ),
        ("SignatureDoesNotMatch", "Signature not yet current: …".into(), "STS_CLOCK_SKEW"),
        (
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match".into(),
            "STS_SECRET_KEY_WRONG",
        ),
        (
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit".into(),
            "STS_DURATION_REFUSED",
        ),
        ("PackedPolicyTooLarge", "Packed policy consumes 157%".into(), "STS_TAGS_TOO_LARGE"),
        ("RegionDisabledException", "STS is not activated in this region".into(), "STS_REGION_DISABLED"),
        ("Throttling", "Rate exceeded".into(), "STS_THROTTLED"),
        ("SomethingNew", "words".into(), "STS_REFUSED"),
    ] {
        let error = IdentityError::Refused {
            role: "arn:r".into(),
            code: code.into(),
            message: message.clone(),
            request_id: None,
        };
        let diagnostics = judge(&target("rdspostgres"), &no_identity(error));
        let row = found(&diagnostics, "STS_ACCESS_ROLE");
        assert_eq!((row.outcome, row.cause_code()), (Outcome::Fail, cause));
        assert!(row.found.contains(&message), "the words of AWS are kept: {}", row.found);
        assert!(row.remedy.is_some());
    }
}

/// The row of the access role after AWS denied it with this message, as the caller of the source credentials.
fn denied_with(caller: &str, role: &str, message: &str) -> Diagnostic {
    let error = IdentityError::Refused {
        role: role.into(),
        code: "AccessDenied".into(),
        message: message.into(),
        request_id: None,
    };
    let identity_evidence = IdentityEvidence { caller: Some(caller.into()), ..IdentityEvidence::default() };
    let seen = Observations { identity_evidence, ..no_identity(error) };
    found(&judge(&target("rdspostgres"), &seen), "STS_ACCESS_ROLE").clone()
}

#[test]
fn the_policy_that_aws_names_is_the_cause() {
    const CALLER: &str = "arn:aws:sts::1:assumed-role/ci/s";
    const ROLE: &str = "arn:aws:iam::2:role/r";
    for action in ["sts:AssumeRole", "sts:TagSession"] {
        for (policy, cause, whose) in [
            ("identity-based policy", "STS_CALLER_NOT_ALLOWED", "identity policies of arn:aws:sts::1"),
            ("permissions boundary", "STS_BOUNDARY_DENIED", "permissions boundary of arn:aws:sts::1"),
            ("session policy", "STS_SESSION_POLICY_DENIED", "session policy"),
            ("VPC endpoint policy", "STS_ENDPOINT_POLICY_DENIED", "VPC endpoint for STS"),
            ("service control policy", "STS_SCP_DENIED", "(SCP)"),
            ("resource control policy", "STS_RCP_DENIED", "(RCP)"),
        ] {
            let an = if policy.starts_with('i') { "an" } else { "a" };
            for (reason, does) in [
                (format!("because no {policy} allows the {action} action"), "allow \"Action\""),
                (format!("with an explicit deny in {an} {policy}"), "out of the Deny"),
                (
                    format!(
                        "with an explicit deny in {an} {policy}: arn:aws:organizations::3:policy/o-1/x/p-1"
                    ),
                    "Deny",
                ),
            ] {
                let message = format!(
                    "User: {CALLER} is not authorized to perform: {action} on resource: {ROLE} {reason}"
                );
                let row = denied_with(CALLER, ROLE, &message);
                assert_eq!(row.cause_code(), cause, "{message}");
                let remedy = row.remedy.as_ref().unwrap();
                assert!(remedy.contains(whose) && remedy.contains(does), "{message}: {remedy}");
                assert!(row.candidates.is_empty(), "{message}");
            }
        }
    }
    let denied = |action: &str, reason: &str| {
        let message =
            format!("User: {CALLER} is not authorized to perform: {action} on resource: {ROLE}{reason}");
        denied_with(CALLER, ROLE, &message)
    };
    // The role may not exist: candidates.
    for policy in ["role trust policy", "resource-based policy"] {
        let row = denied("sts:AssumeRole", &format!(" because no {policy} allows the sts:AssumeRole action"));
        assert_eq!(row.cause_code(), "STS_ASSUME_ROLE_DENIED", "{policy}");
        assert!(row.candidates.iter().any(|candidate| candidate.cause.code == "STS_NO_SUCH_ROLE"));
        let row = denied("sts:TagSession", &format!(" because no {policy} allows the sts:TagSession action"));
        assert_eq!(row.cause_code(), "STS_TAG_SESSION_DENIED", "{policy}");
        let row = denied("sts:AssumeRole", &format!(" with an explicit deny in the {policy}"));
        assert_eq!(row.cause_code(), "STS_EXPLICIT_DENY", "{policy}");
        assert!(row.remedy.unwrap().contains("in the trust policy of arn:aws:iam::2:role/r"));
    }
    assert_eq!(denied("sts:AssumeRole", " with an explicit deny").cause_code(), "STS_EXPLICIT_DENY");
    // Of another account, both sides must allow it.
    let remedy = denied("sts:TagSession", "").remedy.unwrap();
    assert!(
        remedy.contains("trust policy of arn:aws:iam::2") && remedy.contains("in its identity policy"),
        "{remedy}"
    );
    // The session of this machine, and not of ClickPipes.
    let row = denied("sts:SetSourceIdentity", "");
    assert_eq!((row.outcome, row.cause_code()), (Outcome::Unknown, "STS_SOURCE_IDENTITY"));
}

#[test]
fn a_role_of_another_partition_does_not_get_a_principal_that_it_cannot_name() {
    let role = "arn:aws-cn:iam::2:role/r";
    let row =
        denied_with("arn:aws:iam::1:user/u", role, "User: … is not authorized to perform: sts:AssumeRole");
    assert_eq!(row.cause_code(), "STS_OTHER_PARTITION");
    assert!(row.candidates.is_empty());
    let own =
        denied_with("arn:aws-cn:iam::1:user/u", role, "User: … is not authorized to perform: sts:AssumeRole");
    let text = format!("{own:?}");
    assert!(text.contains("arn:aws-cn:iam::1:user/u") && !text.contains("arn:aws:"), "{text}");
}

#[test]
fn every_stage_before_the_one_that_failed_passes() {
    let order = ["DNS_RESOLVE", "NET_DIAL", "TLS_VERIFY", "AUTH_IAM_ASKED", "AUTH_LOG_IN"];
    for (error, at, cause) in [
        (ConnectError::Resolve("no such host".into()), 0, "DNS_NOT_RESOLVED"),
        (ConnectError::Resolver("SERVFAIL".into()), 0, "DNS_FAILED"),
        (ConnectError::Timeout { stage: Stage::Connect, after: Duration::from_secs(5) }, 1, "NET_TIMED_OUT"),
        (ConnectError::PlaintextOnly, 2, "TLS_NOT_OFFERED"),
        (ConnectError::Tls(TlsFailure::WrongName), 2, "TLS_WRONG_NAME"),
        (ConnectError::Tls(TlsFailure::UnknownIssuer), 2, "TLS_UNKNOWN_CA"),
        (ConnectError::Tls(TlsFailure::Unacceptable("words".into())), 2, "TLS_FAILED"),
        (ConnectError::NotIam(AuthRequest::Sasl(vec!["SCRAM-SHA-256".into()])), 3, "AUTH_NOT_IAM"),
        (ConnectError::Closed { stage: Stage::AuthRequest }, 3, "DB_CLOSED"),
    ] {
        let diagnostics = judge(&target("rdspostgres"), &not_connected(error));
        assert_eq!(found(&diagnostics, order[at]).cause_code(), cause);
        for later in &order[at + 1..] {
            assert_eq!(found(&diagnostics, later).outcome, Outcome::NotReached, "{cause}");
        }
        for earlier in order[..at].iter().filter(|id| **id != "TLS_VERIFY") {
            assert_eq!(found(&diagnostics, earlier).outcome, Outcome::Pass, "{cause}");
        }
    }
}

/// The finding must not claim that the roots of every Region are built in.
#[test]
fn an_unknown_ca_says_whether_the_roots_of_the_region_are_built_in() {
    let remedy = |host: &str, partition: &str| {
        let role = format!("arn:{partition}:iam::123456789012:role/r");
        let flags = ["--type", "rdspostgres", "--host", host, "--iam-role", &role];
        let seen = not_connected(ConnectError::Tls(TlsFailure::UnknownIssuer));
        let diagnostics = judge(&read(&flags).unwrap().targets.remove(0), &seen);
        found(&diagnostics, "TLS_VERIFY").remedy.clone().unwrap()
    };
    for (host, partition, region) in [
        ("db.abc.eu-west-1.rds.amazonaws.com", "aws", "eu-west-1"),
        ("db.abc.mx-central-1.rds.amazonaws.com", "aws", "mx-central-1"),
        ("db.abc.us-gov-west-1.rds.amazonaws.com", "aws-us-gov", "us-gov-west-1"),
    ] {
        let remedy = remedy(host, partition);
        assert!(remedy.contains(&format!("the RDS roots of {region} are built in (as of ")), "{remedy}");
    }
    for (host, partition, region, url) in [
        (
            "db.abc.cn-north-1.rds.amazonaws.com.cn",
            "aws-cn",
            "cn-north-1",
            "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem",
        ),
        (
            "db.abc.ap-southeast-99.rds.amazonaws.com",
            "aws",
            "ap-southeast-99",
            "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
        ),
        ("db.abc.eusc-de-east-1.rds.amazonaws.eu", "aws-eusc", "eusc-de-east-1", "bundle of its partition"),
    ] {
        let remedy = remedy(host, partition);
        assert!(remedy.contains(&format!("the RDS roots of {region} are not built in: ")), "{remedy}");
        assert!(remedy.contains(url) && remedy.contains("`ca_certificate`"), "{remedy}");
    }
}

#[test]
fn a_refused_token_names_the_policy_resource_of_its_kind() {
    for (kind, code, message, cause, resource) in [
        (
            "rdspostgres",
            "28000",
            "PAM authentication failed for user \"u\"",
            "PG_TOKEN_REFUSED",
            "dbuser:<db-…>/",
        ),
        ("aurorapostgres", "28000", "PAM authentication failed", "PG_TOKEN_REFUSED", "dbuser:<cluster-…>/"),
        ("rdsmysql", "1045", "Access denied for user", "MYSQL_TOKEN_REFUSED", "dbuser:<db-…>/"),
        ("rdsmariadb", "1045", "Access denied for user", "MYSQL_TOKEN_REFUSED", "dbuser:<db-…>/"),
    ] {
        let refusal = Refusal { code: code.into(), message: message.into(), ..Refusal::default() };
        let seen = login_failed(ConnectError::Refused { stage: Stage::Login, refusal });
        let diagnostics = judge(&target(kind), &seen);
        let row = found(&diagnostics, "AUTH_LOG_IN");
        assert_eq!(row.cause_code(), cause);
        let remedy = row.remedy.as_deref().unwrap();
        let arn = format!("arn:aws:rds-db:eu-west-1:123456789012:{resource}clickpipes_iam_user");
        assert!(remedy.contains(&arn), "{remedy}");
    }
}

#[test]
fn a_refused_token_is_no_policy_matter_when_the_clock_or_the_name_is_wrong() {
    let cause = |offset: i64, host: &str| {
        let host = Host::parse("host", host).unwrap();
        let target = Target { sign: Endpoint { host, port: 1 }, ..target("rdspostgres") };
        let refusal = Refusal {
            code: "28000".into(),
            message: "PAM authentication failed".into(),
            ..Refusal::default()
        };
        let mut seen = login_failed(ConnectError::Refused { stage: Stage::Login, refusal });
        seen.identity_evidence.clock_offset_seconds = Some(offset);
        found(&judge(&target, &seen), "AUTH_LOG_IN").cause_code()
    };
    let name = "a.b.eu-west-1.rds.amazonaws.com";
    assert_eq!(
        (cause(0, name), cause(301, name), cause(-301, name)),
        ("PG_TOKEN_REFUSED", "CLOCK_SKEW", "CLOCK_SKEW")
    );
    assert_eq!(cause(0, "db.example.com"), "TOKEN_WRONG_NAME");
}

#[test]
fn a_token_that_ends_early_is_a_warning() {
    let row = |seconds| {
        let hop = Hop {
            role: "r".into(),
            became: "b".into(),
            tags: vec![],
            expires_at: None,
            took: Duration::ZERO,
        };
        let seen = Observations {
            reached: Reached::Preparation { token: Some(Ok(token(seconds))), connect_error: None },
            identity_evidence: IdentityEvidence { hops: vec![hop], ..IdentityEvidence::default() },
            ..Observations::default()
        };
        found(&judge(&target("rdspostgres"), &seen), "TOKEN_LIFE").outcome
    };
    assert_eq!((row(900), row(300), row(299)), (Outcome::Pass, Outcome::Pass, Outcome::Warn));
}

#[test]
fn a_proxy_that_requests_a_password_gets_no_grant() {
    let role = ["--iam-role", "arn:aws:iam::123456789012:role/r"];
    let host = ["--host", "pool.proxy-abc.eu-west-1.rds.amazonaws.com"];
    for kind in ["rdspostgres", "rdsmysql", "rdsmariadb"] {
        let target = read(&[&["--type", kind], &host[..], &role].concat()).unwrap().targets.remove(0);
        let seen = not_connected(ConnectError::NotIam(AuthRequest::Sasl(vec!["SCRAM-SHA-256".into()])));
        let diagnostics = judge(&target, &seen);
        let row = found(&diagnostics, "AUTH_IAM_ASKED");
        let causes: Vec<&str> = row.candidates.iter().map(|candidate| candidate.cause.code).collect();
        assert_eq!(causes, ["AUTH_IAM_OFF", "AUTH_NO_USER"], "{kind}");
        for candidate in &row.candidates {
            // The proxy logs in with a password, which these would turn off.
            let remedy = &candidate.remedy;
            assert!(
                !["GRANT", "IDENTIFIED", "CREATE USER"].iter().any(|sql| remedy.contains(sql)),
                "{remedy}"
            );
            assert!(remedy.contains("the proxy could no longer log in with its password"), "{remedy}");
        }
    }
}

#[test]
fn a_name_of_a_blue_green_deployment_is_no_tls_host() {
    let remedy = |names: &[&str]| {
        let leaf = CertificateSummary {
            subject: "s".into(),
            issuer: "i".into(),
            names: names.iter().map(ToString::to_string).collect(),
            not_before: None,
            not_after: None,
            key: "RSA 2048".into(),
        };
        let mut seen = not_connected(ConnectError::Tls(TlsFailure::WrongName));
        seen.connection.tls = Some(TlsEvidence { version: None, cipher_suite: None, chain: vec![leaf] });
        found(&judge(&target("rdspostgres"), &seen), "TLS_VERIFY").remedy.clone().unwrap()
    };
    let lasting = "orders.abc.eu-west-1.rds.amazonaws.com";
    for temporary in [
        "orders-green-x1y2z3.abc.eu-west-1.rds.amazonaws.com",
        "orders-old1.abc.eu-west-1.rds.amazonaws.com",
        "orders-green-x1y2z3.cluster-abc.eu-west-1.rds.amazonaws.com",
    ] {
        let alone = remedy(&[temporary]);
        assert!(alone.starts_with("wait until the switchover") && alone.contains(temporary), "{alone}");
        assert!(!alone.contains("set `tls_host`"), "{alone}");
        let both = remedy(&[temporary, lasting]);
        assert!(
            both.contains(&format!("set `tls_host` to {lasting}")) && !both.contains(temporary),
            "{both}"
        );
    }
    // A name that only looks similar.
    for name in ["evergreen.abc.eu-west-1.rds.amazonaws.com", "orders-old.abc.eu-west-1.rds.amazonaws.com"] {
        assert!(remedy(&[name]).contains(&format!("set `tls_host` to {name}")), "{name}");
    }
}

#[test]
fn a_slot_that_was_there_before_is_missed_and_one_that_never_was_is_not() {
    use crate::facts::{Position, PostgresFacts, ReplicationSlot};
    let slot = |name: &str| ReplicationSlot {
        name: sql::ServerText::new(name),
        plugin: "pgoutput".into(),
        active: true,
        ..ReplicationSlot::default()
    };
    let facts = |slots: &[&str]| {
        let slots = Fact::Read(slots.iter().map(|name| slot(name)).collect());
        Facts::Postgres(Arc::new(PostgresFacts { slots, ..PostgresFacts::default() }))
    };
    let target = target("rdspostgres");
    let at = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let judged = |before: Option<&[&str]>, now: &[&str]| {
        let earlier = before.map(|slots| Position::of(&facts(slots), &target.pipe, at));
        let seen = Observations { earlier, ..complete(facts(now)) };
        let row = found(&judge(&target, &seen), "PG_PIPE_SLOT").clone();
        (row.outcome, row.cause_code(), row.found)
    };
    let (a, b) = ("peerflow_slot_a", "peerflow_slot_b");
    let gone = judged(Some(&[a]), &[]);
    assert_eq!((gone.0, gone.1), (Outcome::Fail, "PG_SLOT_GONE"));
    assert_eq!(gone.2, "peerflow_slot_a was there at 2026-01-01T00:00:00Z, and is not any more");
    // Nothing before, another slot of a pipe after a resync, and the slot of another program.
    for (before, now) in [(None, &[][..]), (Some(&[][..]), &[]), (Some(&[a]), &[b]), (Some(&["other"]), &[])]
    {
        assert_eq!(judged(before, now).0, Outcome::Pass, "{before:?} {now:?}");
    }
}

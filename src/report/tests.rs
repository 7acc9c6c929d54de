mod screens;
mod unchecked;

use std::{sync::Arc, time::Duration};

use super::{json::Document, text::Layout, *};
use crate::{
    cli::Detail,
    config::tests::read,
    connection::{AuthRequest, CertificateSummary, ConnectError, ConnectionEvidence, Refusal, Stage},
    facts::{Fact, Facts, PostgresFacts, SystemIdentity},
    identity::{Hop, IdentityEvidence},
    secret::Secret,
    target::Invalid,
    token::AuthToken,
};

use screens::rendered;

const SECRET: &str = "X-Amz-Signature-of-the-test";

fn target() -> Target {
    let host = "orders.abc123.eu-west-1.rds.amazonaws.com";
    let role = "arn:aws:iam::123456789012:role/clickpipes-rds-access";
    let target =
        read(&["--type", "rdspostgres", "--host", host, "--iam-role", role]).unwrap().targets.remove(0);
    Target { name: "orders".into(), ..target }
}

/// The server of `tests/checks`, on which everything is in order, but for this.
fn facts(replication: Result<SystemIdentity, ConnectError>) -> Facts {
    let server = include_str!("../../tests/checks/servers/postgres.toml");
    let in_order: PostgresFacts = toml::from_str(server).unwrap();
    let parameter = if replication.is_ok() { "on" } else { "off" };
    Facts::Postgres(Arc::new(PostgresFacts {
        iam_auth_for_replication: Fact::Read(parameter.into()),
        replication: Fact::Read(replication),
        ..in_order
    }))
}

/// A run in which all went well, as far as the parameter group lets it.
fn seen(replication: Result<SystemIdentity, ConnectError>) -> Observations {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let ms = Duration::from_millis;
    Observations {
        reached: Reached::LoggedIn {
            token: token(),
            first_refusal: None,
            facts: facts(replication),
            load: None,
        },
        identity_evidence: IdentityEvidence {
            source_key: Some("AKIA…MPLE".into()),
            caller: Some("arn:aws:iam::999988887777:user/probe".into()),
            hops: vec![Hop {
                role: "arn:aws:iam::123456789012:role/clickpipes-rds-access".into(),
                became: "arn:aws:sts::123456789012:assumed-role/clickpipes-rds-access/pipeprobe".into(),
                tags: vec!["pipeprobe=1".into()],
                expires_at: Some(at("2026-01-02T03:19:05Z")),
                took: ms(31),
            }],
            clock_offset_seconds: Some(0),
            took: ms(32),
            ..IdentityEvidence::default()
        },
        connection: ConnectionEvidence {
            addresses: vec!["10.0.0.7".parse().unwrap()],
            peer: Some("10.0.0.7:5432".parse().unwrap()),
            tls: Some(TlsEvidence {
                version: Some("TLSv1.3".into()),
                cipher_suite: Some("TLS_AES_256_GCM_SHA384".into()),
                chain: vec![CertificateSummary {
                    subject: "orders.abc123.eu-west-1.rds.amazonaws.com".into(),
                    issuer: "Amazon RDS eu-west-1 Subordinate CA RSA2048 G1.A.2".into(),
                    names: vec!["orders.abc123.eu-west-1.rds.amazonaws.com".into()],
                    not_before: Some(at("2025-01-01T00:00:00Z")),
                    not_after: Some(at("2027-01-01T00:00:00Z")),
                    key: "RSA 2048".into(),
                }],
            }),
            auth_request: Some(AuthRequest::Cleartext),
            stage_durations: vec![
                (Stage::Resolve, ms(2)),
                (Stage::Connect, ms(9)),
                (Stage::Tls, ms(21)),
                (Stage::AuthRequest, ms(9)),
                (Stage::Login, ms(48)),
            ],
            ..ConnectionEvidence::default()
        },
        earlier: None,
        aws_records: None,
    }
}

fn token() -> AuthToken {
    AuthToken {
        text: Secret::new(SECRET),
        signed_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        expires_at: "2026-01-02T03:19:05Z".parse().unwrap(),
    }
}

/// The same run, if the login failed.
fn login_failed(error: ConnectError) -> Observations {
    let all_well = seen(Ok(SystemIdentity { timeline: "1".into(), position: "0/0".into() }));
    let reached = Reached::LoginFailed { token: token(), first_refusal: None, error };
    Observations { reached, ..all_well }
}

/// A run whose token was refused, and AWS diagnostics that could read why, but not everything.
fn explained() -> Report {
    let records = r#"
        caller = "arn:aws:iam::123456789012:user/ops"
        calls = [
            { call = "rds:DescribeDBInstances" },
            { call = "iam:GetRole", about = "clickpipes-rds-access" },
            { call = "iam:ListRolePolicies", about = "clickpipes-rds-access" },
            { call = "iam:GetRolePolicy", about = "connect" },
            { call = "iam:ListAttachedRolePolicies", about = "clickpipes-rds-access", refused = "AccessDenied: User: arn:aws:iam::123456789012:user/ops is not authorized to perform: iam:ListAttachedRolePolicies on resource: role clickpipes-rds-access because no identity-based policy allows the iam:ListAttachedRolePolicies action" },
        ]
        [database.found.instance]
        identifier = "orders"
        arn = "arn:aws:rds:eu-west-1:123456789012:db:orders"
        resource_id = "db-ABCDEFGHIJKL01234"
        status = "available"
        port = 5432
        iam = { on = false, pending = true }
        ca = "rds-ca-rsa2048-g1"
        parameter_groups = [{ name = "orders15", status = "pending-reboot" }]
        [role.found]
        arn = "arn:aws:iam::123456789012:role/clickpipes-rds-access"
        complete = false
        trust = '{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": { "AWS": "999988887777" }, "Action": "sts:*" } }'
        policies = [{ name = "connect", text = '{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "rds-db:connect", "Resource": "*" } }' }]
    "#;
    let mut records: crate::aws::AwsRecords = toml::from_str(records).unwrap();
    records.took = Duration::from_millis(213);
    let refusal = Refusal {
        code: "28000".into(),
        message: "PAM authentication failed for user \"clickpipes_iam_user\"".into(),
        ..Refusal::default()
    };
    let error = ConnectError::Refused { stage: Stage::Login, refusal };
    let seen = Observations { aws_records: Some(records), ..login_failed(error) };
    let started_at = "2026-01-02T03:04:05Z".parse().unwrap();
    let timing = Timing { started_at, took: Duration::from_millis(251), facts_took: None, facts_as_of: None };
    let requirement = Requirement::new(Basis::Guide, Capability::InitialLoadOnly, RequiredBy::Require);
    Report::new(&target(), &seen, requirement, timing)
}

pub(crate) fn report(replication_on: bool, basis: Basis) -> Report {
    judged(replication_on, Requirement::new(basis, Capability::InitialLoadOnly, RequiredBy::Require))
}

/// Of a server that would allow it.
pub(crate) fn requiring_cdc(basis: Basis) -> Report {
    judged(true, Requirement::new(basis, Capability::Cdc, RequiredBy::Require))
}

fn judged(replication_on: bool, requirement: Requirement) -> Report {
    let replication = if replication_on {
        Ok(SystemIdentity { timeline: "1".into(), position: "0/3000148".into() })
    } else {
        Err(ConnectError::Refused {
            stage: Stage::Login,
            refusal: Refusal {
                code: "28P01".into(),
                message: "password authentication failed for user \"clickpipes_iam_user\"".into(),
                ..Refusal::default()
            },
        })
    };
    let started_at = "2026-01-02T03:04:05Z".parse().unwrap();
    let timing = Timing {
        started_at,
        took: Duration::from_millis(171),
        facts_took: Some(Duration::from_millis(80)),
        facts_as_of: Some(started_at),
    };
    Report::new(&target(), &seen(replication), requirement, timing)
}

/// The report of a run that saw nothing.
pub(crate) fn unreached(name: &str) -> Report {
    let target = Target { name: name.into(), ..target() };
    let started_at = "2026-01-02T03:04:05Z".parse().unwrap();
    let timing = Timing { started_at, took: Duration::ZERO, facts_took: None, facts_as_of: None };
    let requirement = Requirement::new(Basis::Guide, Capability::InitialLoadOnly, RequiredBy::Require);
    Report::new(&target, &Observations::default(), requirement, timing)
}

#[test]
fn both_answers_are_in_every_report_and_the_basis_chooses() {
    use Capability::{Cdc, InitialLoadOnly};
    let capabilities = |on, basis| {
        let v = report(on, basis).verdict;
        (v.capability, v.guide, v.server)
    };
    assert_eq!(capabilities(true, Basis::Guide), (InitialLoadOnly, InitialLoadOnly, Cdc));
    assert_eq!(capabilities(true, Basis::Server), (Cdc, InitialLoadOnly, Cdc));
    assert_eq!(capabilities(false, Basis::Server), (InitialLoadOnly, InitialLoadOnly, InitialLoadOnly));
    let held = report(false, Basis::Server).verdict;
    assert_eq!(held.blocked_by, ["PG_IAM_REPLICATION"]);
    assert!(held.next_steps[0].contains("rds.iam_auth_for_replication = 1"));
}

#[test]
fn a_server_that_lost_cdc_is_not_met_on_either_basis_and_names_what_was_lost() {
    use Capability::{Cdc, InitialLoadOnly};
    for (basis, required) in [(Basis::Guide, InitialLoadOnly), (Basis::Server, Cdc)] {
        let held = Requirement { of_server: Cdc, ..Requirement::new(basis, required, RequiredBy::BestSoFar) };
        assert!(judged(true, held).verdict.met);
        let lost = judged(false, held);
        assert!(!lost.verdict.met);
        assert_eq!(lost.cause(), Some("PG_REPLICATION_NOT_IAM"));
        let fix = lost.fix_of(lost.blocking_check().unwrap());
        assert!(fix.contains("rds.iam_auth_for_replication = 1"), "{fix}");
        assert!(lost.verdict.reason.ends_with("Earlier, it allowed CDC."), "{}", lost.verdict.reason);
        assert_eq!(lost.verdict.required_of_server, Some(Cdc));
        // What was never there is not lost.
        let never = Requirement { of_server: InitialLoadOnly, required: InitialLoadOnly, ..held };
        assert!(judged(false, never).verdict.met);
    }
    // Of a declared requirement nothing more is required.
    let declared =
        judged(false, Requirement::new(Basis::Guide, InitialLoadOnly, RequiredBy::ReplicationMode));
    assert!(declared.verdict.met && declared.verdict.required_of_server.is_none());
}

#[test]
fn a_report_after_wait_has_the_number_of_checks() {
    let mut report = report(true, Basis::Server);
    report.waited = Some(Waited { attempts: 1, duration: Duration::from_millis(171) });
    assert!(!rendered(&report, Detail::Normal).contains(" checks in "), "one check needs no count");
    report.waited = Some(Waited { attempts: 7, duration: Duration::from_millis(30_171) });
    assert!(rendered(&report, Detail::Normal).contains(", the last of 7 checks in 30.2 s\n"));
}

#[test]
fn what_blocks_depends_on_what_is_required() {
    let blocking = |report: &Report| {
        let rows = report.checks.iter().filter(|row| report.blocks_requirement(row));
        rows.map(|row| row.code).collect::<Vec<_>>()
    };
    assert!(blocking(&report(false, Basis::Guide)).is_empty());
    let demanding = requiring_cdc(Basis::Guide);
    assert_eq!(blocking(&demanding), ["PG_DOCUMENTED_RULE"]);
    assert_eq!(demanding.blocked_by().as_deref(), Some("PG_DOCUMENTED_RULE"));
    assert!(blocking(&requiring_cdc(Basis::Server)).is_empty());
    // Unknown has the effect of a failure, unless ClickPipes continues without an answer.
    let mut report = report(true, Basis::Server);
    let row = report.checks.iter_mut().find(|row| row.code == "DB_VERSION").unwrap();
    row.outcome = Outcome::Unknown;
    assert_eq!(row.status(), Status::Warning);
    row.prevents = Severity::Blocks;
    assert_eq!(row.status(), Status::Failed);
    assert_eq!(blocking(&report), ["DB_VERSION"]);
}

/// The JSON Schema of what is written, which is not always what would be read.
fn printed<T: schemars::JsonSchema>() -> String {
    let settings = schemars::generate::SchemaSettings::default().for_serialize();
    serde_json::to_string_pretty(&settings.into_generator().into_root_schema_for::<T>()).unwrap() + "\n"
}

#[test]
fn json_matches_the_shipped_schema_which_is_current() {
    let generated = printed::<Document<'static>>();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/schema.json"), &generated).unwrap();
    }
    assert!(generated == json::SCHEMA, "src/report/schema.json is not current: UPDATE=1 cargo test --lib");
    let validator = jsonschema::validator_for(&serde_json::from_str(json::SCHEMA).unwrap()).unwrap();
    let reports = [report(true, Basis::Guide), report(false, Basis::Server), explained()];
    let invalid = Invalid::new("host", "a name", "nothing").into();
    let mut waited_for = reports.clone();
    waited_for[0].waited = Some(Waited { attempts: 2, duration: Duration::from_secs(1) });
    for document in [
        Document::of(&reports, &[]),
        Document::of(&waited_for, &[]),
        Document::of_interrupted(&reports, &[]),
        Document::of_errors(&invalid),
    ] {
        let value = serde_json::to_value(&document).unwrap();
        validator.validate(&value).unwrap();
    }
    let mut wrong = serde_json::to_value(Document::of(&reports, &[])).unwrap();
    wrong["targets"][0]["verdict"]["capability"] = "maybe".into();
    assert!(validator.validate(&wrong).is_err(), "the schema refuses what it does not know");
}

#[test]
fn no_rendering_shows_the_token() {
    let report = report(true, Basis::Guide);
    let mut json = Vec::new();
    Document::of(std::slice::from_ref(&report), &[]).write(&mut json).unwrap();
    let (mut junit, mut nagios) = (Vec::new(), Vec::new());
    junit::write(&mut junit, std::slice::from_ref(&report), &[]).unwrap();
    nagios::write(&mut nagios, std::slice::from_ref(&report), true).unwrap();
    let written = [json, junit, nagios].map(|bytes| String::from_utf8(bytes).unwrap());
    let metrics = metrics::exposition(std::slice::from_ref(&report));
    for shown in
        written.into_iter().chain([rendered(&report, Detail::Verbose), metrics, format!("{report:?}")])
    {
        assert!(shown.contains("orders") && !shown.contains(SECRET));
    }
}

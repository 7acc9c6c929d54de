//! Pipes of a Terraform plan.

use super::*;
use crate::{
    diagnostic::Outcome,
    secret::Sensitive,
    target::{Declaration, Problem, ProblemKind, Skipped, Unchecked},
};

fn unchecked() -> Unchecked {
    let mut sensitive = Sensitive::default();
    sensitive.push("secret_user");
    let problem = |kind, key, field: &str| Problem {
        kind,
        key: Some(key),
        invalid: Invalid::new(field, "a value that is known before apply", "known only after apply")
            .remedy("of secret_user"),
    };
    let problems = vec![
        problem(ProblemKind::KnownAfterApply, "host", "source.postgres.host"),
        problem(ProblemKind::KnownAfterApply, "iam_role", "source.postgres.iam_role"),
        problem(ProblemKind::UserMissing, "user", "source.postgres.credentials"),
    ];
    Unchecked {
        name: "clickhouse_clickpipe.orders".into(),
        source_type: None,
        mode: Some(ReplicationMode::Cdc),
        declaration: Declaration {
            pipe_name: Some("orders of secret_user".into()),
            problems,
            sensitive,
            ..Declaration::default()
        },
    }
}

fn report() -> Report {
    let requirement = Requirement::new(Basis::Server, Capability::Cdc, RequiredBy::Require);
    Report::of_unchecked(&unchecked(), requirement, "2026-01-02T03:04:05Z".parse().unwrap())
}

fn skipped() -> Vec<Skipped> {
    let of = |target: &str| Skipped { target: target.into(), reason: "source `kafka`".into() };
    vec![of("clickhouse_clickpipe.events"), of("clickhouse_clickpipe.logs")]
}

#[test]
fn a_pipe_that_cannot_be_checked_yet_is_not_met_and_says_why() {
    let report = report();
    assert_eq!((report.verdict.capability, report.verdict.met), (Capability::Blocked, false));
    assert_eq!(report.verdict.blocked_by, ["PIPE_SETTINGS"]);
    let text = rendered(&report, Detail::Normal).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("This pipe cannot be checked before apply"), "{text}");
    assert!(text.contains("source.postgres.host, source.postgres.iam_role, source.postgres.credentials: known only after apply"), "{text}");
    assert!(text.contains("give host, iam_role as a flag or in [targets.'ADDRESS']"), "{text}");
    let outcomes: Vec<Outcome> = report.checks.iter().map(|check| check.outcome).collect();
    assert_eq!(outcomes[0], Outcome::Unknown);
    assert!(outcomes[1..].iter().all(|outcome| *outcome == Outcome::NotReached), "{outcomes:?}");
}

#[test]
fn every_rendering_has_the_pipe_and_the_skipped_ones_and_no_sensitive_value() {
    let (reports, skipped) = ([report()], skipped());
    let (mut json, mut junit, mut nagios, mut text) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let document = Document::of(&reports, &skipped);
    document.write(&mut json).unwrap();
    junit::write(&mut junit, &reports, &skipped).unwrap();
    nagios::write(&mut nagios, &reports, true).unwrap();
    let layout = Layout::new(None, false, Detail::Verbose);
    text::write_all(&mut text, &reports, layout).unwrap();
    text::write_skipped(&mut text, &skipped, layout).unwrap();
    let all = [json, junit, text].map(|bytes| String::from_utf8(bytes).unwrap());
    for shown in &all {
        assert!(shown.contains("clickhouse_clickpipe.events") && shown.contains("source `kafka`"), "{shown}");
    }
    let metrics = metrics::exposition(&reports);
    assert!(metrics.contains("capability{") && metrics.contains("clickhouse_clickpipe.orders"), "{metrics}");
    let nagios = String::from_utf8(nagios).unwrap();
    for shown in all.iter().chain([&metrics, &nagios, &format!("{reports:?}")]) {
        assert!(shown.contains("clickhouse_clickpipe.orders"), "{shown}");
        assert!(!shown.contains("secret_user"), "{shown}");
    }
    let validator = jsonschema::validator_for(&serde_json::from_str(json::SCHEMA).unwrap()).unwrap();
    validator.validate(&serde_json::to_value(&document).unwrap()).unwrap();
    let junit = roxmltree::Document::parse(&all[1]).unwrap();
    let count = |tag: &str| junit.descendants().filter(|node| node.has_tag_name(tag)).count();
    assert_eq!((count("testsuite"), count("failure"), count("skipped")), (2, 2, 4 + 2));
}

#[test]
fn a_report_of_a_pipe_hides_its_user_in_titles_texts_and_endpoints() {
    let mut declaration = Declaration { pipe_name: Some("orders".into()), ..Declaration::default() };
    declaration.sensitive.push("secret_user");
    let target = Target { user: "secret_user".parse().unwrap(), declaration: Some(declaration), ..target() };
    let refusal = Refusal {
        code: "28P01".into(),
        message: "password authentication failed for user \"secret_user\"".into(),
        ..Refusal::default()
    };
    let error = ConnectError::Refused { stage: Stage::Login, refusal };
    let all_well = seen(Ok(SystemIdentity { timeline: "1".into(), position: "0/0".into() }));
    let requirement = Requirement::new(Basis::Guide, Capability::InitialLoadOnly, RequiredBy::Require);
    let started_at = "2026-01-02T03:04:05Z".parse().unwrap();
    let timing = Timing { started_at, took: Duration::ZERO, facts_took: None, facts_as_of: None };
    for seen in [login_failed(error), all_well] {
        let report = Report::new(&target, &seen, requirement, timing);
        let text = rendered(&report, Detail::Verbose);
        assert!(text.contains("IAM login as (sensitive value)"), "{text}");
        assert!(text.contains("User      (sensitive value) (rdspostgres, eu-west-1)"), "{text}");
        assert!(text.contains("Pipe      orders"), "{text}");
        let json = serde_json::to_string(&report).unwrap();
        assert!(!format!("{text}{json}{report:?}").contains("secret_user"), "{text}{json}");
    }
    // A host cannot be hidden in part.
    let mut target = target;
    target.declaration.as_mut().unwrap().sensitive.push(target.tls_host.as_str());
    let report = Report::new(&target, &Observations::default(), requirement, timing);
    assert!(report.endpoints.is_none());
    assert!(!format!("{report:?}").contains(target.tls_host.as_str()));
}

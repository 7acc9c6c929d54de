//! `tests/aws_records/*.toml`: a failure and what RDS and IAM have on record in → what the records say and how the causes
//! are ranked out, a file for each situation. A file says how the records differ from `records/in-order.toml`.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use super::{super::*, fixtures::outcome, login_failed, no_identity, not_connected, until_auth};
use crate::{
    config::tests::read,
    connection::{AuthRequest, Refusal, Stage},
    diagnostic::Outcome,
    identity::IdentityError,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Situation {
    /// Fields of the target, as flags name them, beside the usual ones.
    #[serde(default)]
    target: BTreeMap<String, toml::Value>,
    /// The cause that the check found; none where it went well. ` before`: at a role before the access role.
    failure: Option<String>,
    /// ARN of the source credentials.
    caller: Option<String>,
    /// How the records differ. Tables are merged; everything else takes the place of what was there.
    #[serde(default)]
    records: toml::Table,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// What does not pass: `outcome subject CAUSE`.
    #[serde(default)]
    says: Vec<String>,
    /// The ranked causes of the row that failed.
    #[serde(default)]
    ranked: Vec<String>,
    /// Those of them that are ruled out.
    #[serde(default)]
    ruled_out: Vec<String>,
    /// Words of what there is to do first.
    to_do: Option<String>,
    /// Words of what was found.
    #[serde(default)]
    found: Vec<String>,
    conclusion: String,
}

fn merge(below: &mut toml::Table, above: toml::Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => merge(below, above),
            (_, value) => drop(below.insert(key, value)),
        }
    }
}

fn target(fields: &BTreeMap<String, toml::Value>) -> Target {
    let mut all: BTreeMap<String, String> = BTreeMap::from([
        ("type".into(), "rdspostgres".into()),
        ("host".into(), "db.abc.eu-west-1.rds.amazonaws.com".into()),
        ("iam-role".into(), "arn:aws:iam::123456789012:role/r".into()),
    ]);
    for (key, value) in fields {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        all.insert(key.clone(), text);
    }
    let flags: Vec<String> = all.into_iter().flat_map(|(key, value)| [format!("--{key}"), value]).collect();
    read(&flags.iter().map(String::as_str).collect::<Vec<_>>()).unwrap().targets.remove(0)
}

/// What a check sees that ends with this cause.
fn seen(failure: Option<&str>, caller: Option<String>) -> Observations {
    let refused = |code: &str, message: &str| {
        let refusal = Refusal { code: code.into(), message: message.into(), ..Refusal::default() };
        login_failed(ConnectError::Refused { stage: Stage::Login, refusal })
    };
    let denied_by = |role: &str, action: &str| {
        let message = format!("User: u is not authorized to perform: {action} on resource: r");
        let (role, code) = (role.into(), "AccessDenied".into());
        no_identity(IdentityError::Refused { role, code, message, request_id: None })
    };
    let denied = |action: &str| denied_by("arn:aws:iam::123456789012:role/r", action);
    let mut seen = match failure {
        None => until_auth(),
        Some("PG_TOKEN_REFUSED") => refused("28000", "PAM authentication failed"),
        Some("MYSQL_TOKEN_REFUSED") => refused("1045", "Access denied"),
        Some("PG_PASSWORD_REFUSED") => refused("28P01", "password authentication failed"),
        Some("PG_NO_DATABASE") => refused("3D000", "no such"),
        Some("AUTH_NOT_IAM") => {
            not_connected(ConnectError::NotIam(AuthRequest::Sasl(vec!["SCRAM-SHA-256".into()])))
        }
        Some("NET_TIMED_OUT") => {
            let after = std::time::Duration::from_secs(5);
            not_connected(ConnectError::Timeout { stage: Stage::Connect, after })
        }
        Some("STS_ASSUME_ROLE_DENIED before") => {
            denied_by("arn:aws:iam::999988887777:role/CH", "sts:AssumeRole")
        }
        Some("STS_ASSUME_ROLE_DENIED") => denied("sts:AssumeRole"),
        Some("STS_TAG_SESSION_DENIED") => denied("sts:TagSession"),
        Some(other) => panic!("no way to fail with {other}"),
    };
    let probe = "arn:aws:iam::999988887777:user/probe".to_owned();
    seen.identity_evidence.caller = Some(caller.unwrap_or(probe)).filter(|arn| !arn.is_empty());
    seen
}

fn differences(path: &Path, folder: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).unwrap();
    let situation: Situation = toml::from_str(&text).map_err(|e| e.to_string())?;
    let base = fs::read_to_string(folder.join("records/in-order.toml")).unwrap();
    let mut records: toml::Table = toml::from_str(&base).unwrap();
    merge(&mut records, situation.records);
    // A proxy's record is its own.
    if let Some(record) = records.get_mut("database").and_then(|d| d.get_mut("found")?.as_table_mut())
        && record.contains_key("proxy")
    {
        record.remove("instance");
    }
    let mut seen = seen(situation.failure.as_deref(), situation.caller);
    let target = target(&situation.target);
    let before = judge(&target, &seen);
    seen.aws_records = Some(records.try_into().map_err(|e: toml::de::Error| e.to_string())?);
    let diagnostics = judge(&target, &seen);
    let aws_evidence = aws::aws_evidence(&target, &seen);

    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        if expected != found {
            wrong.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    for (a, b) in before.iter().zip(&diagnostics) {
        let same = |f: &Diagnostic| (f.check, f.outcome, f.cause, f.found.clone());
        compare("a row's outcome", &same(a), &same(b));
    }
    let not_passed = aws_evidence.iter().filter(|evidence| evidence.outcome != Outcome::Pass);
    let says: Vec<String> = not_passed
        .map(|evidence| {
            let words =
                [outcome(evidence.outcome), evidence.subject, evidence.cause.map_or("", |cause| cause.code)];
            words.join(" ").trim().to_owned()
        })
        .collect();
    compare("says", &situation.expect.says, &says);
    compare(
        "conclusion",
        &situation.expect.conclusion,
        &aws::conclusion(&target, &seen, &diagnostics, &aws_evidence),
    );
    let failed = diagnostics.iter().find(|diagnostic| diagnostic.outcome == Outcome::Fail);
    let failure = situation.failure.as_deref().map(|failure| failure.trim_end_matches(" before"));
    compare("failure", &failure, &failed.map(Diagnostic::cause_code));
    if let Some(failed) = failed {
        let ranked: Vec<&str> = failed.candidates.iter().map(|c| c.cause.code).collect();
        compare("ranked", &situation.expect.ranked, &ranked);
        let out = failed.candidates.iter().filter(|c| c.because.starts_with("ruled out"));
        compare("ruled out", &situation.expect.ruled_out, &out.map(|c| c.cause.code).collect::<Vec<_>>());
        let remedy = failed.remedy.clone().unwrap_or_default();
        let to_do = situation.expect.to_do.unwrap_or_default();
        compare(
            "to do",
            &true,
            &(remedy.contains(&to_do) || {
                println!("{remedy}");
                false
            }),
        );
    }
    for words in &situation.expect.found {
        let there = aws_evidence.iter().any(|evidence| evidence.found.contains(words));
        compare(
            words,
            &true,
            &(there || {
                println!("{aws_evidence:#?}");
                false
            }),
        );
    }
    for evidence in aws_evidence.iter().filter(|evidence| evidence.cause.is_some()) {
        compare(evidence.subject, &true, &evidence.remedy.is_some());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n    ")) }
}

#[test]
fn every_record_is_judged_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws_records");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    let mut wrong = String::new();
    for path in &files {
        if let Err(why) = differences(path, &folder) {
            wrong += &format!("{}\n    {why}\n", path.file_name().unwrap().to_string_lossy());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(files.len() >= 40, "{} situations", files.len());
}

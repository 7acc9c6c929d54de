//! `tests/checks/*.toml`: facts in → findings and verdict out, a file for each situation. A file says
//! how a server differs from one in which everything is in order (`servers/*.toml`), and every row that
//! does not pass; what it leaves out passes.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use serde::Deserialize;

use super::{super::*, complete};
use crate::{
    config::tests::read,
    diagnostic::{Basis, Capability},
    facts::Position,
    verdict,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Situation {
    server: String,
    /// Fields of the target, as flags name them.
    target: BTreeMap<String, toml::Value>,
    #[serde(default)]
    facts: toml::Table,
    /// How the facts of earlier full checks differed, one second apart.
    #[serde(default)]
    earlier: Vec<toml::Table>,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    guide: String,
    server: String,
    /// Every row that does not pass, but for the documented rule: `outcome CAUSE`.
    #[serde(default)]
    rows: BTreeMap<String, String>,
    /// Text that remedies must contain.
    #[serde(default)]
    to_do: BTreeMap<String, String>,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checks")
}

/// What the situation says instead of what the server says.
fn merge(server: &mut toml::Table, situation: toml::Table) {
    for (key, value) in situation {
        match (server.get_mut(&key), value) {
            // A fact is replaced whole, settings one by one.
            (Some(toml::Value::Table(settings)), toml::Value::Table(other))
                if key == "settings" && !other.contains_key("refused") =>
            {
                let lost: Vec<String> = other
                    .iter()
                    .filter(|(_, v)| v.as_bool() == Some(false))
                    .map(|(k, _)| k.clone())
                    .collect();
                settings.extend(other);
                for name in lost {
                    settings.remove(&name);
                }
            }
            (_, value) => {
                server.insert(key, value);
            }
        }
    }
}

fn flags(fields: &BTreeMap<String, toml::Value>) -> Vec<String> {
    let mut flags = Vec::new();
    for (name, value) in fields {
        let values = match value {
            toml::Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        for value in values {
            flags.extend([format!("--{}", name.replace('_', "-")), value.as_str().unwrap().to_owned()]);
        }
    }
    for (name, value) in
        [("host", "db.abc.eu-west-1.rds.amazonaws.com"), ("iam-role", "arn:aws:iam::123456789012:role/r")]
    {
        if !fields.contains_key(name) {
            flags.extend([format!("--{name}"), value.to_owned()]);
        }
    }
    flags
}

pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Warn => "warn",
        Outcome::Fail => "fail",
        Outcome::Unknown => "unknown",
        Outcome::NotReached => "not_reached",
        Outcome::NotApplicable => "not asked",
    }
}

/// What is wrong with this file, if anything; and which rows it saw otherwise than passing.
fn differences(path: &Path) -> Result<Vec<(String, Outcome)>, String> {
    let text = fs::read_to_string(path).unwrap();
    if !text.starts_with("# ") {
        return Err("begins with no line that tells the situation".into());
    }
    let situation: Situation = toml::from_str(&text).map_err(|e| e.to_string())?;
    let server = folder().join(format!("servers/{}.toml", situation.server));
    let server: toml::Table = toml::from_str(&fs::read_to_string(server).unwrap()).unwrap();
    let with = |changed: toml::Table| {
        let mut facts = server.clone();
        merge(&mut facts, changed);
        facts
    };

    let flags = flags(&situation.target);
    let target = read(&flags.iter().map(String::as_str).collect::<Vec<_>>())
        .map_err(|e| e.to_string())?
        .targets
        .remove(0);
    let read = |facts: toml::Table| -> Result<Facts, String> {
        Ok(match target.engine() {
            Engine::Postgres => Facts::Postgres(Arc::new(facts.try_into().map_err(|e| e.to_string())?)),
            Engine::Mysql | Engine::Mariadb => {
                Facts::Mysql(Arc::new(facts.try_into().map_err(|e| e.to_string())?))
            }
        })
    };
    let mut earlier: Option<Position> = None;
    for (changed, second) in situation.earlier.into_iter().zip(1_767_225_600..) {
        let at = jiff::Timestamp::from_second(second).unwrap();
        let position = Position::of(&read(with(changed))?, &target.pipe, at);
        earlier = Some(match &earlier {
            Some(before) => position.after(before),
            None => position,
        });
    }
    let facts = read(with(situation.facts))?;
    let diagnostics = judge(&target, &Observations { earlier, ..complete(facts) });

    let most = if target.pipe.follows_changes() { Capability::Cdc } else { Capability::InitialLoadOnly };
    let capability = |basis| verdict::capability(&diagnostics, basis).min(most).name().to_owned();
    let mut wrong = Vec::new();
    for (basis, expected) in
        [(Basis::Guide, situation.expect.guide), (Basis::Server, situation.expect.server)]
    {
        let found = capability(basis);
        if found != expected {
            wrong.push(format!("{}: expected {expected}, found {found}", basis.name()));
        }
    }
    let mut expected = situation.expect.rows;
    let mut seen = Vec::new();
    for diagnostic in &diagnostics {
        let code = diagnostic.check.code;
        let found = [outcome(diagnostic.outcome), diagnostic.cause_code()].join(" ");
        let expected = match expected.remove(code) {
            Some(expected) => expected,
            None if code == "PG_DOCUMENTED_RULE" && target.pipe.follows_changes() => {
                "fail PG_DOCUMENTED_RULE".into()
            }
            None => "pass".to_owned(),
        };
        if found.trim() != expected {
            wrong.push(format!("{code}: expected {expected}, found {} ({})", found.trim(), diagnostic.found));
        }
        if let Some(words) = situation.expect.to_do.get(code)
            && !diagnostic.remedy.as_ref().is_some_and(|remedy| remedy.contains(words))
        {
            wrong.push(format!("{code}: expected to do `{words}`, found {:?}", diagnostic.remedy));
        }
        seen.push((code.to_owned(), diagnostic.outcome));
    }
    wrong.extend(expected.keys().map(|code| format!("{code} is no row of this engine")));
    if wrong.is_empty() { Ok(seen) } else { Err(wrong.join("\n    ")) }
}

#[test]
fn every_situation_is_judged_as_its_file_says() {
    let mut wrong = String::new();
    let mut seen: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
    let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    for path in &files {
        match differences(path) {
            Ok(rows) => rows.into_iter().for_each(|(code, outcome)| {
                seen.entry(code).or_default().push(outcome);
            }),
            Err(why) => {
                wrong += &format!("{}\n    {why}\n", path.file_name().unwrap().to_string_lossy());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");

    // Both sides of every row: it passes somewhere, and somewhere it does not.
    for row in CHECKS.iter().filter(|row| row.group == Group::Capability) {
        let outcomes = &seen[row.code];
        assert!(
            row.code == "PG_DOCUMENTED_RULE" || outcomes.contains(&Outcome::Pass),
            "{}: never passes",
            row.code
        );
        let short = |o: &Outcome| matches!(o, Outcome::Fail | Outcome::Warn);
        assert!(outcomes.iter().any(short), "{}: nothing falls short of it", row.code);
    }
    assert!(files.len() >= 90, "{} situations", files.len());
}

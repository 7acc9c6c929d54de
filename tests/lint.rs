//! Policies: one file per situation in `tests/lint`, documents in, answers and findings out. `UPDATE=1 cargo
//! test --test lint` updates the findings; review the difference.

use std::{collections::BTreeMap, fs, path::Path};

use clap::Parser;
use pipeprobe::{
    cli::{Cli, Command},
    config::LintConfig,
    lint::{self, Answer, AnswerKind, Lint, Rule, Severity, Source},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Situation {
    /// Replaces the default target.
    args: Option<Vec<String>>,
    /// Added to the default target.
    #[serde(default)]
    and: Vec<String>,
    documents: BTreeMap<String, String>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    assume_role: String,
    connect: String,
    /// `severity CODE line:column path`, in the order of the documents' names.
    findings: Vec<String>,
    /// Required text: CODE → part of its expected, found or remedy text.
    #[serde(default)]
    says: BTreeMap<String, String>,
    #[serde(default)]
    provided: Vec<String>,
}

const USUAL: [&str; 8] = [
    "--service-role",
    "arn:aws:iam::999988887777:role/CH-service-role",
    "--type",
    "rdspostgres",
    "--host",
    "orders.abc123.eu-west-1.rds.amazonaws.com",
    "--iam-role",
    "arn:aws:iam::123456789012:role/clickpipes-rds-access",
];

fn config(args: &[String]) -> LintConfig {
    let words = ["pipeprobe", "lint", "-"].map(str::to_owned).into_iter().chain(args.iter().cloned());
    let Command::Lint(args) = Cli::parse_from(words).command else { unreachable!() };
    LintConfig::read(*args, &|_| None).unwrap_or_else(|e| panic!("{e}"))
}

fn judge(situation: &Situation) -> Lint {
    let usual = || USUAL.map(str::to_owned).to_vec();
    let args = [situation.args.clone().unwrap_or_else(usual), situation.and.clone()].concat();
    let source = |(file, text): (&String, &String)| Source { file: file.clone(), text: text.clone() };
    lint::lint(&situation.documents.iter().map(source).collect::<Vec<_>>(), &config(&args).subject)
}

fn situations() -> Vec<(String, Situation)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let situation = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (path.display().to_string(), situation)
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn shown(lint: &Lint) -> Vec<String> {
    let severity = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Unknown => "unknown",
    };
    let row = |row: &lint::Row| {
        let line =
            format!("{} {} {}:{} {}", severity(row.severity), row.code, row.line, row.column, row.path);
        line.trim_end().to_owned()
    };
    lint.rows().map(row).collect()
}

#[test]
fn every_situation_is_judged_as_its_file_says() {
    let situations = situations();
    assert!(situations.len() >= 45, "{}", situations.len());
    let wrong: Vec<String> =
        situations.iter().flat_map(|(file, situation)| compare(file, situation)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mistake_has_a_situation() {
    let found: Vec<&str> = situations()
        .iter()
        .flat_map(|(_, situation)| judge(situation).documents)
        .flat_map(|d| d.findings)
        .map(|row| row.code)
        .collect();
    let unmet: Vec<&str> =
        Rule::ALL.iter().map(|rule| rule.code()).filter(|code| !found.contains(code)).collect();
    assert!(unmet.is_empty(), "{unmet:?}");
}

/// Differences from the file.
fn compare(file: &str, situation: &Situation) -> Vec<String> {
    let (lint, expect) = (judge(situation), &situation.expect);
    let mut wrong = Vec::new();
    let mut differ = |what: &str, expected: String, found: String| {
        if expected != found {
            wrong.push(format!("{file}: {what}\n  expected {expected}\n  found  {found}"));
        }
    };
    let said: Vec<&str> = lint.answers.iter().map(|answer| answer.answer.name()).collect();
    differ("answers", format!("{:?}", [&expect.assume_role, &expect.connect]), format!("{said:?}"));
    if std::env::var_os("UPDATE").is_some() {
        rewrite(file, &shown(&lint));
    } else {
        differ("findings", format!("{:#?}", expect.findings), format!("{:#?}", shown(&lint)));
    }
    for (code, words) in &expect.says {
        let texts = |row: &lint::Row| {
            [&row.expected, &row.found, row.remedy.as_deref().unwrap_or_default()].join(" | ")
        };
        let found: Vec<String> = lint.rows().filter(|row| row.code == code).map(texts).collect();
        if !found.iter().any(|text| text.contains(words)) {
            differ(code, words.clone(), format!("{found:?}"));
        }
    }
    let provided: Vec<&String> = lint.answers.iter().flat_map(|answer| &answer.provided).collect();
    differ("provided", format!("{:?}", expect.provided), format!("{provided:?}"));
    if let Err(why) = agrees_with_itself(&lint) {
        wrong.push(format!("{file}: {why}: {lint:#?}"));
    }
    wrong
}

/// A "no" needs an error, an "unknown" needs an unknown finding, and a "yes" must have no error.
fn agrees_with_itself(lint: &Lint) -> Result<(), &'static str> {
    let any = |severity| lint.rows().any(|row| row.severity == severity);
    for Answer { answer, why, .. } in &lint.answers {
        match answer {
            _ if why.is_empty() => return Err("an answer without a why"),
            AnswerKind::No if !any(Severity::Error) => return Err("a no without an error"),
            AnswerKind::Unknown if !any(Severity::Unknown) && !any(Severity::Error) => {
                return Err("an unknown without anything unknown");
            }
            _ => {}
        }
    }
    let well = |answer: &Answer| matches!(answer.answer, AnswerKind::Yes | AnswerKind::NotChecked);
    match lint.answers.iter().all(well) && any(Severity::Error) {
        true => Err("an error though all is well"),
        false => Ok(()),
    }
}

fn rewrite(file: &str, findings: &[String]) {
    let text = fs::read_to_string(file).unwrap();
    let (front, rest) = text.split_once("findings = [").unwrap();
    let (_, back) = rest.split_once("]  # end\n").or_else(|| rest.split_once("\n]\n")).unwrap_or(("", ""));
    let lines: String = findings.iter().map(|finding| format!("    {finding:?},\n")).collect();
    fs::write(file, format!("{front}findings = [\n{lines}]\n{back}")).unwrap();
}

/// Truncated and modified documents always get an answer that agrees with its findings.
#[test]
fn truncated_and_modified_documents_get_consistent_answers() {
    let mut judged = 0;
    for (file, situation) in situations() {
        let usual = USUAL.map(str::to_owned);
        let subject = config(&usual).subject;
        for (name, text) in &situation.documents {
            let letters: Vec<char> = text.chars().collect();
            let step = if name.starts_with("guide") { 1 } else { 23 };
            for cut in (0..letters.len()).step_by(step) {
                let mutants = [
                    letters[..cut].iter().collect::<String>(),
                    letters[cut..].iter().collect(),
                    letters[..cut].iter().chain(&letters[cut + 1..]).collect(),
                    letters[..cut].iter().chain(&['"']).chain(&letters[cut + 1..]).collect(),
                    letters[..cut].iter().chain(&['*']).chain(&letters[cut + 1..]).collect(),
                    letters[..cut].iter().chain(&['{']).chain(&letters[cut..]).collect(),
                ];
                for text in mutants {
                    let lint = lint::lint(&[Source { file: file.clone(), text: text.clone() }], &subject);
                    if let Err(why) = agrees_with_itself(&lint) {
                        panic!("{file}, changed at {cut}: {why}: {text}\n{lint:#?}");
                    }
                    judged += 1;
                }
            }
        }
    }
    assert!(judged > 5000, "{judged}");
}

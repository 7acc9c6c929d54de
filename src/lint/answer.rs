//! The answers: one sentence a question.

use serde::Serialize;

use super::finding::{Finding, Severity};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// May ClickPipes assume the role with a session tag?
    AssumeRole,
    /// May the role connect as the user to the database?
    Connect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Says {
    Yes,
    No,
    Unknown,
    /// No document of the kind was given.
    NotAsked,
}

impl Says {
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
            Self::NotAsked => "not asked",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    pub question: Question,
    /// `ClickPipes may assume the role with a session tag`
    pub sentence: String,
    pub answer: Says,
    /// What of the documents says so, or which findings do.
    pub why: String,
    /// What a yes depends on: parts of the resource that were not given to compare with.
    pub provided: Vec<String>,
}

impl Answer {
    pub fn new(question: Question, sentence: String, answer: Says, why: impl Into<String>) -> Self {
        Self { question, sentence, answer, why: why.into(), provided: Vec::new() }
    }
}

/// `POLICY_A, POLICY_B`: the codes of the findings of one weight.
pub(super) fn codes(findings: &[Finding], severity: Severity) -> String {
    let mut codes: Vec<&str> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.severity == severity) {
        if !codes.contains(&finding.rule.code()) {
            codes.push(finding.rule.code());
        }
    }
    codes.join(", ")
}

/// Why IAM rejects the document, if one of these findings is an error.
pub(super) fn rejected(findings: &[Finding]) -> Option<String> {
    let codes = codes(findings, Severity::Error);
    (!codes.is_empty()).then(|| format!("IAM rejects the document: {codes}"))
}

/// What makes it unknown; or else (a role named in a form that may hold by chance) what is wrong.
pub(super) fn open(findings: &[Finding]) -> String {
    match codes(findings, Severity::Unknown) {
        none if none.is_empty() => codes(findings, Severity::Error),
        some => some,
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(words: &[String], and: &str) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [front @ .., last] => format!("{} {and} {last}", front.join(", ")),
    }
}

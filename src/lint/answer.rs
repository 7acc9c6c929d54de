//! The answers: one sentence for each question.

use serde::Serialize;

use super::finding::{Finding, Severity};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Can ClickPipes assume the role with session tags?
    AssumeRole,
    /// Can the role connect to the database as the user?
    Connect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    Yes,
    No,
    Unknown,
    /// No document of the kind was given.
    NotChecked,
}

impl AnswerKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
            Self::NotChecked => "not checked",
        }
    }
}

pub(super) const ASSUME_ROLE: &str = "ClickPipes can assume the role with session tags";

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Answer {
    pub question: Question,
    /// `ClickPipes can assume the role with session tags`
    pub sentence: String,
    pub answer: AnswerKind,
    /// The statements that allow it, or the codes of the findings.
    pub why: String,
    /// Conditions of a yes: parts of the resource that were not given and so could not be compared.
    pub provided: Vec<String>,
}

impl Answer {
    pub fn new(question: Question, sentence: String, answer: AnswerKind, why: impl Into<String>) -> Self {
        Self { question, sentence, answer, why: why.into(), provided: Vec::new() }
    }
}

/// `POLICY_A, POLICY_B`: the codes of the findings of one severity.
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

/// The codes that make the answer unknown. Without one (a role that is named in a form that may match by chance): the errors.
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

//! What is wrong in one place of a document.

use std::collections::BTreeSet;

use serde::Serialize;

use super::rule::Rule;
use crate::policy::condition::Condition;
use crate::policy::document::{Element, Statement, Who, Word};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It keeps ClickPipes out, or IAM from saving the document.
    Error,
    /// It lets ClickPipes in, and should be looked at all the same.
    Warning,
    /// Whether it keeps ClickPipes out cannot be known from here.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub rule: Rule,
    pub severity: Severity,
    /// The byte of the file.
    pub at: usize,
    pub path: String,
    pub expected: String,
    pub found: String,
    pub remedy: String,
}

impl Finding {
    pub(super) fn error(rule: Rule, place: &impl Placed, found: impl Into<String>) -> Self {
        let (at, path) = place.place();
        Self {
            rule,
            severity: Severity::Error,
            at,
            path,
            expected: String::new(),
            found: found.into(),
            remedy: String::new(),
        }
    }

    pub(super) fn warning(rule: Rule, place: &impl Placed, found: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, place, found) }
    }

    pub(super) fn unknown(rule: Rule, place: &impl Placed, found: impl Into<String>) -> Self {
        Self { severity: Severity::Unknown, ..Self::error(rule, place, found) }
    }

    #[must_use]
    pub(super) fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    #[must_use]
    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }
}

/// What stands somewhere.
pub(super) trait Placed {
    fn place(&self) -> (usize, String);
}

impl Placed for (usize, &str) {
    fn place(&self) -> (usize, String) {
        (self.0, self.1.to_owned())
    }
}

impl Placed for Statement {
    fn place(&self) -> (usize, String) {
        (self.at, self.path.clone())
    }
}

impl<T> Placed for Element<T> {
    fn place(&self) -> (usize, String) {
        (self.at, self.path.clone())
    }
}

impl Placed for Word {
    fn place(&self) -> (usize, String) {
        (self.at, self.path.clone())
    }
}

impl Placed for Who {
    fn place(&self) -> (usize, String) {
        self.word.place()
    }
}

impl Placed for Condition {
    fn place(&self) -> (usize, String) {
        (self.at, self.path.clone())
    }
}

/// The same thing said of the same place is said once.
pub(super) fn once(findings: Vec<Finding>) -> Vec<Finding> {
    let mut said = BTreeSet::new();
    findings.into_iter().filter(|finding| said.insert((finding.rule.code(), finding.path.clone()))).collect()
}

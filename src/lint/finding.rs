//! One problem at one position of a document.

use std::collections::BTreeSet;

use serde::Serialize;

use super::rule::Rule;
use crate::evidence::Diagnostic;
use crate::policy::condition::Condition;
use crate::policy::document::{Element, PrincipalEntry, Span, Statement};

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// ClickPipes is not allowed, or IAM rejects the document.
    Error,
    /// ClickPipes is allowed, but something should be corrected.
    Warning,
    /// Whether ClickPipes is allowed cannot be known offline.
    Unknown,
}

/// A finding before its line and column are known.
pub(super) type Finding = Diagnostic<BrokenRule>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BrokenRule {
    pub rule: Rule,
    pub severity: Severity,
    /// Byte offset in the file.
    pub at: usize,
    pub path: String,
}

impl Finding {
    fn new(rule: Rule, severity: Severity, place: &impl Located, found: impl Into<String>) -> Self {
        let (at, path) = place.location();
        Self::of(BrokenRule { rule, severity, at, path }, found)
    }

    pub(super) fn error(rule: Rule, place: &impl Located, found: impl Into<String>) -> Self {
        Self::new(rule, Severity::Error, place, found)
    }

    pub(super) fn warning(rule: Rule, place: &impl Located, found: impl Into<String>) -> Self {
        Self::new(rule, Severity::Warning, place, found)
    }

    pub(super) fn unknown(rule: Rule, place: &impl Located, found: impl Into<String>) -> Self {
        Self::new(rule, Severity::Unknown, place, found)
    }
}

/// Anything that has a position in the file.
pub(super) trait Located {
    fn location(&self) -> (usize, String);
}

impl Located for (usize, &str) {
    fn location(&self) -> (usize, String) {
        (self.0, self.1.to_owned())
    }
}

impl Located for Statement {
    fn location(&self) -> (usize, String) {
        (self.at, self.path.clone())
    }
}

impl<T> Located for Element<T> {
    fn location(&self) -> (usize, String) {
        (self.at, self.path.clone())
    }
}

impl Located for Span {
    fn location(&self) -> (usize, String) {
        (self.at, self.path.clone())
    }
}

impl Located for PrincipalEntry {
    fn location(&self) -> (usize, String) {
        self.word.location()
    }
}

impl Located for Condition {
    fn location(&self) -> (usize, String) {
        (self.at, self.path.clone())
    }
}

/// Removes findings with the same code and path.
pub(super) fn deduplicated(findings: Vec<Finding>) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    findings.into_iter().filter(|finding| seen.insert((finding.rule.code(), finding.path.clone()))).collect()
}

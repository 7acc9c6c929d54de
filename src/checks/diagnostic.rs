//! What a check found, and the causes that the evidence allows.

use serde::Serialize;

use super::{Cause, Check, Found};
use crate::{diagnostic::Outcome, evidence};

/// One of several causes that the evidence allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Candidate {
    #[cfg_attr(test, schemars(with = "String"))]
    pub cause: &'static Cause,
    /// The evidence for this cause, or against it.
    #[serde(rename = "evidence")]
    pub because: String,
    pub remedy: String,
}

impl Candidate {
    pub fn new(cause: &'static Cause, because: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause, because: because.into(), remedy: remedy.into() }
    }
}

/// What one check found.
pub type Diagnostic = evidence::Diagnostic<Judged>;

/// A check, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub check: &'static Check,
    pub outcome: Outcome,
    /// The cause, if the check did not simply pass.
    pub cause: Option<&'static Cause>,
    /// Every name in the lists of what was found, also those that the text leaves out.
    pub listed: Vec<String>,
    /// Whether the text leaves out names.
    pub is_shortened: bool,
    /// If the evidence allows several causes: the most likely first.
    pub candidates: Vec<Candidate>,
}

impl Diagnostic {
    pub(super) fn new(
        check: &'static Check,
        outcome: Outcome,
        cause: Option<&'static Cause>,
        found: impl Into<Found>,
    ) -> Self {
        let Found { text, listed, is_shortened } = found.into();
        Self::of(Judged { check, outcome, cause, listed, is_shortened, candidates: Vec::new() }, text)
    }

    /// Code of the cause; empty if there is none.
    pub fn cause_code(&self) -> &'static str {
        self.cause.map_or("", |cause| cause.code)
    }

    pub(super) fn found(&self) -> Found {
        Found { text: self.found.clone(), listed: self.listed.clone(), is_shortened: self.is_shortened }
    }

    #[must_use]
    pub(super) fn with_found(self, found: Found) -> Self {
        let Found { text, listed, is_shortened } = found;
        Self { found: text, topic: Judged { listed, is_shortened, ..self.topic }, ..self }
    }

    /// Any of these, the most likely first, whose remedy becomes that of the diagnostic.
    #[must_use]
    pub(super) fn with_candidates(self, candidates: Vec<Candidate>) -> Self {
        let remedy = candidates.first().map(|first| first.remedy.clone());
        Self { remedy: remedy.or(self.remedy), topic: Judged { candidates, ..self.topic }, ..self }
    }

    /// The remedy of the cause, with these values for its placeholders.
    #[must_use]
    pub(super) fn filled(self, values: &[(&str, &str)]) -> Self {
        let fix = self.cause.map_or("", |cause| cause.fix).to_owned();
        let remedy = values.iter().fold(fix, |text, (placeholder, value)| text.replace(placeholder, value));
        self.remedy(remedy)
    }
}

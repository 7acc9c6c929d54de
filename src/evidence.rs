//! What was expected, what was found, and what to do: one type for errors of the configuration, results of checks, findings
//! of `lint` and records of AWS.

use std::ops::{Deref, DerefMut};

use serde::{Serialize, Serializer};

/// The label of the remedy in reports.
pub(crate) const FIX: &str = "fix";

// `S` is the topic, with the fields that only this kind has: a field and its origin, a check and its cause, a rule and its place
// in a document, a subject of the AWS records.
/// What was expected, what was found, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Diagnostic<S> {
    #[serde(flatten)]
    pub topic: S,
    /// Null if the title says it.
    #[serde(serialize_with = "none_if_empty")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub expected: String,
    /// The evidence, in the words of the server, of AWS or of the input.
    #[serde(serialize_with = "none_if_empty")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub found: String,
    /// What to type or change.
    pub remedy: Option<String>,
}

impl<S> Diagnostic<S> {
    pub(crate) fn of(topic: S, found: impl Into<String>) -> Self {
        Self { topic, expected: String::new(), found: found.into(), remedy: None }
    }

    #[must_use]
    pub(crate) fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    #[must_use]
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// The same about another topic.
    pub(crate) fn about<T>(self, topic: impl FnOnce(S) -> T) -> Diagnostic<T> {
        let Self { topic: before, expected, found, remedy } = self;
        Diagnostic { topic: topic(before), expected, found, remedy }
    }

    /// The same with each text changed.
    #[must_use]
    pub(crate) fn with_texts(self, change: impl Fn(&str) -> String) -> Self {
        let (expected, found) = (change(&self.expected), change(&self.found));
        Self { expected, found, remedy: self.remedy.as_deref().map(change), ..self }
    }

    /// The texts that it has, with their labels; `remedy` is the label of what to do.
    pub(crate) fn lines(&self, remedy: &'static str) -> impl Iterator<Item = (&'static str, &str)> {
        let to_do = self.remedy.as_deref().unwrap_or_default();
        let all = [("expected", &*self.expected), ("found", &*self.found), (remedy, to_do)];
        all.into_iter().filter(|(_, text)| !text.is_empty())
    }
}

/// The fields of the topic are read as fields of the diagnostic.
impl<S> Deref for Diagnostic<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.topic
    }
}

impl<S> DerefMut for Diagnostic<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.topic
    }
}

/// Serializes an empty text as null.
///
/// # Errors
/// The serializer's.
pub fn none_if_empty<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Some(text).filter(|text| !text.is_empty()).serialize(serializer)
}

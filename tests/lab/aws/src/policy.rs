//! Policy documents, and what they say to a request.
//!
//! Source: IAM User Guide, "Policy evaluation logic" and "Grammar of the IAM JSON policy language".

mod statement;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use self::statement::{Effect, Statement, Written};
use crate::condition::Condition;

/// What a set of documents says. In rising order: the greatest one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    ImplicitDeny,
    /// A trust policy names the caller's whole account: the account's own policies decide who.
    AllowAccount,
    Allow,
    ExplicitDeny,
}

/// Whose document it is: that decides which elements it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Attached to a user or role, or passed to AssumeRole: no principal, a resource.
    Identity,
    /// Of a role: a principal, no resource.
    Trust,
}

/// What is asked of the documents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) principal: &'a Principal,
    pub(crate) context: &'a Context,
    /// Condition keys the service does not look at: conditions on them are skipped.
    pub(crate) ignored: &'a [&'a str],
}

/// The caller, as a `Principal` element may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// Of the user, or of the session (`arn:aws:sts::…:assumed-role/Role/Session`).
    pub(crate) arn: String,
    /// The session's role; for a user the same as `arn`.
    pub(crate) issuer: String,
    pub(crate) partition: String,
    pub(crate) account: String,
}

/// Condition keys and their values in one request. Keys are case-insensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_lowercase(), vec![value.to_owned()]);
    }

    /// One more value of a multivalued key.
    pub(crate) fn add(&mut self, key: &str, value: &str) {
        self.0.entry(key.to_lowercase()).or_default().push(value.to_owned());
    }

    pub(crate) fn get(&self, key: &str) -> &[String] {
        self.0.get(&key.to_lowercase()).map_or(&[], Vec::as_slice)
    }
}

/// What `documents` together say. One that cannot be read denies: [`check`] is the place to learn why.
pub(crate) fn evaluate<'a>(
    documents: impl IntoIterator<Item = &'a Value>,
    kind: Kind,
    request: Request<'_>,
) -> Verdict {
    let say = |document| {
        Document::read(document, kind).map_or(Verdict::ExplicitDeny, |document| document.evaluate(request))
    };
    documents.into_iter().map(say).max().unwrap_or(Verdict::ImplicitDeny)
}

/// Whether `document` can be read as one of its kind.
///
/// # Errors
/// What is wrong, for the document's author.
pub(crate) fn check(document: &Value, kind: Kind) -> Result<(), String> {
    Document::read(document, kind).map(drop)
}

/// Like IAM, which rejects a trust policy if one of its principals is invalid.
///
/// # Errors
/// The message of IAM.
pub(crate) fn check_principals(document: &Value, partition: &str) -> Result<(), String> {
    let document = Document::read(document, Kind::Trust)?;
    match document.statements.iter().find_map(|(statement, _)| statement.invalid_principal(partition)) {
        Some(bad) => Err(format!("Invalid principal in policy: \"AWS\":\"{bad}\"")),
        None => Ok(()),
    }
}

#[derive(Debug)]
struct Document {
    variables: bool,
    statements: Vec<(Statement, Vec<Condition>)>,
}

impl Document {
    fn read(value: &Value, kind: Kind) -> Result<Self, String> {
        let written = Written::deserialize(value).map_err(|error| error.to_string())?;
        let variables = match written.version.as_deref() {
            Some("2012-10-17") => true,
            None | Some("2008-10-17") => false,
            Some(other) => return Err(format!("no such policy version: {other}")),
        };
        let mut statements = Vec::new();
        for statement in written.statement.into_vec() {
            let conditions = statement.check(kind)?;
            statements.push((statement, conditions));
        }
        Ok(Self { variables, statements })
    }

    fn evaluate(&self, request: Request<'_>) -> Verdict {
        let said = self.statements.iter().map(|(statement, conditions)| {
            let held = || {
                conditions.iter().all(|condition| {
                    let ignored = request.ignored.iter().any(|key| key.eq_ignore_ascii_case(&condition.key));
                    ignored || condition.holds(request.context, self.variables)
                })
            };
            let applies = statement.covers(request, self.variables);
            match (applies, statement.effect) {
                (Verdict::ImplicitDeny, _) => Verdict::ImplicitDeny,
                _ if !held() => Verdict::ImplicitDeny,
                (_, Effect::Deny) => Verdict::ExplicitDeny,
                (granted, Effect::Allow) => granted,
            }
        });
        said.max().unwrap_or(Verdict::ImplicitDeny)
    }
}

#[cfg(test)]
mod tests;

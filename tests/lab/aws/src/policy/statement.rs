//! A statement as it is written, and what it covers.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Kind, Principal, Request, Verdict};
use crate::condition::Condition;
use crate::pattern::Pattern;
use crate::world::is_account;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Written {
    pub(super) version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    pub(super) statement: OneOrMany<Statement>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Statement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    pub(super) effect: Effect,
    principal: Option<Who>,
    not_principal: Option<Who>,
    action: Option<OneOrMany<String>>,
    not_action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<OneOrMany<String>>,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, OneOrMany<Scalar>>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Who {
    Everyone(String),
    Of(BTreeMap<String, OneOrMany<String>>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

/// Condition values are strings, but people write `true` and `3600` as well.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Bool(bool),
    Number(serde_json::Number),
}

impl Statement {
    /// Refuses what IAM would not have saved, and returns the conditions read.
    pub(super) fn check(&self, kind: Kind) -> Result<Vec<Condition>, String> {
        let has_principal = self.principal.is_some() || self.not_principal.is_some();
        let has_resource = self.resource.is_some() || self.not_resource.is_some();
        match kind {
            Kind::Identity if has_principal => return Err("an identity policy has no Principal".into()),
            Kind::Identity if !has_resource => return Err("an identity policy needs a Resource".into()),
            Kind::Trust if has_resource => return Err("a trust policy has no Resource".into()),
            Kind::Trust if !has_principal => return Err("a trust policy needs a Principal".into()),
            _ => {}
        }
        if self.action.is_some() == self.not_action.is_some() {
            return Err("a statement has either Action or NotAction".into());
        }
        for who in [&self.principal, &self.not_principal].into_iter().flatten() {
            match who {
                Who::Everyone(star) if star != "*" => return Err(format!("no such principal: {star}")),
                _ => {}
            }
        }
        let tests =
            self.condition.iter().flat_map(|(operator, keys)| keys.iter().map(move |test| (operator, test)));
        tests.map(|(operator, (key, values))| Condition::new(operator, key, values.texts())).collect()
    }

    /// An entry under `AWS` because of which IAM rejects the whole document.
    pub(super) fn invalid_principal(&self, partition: &str) -> Option<&str> {
        let mut named = [&self.principal, &self.not_principal].into_iter().flatten().flat_map(Who::aws);
        named.find(|name| !is_principal(name, partition)).map(String::as_str)
    }

    /// How far the statement speaks about the request, conditions aside.
    pub(super) fn covers(&self, request: Request<'_>, variables: bool) -> Verdict {
        let variables = variables.then_some(request.context);
        let action = |patterns: &OneOrMany<String>| {
            patterns
                .any(|text| Pattern::new(text, None).is_some_and(|p| p.matches_ignoring_case(request.action)))
        };
        let resource = |patterns: &OneOrMany<String>| {
            patterns.any(|text| Pattern::new(text, variables).is_some_and(|p| p.matches(request.resource)))
        };
        let covered = self.action.as_ref().is_none_or(action)
            && !self.not_action.as_ref().is_some_and(action)
            && self.resource.as_ref().is_none_or(resource)
            && !self.not_resource.as_ref().is_some_and(resource);
        if !covered {
            return Verdict::ImplicitDeny;
        }
        if self
            .not_principal
            .as_ref()
            .is_some_and(|who| who.names(request.principal) != Verdict::ImplicitDeny)
        {
            return Verdict::ImplicitDeny;
        }
        self.principal.as_ref().map_or(Verdict::Allow, |who| who.names(request.principal))
    }
}

impl Who {
    /// The entries under `AWS`.
    fn aws(&self) -> &[String] {
        match self {
            Self::Everyone(_) => &[],
            Self::Of(kinds) => kinds.get("AWS").map_or(&[], OneOrMany::as_slice),
        }
    }

    /// `Allow` if the caller itself is named, `AllowAccount` if its account is.
    fn names(&self, caller: &Principal) -> Verdict {
        let names = match self {
            Self::Everyone(_) => return Verdict::Allow,
            // "Service", "Federated" and "CanonicalUser" are never our callers.
            Self::Of(kinds) => kinds.get("AWS"),
        };
        let root = format!("arn:{}:iam::{}:root", caller.partition, caller.account);
        let name = |name: &String| {
            if name == "*" || *name == caller.arn || *name == caller.issuer {
                Verdict::Allow
            } else if *name == root || (is_account(name) && *name == caller.account) {
                Verdict::AllowAccount
            } else {
                Verdict::ImplicitDeny
            }
        };
        names.into_iter().flat_map(OneOrMany::as_slice).map(name).max().unwrap_or(Verdict::ImplicitDeny)
    }
}

/// `*`, an account, a unique id, or the full ARN of a user, a role or a session in the same partition.
fn is_principal(name: &str, partition: &str) -> bool {
    if name == "*" || is_account(name) || name.starts_with("AROA") || name.starts_with("AIDA") {
        return true;
    }
    let Some(rest) = name.strip_prefix("arn:").and_then(|rest| rest.strip_prefix(partition)) else {
        return false;
    };
    let Some((account, resource)) = rest
        .strip_prefix(":iam::")
        .or_else(|| rest.strip_prefix(":sts::"))
        .and_then(|rest| rest.split_once(':'))
    else {
        return false;
    };
    let steps: Vec<&str> = resource.split('/').collect();
    let kind = match (rest.starts_with(":iam"), steps[0]) {
        (true, "root") => steps.len() == 1,
        (true, "role" | "user") => steps.len() > 1,
        (false, "federated-user") => steps.len() == 2,
        (false, "assumed-role") => steps.len() == 3,
        _ => false,
    };
    kind && is_account(account) && !name.contains(['*', '?']) && !name.ends_with('/')
}

impl<T> OneOrMany<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::Many(many) => many,
            Self::One(one) => std::slice::from_ref(one),
        }
    }

    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            Self::Many(many) => many,
            Self::One(one) => vec![one],
        }
    }

    fn any(&self, holds: impl Fn(&T) -> bool) -> bool {
        self.as_slice().iter().any(holds)
    }
}

impl OneOrMany<Scalar> {
    fn texts(&self) -> Vec<String> {
        let text = |value: &Scalar| match value {
            Scalar::Text(text) => text.clone(),
            Scalar::Bool(bool) => bool.to_string(),
            Scalar::Number(number) => number.to_string(),
        };
        self.as_slice().iter().map(text).collect()
    }
}

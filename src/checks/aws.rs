//! What the records of RDS and IAM say about a failure. They identify causes and rule others out. No check passes or fails
//! by them, so no verdict changes.

mod database;
mod permission;
mod route;
mod trust;
mod rank;

pub use rank::conclusion;
pub(in crate::checks) use rank::rank_causes;

use serde::Serialize;

use super::{Cause, Observations};
use crate::checks::identity::access_role::STS_NO_SUCH_ROLE;
use crate::{
    aws::{AwsRecords, CREDENTIALS, Lookup, Role},
    diagnostic::{Outcome, printable},
    evidence::Diagnostic,
    policy::{
        document::{Document, Kind},
        subject::Subject,
        wrapping,
    },
    target::{RoleArn, Target},
};

/// One thing the records say.
pub type AwsEvidence = Diagnostic<Record>;

/// What it is about, and how it bears on the causes of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Record {
    /// `IAM authentication`.
    pub subject: &'static str,
    /// `Pass` if it is in order, `Fail` if it keeps ClickPipes out, `Warn` if it can, otherwise `Unknown`.
    pub outcome: Outcome,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub cause: Option<&'static Cause>,
    /// Causes that are impossible, because it is in order.
    #[serde(skip)]
    rules_out: Vec<&'static Cause>,
}

impl AwsEvidence {
    fn new(
        subject: &'static str,
        outcome: Outcome,
        cause: Option<&'static Cause>,
        found: impl Into<String>,
    ) -> Self {
        Self::of(Record { subject, outcome, cause, rules_out: Vec::new() }, found)
    }

    fn pass(subject: &'static str, found: impl Into<String>) -> Self {
        Self::new(subject, Outcome::Pass, None, found)
    }

    fn unknown(subject: &'static str, found: impl Into<String>) -> Self {
        Self::new(subject, Outcome::Unknown, None, found)
    }

    fn fail(subject: &'static str, cause: &'static Cause, found: impl Into<String>) -> Self {
        Self::new(subject, Outcome::Fail, Some(cause), found)
    }

    fn warn(subject: &'static str, cause: &'static Cause, found: impl Into<String>) -> Self {
        Self::new(subject, Outcome::Warn, Some(cause), found)
    }

    #[must_use]
    fn rules_out(mut self, causes: &[&'static Cause]) -> Self {
        self.rules_out = causes.to_vec();
        self
    }

    /// What is wrong, and not merely unknown.
    fn is_wrong(&self) -> bool {
        matches!(self.outcome, Outcome::Fail | Outcome::Warn)
    }
}

/// What the records say, the database first. Nothing without AWS diagnostics.
pub fn aws_evidence(target: &Target, seen: &Observations) -> Vec<AwsEvidence> {
    read(target, seen).into_iter().map(|evidence| evidence.with_texts(printable)).collect()
}

fn read(target: &Target, seen: &Observations) -> Vec<AwsEvidence> {
    let Some(records) = &seen.aws_records else { return Vec::new() };
    if let Some(asked) = records.calls.iter().find(|asked| asked.call == CREDENTIALS) {
        let words = asked.refused.as_deref().unwrap_or_default();
        return vec![
            AwsEvidence::unknown("operator", format!("no credentials of {}: {words}", asked.about))
                .remedy("check --diagnose-profile and --diagnose-role, and log in (`aws sso login`)"),
        ];
    }
    let mut aws_evidence = database::aws_evidence(target, records);
    aws_evidence.extend(route::aws_evidence(target, records));
    match &records.role {
        Lookup::Found(role) => aws_evidence.extend(of_role(target, seen, records, role)),
        Lookup::NotFound => aws_evidence.push(no_such_role(target)),
        Lookup::Unavailable => {
            aws_evidence.push(AwsEvidence::unknown("access role", refused(records, "iam:GetRole")));
        }
    }
    aws_evidence
}

fn of_role(target: &Target, seen: &Observations, records: &AwsRecords, role: &Role) -> Vec<AwsEvidence> {
    let Some(expected) = target.access.roles.last() else { return Vec::new() };
    if role.arn != expected.as_str() {
        let found = format!("IAM has it as {}, and {expected} was asked for", role.arn);
        let remedy = format!("set `iam_role` to {}", role.arn);
        return vec![AwsEvidence::fail("access role", &STS_NO_SUCH_ROLE, found).remedy(remedy)];
    }
    let subject = Subject {
        source_type: Some(target.source_type),
        host: Some(target.sign.host.clone()),
        region: Some(target.region.clone()),
        user: target.user.clone(),
        access_role: Some(expected.clone()),
        service_role: None,
        tags: Some(target.access.tags.tags.clone()),
        external_id: target.access.external_id.is_some(),
        resource_id: records.database.found().and_then(database::resource_id).and_then(|id| id.parse().ok()),
    };
    let mut aws_evidence = permission::aws_evidence(&subject, role, records);
    aws_evidence.push(trust::evidence(target, seen, &subject, role));
    aws_evidence
}

fn no_such_role(target: &Target) -> AwsEvidence {
    let role = target.access.roles.last();
    let (account, name) = role.map_or(("", ""), |role| (role.account(), role.name()));
    AwsEvidence::fail("access role", &STS_NO_SUCH_ROLE, format!("account {account} has no role {name}"))
        .remedy("correct `iam_role`: aws iam list-roles --query 'Roles[].Arn'")
}

/// The error of a call that returned nothing.
fn refused(records: &AwsRecords, call: &str) -> String {
    let asked = records.calls.iter().find(|asked| asked.call == call && asked.refused.is_some());
    match asked.and_then(|asked| asked.refused.as_deref()) {
        Some(words) => format!("{call}: {words}"),
        None => format!("{call} told nothing"),
    }
}

/// The errors of all these calls.
fn all_refused(records: &AwsRecords, calls: &[&str]) -> String {
    let refused = records.calls.iter().filter(|asked| calls.contains(&asked.call.as_str()));
    let words = refused.filter_map(|asked| Some(format!("{}: {}", asked.call, asked.refused.as_deref()?)));
    words.collect::<Vec<_>>().join("; ")
}

/// The documents in a text of IAM; `None` if it cannot be read.
fn documents(text: &str, kind: Kind) -> Option<Vec<Document>> {
    let read =
        |wrapped: &wrapping::Wrapped| Document { kind, ..Document::read(&wrapped.root, &wrapped.path) };
    let documents: Vec<Document> = wrapping::documents(text).ok()?.iter().map(read).collect();
    documents.iter().all(|document| !document.statements.is_empty()).then_some(documents)
}

/// The ARN of a role, if only that of its session is known, which does not have the path.
fn role_of_session(session: &str, named: &[RoleArn]) -> Option<RoleArn> {
    let parts: Vec<&str> = session.splitn(6, ':').collect();
    let ["arn", partition, "sts", _, account, resource] = parts[..] else { return None };
    let name = resource.strip_prefix("assumed-role/")?.split('/').next()?;
    let same = |role: &&RoleArn| role.account() == account && role.name() == name;
    let pathless = || RoleArn::parse("caller", &format!("arn:{partition}:iam::{account}:role/{name}")).ok();
    named.iter().find(same).cloned().or_else(pathless)
}

//! The table: every check in order, what it denies, and how what was seen is judged. Pure.
//!
//! A report begins with every row of its engine unreached; the judges below answer them. `checks.md` shows the
//! rows to a reader; [`page`] makes it.

mod causes;
mod clickpipes;
mod credentials;
pub mod declaration;
mod mysql;
pub mod aws;
mod page;
mod postgres;
mod reach;
mod table;
mod tables;

use crate::{
    aws::AwsRecords,
    connection::{ConnectError, ConnectionEvidence},
    diagnostic::{CheckId, Diagnostic, Outcome, Severity},
    facts::{Fact, Facts, Position},
    identity::{IdentityError, IdentityEvidence},
    local_failure::LocalFailure,
    sql,
    target::{Engine, RdsName, ReplicationMode, ResourceKind, Target},
    token::AuthToken,
};

pub use causes::{CAUSES, Cause, cause_of};
pub use page::{explanation, page};
pub(crate) use reach::is_refused_token;
pub(crate) use table::NEWER_THAN_GUIDE;
pub use table::{CHECKS, Check, Group, Kind, Part};

/// The rows that concern an engine, in order. Those about a declaration are only for pipes that have one.
pub fn of(engine: Engine) -> impl Iterator<Item = &'static Check> {
    CHECKS.iter().filter(move |check| check.engines.contains(&engine) && check.group != Group::Pipe)
}

/// The row of a finding.
///
/// # Panics
/// Never: a test holds the table complete.
pub fn check(id: CheckId) -> &'static Check {
    CHECKS.iter().find(|check| check.id == id).expect("every CheckId has a row")
}

/// What a finding takes away.
pub fn denied(diagnostic: &Diagnostic) -> Severity {
    let check = check(diagnostic.check);
    match diagnostic.outcome {
        Outcome::Pass | Outcome::Warn | Outcome::NotApplicable => Severity::Advisory,
        Outcome::Unknown => check.severity_if_unknown,
        Outcome::Fail | Outcome::NotReached => check.severity,
    }
}

/// Everything a run saw, uninterpreted. `None` where it was not reached.
#[derive(Debug, Default)]
pub struct Observations {
    pub identity: Option<Result<(), IdentityError>>,
    pub identity_evidence: IdentityEvidence,
    pub token: Option<Result<AuthToken, String>>,
    /// Up to the door: everything before the token.
    pub connect: Option<Result<(), ConnectError>>,
    /// The refusal after which a second login was tried, with another token.
    pub first_login: Option<ConnectError>,
    /// The last login that was tried.
    pub login: Option<Result<(), ConnectError>>,
    pub connection: ConnectionEvidence,
    pub facts: Option<Facts>,
    /// Of an earlier full check, in a long-lived process.
    pub earlier: Option<Position>,
    /// What an operator saw on record, where one was asked to look. Judges what a failure could be, and no row.
    pub operator: Option<AwsRecords>,
}

impl Observations {
    /// What this machine could not do. Such a run says nothing about the target.
    pub fn local_failure(&self) -> Option<&LocalFailure> {
        let identities = [&self.identity, &self.identity_evidence.without_external_id];
        let mut identities = identities.into_iter().flatten().filter_map(|result| result.as_ref().err());
        let identity = identities.find_map(|error| match error {
            IdentityError::Local { failure, .. } => Some(failure),
            _ => None,
        });
        let replication = match &self.facts {
            Some(Facts::Postgres(facts)) => facts.replication.read().and_then(|result| result.as_ref().err()),
            Some(Facts::Mysql(_)) | None => None,
        };
        let connections = [&self.connect, &self.login].into_iter().flatten().filter_map(|r| r.as_ref().err());
        identity.or_else(|| {
            connections.chain(replication).find_map(|error| match error {
                ConnectError::Local { failure, .. } => Some(failure),
                _ => None,
            })
        })
    }
}

/// What was seen → one finding a row, in the table's order.
pub fn judge(target: &Target, seen: &Observations) -> Vec<Diagnostic> {
    let kind = kind(target, seen);
    let mut answers = credentials::judge(target, seen);
    answers.extend(reach::judge(target, seen));
    answers.extend(clickpipes::judge(target, seen));
    match &seen.facts {
        Some(Facts::Postgres(facts)) => answers.extend(postgres::judge(target, facts, seen.earlier.as_ref())),
        Some(Facts::Mysql(facts)) => answers.extend(mysql::judge(target, facts, &kind.user)),
        None => {}
    }
    if let Some(facts) = &seen.facts {
        answers.push(reach::endpoint(target, facts));
    }
    let answer = |check: &'static Check| match pointless(check, target) {
        Some(why) => Diagnostic::not_applicable(check.id, why),
        None => {
            let found = answers.iter().find(|f| f.check == check.id).cloned();
            found.unwrap_or_else(|| Diagnostic::unreached(check.id))
        }
    };
    let aws_evidence = aws::aws_evidence(target, seen);
    let declared = target.declaration.iter().flat_map(declaration::judge);
    let answered = of(target.engine())
        .map(|check| with_default_text(check, &kind, answer(check)))
        .map(|diagnostic| aws::rank_causes(diagnostic, target, seen, &aws_evidence));
    declared.chain(answered).collect()
}

/// A refused login on a replication connection has one more possible cause than others. Its code, what it means and its
/// remedy; `None` if the token was not refused.
pub(crate) fn replication_cause(
    target: &Target,
    seen: &Observations,
) -> Option<(&'static str, &'static str, String)> {
    let Some(Err(ConnectError::Refused { refusal, .. })) = &seen.login else { return None };
    let cause = cause_of("PG_REPLICATION_NOT_IAM").filter(|_| is_refused_token(refusal))?;
    let remedy = check(CheckId::PostgresIamReplication).remedy(&kind(target, seen));
    Some((cause.code, cause.means, remedy))
}

/// What was seen of it; the declaration only where nothing was.
fn kind(target: &Target, seen: &Observations) -> Kind {
    let declared = target.source_type.is_aurora();
    let (is_aurora, account) = match &seen.facts {
        Some(Facts::Postgres(facts)) => (facts.is_aurora.read().copied().unwrap_or(declared), None),
        Some(Facts::Mysql(facts)) => {
            let is_aurora = facts.settings.read().map(|settings| settings.contains_key("aurora_version"));
            (is_aurora.unwrap_or(declared), facts.current_user.read())
        }
        None => (declared, None),
    };
    let of_cluster = RdsName::parse(&target.sign.host).is_some_and(|name| name.kind.is_of_cluster());
    let name = target.user.as_str();
    let user = match (target.engine(), account.and_then(|account| account.rsplit_once('@'))) {
        (Engine::Postgres, _) => sql::postgres::identifier(name),
        // Of several accounts of one name the server chose this one.
        (_, Some((_, host))) => sql::mysql::account(name, host),
        _ => sql::mysql::literal(name),
    };
    let resource = if is_aurora || of_cluster { ResourceKind::Cluster } else { ResourceKind::Instance };
    Kind { is_aurora, resource, user }
}

/// Why a choice about the pipe makes this row pointless.
fn pointless(check: &Check, target: &Target) -> Option<String> {
    let pipe = &target.pipe;
    let mode = pipe.mode.map(ReplicationMode::name).unwrap_or_default();
    match check.part {
        Part::Changes if !pipe.follows_changes() => Some(format!("replication_mode is {mode}")),
        Part::Load if !pipe.copies_rows() => Some(format!("replication_mode is {mode}")),
        _ => None,
    }
}

/// What the row wants and how it is fixed, where the finding has no words of its own.
fn with_default_text(check: &Check, kind: &Kind, diagnostic: Diagnostic) -> Diagnostic {
    let short = matches!(diagnostic.outcome, Outcome::Fail | Outcome::Warn | Outcome::Unknown);
    let expected = match diagnostic.expected.is_empty() && short {
        true => check.expected.to_owned(),
        false => diagnostic.expected,
    };
    let fixable = !check.fix.is_empty() && matches!(diagnostic.outcome, Outcome::Fail | Outcome::Warn);
    let remedy = diagnostic.remedy.or_else(|| fixable.then(|| check.remedy(kind)));
    Diagnostic { expected, remedy, ..diagnostic }
}

/// The resource an identity policy must allow `rds-db:connect` on, as far as it can be known from here.
fn policy_resource(target: &Target) -> String {
    target.connect_resource(target.resource_kind().placeholder())
}

/// A question without an answer is unknown, with the server's words.
fn unanswered<T>(check: CheckId, cause: &'static str, fact: &Fact<T>) -> Diagnostic {
    match fact {
        Fact::Refused(refusal) => {
            Diagnostic::unknown(check, cause, format!("the server refused the query: {refusal}"))
        }
        Fact::Absent | Fact::Read(_) => Diagnostic::unknown(check, cause, "the server gave no answer"),
    }
}

#[cfg(test)]
mod tests;

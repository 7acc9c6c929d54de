//! All checks: one file each, with its texts, its causes and its judge. Pure.
//!
//! A report starts with every check of its engine not reached; the judges answer. [`CHECKS`] is the order. `checks.md` is
//! the page of checks for users; [`page`] makes it.

mod check;
mod diagnostic;
mod found;
mod observations;
mod sources;
mod table;
mod tables;
pub mod pipe;
mod identity;
mod connection;
mod database;
mod postgres;
mod mysql;
pub mod aws;
mod page;

use crate::{
    connection::ConnectError,
    diagnostic::{Outcome, Severity},
    facts::{Fact, Facts},
    sql,
    target::{Engine, RdsName, ReplicationMode, ResourceKind, Target},
};

use check::Judge;
pub use check::{Cause, Check, Group, Kind, Part};
pub(crate) use connection::{dial::LOCAL_FAILURE, login::postgres::is_refused_token};
pub use diagnostic::{Candidate, Diagnostic};
use found::Found;
pub use observations::{Observations, Reached, TokenError};
pub use page::{explanation, page};
pub(crate) use sources::NEWER_THAN_GUIDE;
pub use table::CHECKS;

/// The checks of an engine, in order. Those about a declaration are only for pipes that have one.
pub fn of(engine: Engine) -> impl Iterator<Item = &'static Check> {
    CHECKS.iter().copied().filter(move |check| check.engines.contains(&engine) && check.group != Group::Pipe)
}

/// All causes, in the order of their checks.
pub fn causes() -> impl Iterator<Item = &'static Cause> {
    CHECKS.iter().flat_map(|check| check.causes.iter().copied())
}

/// The cause of that code.
pub fn cause_of(code: &str) -> Option<&'static Cause> {
    causes().find(|cause| cause.code == code)
}

/// The check that a cause belongs to.
///
/// # Panics
/// Never: causes are found through their checks.
pub fn check_of(cause: &Cause) -> &'static Check {
    CHECKS.iter().find(|check| check.causes.contains(&cause)).expect("a cause belongs to a check")
}

/// What a diagnostic prevents.
pub fn denied(diagnostic: &Diagnostic) -> Severity {
    let check = diagnostic.check;
    match diagnostic.outcome {
        Outcome::Pass | Outcome::Warn | Outcome::NotApplicable => Severity::Advisory,
        Outcome::Unknown => check.severity_if_unknown,
        Outcome::Fail | Outcome::NotReached => check.severity,
    }
}

/// What was seen → one diagnostic for each check, in order.
pub fn judge(target: &Target, seen: &Observations) -> Vec<Diagnostic> {
    let kind = kind(target, seen);
    let mut answers = in_order(&[], |check| match check.judge {
        Judge::Run(judge) => judge(target, seen),
        _ => None,
    });
    match seen.facts() {
        Some(Facts::Postgres(facts)) => answers.extend(postgres::judge(target, facts, seen.earlier.as_ref())),
        Some(Facts::Mysql(facts)) => {
            answers.extend(mysql::judge(target, facts, &kind.user, seen.earlier.as_ref()));
        }
        None => {}
    }
    let answer = |check: &'static Check| match pointless(check, target) {
        Some(why) => check.not_applicable(why),
        None => {
            let found = answers.iter().find(|f| f.check == check).cloned();
            found.unwrap_or_else(|| check.unreached())
        }
    };
    let aws_evidence = aws::aws_evidence(target, seen);
    let declared = target.declaration.iter().flat_map(pipe::judge);
    let answered = of(target.engine())
        .map(|check| with_default_text(check, &kind, answer(check)))
        .map(|diagnostic| aws::rank_causes(diagnostic, target, seen, &aws_evidence));
    declared.chain(answered).collect()
}

/// The answers of all checks: first these, then the others in the order of a report.
fn in_order(
    first: &[&'static Check],
    answer: impl FnMut(&'static Check) -> Option<Diagnostic>,
) -> Vec<Diagnostic> {
    let others = CHECKS.iter().copied().filter(|check| !first.contains(check));
    first.iter().copied().chain(others).filter_map(answer).collect()
}

/// A refused login on a replication connection has one more possible cause than others, with its remedy; `None` if the token
/// was not refused.
pub(crate) fn replication_cause(target: &Target, seen: &Observations) -> Option<(&'static Cause, String)> {
    let Some(Err(ConnectError::Refused { refusal, .. })) = seen.login() else { return None };
    let remedy = || postgres::iam_replication::CHECK.remedy(&kind(target, seen));
    is_refused_token(refusal).then(|| (&postgres::iam_replication::PG_REPLICATION_NOT_IAM, remedy()))
}

/// What was seen of it; the declaration only if nothing was.
fn kind(target: &Target, seen: &Observations) -> Kind {
    let declared = target.source_type.is_aurora();
    let (is_aurora, account) = match seen.facts() {
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
        // The server chose this one of several accounts with the same name.
        (_, Some((_, host))) => sql::mysql::account(name, host),
        _ => sql::mysql::literal(name),
    };
    let resource = if is_aurora || of_cluster { ResourceKind::Cluster } else { ResourceKind::Instance };
    Kind { is_aurora, resource, user }
}

/// Why a choice about the pipe makes this check pointless.
fn pointless(check: &Check, target: &Target) -> Option<String> {
    let pipe = &target.pipe;
    let mode = pipe.mode.map(ReplicationMode::name).unwrap_or_default();
    match check.part {
        Part::Changes if !pipe.follows_changes() => Some(format!("replication_mode is {mode}")),
        Part::Load if !pipe.copies_rows() => Some(format!("replication_mode is {mode}")),
        _ => None,
    }
}

/// What the check expects, and the remedy of the cause, otherwise that of the check, unless the diagnostic has its own text.
fn with_default_text(check: &Check, kind: &Kind, mut diagnostic: Diagnostic) -> Diagnostic {
    if !matches!(diagnostic.outcome, Outcome::Fail | Outcome::Warn | Outcome::Unknown) {
        return diagnostic;
    }
    let of_cause = diagnostic.cause.map(|cause| kind.fill(cause.fix)).filter(|fix| !fix.is_empty());
    // A query without an answer is no failure of the check.
    let is_judged = diagnostic.outcome != Outcome::Unknown;
    let of_check = || is_judged.then(|| check.remedy(kind));
    let remedy = diagnostic.remedy.take().or(of_cause).or_else(of_check);
    diagnostic.remedy = remedy.filter(|remedy| !remedy.is_empty());
    if diagnostic.expected.is_empty() {
        check.expected.clone_into(&mut diagnostic.expected);
    }
    diagnostic
}

/// A query without an answer is unknown, with the server's words.
fn unanswered<T>(check: &'static Check, cause: &'static Cause, fact: &Fact<T>) -> Diagnostic {
    match fact {
        Fact::Refused(refusal) => check.unknown(cause, format!("the server refused the query: {refusal}")),
        Fact::Absent | Fact::Read(_) => check.unknown(cause, "the server gave no answer"),
    }
}

#[cfg(test)]
mod tests;

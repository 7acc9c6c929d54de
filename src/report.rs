//! The report of one run: what was checked, what was found and the verdict. Every rendering (text, JSON, `JUnit`,
//! metrics, Nagios) is made from these types; no rendering reads a value back from a text.

mod check_results;
pub mod json;
pub mod junit;
pub mod metrics;
pub mod nagios;
mod pipe_state;
mod reason;
mod sensitive;
mod shared;
pub mod signed_token;
mod stage;
pub mod text;

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

pub use check_results::{CheckResults, SharedResults};
pub use shared::Shared;
pub use stage::{Stage, StageTiming, Timing};

use crate::{
    aws::ApiCall,
    checks::{self, Candidate, Diagnostic, Group, Observations, Reached, aws::AwsEvidence},
    clickpipes::not_replicated,
    connection::TlsEvidence,
    diagnostic::{Basis, Capability, Outcome, RequiredBy, Requirement, Severity, milliseconds},
    facts::{InitialLoad, Measurements},
    identity::IdentityEvidence,
    target::{Endpoint, Host, Region, ReplicationMode, SourceType, Target, Unchecked},
    token::AuthToken,
};

/// The result of checking one target.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// The target's name in the configuration file, its address in a Terraform plan or state, or its host.
    pub target: String,
    /// Name of the `ClickPipe` in a Terraform plan, a Terraform state or a ClickHouse service.
    pub pipe: Option<String>,
    /// State of the `ClickPipe` in ClickHouse Cloud, such as `Running` or `Failed`; null if it was not read.
    pub pipe_state: Option<String>,
    /// Source type, as in ClickHouse's Terraform provider; null if it is known only after `terraform apply`.
    #[serde(rename = "type")]
    pub source_type: Option<SourceType>,
    /// RFC 3339, UTC.
    #[cfg_attr(test, schemars(with = "String"))]
    pub started_at: Timestamp,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    #[cfg_attr(test, schemars(with = "f64"))]
    pub duration: Duration,
    /// When the database was queried: in this run, or in an earlier run of `serve`, after which only the login was
    /// checked. RFC 3339; null if the login did not succeed.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub facts_as_of: Option<Timestamp>,
    /// With `--wait`: how often the target was checked. This is the report of the last check.
    pub waited: Option<Waited>,
    pub verdict: Shared<Verdict>,
    /// Null if nothing could be checked, because the Terraform plan does not contain the endpoint yet.
    pub endpoints: Option<Endpoints>,
    pub identity: Shared<IdentityEvidence>,
    /// The IAM token that was signed, without its text.
    pub token: Option<Token>,
    pub tls: Option<TlsEvidence>,
    /// One entry for each check of the engine, in order, including those that were not reached.
    pub checks: CheckResults,
    /// What RDS and IAM have on record; null without `--diagnose-profile` or `--diagnose-role`.
    pub aws_diagnostics: Option<Box<AwsDiagnostics>>,
    pub measurements: Measurements,
    /// With `--estimate`: how long the initial load takes; otherwise null, also if the login failed.
    pub initial_load: Option<Box<LoadEstimate>>,
    /// Stages overlap: their durations do not add up to `duration_ms`.
    pub timings: Vec<StageTiming>,
}

/// How long the initial load takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LoadEstimate {
    /// Null if it could not be measured.
    pub estimate: Option<InitialLoad>,
    /// Why there is no estimate; null if there is one.
    pub problem: Option<String>,
}

/// How long a target was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Waited {
    /// Number of checks of this target, including the last.
    pub attempts: u32,
    /// From the start of the first check to the end of the last.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    #[cfg_attr(test, schemars(with = "f64"))]
    pub duration: Duration,
}

/// What ClickPipes can do with the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verdict {
    /// The answer under `basis`.
    pub capability: Capability,
    pub basis: Basis,
    /// The answer by the rule of the ClickPipes guide.
    pub guide: Capability,
    /// The answer by what the server allowed.
    pub server: Capability,
    /// `settings.replication_mode` of a `ClickPipe`; null if no pipe can be created.
    pub replication_mode: Option<ReplicationMode>,
    /// What was required: `--require`, what `replication_mode` needs, or, under `serve` and without both, the best so far.
    pub required: Capability,
    pub required_by: RequiredBy,
    /// With `best_so_far`: the best that the server has allowed, which `server` must reach too; otherwise null.
    pub required_of_server: Option<Capability>,
    /// Whether `capability` is at least `required`, and `server` at least `required_of_server`.
    pub met: bool,
    /// Codes of all checks that prevent a higher capability.
    pub blocked_by: Vec<&'static str>,
    /// The reason for the answer, in one or two sentences.
    pub reason: String,
    /// All steps towards a higher capability, in order.
    pub next_steps: Vec<String>,
    /// If CDC is possible: what ClickPipes does not replicate, on any database. Rows that these remove stay in ClickHouse.
    pub not_replicated: Vec<&'static str>,
}

/// The three endpoints of a connection, and the database user of the token.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Endpoints {
    /// Where pipeprobe connects.
    pub connect: Endpoint,
    /// Addresses of the `connect` host.
    pub addresses: Vec<IpAddr>,
    /// The name that the `connect` host is an alias (CNAME) of.
    pub alias_of: Option<String>,
    /// The name that the TLS certificate must have.
    pub tls_host: Host,
    /// The endpoint that the token is signed for.
    pub sign: Endpoint,
    pub region: Region,
    /// The database to open; null if none is needed.
    pub database: Option<String>,
    pub user: String,
    /// ARN of the access role (`iam_role`).
    pub role: Option<String>,
}

/// When the IAM token is valid. Its text is a secret and not part of a report.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Token {
    #[cfg_attr(test, schemars(with = "String"))]
    pub signed_at: Timestamp,
    /// The earlier of 15 minutes after signing and the end of the credentials.
    #[cfg_attr(test, schemars(with = "String"))]
    pub expires_at: Timestamp,
    /// In bytes.
    pub length: usize,
}

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckResult {
    pub group: Group,
    /// Stable name of the check; `pipeprobe explain CODE`.
    pub code: &'static str,
    pub title: String,
    pub outcome: Outcome,
    /// What a failure of this check prevents.
    pub severity: Severity,
    /// What this result prevents: less than `severity` if it passed, or if ClickPipes continues without an answer.
    #[serde(skip)]
    pub prevents: Severity,
    /// False if the check does not count under the report's basis.
    pub applies: bool,
    /// Stable code of the cause; null if the check passed.
    pub cause: Option<&'static str>,
    pub expected: Option<String>,
    pub found: Option<String>,
    /// Every name in the lists of `found`, which says "and N more" after the first three. At most 64 KiB: if there are more, the last
    /// entry is "and N more".
    pub listed: Vec<String>,
    #[serde(skip)]
    pub is_shortened: bool,
    pub remedy: Option<String>,
    /// If the evidence allows several causes: all of them, the most likely first.
    pub candidates: Vec<Candidate>,
}

/// The effect of a check on the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Passed,
    /// It passed with a warning, or its result is unknown and ClickPipes continues without it.
    Warning,
    /// It failed, or its result is unknown, which has the same effect.
    Failed,
    /// Not reached, not applicable, or it does not count under the report's basis.
    NotCounted,
}

/// What RDS and IAM have on record about the database and the access role. It ranks the causes of a failure and
/// never changes the verdict.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AwsDiagnostics {
    /// ARN of the credentials that read the records, if AWS returned it.
    pub caller: Option<String>,
    /// The result in one sentence.
    pub conclusion: String,
    pub findings: Vec<AwsEvidence>,
    /// Every API call, in order, with its error if it failed.
    pub calls: Vec<ApiCall>,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    #[cfg_attr(test, schemars(with = "f64"))]
    pub duration: Duration,
}

impl Report {
    /// Makes the report of a run. Pure.
    pub fn new(target: &Target, seen: &Observations, requirement: Requirement, timing: Timing) -> Self {
        let diagnostics = checks::judge(target, seen);
        let mut report = Self {
            target: target.name.clone(),
            pipe: target.declaration.as_ref().and_then(|declaration| declaration.pipe_name.clone()),
            pipe_state: target.declaration.as_ref().and_then(|declaration| declaration.pipe_state.clone()),
            source_type: Some(target.source_type),
            started_at: timing.started_at,
            duration: timing.took,
            facts_as_of: timing.facts_as_of,
            waited: None,
            verdict: reason::verdict(&diagnostics, target.pipe.mode, requirement).into(),
            endpoints: Some(Endpoints {
                connect: target.dial.clone(),
                addresses: seen.connection.addresses.clone(),
                alias_of: seen.connection.alias_of.clone(),
                tls_host: target.tls_host.clone(),
                sign: target.sign.clone(),
                region: target.region.clone(),
                database: target.database.clone(),
                user: target.user.to_string(),
                role: target.access.roles.last().map(ToString::to_string),
            }),
            identity: seen.identity_evidence.clone().into(),
            token: seen.token().and_then(Result::ok).map(Token::from),
            tls: seen.connection.tls.clone(),
            checks: diagnostics
                .iter()
                .map(|diagnostic| {
                    let title = diagnostic.check.title_for(target);
                    CheckResult::new(title, diagnostic, requirement.basis)
                })
                .collect(),
            aws_diagnostics: aws_diagnostics(target, seen, &diagnostics).map(Box::new),
            measurements: measurements(target, seen, timing),
            initial_load: None,
            timings: stage::timings(seen, timing),
        };
        report.initial_load = initial_load(target, seen, &report.measurements).map(Box::new);
        let verdict = &mut report.verdict;
        if verdict.capability == Capability::Cdc {
            verdict.not_replicated = not_replicated(target.engine());
        }
        pipe_state::add(verdict, target.declaration.as_ref(), target.pipe.mode, &diagnostics);
        if let Some(declaration) = &target.declaration {
            sensitive::hide(&mut report, &declaration.sensitive);
        }
        report
    }

    /// The report of a pipe that cannot be checked: only its declaration was judged.
    pub fn of_unchecked(pipe: &Unchecked, requirement: Requirement, now: Timestamp) -> Self {
        let diagnostics = checks::pipe::judge(&pipe.declaration);
        let result = |diagnostic: &Diagnostic| {
            let title = diagnostic.check.title.to_owned();
            CheckResult::new(title, diagnostic, requirement.basis)
        };
        let mut report = Self {
            target: pipe.name.clone(),
            pipe: pipe.declaration.pipe_name.clone(),
            pipe_state: pipe.declaration.pipe_state.clone(),
            source_type: pipe.source_type,
            started_at: now,
            duration: Duration::ZERO,
            facts_as_of: None,
            waited: None,
            verdict: reason::verdict(&diagnostics, pipe.mode, requirement).into(),
            endpoints: None,
            identity: Shared::default(),
            token: None,
            tls: None,
            checks: diagnostics.iter().map(result).collect(),
            aws_diagnostics: None,
            measurements: Measurements::default(),
            initial_load: None,
            timings: Vec::new(),
        };
        pipe_state::add(&mut report.verdict, Some(&pipe.declaration), pipe.mode, &diagnostics);
        sensitive::hide(&mut report, &pipe.declaration.sensitive);
        report
    }

    /// The checks that block the verdict: those that failed first.
    pub fn blocking_checks(&self) -> impl Iterator<Item = &CheckResult> {
        let blocking = || self.checks.iter().filter(|check| self.verdict.blocked_by.contains(&check.code));
        let failed = |check: &&CheckResult| check.outcome == Outcome::Fail;
        blocking().filter(failed).chain(blocking().filter(move |check| !failed(check)))
    }

    /// The check that the verdict is explained with.
    pub fn blocking_check(&self) -> Option<&CheckResult> {
        self.blocking_checks().next()
    }

    /// Code of the cause that blocks a higher capability.
    pub fn cause(&self) -> Option<&'static str> {
        self.blocking_check().map(CheckResult::cause_or_code)
    }

    /// What to do about a check that blocks the verdict.
    pub fn fix_of<'a>(&'a self, check: &'a CheckResult) -> &'a str {
        check.remedy.as_deref().unwrap_or(&self.verdict.reason)
    }

    /// When the first certificate of the presented chain expires.
    pub fn certificate_expires_at(&self) -> Option<Timestamp> {
        self.tls.iter().flat_map(|tls| &tls.chain).filter_map(|certificate| certificate.not_after).min()
    }

    pub fn warnings(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().filter(|check| check.status() == Status::Warning)
    }

    pub fn has_warnings(&self) -> bool {
        self.warnings().next().is_some()
    }

    /// Whether the check prevents what is required of the target. A check that was not reached does not: the verdict
    /// covers it.
    pub fn blocks_requirement(&self, check: &CheckResult) -> bool {
        let is_severe_enough = match self.verdict.required {
            Capability::Blocked => false,
            Capability::InitialLoadOnly => check.prevents == Severity::Blocks,
            Capability::Cdc => check.prevents >= Severity::BlocksCdc,
        };
        check.status() == Status::Failed && is_severe_enough
    }

    /// The rule of the basis that prevents what is required, whatever the server answers later.
    pub fn blocking_rule(&self) -> Option<&CheckResult> {
        let is_rule =
            |result: &&CheckResult| checks::CHECKS.iter().any(|c| c.code == result.code && c.basis.is_some());
        self.checks.iter().filter(is_rule).find(|check| self.blocks_requirement(check))
    }

    /// The first check that blocks the target, with its cause if that is more specific: `NET_DIAL (NET_REFUSED)`.
    pub fn blocked_by(&self) -> Option<String> {
        let code = *self.verdict.blocked_by.first()?;
        let cause = self.checks.iter().find(|check| check.code == code).and_then(|check| check.cause);
        Some(match cause {
            Some(cause) if cause != code => format!("{code} ({cause})"),
            _ => code.to_owned(),
        })
    }
}

impl From<&AuthToken> for Token {
    fn from(token: &AuthToken) -> Self {
        Self { signed_at: token.signed_at, expires_at: token.expires_at, length: token.text.len() }
    }
}

impl CheckResult {
    fn new(title: String, diagnostic: &Diagnostic, basis: Basis) -> Self {
        let check = diagnostic.check;
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            group: check.group,
            code: check.code,
            title,
            outcome: diagnostic.outcome,
            severity: check.severity,
            prevents: checks::denied(diagnostic),
            applies: check.counts(basis),
            cause: diagnostic.cause.map(|cause| cause.code),
            expected: filled(&diagnostic.expected),
            found: filled(&diagnostic.found),
            listed: diagnostic.listed.clone(),
            is_shortened: diagnostic.is_shortened,
            remedy: diagnostic.remedy.clone(),
            candidates: diagnostic.candidates.clone(),
        }
    }

    pub fn status(&self) -> Status {
        match self.outcome {
            _ if !self.applies => Status::NotCounted,
            Outcome::Pass => Status::Passed,
            Outcome::Warn => Status::Warning,
            Outcome::Unknown if self.prevents == Severity::Advisory => Status::Warning,
            Outcome::Fail | Outcome::Unknown => Status::Failed,
            Outcome::NotReached | Outcome::NotApplicable => Status::NotCounted,
        }
    }

    /// Whether it failed because of this machine, which says nothing about the target.
    pub fn is_local(&self) -> bool {
        self.cause == Some(checks::LOCAL_FAILURE.code)
    }

    pub fn cause_or_code(&self) -> &'static str {
        self.cause.unwrap_or(self.code)
    }
}

/// Only an observation before this one can show a rate: `serve` has them.
fn measurements(target: &Target, seen: &Observations, timing: Timing) -> Measurements {
    let Some(facts) = seen.facts() else { return Measurements::default() };
    let measured = Measurements::of(facts, &target.pipe);
    match timing.facts_as_of {
        Some(as_of) => {
            measured.with_forecast(facts, &target.pipe, seen.earlier.as_ref(), as_of, timing.started_at)
        }
        None => measured,
    }
}

fn initial_load(target: &Target, seen: &Observations, measured: &Measurements) -> Option<LoadEstimate> {
    let Reached::LoggedIn { facts, load: Some(load), .. } = &seen.reached else { return None };
    let estimate = match load {
        Ok(load) => InitialLoad::estimate(&target.pipe, facts, load, measured).map_err(|why| why.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let (estimate, problem) = match estimate {
        Ok(estimate) => (Some(estimate), None),
        Err(problem) => (None, Some(problem)),
    };
    Some(LoadEstimate { estimate, problem })
}

fn aws_diagnostics(
    target: &Target,
    seen: &Observations,
    diagnostics: &[Diagnostic],
) -> Option<AwsDiagnostics> {
    let records = seen.aws_records.as_ref()?;
    let findings = checks::aws::aws_evidence(target, seen);
    Some(AwsDiagnostics {
        caller: records.caller.clone(),
        conclusion: checks::aws::conclusion(target, seen, diagnostics, &findings),
        findings,
        calls: records.calls.clone(),
        duration: records.took,
    })
}

#[cfg(test)]
pub(crate) mod tests;

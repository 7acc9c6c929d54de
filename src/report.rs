//! The one serialisable result of a run. Renderings are small files, each writing to an `impl Write`;
//! what they say is decided here.

pub mod json;
pub mod junit;
pub mod metrics;
pub mod nagios;
pub mod text;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    aws::ApiCall,
    checks::{self, Group, Observations, aws::AwsEvidence},
    connection::{CertificateSummary, TlsEvidence},
    diagnostic::{Basis, Capability, Diagnostic, Outcome, Requirement, Severity},
    facts::Measurements,
    target::{ReplicationMode, Target},
    verdict,
};

/// What was found out about one target.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// The target's name in the configuration file, else its host.
    pub target: String,
    /// Source type, as in ClickHouse's Terraform provider: `rdspostgres`, …
    #[serde(rename = "type")]
    pub source_type: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub duration_ms: f64,
    /// When the database was asked everything: in this run, or in an earlier one of a daemon, which then only
    /// saw that it still lets in. RFC 3339; null where it was not come to.
    pub facts_as_of: Option<String>,
    /// Under `--wait`: how often it was checked, and for how long. This is the last check's report.
    pub waited: Option<Waited>,
    pub verdict: Verdict,
    pub endpoints: Endpoints,
    pub identity: Identity,
    /// The token that was signed; its text is nowhere.
    pub token: Option<Token>,
    pub tls: Option<Tls>,
    /// One row a check, in order; a row that was not reached says so.
    pub checks: Vec<Row>,
    /// What RDS and IAM have on record; null where nobody was asked to look (`--explain-with-profile`).
    pub operator: Option<AwsDiagnostics>,
    pub measurements: Measurements,
    pub timings: Vec<StageTiming>,
}

/// How long a target was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Waited {
    /// Checks of this target, the last one included.
    pub rounds: u32,
    /// From the beginning of the first to the end of the last.
    pub duration_ms: f64,
}

impl Waited {
    pub fn new(rounds: u32, took: Duration) -> Self {
        Self { rounds, duration_ms: ms(took) }
    }
}

/// What ClickPipes can do with the database.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verdict {
    /// The answer under `basis`.
    pub capability: Capability,
    pub basis: Basis,
    /// By the rule of the ClickPipes guide.
    pub guide: Capability,
    /// By what the server allowed.
    pub server: Capability,
    /// `settings.replication_mode` for a ClickPipe; null where none can be created.
    pub replication_mode: Option<String>,
    /// What was required (`--require`, or what `replication_mode` needs), and whether it is met.
    pub required: Capability,
    pub met: bool,
    /// Codes of the checks that hold the capability back; every one of them.
    pub blocked_by: Vec<String>,
    /// Why, in a sentence or two.
    pub why: String,
    /// What to do to get more; all of it.
    pub next: Vec<String>,
}

/// The three endpoints that must not be confused.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Endpoints {
    /// Where we connected.
    pub dial: HostPort,
    /// Addresses the dialled name resolved to.
    pub addresses: Vec<String>,
    /// The name that the dialled one is an alias (CNAME) of.
    pub alias_of: Option<String>,
    /// The name TLS verified.
    pub verify: String,
    /// What the token was signed for.
    pub sign: HostPort,
    pub region: String,
    pub user: String,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

/// Who asked, and who we became.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Identity {
    /// ARN of the source credentials, where AWS said so.
    pub caller: Option<String>,
    /// Source access key id, shortened.
    pub source_key: Option<String>,
    pub source_expires_at: Option<String>,
    pub hops: Vec<Hop>,
    /// AWS's clock minus this machine's, in seconds.
    pub clock_offset_seconds: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Hop {
    pub role: String,
    pub became: String,
    /// `KEY=VALUE`, as passed.
    pub tags: Vec<String>,
    pub expires_at: Option<String>,
    pub duration_ms: f64,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Token {
    pub signed_at: String,
    /// The earlier of 15 minutes and the end of the credentials.
    pub expires_at: String,
    /// Bytes.
    pub length: usize,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tls {
    /// `TLSv1.3`; null where the handshake failed.
    pub version: Option<String>,
    pub cipher_suite: Option<String>,
    /// As presented, leaf first.
    pub certificates: Vec<Certificate>,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    pub names: Vec<String>,
    pub not_before: Option<String>,
    pub not_after: Option<String>,
}

/// One check and what it found.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Row {
    /// `identity`, `connection` or `capability`.
    pub group: String,
    /// Stable name of the check.
    pub check: String,
    /// Finishes the sentence "This database …".
    pub description: String,
    pub outcome: Outcome,
    /// What is lost unless it passes.
    pub severity: Severity,
    /// What is lost as it ended: less than `severity` where it is not known and ClickPipes lets that pass.
    #[serde(skip)]
    pub denied: Severity,
    /// False where the row does not count under the report's policy.
    pub counts: bool,
    /// Stable code of the cause, where it did not pass.
    pub cause: Option<String>,
    pub expected: Option<String>,
    pub found: Option<String>,
    pub remedy: Option<String>,
    /// Where the evidence leaves several causes: all of them, the likeliest first.
    pub candidates: Vec<Candidate>,
}

/// What a row comes to, for renderings that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Passed,
    /// It holds with a warning, or is not known and let pass.
    Warning,
    /// It does not hold, or is not known, which denies as a failure does.
    Failed,
    /// Not reached, not asked, or without weight under this policy.
    NotCounted,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Candidate {
    /// Stable code; `pipeprobe explain CODE`.
    pub cause: String,
    /// What speaks for it, or against.
    pub because: String,
    pub remedy: String,
}

/// What RDS and IAM have on record, as an operator saw it. It ranks causes and decides nothing.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AwsDiagnostics {
    /// ARN of who looked, where AWS said so.
    pub operator: Option<String>,
    /// What came of it, in a sentence.
    pub conclusion: String,
    pub diagnostics: Vec<AwsFinding>,
    /// Every call, in order; a denied one says so.
    pub asked: Vec<AwsCall>,
    pub duration_ms: f64,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AwsFinding {
    /// What it is about: `IAM authentication`.
    pub subject: String,
    /// `fail` where it keeps ClickPipes out, `warn` where it may.
    pub outcome: Outcome,
    /// Stable code; `pipeprobe explain CODE`.
    pub cause: Option<String>,
    pub found: String,
    pub remedy: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AwsCall {
    /// As a policy names it: `rds:DescribeDBInstances`.
    pub call: String,
    /// What it was asked about; null for everything there is.
    pub about: Option<String>,
    /// AWS's words, where it gave no answer or a refusal.
    pub refused: Option<String>,
}

/// One step and how long it took. Steps overlap: they do not add up to the whole.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StageTiming {
    pub step: String,
    pub duration_ms: f64,
}

/// When a run began and how long it and its facts took.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub started_at: Timestamp,
    pub took: Duration,
    pub facts_took: Option<Duration>,
    pub facts_as_of: Option<Timestamp>,
}

impl Report {
    /// Puts a run into words. Pure.
    pub fn new(target: &Target, seen: &Observations, requirement: Requirement, timing: Timing) -> Self {
        let diagnostics = checks::judge(target, seen);
        Self {
            target: target.name.clone(),
            source_type: target.source_type.name().to_owned(),
            started_at: timing.started_at.to_string(),
            duration_ms: ms(timing.took),
            facts_as_of: timing.facts_as_of.map(|at| at.to_string()),
            waited: None,
            verdict: Verdict::new(&diagnostics, target, requirement),
            endpoints: endpoints(target, seen),
            identity: identity(seen),
            token: seen.token.as_ref().and_then(|t| t.as_ref().ok()).map(|token| Token {
                signed_at: token.signed_at.to_string(),
                expires_at: token.expires_at.to_string(),
                length: token.text.len(),
            }),
            tls: seen.connection.tls.as_ref().map(tls),
            checks: diagnostics
                .iter()
                .map(|diagnostic| Row::new(target, diagnostic, requirement.basis))
                .collect(),
            operator: aws_diagnostics(target, seen, &diagnostics),
            measurements: seen.facts.as_ref().map(Measurements::of).unwrap_or_default(),
            timings: timings(seen, timing),
        }
    }

    /// Code of what holds it back: of the first row that failed, or else is not known.
    pub fn cause(&self) -> Option<&str> {
        let held = || self.checks.iter().filter(|row| self.verdict.blocked_by.contains(&row.check));
        let row = held().find(|row| row.outcome == Outcome::Fail).or_else(|| held().next())?;
        Some(row.cause.as_deref().unwrap_or(&row.check))
    }

    /// When the first certificate of the chain that was presented ends.
    pub fn first_certificate_to_end(&self) -> Option<Timestamp> {
        let certificates = self.tls.iter().flat_map(|tls| &tls.certificates);
        certificates.filter_map(|certificate| certificate.not_after.as_ref()?.parse().ok()).min()
    }

    /// Something passed with a warning, or is not known and let pass.
    pub fn has_warnings(&self) -> bool {
        self.checks.iter().any(|row| row.status() == Status::Warning)
    }

    /// Whether the row keeps the target from what is required of it. What was not reached does not: the
    /// verdict says so.
    pub fn blocks_requirement(&self, row: &Row) -> bool {
        let denies_it = match self.verdict.required {
            Capability::Blocked => false,
            Capability::InitialLoadOnly => row.denied == Severity::Blocks,
            Capability::Cdc => row.denied >= Severity::BlocksCdc,
        };
        row.status() == Status::Failed && denies_it
    }

    /// The rule by which what is required cannot be had under this policy, whatever the server comes to say.
    pub fn blocking_rule(&self) -> Option<&Row> {
        let is_rule = |row: &&Row| checks::CHECKS.iter().any(|c| c.code == row.check && c.basis.is_some());
        self.checks.iter().filter(is_rule).find(|row| self.blocks_requirement(row))
    }

    /// The first code that holds the target back, with its cause where that says more: `NET_DIAL (NET_REFUSED)`.
    pub fn held_back(&self) -> Option<String> {
        let code = self.verdict.blocked_by.first()?;
        let cause = self.checks.iter().find(|row| row.check == *code).and_then(|row| row.cause.as_ref());
        Some(match cause {
            Some(cause) if cause != code => format!("{code} ({cause})"),
            _ => code.clone(),
        })
    }
}

impl Verdict {
    fn new(diagnostics: &[Diagnostic], target: &Target, requirement: Requirement) -> Self {
        let Requirement { basis, required } = requirement;
        // Nothing was asked about changes where none are to be followed, so nothing is said of them.
        let most = if target.pipe.follows_changes() { Capability::Cdc } else { Capability::InitialLoadOnly };
        let guide = verdict::capability(diagnostics, Basis::Guide).min(most);
        let server = verdict::capability(diagnostics, Basis::Server).min(most);
        let capability = if basis == Basis::Guide { guide } else { server };
        let words = Words { diagnostics, basis, capability, guide, server };
        Self {
            capability,
            basis,
            guide,
            server,
            required,
            met: capability >= required,
            replication_mode: replication_mode(target, capability).map(str::to_owned),
            blocked_by: words.held().iter().map(|f| checks::check(f.check).code.to_owned()).collect(),
            why: if most == capability && most < Capability::Cdc { words.as_asked() } else { words.why() },
            next: words.next(),
        }
    }
}

/// The mode that was asked for where it can be had, else the most that can.
fn replication_mode(target: &Target, capability: Capability) -> Option<&'static str> {
    match target.pipe.mode {
        Some(ReplicationMode::CdcOnly) if capability == Capability::Cdc => {
            Some(ReplicationMode::CdcOnly.name())
        }
        _ => capability.replication_mode(),
    }
}

/// What a verdict says.
struct Words<'a> {
    diagnostics: &'a [Diagnostic],
    basis: Basis,
    capability: Capability,
    guide: Capability,
    server: Capability,
}

/// Whether the finding is the guide's rule, and not something the server showed.
fn is_rule(diagnostic: &Diagnostic) -> bool {
    checks::check(diagnostic.check).basis.is_some()
}

/// What a finding saw, or that it was not come to.
fn seen(diagnostic: &Diagnostic) -> String {
    let code = checks::check(diagnostic.check).code;
    match (diagnostic.outcome, diagnostic.found.as_str()) {
        (Outcome::NotReached, "") => format!("{code} was not reached"),
        (Outcome::NotReached | Outcome::Unknown, found) => format!("{code} is not known: {found}"),
        (_, found) => found.to_owned(),
    }
}

impl<'a> Words<'a> {
    fn held(&self) -> Vec<&'a Diagnostic> {
        verdict::blocked_by(self.diagnostics, self.basis)
    }

    /// What the server showed, beside the guide's rule.
    fn evidence(&self) -> Vec<&'a Diagnostic> {
        match self.held().first() {
            Some(first) if is_rule(first) => verdict::blocked_by(self.diagnostics, Basis::Server),
            _ => self.held(),
        }
    }

    /// The remedies of everything that holds the capability back. Where that is the guide's rule too, it
    /// comes last: what the server itself lacks is in the way under any policy.
    fn next(&self) -> Vec<String> {
        let evidence = self.evidence();
        let mut next: Vec<String> = Vec::new();
        for remedy in evidence.iter().filter_map(|f| f.remedy.as_ref()) {
            if !next.contains(remedy) {
                next.push(remedy.clone());
            }
        }
        let rule = self.held().into_iter().find(|f| is_rule(f));
        match (rule, next.is_empty()) {
            (Some(rule), true) => next.extend(rule.remedy.clone()),
            (Some(_), false) => next.push("then judge with --basis server".to_owned()),
            (None, _) => {}
        }
        next
    }

    fn as_asked(&self) -> String {
        "ClickPipes can copy its tables once, which is all that was asked: with replication_mode = snapshot \
         nothing is asked about changes."
            .to_owned()
    }

    fn why(&self) -> String {
        let able = match self.capability {
            Capability::Blocked => "ClickPipes cannot use this database yet",
            Capability::InitialLoadOnly => {
                "ClickPipes can copy its tables once, but not follow their changes"
            }
            Capability::Cdc => "ClickPipes can copy its tables and follow their changes",
        };
        // A failure says more than what it kept from being tried.
        let reason = |held: &[&Diagnostic]| -> Option<String> {
            let first = held.iter().find(|f| f.outcome == Outcome::Fail).or(held.first())?;
            let more = match held.iter().filter(|f| f.outcome == Outcome::Fail).count() {
                0 | 1 => String::new(),
                n => format!(" (and {} more)", n - 1),
            };
            Some(format!("{}{more}", seen(first)))
        };
        let held = self.held();
        let because = match held.first() {
            Some(rule) if is_rule(rule) => Some(seen(rule)),
            _ => reason(&held),
        };
        let because = because.map(|reason| format!(": {reason}")).unwrap_or_default();
        let guide_is_stricter = self.guide < self.server;
        let unknown = self.diagnostics.iter().filter(|f| f.outcome == Outcome::Unknown);
        let unknown: Vec<&str> = unknown.map(|f| checks::check(f.check).code).collect();
        let unknown = match (self.capability, unknown.is_empty()) {
            (Capability::Cdc, false) => format!(" Not known, and let pass: {}.", unknown.join(", ")),
            _ => String::new(),
        };
        let other = match self.basis {
            Basis::Guide if guide_is_stricter => {
                " The server itself allows more, as newer RDS and ClickPipes do.".to_owned()
            }
            Basis::Server if guide_is_stricter => {
                let guide = self.guide;
                format!(" The ClickPipes guide is older, and says {guide} for Postgres with IAM.")
            }
            Basis::Guide if held.first().is_some_and(|f| is_rule(f)) => {
                let words = reason(&self.evidence());
                words.map(|words| format!(" The server itself allows no more: {words}.")).unwrap_or_default()
            }
            _ => String::new(),
        };
        format!("{able}{because}.{unknown}{other}")
    }
}

impl Row {
    fn new(target: &Target, diagnostic: &Diagnostic, basis: Basis) -> Self {
        let check = checks::check(diagnostic.check);
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            group: check.group.name().to_owned(),
            check: check.code.to_owned(),
            description: check.phrase_for(target),
            outcome: diagnostic.outcome,
            severity: check.severity,
            denied: checks::denied(diagnostic),
            counts: check.counts(basis),
            cause: diagnostic.cause.map(str::to_owned),
            expected: filled(&diagnostic.expected),
            found: filled(&diagnostic.found),
            remedy: diagnostic.remedy.clone(),
            candidates: diagnostic
                .candidates
                .iter()
                .map(|candidate| Candidate {
                    cause: candidate.cause.to_owned(),
                    because: candidate.because.clone(),
                    remedy: candidate.remedy.clone(),
                })
                .collect(),
        }
    }

    /// What the outcome comes to under the report's policy.
    pub fn status(&self) -> Status {
        match self.outcome {
            _ if !self.counts => Status::NotCounted,
            Outcome::Pass => Status::Passed,
            Outcome::Warn => Status::Warning,
            Outcome::Unknown if self.denied == Severity::Advisory => Status::Warning,
            Outcome::Fail | Outcome::Unknown => Status::Failed,
            Outcome::NotReached | Outcome::NotApplicable => Status::NotCounted,
        }
    }

    fn is_in(&self, group: Group) -> bool {
        self.group == group.name()
    }
}

fn aws_diagnostics(
    target: &Target,
    seen: &Observations,
    diagnostics: &[Diagnostic],
) -> Option<AwsDiagnostics> {
    let look = seen.operator.as_ref()?;
    let aws_evidence = checks::aws::aws_evidence(target, seen);
    let diagnostic = |evidence: &AwsEvidence| AwsFinding {
        subject: evidence.subject.to_owned(),
        outcome: evidence.outcome,
        cause: evidence.cause.map(str::to_owned),
        found: evidence.found.clone(),
        remedy: evidence.remedy.clone(),
    };
    let call = |asked: &ApiCall| AwsCall {
        call: asked.call.clone(),
        about: (!asked.about.is_empty()).then(|| asked.about.clone()),
        refused: asked.refused.clone(),
    };
    Some(AwsDiagnostics {
        operator: look.operator.clone(),
        conclusion: checks::aws::conclusion(target, seen, diagnostics, &aws_evidence),
        diagnostics: aws_evidence.iter().map(diagnostic).collect(),
        asked: look.asked.iter().map(call).collect(),
        duration_ms: ms(look.took),
    })
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn endpoints(target: &Target, seen: &Observations) -> Endpoints {
    let pair = |e: &crate::target::Endpoint| HostPort { host: e.host.to_string(), port: e.port };
    Endpoints {
        dial: pair(&target.dial),
        addresses: seen.connection.addresses.iter().map(ToString::to_string).collect(),
        alias_of: seen.connection.alias_of.clone(),
        verify: target.tls_host.to_string(),
        sign: pair(&target.sign),
        region: target.region.to_string(),
        user: target.user.to_string(),
    }
}

fn identity(seen: &Observations) -> Identity {
    let evidence = &seen.identity_evidence;
    let time = |t: &Option<Timestamp>| t.map(|t| t.to_string());
    Identity {
        caller: evidence.caller.clone(),
        source_key: evidence.source_key.clone(),
        source_expires_at: time(&evidence.source_expires_at),
        hops: evidence
            .hops
            .iter()
            .map(|hop| Hop {
                role: hop.role.clone(),
                became: hop.became.clone(),
                tags: hop.tags.clone(),
                expires_at: time(&hop.expires_at),
                duration_ms: ms(hop.took),
            })
            .collect(),
        clock_offset_seconds: evidence.clock_offset_seconds,
    }
}

fn tls(seen: &TlsEvidence) -> Tls {
    let certificate = |c: &CertificateSummary| Certificate {
        subject: c.subject.clone(),
        issuer: c.issuer.clone(),
        names: c.names.clone(),
        not_before: c.not_before.map(|t| t.to_string()),
        not_after: c.not_after.map(|t| t.to_string()),
    };
    Tls {
        version: seen.version.clone(),
        cipher_suite: seen.cipher_suite.clone(),
        certificates: seen.chain.iter().map(certificate).collect(),
    }
}

fn timings(seen: &Observations, timing: Timing) -> Vec<StageTiming> {
    let evidence = &seen.identity_evidence;
    let identity = seen.identity.as_ref().filter(|_| !evidence.kept).map(|_| ("identity", evidence.took));
    let stage_durations = seen.connection.stage_durations.iter().map(|(stage, took)| (stage.name(), *took));
    let facts = timing.facts_took.map(|took| ("facts", took));
    let look = seen.operator.as_ref().map(|look| ("operator's look", look.took));
    identity
        .into_iter()
        .chain(stage_durations)
        .chain(facts)
        .chain(look)
        .map(|(step, took)| StageTiming { step: step.to_owned(), duration_ms: ms(took) })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;

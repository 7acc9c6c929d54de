//! The verdict with its reason and the next steps in sentences. Pure.

use super::Verdict;
use crate::{
    checks::{self, Diagnostic},
    diagnostic::{Basis, Capability, Outcome, RequiredBy, Requirement},
    target::ReplicationMode,
    verdict,
};

pub(super) fn verdict(
    diagnostics: &[Diagnostic],
    mode: Option<ReplicationMode>,
    requirement: Requirement,
) -> Verdict {
    let Requirement { basis, required, required_by, of_server } = requirement;
    // With `replication_mode = "snapshot"` no check about changes runs, so the verdict is about the initial load only.
    let is_snapshot = mode == Some(ReplicationMode::Snapshot);
    let most = if is_snapshot { Capability::InitialLoadOnly } else { Capability::Cdc };
    let guide = verdict::capability(diagnostics, Basis::Guide).min(most);
    let server = verdict::capability(diagnostics, Basis::Server).min(most);
    let capability = if basis == Basis::Guide { guide } else { server };
    let blocked_by = verdict::blocked_by(diagnostics, basis);
    let answer = Answer { diagnostics, basis, capability, guide, server, blocked_by: &blocked_by };
    let met = capability >= required && server >= of_server;
    let lost = match required_by {
        RequiredBy::BestSoFar if !met => format!(" Earlier, it allowed {}.", required.max(of_server)),
        _ => String::new(),
    };
    // What the server no longer allows, and not the rule of the guide, which has not changed.
    let is_lost_on_server = !met && capability >= required;
    let codes =
        if is_lost_on_server { verdict::blocked_by(diagnostics, Basis::Server) } else { blocked_by.clone() };
    Verdict {
        capability,
        basis,
        guide,
        server,
        required,
        required_by,
        required_of_server: (required_by == RequiredBy::BestSoFar).then_some(of_server),
        met,
        replication_mode: replication_mode(mode, capability),
        blocked_by: codes.iter().map(|diagnostic| diagnostic.check.code).collect(),
        reason: if most == capability && most < Capability::Cdc {
            "ClickPipes can copy the tables once, which is all that replication_mode = \"snapshot\" needs. \
             Replication of changes was not checked."
                .to_owned()
        } else {
            answer.reason() + &lost
        },
        next_steps: answer.next_steps(),
        not_replicated: Vec::new(),
    }
}

/// The mode of the target if it is possible, else the mode of the highest capability.
fn replication_mode(mode: Option<ReplicationMode>, capability: Capability) -> Option<ReplicationMode> {
    match mode {
        Some(ReplicationMode::CdcOnly) if capability == Capability::Cdc => Some(ReplicationMode::CdcOnly),
        _ => capability.replication_mode(),
    }
}

struct Answer<'a> {
    diagnostics: &'a [Diagnostic],
    basis: Basis,
    capability: Capability,
    guide: Capability,
    server: Capability,
    /// Everything that prevents a higher capability.
    blocked_by: &'a [&'a Diagnostic],
}

impl<'a> Answer<'a> {
    /// The rule of the guide, if it prevents a higher capability.
    fn rule(&self) -> Option<&'a Diagnostic> {
        self.blocked_by.iter().copied().find(|diagnostic| is_rule(diagnostic))
    }

    /// What the server itself prevents a higher capability with.
    fn server_blocked_by(&self) -> Vec<&'a Diagnostic> {
        match self.rule() {
            Some(_) => verdict::blocked_by(self.diagnostics, Basis::Server),
            None => self.blocked_by.to_vec(),
        }
    }

    /// The remedies of everything that prevents a higher capability. The rule of the guide comes last, because what the
    /// server itself lacks counts on every basis.
    fn next_steps(&self) -> Vec<String> {
        let mut steps: Vec<String> = Vec::new();
        for remedy in self.server_blocked_by().iter().filter_map(|diagnostic| diagnostic.remedy.as_ref()) {
            if !steps.contains(remedy) {
                steps.push(remedy.clone());
            }
        }
        match (self.rule(), steps.is_empty()) {
            (Some(rule), true) => steps.extend(rule.remedy.clone()),
            (Some(_), false) => steps.push("then check with --basis server".to_owned()),
            (None, _) => {}
        }
        steps
    }

    fn reason(&self) -> String {
        let can = match self.capability {
            Capability::Blocked if self.is_open() => "This pipe cannot be checked before apply",
            Capability::Blocked => "ClickPipes cannot use this database",
            Capability::InitialLoadOnly => {
                "ClickPipes can copy the tables once, but cannot replicate changes"
            }
            Capability::Cdc => "ClickPipes can copy the tables and replicate changes",
        };
        let cause = match self.rule() {
            Some(_) => Some("the ClickPipes guide allows only Initial Load for Postgres with IAM".to_owned()),
            None => cause_of(self.blocked_by),
        };
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        let addition = match self.basis {
            Basis::Guide if self.guide < self.server => {
                format!(" The server and {} allow more (--basis server).", checks::NEWER_THAN_GUIDE)
            }
            Basis::Server if self.guide < self.server => {
                format!(
                    " The older ClickPipes guide allows {} only; {} allows more.",
                    load_only(self.guide),
                    checks::NEWER_THAN_GUIDE
                )
            }
            Basis::Guide if self.rule().is_some() => {
                let cause = cause_of(&self.server_blocked_by());
                cause.map(|cause| format!(" Nor does the server allow CDC: {cause}.")).unwrap_or_default()
            }
            Basis::Guide | Basis::Server => String::new(),
        };
        format!("{can}{cause}.{}{addition}", self.unknown())
    }

    /// Whether a plan does not contain yet what a check needs.
    fn is_open(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| {
            diagnostic.check == &checks::pipe::settings::CHECK && diagnostic.outcome == Outcome::Unknown
        })
    }

    /// What is unknown and does not prevent CDC.
    fn unknown(&self) -> String {
        let unknown = self.diagnostics.iter().filter(|diagnostic| diagnostic.outcome == Outcome::Unknown);
        let codes: Vec<&str> = unknown.map(|diagnostic| diagnostic.check.code).collect();
        if self.capability < Capability::Cdc || codes.is_empty() {
            return String::new();
        }
        format!(" The result of {} is unknown, which does not prevent CDC.", codes.join(", "))
    }
}

fn load_only(capability: Capability) -> &'static str {
    match capability {
        Capability::InitialLoadOnly => "Initial Load",
        other => other.name(),
    }
}

/// Whether it is the rule of the guide, and not something that the server showed.
fn is_rule(diagnostic: &Diagnostic) -> bool {
    diagnostic.check.basis.is_some()
}

/// The cause of the first check that failed, or else of the first one: its meaning from the table of causes, with its
/// code. What the server answered is evidence, and is in the check.
fn cause_of(blocked_by: &[&Diagnostic]) -> Option<String> {
    let failed = || blocked_by.iter().filter(|diagnostic| diagnostic.outcome == Outcome::Fail);
    let first = failed().next().or(blocked_by.first())?;
    let more = match failed().count() {
        0 | 1 => String::new(),
        2 => ", and 1 more check failed".to_owned(),
        count => format!(", and {} more checks failed", count - 1),
    };
    let code = first.check.code;
    let meaning = first.cause;
    let cause = match (first.outcome, meaning) {
        (Outcome::NotReached, _) => format!("{code} was not reached"),
        (_, Some(cause)) => format!("{} ({})", cause.means, cause.code),
        (Outcome::Unknown, None) => format!("the result of {code} is unknown"),
        (_, None) => format!("{code} failed"),
    };
    Some(cause + &more)
}

//! The verdict and its reason in sentences. Pure.

use super::Verdict;
use crate::{
    checks,
    diagnostic::{Basis, Capability, Diagnostic, Outcome, Requirement},
    target::{ReplicationMode, Target},
    verdict,
};

pub(super) fn verdict(diagnostics: &[Diagnostic], target: &Target, requirement: Requirement) -> Verdict {
    let Requirement { basis, required } = requirement;
    // With `replication_mode = "snapshot"` no check about changes runs, so the verdict is about the initial load only.
    let most = if target.pipe.follows_changes() { Capability::Cdc } else { Capability::InitialLoadOnly };
    let guide = verdict::capability(diagnostics, Basis::Guide).min(most);
    let server = verdict::capability(diagnostics, Basis::Server).min(most);
    let capability = if basis == Basis::Guide { guide } else { server };
    let words = Words { diagnostics, basis, capability, guide, server };
    Verdict {
        capability,
        basis,
        guide,
        server,
        required,
        met: capability >= required,
        replication_mode: replication_mode(target, capability),
        blocked_by: words.held().iter().map(|f| checks::check(f.check).code).collect(),
        reason: if most == capability && most < Capability::Cdc { words.as_asked() } else { words.why() },
        next_steps: words.next(),
    }
}

/// The mode of the target if it is possible, else the mode of the highest capability.
fn replication_mode(target: &Target, capability: Capability) -> Option<ReplicationMode> {
    match target.pipe.mode {
        Some(ReplicationMode::CdcOnly) if capability == Capability::Cdc => Some(ReplicationMode::CdcOnly),
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

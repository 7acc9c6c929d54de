//! How a pipe is declared in a Terraform plan or state: judged without a connection.

use super::{CHECKS, Group};
use crate::{
    diagnostic::{CheckId, Diagnostic},
    target::{Declaration, Problem, ProblemKind},
};

/// One diagnostic for each check of the declaration, in the order of the table.
pub fn judge(declaration: &Declaration) -> Vec<Diagnostic> {
    // A value that is not known yet can concern any of them.
    let is_open = declaration.has(ProblemKind::KnownAfterApply);
    let checks = CHECKS.iter().filter(|check| check.group == Group::Pipe);
    checks
        .map(|check| {
            let problems = declaration.problems.iter().filter(|problem| check_of(problem.kind) == check.id);
            let mut problems: Vec<&Problem> = problems.collect();
            // The most important first: what cannot be known, then what is wrong, then warnings.
            problems.sort_by_key(|problem| match problem.kind {
                ProblemKind::KnownAfterApply => 0,
                ProblemKind::UserMissing | ProblemKind::TlsUnverified => 2,
                _ => 1,
            });
            match problems.first() {
                Some(first) => of_problems(check.id, first, &problems),
                None if is_open => Diagnostic::unreached(check.id),
                None => Diagnostic::pass(check.id, ""),
            }
        })
        .collect()
}

fn of_problems(check: CheckId, first: &Problem, all: &[&Problem]) -> Diagnostic {
    let alike = all.chunk_by(|a, b| a.invalid.found == b.invalid.found).map(|alike| {
        let fields: Vec<&str> = alike.iter().map(|problem| problem.invalid.field.as_str()).collect();
        format!("{}: {}", fields.join(", "), alike[0].invalid.found)
    });
    let found = alike.collect::<Vec<_>>().join("; ");
    let diagnostic = match first.kind {
        ProblemKind::KnownAfterApply => Diagnostic::unknown(check, "PIPE_KNOWN_AFTER_APPLY", found),
        ProblemKind::UserMissing => Diagnostic::warn(check, "PIPE_USER_MISSING", found),
        ProblemKind::Invalid => Diagnostic::fail(check, "PIPE_INVALID", found),
        ProblemKind::RoleMissing => Diagnostic::fail(check, "PIPE_ROLE_MISSING", found),
        ProblemKind::BasicWithRole => Diagnostic::fail(check, "PIPE_BASIC_WITH_ROLE", found),
        ProblemKind::PasswordWithRole => Diagnostic::fail(check, "PIPE_PASSWORD_WITH_ROLE", found),
        ProblemKind::TlsDisabled => Diagnostic::fail(check, "PIPE_TLS_DISABLED", found),
        ProblemKind::TlsUnverified => Diagnostic::warn(check, "PIPE_TLS_UNVERIFIED", found),
        ProblemKind::DuplicateTargetTable => Diagnostic::fail(check, "PIPE_DUPLICATE_TARGET_TABLE", found),
        ProblemKind::RegionUnreadable => Diagnostic::fail(check, "PIPE_REGION_UNREADABLE", found),
    };
    let mut remedies: Vec<String> = Vec::new();
    if first.kind == ProblemKind::KnownAfterApply {
        remedies.push(after_apply(all));
    }
    let others = all.iter().filter(|problem| problem.kind != ProblemKind::KnownAfterApply);
    remedies.extend(others.filter_map(|problem| problem.invalid.help.clone()));
    diagnostic.expected(first.invalid.expected.as_str()).remedy(remedies.join("; "))
}

/// What to do about values that are not known yet: wait, or give those that a target has a field for.
fn after_apply(problems: &[&Problem]) -> String {
    let open = problems.iter().filter(|problem| problem.kind == ProblemKind::KnownAfterApply);
    let keys: Vec<Option<&str>> = open.map(|problem| problem.key).collect();
    match keys.iter().copied().collect::<Option<Vec<&str>>>() {
        Some(keys) => format!(
            "check with --terraform-state after apply, or give {} as a flag or in [targets.'ADDRESS'] of -c FILE",
            keys.join(", ")
        ),
        None => "check with --terraform-state after apply".to_owned(),
    }
}

fn check_of(kind: ProblemKind) -> CheckId {
    match kind {
        ProblemKind::KnownAfterApply | ProblemKind::Invalid | ProblemKind::UserMissing => {
            CheckId::PipeSettings
        }
        ProblemKind::RoleMissing | ProblemKind::BasicWithRole | ProblemKind::PasswordWithRole => {
            CheckId::PipeAuthentication
        }
        ProblemKind::TlsDisabled | ProblemKind::TlsUnverified => CheckId::PipeTls,
        ProblemKind::DuplicateTargetTable => CheckId::PipeTargetTables,
        ProblemKind::RegionUnreadable => CheckId::PipeRegion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::{Basis, Capability, Outcome},
        target::Invalid,
        verdict::capability,
    };

    fn declaration(kinds: &[ProblemKind]) -> Declaration {
        let problem = |kind: &ProblemKind| Problem {
            kind: *kind,
            key: None,
            invalid: Invalid::new("source.mysql.x", "e", "f").help("h"),
        };
        Declaration { problems: kinds.iter().map(problem).collect(), ..Declaration::default() }
    }

    #[test]
    fn a_declaration_without_problems_passes_every_check() {
        let diagnostics = judge(&declaration(&[]));
        assert_eq!(diagnostics.len(), 5);
        assert!(diagnostics.iter().all(|diagnostic| diagnostic.outcome == Outcome::Pass));
    }

    #[test]
    fn each_problem_has_its_effect() {
        use ProblemKind as Kind;
        for (kind, outcome) in [
            (Kind::KnownAfterApply, Outcome::Unknown),
            (Kind::Invalid, Outcome::Fail),
            (Kind::UserMissing, Outcome::Warn),
            (Kind::RoleMissing, Outcome::Fail),
            (Kind::BasicWithRole, Outcome::Fail),
            (Kind::PasswordWithRole, Outcome::Fail),
            (Kind::TlsDisabled, Outcome::Fail),
            (Kind::TlsUnverified, Outcome::Warn),
            (Kind::DuplicateTargetTable, Outcome::Fail),
            (Kind::RegionUnreadable, Outcome::Fail),
        ] {
            let diagnostics = judge(&declaration(&[kind]));
            let own = diagnostics.iter().find(|d| d.check == check_of(kind)).unwrap();
            let remedy = match kind {
                Kind::KnownAfterApply => "check with --terraform-state after apply",
                _ => "h",
            };
            assert_eq!((own.outcome, own.remedy.as_deref()), (outcome, Some(remedy)), "{kind:?}");
            assert_eq!((own.expected.as_str(), own.found.as_str()), ("e", "source.mysql.x: f"));
            let expected = if outcome == Outcome::Warn { Capability::Cdc } else { Capability::Blocked };
            assert_eq!(capability(&diagnostics, Basis::Server), expected, "{kind:?}");
            let others = diagnostics.iter().filter(|d| d.check != check_of(kind));
            let other = if kind == Kind::KnownAfterApply { Outcome::NotReached } else { Outcome::Pass };
            assert!(others.clone().count() == 4 && others.clone().all(|d| d.outcome == other), "{kind:?}");
        }
    }

    #[test]
    fn the_most_important_of_several_problems_is_the_cause() {
        use ProblemKind as Kind;
        let diagnostics = judge(&declaration(&[Kind::UserMissing, Kind::Invalid, Kind::KnownAfterApply]));
        assert_eq!(diagnostics[0].cause, Some("PIPE_KNOWN_AFTER_APPLY"));
        assert_eq!(diagnostics[0].found, "source.mysql.x, source.mysql.x, source.mysql.x: f");
        let diagnostics = judge(&declaration(&[Kind::TlsUnverified, Kind::TlsDisabled]));
        let tls = diagnostics.iter().find(|d| d.check == CheckId::PipeTls).unwrap();
        assert_eq!(tls.cause, Some("PIPE_TLS_DISABLED"));
    }
}

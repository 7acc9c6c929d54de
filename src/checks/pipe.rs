//! How a pipe is declared in a Terraform plan or state: judged without a connection.

pub(crate) mod settings;
pub(super) mod authentication;
pub(super) mod region;
pub(super) mod tls;
pub(super) mod target_tables;

use crate::{
    checks::{Diagnostic, check::Judge},
    diagnostic::Outcome,
    target::{Declaration, Problem, ProblemKind},
};

/// One diagnostic for each check of the declaration, in the order of the table.
pub fn judge(declaration: &Declaration) -> Vec<Diagnostic> {
    // A value that is not known yet can concern any of them.
    let is_open = declaration.has(ProblemKind::KnownAfterApply);
    super::in_order(&[], |check| {
        let Judge::Pipe(cause_of) = check.judge else { return None };
        let problems = declaration.problems.iter().filter(|problem| cause_of(problem.kind).is_some());
        let mut problems: Vec<&Problem> = problems.collect();
        // The most important first: what cannot be known, then what is wrong, then warnings.
        problems.sort_by_key(|problem| match outcome(problem.kind) {
            Outcome::Unknown => 0,
            Outcome::Fail => 1,
            _ => 2,
        });
        Some(match problems.first() {
            Some(first) => {
                let diagnostic =
                    Diagnostic::new(check, outcome(first.kind), cause_of(first.kind), found(&problems));
                diagnostic.expected(first.invalid.expected.as_str()).remedy(remedy(&problems))
            }
            None if is_open => check.unreached(),
            None => check.pass(""),
        })
    })
}

fn outcome(kind: ProblemKind) -> Outcome {
    match kind {
        ProblemKind::KnownAfterApply => Outcome::Unknown,
        ProblemKind::UserMissing | ProblemKind::TlsUnverified => Outcome::Warn,
        ProblemKind::Invalid
        | ProblemKind::RoleMissing
        | ProblemKind::BasicWithRole
        | ProblemKind::PasswordWithRole
        | ProblemKind::TlsDisabled
        | ProblemKind::DuplicateTargetTable
        | ProblemKind::RegionUnreadable => Outcome::Fail,
    }
}

fn found(problems: &[&Problem]) -> String {
    let alike = problems.chunk_by(|a, b| a.invalid.found == b.invalid.found).map(|alike| {
        let fields: Vec<&str> = alike.iter().map(|problem| problem.invalid.field.as_str()).collect();
        format!("{}: {}", fields.join(", "), alike[0].invalid.found)
    });
    alike.collect::<Vec<_>>().join("; ")
}

fn remedy(problems: &[&Problem]) -> String {
    let is_open = |problem: &&&Problem| problem.kind == ProblemKind::KnownAfterApply;
    let open = problems.iter().any(|problem| is_open(&problem)).then(|| after_apply(problems));
    let others = problems.iter().filter(|problem| !is_open(problem));
    open.into_iter()
        .chain(others.filter_map(|problem| problem.invalid.help.clone()))
        .collect::<Vec<_>>()
        .join("; ")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostic::{Basis, Capability},
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

    fn is_about(diagnostic: &Diagnostic, kind: ProblemKind) -> bool {
        matches!(diagnostic.check.judge, Judge::Pipe(cause_of) if cause_of(kind).is_some())
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
            let own = diagnostics.iter().find(|d| is_about(d, kind)).unwrap();
            let remedy = match kind {
                Kind::KnownAfterApply => "check with --terraform-state after apply",
                _ => "h",
            };
            assert_eq!((own.outcome, own.remedy.as_deref()), (outcome, Some(remedy)), "{kind:?}");
            assert_eq!((own.expected.as_str(), own.found.as_str()), ("e", "source.mysql.x: f"));
            let expected = if outcome == Outcome::Warn { Capability::Cdc } else { Capability::Blocked };
            assert_eq!(capability(&diagnostics, Basis::Server), expected, "{kind:?}");
            let others = diagnostics.iter().filter(|d| !is_about(d, kind));
            let other = if kind == Kind::KnownAfterApply { Outcome::NotReached } else { Outcome::Pass };
            assert!(others.clone().count() == 4 && others.clone().all(|d| d.outcome == other), "{kind:?}");
        }
    }

    #[test]
    fn the_most_important_of_several_problems_is_the_cause() {
        use ProblemKind as Kind;
        let diagnostics = judge(&declaration(&[Kind::UserMissing, Kind::Invalid, Kind::KnownAfterApply]));
        assert_eq!(diagnostics[0].cause, Some(&settings::PIPE_KNOWN_AFTER_APPLY));
        assert_eq!(diagnostics[0].found, "source.mysql.x, source.mysql.x, source.mysql.x: f");
        let diagnostics = judge(&declaration(&[Kind::TlsUnverified, Kind::TlsDisabled]));
        let tls = diagnostics.iter().find(|d| d.check == &tls::CHECK).unwrap();
        assert_eq!(tls.cause, Some(&tls::PIPE_TLS_DISABLED));
    }
}

//! How a pipe is declared in a Terraform plan or state: judged without a connection.

pub(crate) mod settings;
pub(super) mod authentication;
pub(super) mod region;
pub(super) mod tls;
pub(super) mod target_tables;
pub(super) mod access_role;
pub(super) mod database_iam;
pub(super) mod parameters;
pub(super) mod route;

use crate::{
    checks::{Diagnostic, check::Judge},
    diagnostic::Outcome,
    target::{Declaration, PlannedPart, Problem, ProblemKind},
};

/// How a check of AWS resources knows that a value is not known yet, and what to do then.
const NOT_KNOWN_YET: &str = "an attribute of an AWS resource that after_unknown in the plan names, or a resource that is not in the document";
const CHECK_AFTER_APPLY: &str = "it cannot be checked before apply: check with --terraform-state after apply";

/// One diagnostic for each check of the declaration, in the order of the table.
pub fn judge(declaration: &Declaration) -> Vec<Diagnostic> {
    // A value that is not known yet can concern any of them.
    let is_open = declaration.has(ProblemKind::KnownAfterApply);
    super::in_order(&[], |check| {
        let (part, cause_of) = match check.judge {
            Judge::Pipe(cause_of) => (None, cause_of),
            Judge::Planned(part, cause_of) => (Some(part), cause_of),
            _ => return None,
        };
        let problems = declaration.problems.iter().filter(|problem| cause_of(problem.kind).is_some());
        let mut problems: Vec<&Problem> = problems.collect();
        // The most important first: what cannot be known, then what is wrong, then warnings.
        problems.sort_by_key(|problem| match outcome(problem.kind) {
            // Of AWS, what is wrong prevents more than what is not known.
            Outcome::Unknown if part.is_some() => 2,
            Outcome::Unknown => 0,
            Outcome::Fail => 1,
            Outcome::Warn if part.is_some() => 3,
            _ => 2,
        });
        Some(match problems.first() {
            Some(first) => {
                let diagnostic =
                    Diagnostic::new(check, outcome(first.kind), cause_of(first.kind), found(&problems));
                diagnostic.expected(first.invalid.expected.as_str()).remedy(remedy(&problems))
            }
            None => match part {
                None if is_open => check.unreached(),
                None => check.pass(""),
                // What the document does not contain is not judged.
                Some(part) => check.pass(judged_by(declaration, part)?),
            },
        })
    })
}

/// The resources that this part was judged by, if there are any.
fn judged_by(declaration: &Declaration, part: PlannedPart) -> Option<String> {
    let resources = declaration.planned.iter().filter(|planned| planned.part == part);
    let resources: Vec<&str> = resources.map(|planned| planned.resource.as_str()).collect();
    (!resources.is_empty()).then(|| resources.join(", "))
}

fn outcome(kind: ProblemKind) -> Outcome {
    match kind {
        ProblemKind::KnownAfterApply | ProblemKind::PlannedUnknown(_) => Outcome::Unknown,
        ProblemKind::UserMissing
        | ProblemKind::TlsUnverified
        | ProblemKind::RoleConnectMissing
        | ProblemKind::AddressesBlocked
        | ProblemKind::NotPublic => Outcome::Warn,
        ProblemKind::RoleNotTrusted
        | ProblemKind::RoleConnectDenied
        | ProblemKind::IamOff
        | ProblemKind::ParameterWrong
        | ProblemKind::BackupsOff
        | ProblemKind::Invalid
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
        .chain(others.filter_map(|problem| problem.invalid.remedy.clone()))
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
            invalid: Invalid::new("source.mysql.x", "e", "f").remedy("h"),
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

    /// What AWS resources show: a row only if there is a resource, and what is unknown is never a pass.
    #[test]
    fn each_problem_of_a_planned_resource_has_its_effect() {
        use crate::target::Planned;
        use PlannedPart::{AccessRole, DatabaseIam, Parameters, Route};
        use ProblemKind as Kind;
        for (kind, outcome, expected) in [
            (Kind::RoleNotTrusted, Outcome::Fail, Capability::Blocked),
            (Kind::RoleConnectDenied, Outcome::Fail, Capability::Blocked),
            (Kind::RoleConnectMissing, Outcome::Warn, Capability::Cdc),
            (Kind::IamOff, Outcome::Fail, Capability::Blocked),
            (Kind::ParameterWrong, Outcome::Fail, Capability::InitialLoadOnly),
            (Kind::BackupsOff, Outcome::Fail, Capability::InitialLoadOnly),
            (Kind::AddressesBlocked, Outcome::Warn, Capability::Cdc),
            (Kind::NotPublic, Outcome::Warn, Capability::Cdc),
            (Kind::PlannedUnknown(AccessRole), Outcome::Unknown, Capability::Cdc),
            (Kind::PlannedUnknown(DatabaseIam), Outcome::Unknown, Capability::Cdc),
            (Kind::PlannedUnknown(Parameters), Outcome::Unknown, Capability::Cdc),
            (Kind::PlannedUnknown(Route), Outcome::Unknown, Capability::Cdc),
        ] {
            let diagnostics = judge(&declaration(&[kind]));
            let own: Vec<_> = diagnostics.iter().filter(|d| d.outcome != Outcome::Pass).collect();
            assert_eq!((diagnostics.len(), own.len(), own[0].outcome), (6, 1, outcome), "{kind:?}");
            assert!(own[0].cause.is_some() && own[0].remedy.as_deref() == Some("h"), "{kind:?}");
            assert_eq!(capability(&diagnostics, Basis::Server), expected, "{kind:?}");
            // A resource that was read is not enough for a pass.
            let part = kind.planned().unwrap();
            let planned = vec![Planned { part, resource: "aws_x.y".to_owned() }];
            let seen = judge(&Declaration { planned: planned.clone(), ..declaration(&[kind]) });
            assert_eq!(seen, diagnostics, "{kind:?}");
            let in_order = judge(&Declaration { planned, ..Declaration::default() });
            let row = in_order.iter().find(|d| d.check == own[0].check).unwrap();
            assert_eq!((row.outcome, row.found.as_str()), (Outcome::Pass, "aws_x.y"), "{kind:?}");
        }
        let diagnostics = judge(&declaration(&[Kind::PlannedUnknown(AccessRole), Kind::RoleNotTrusted]));
        assert_eq!(diagnostics[5].cause, Some(&access_role::PIPE_ROLE_NOT_TRUSTED));
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

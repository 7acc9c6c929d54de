//! Diagnostics → what ClickPipes can do. Knows no engine, and fails closed: what is unknown or was not reached
//! counts as a failure.

use crate::{
    checks::{self, Diagnostic},
    diagnostic::{Basis, Capability, Outcome, Severity},
};

/// The capability on one basis.
pub fn capability(diagnostics: &[Diagnostic], basis: Basis) -> Capability {
    let denied = diagnostics.iter().filter(|f| counts(f, basis)).map(checks::denied).max();
    match denied {
        // No finding at all proves nothing.
        None | Some(Severity::Blocks) => Capability::Blocked,
        Some(Severity::BlocksCdc) => Capability::InitialLoadOnly,
        Some(Severity::Advisory) => Capability::Cdc,
    }
}

/// Every diagnostic that prevents a higher capability on this basis, in order: all of them
/// must pass for more. What was not reached is named only if nothing else prevents it.
pub fn blocked_by(diagnostics: &[Diagnostic], basis: Basis) -> Vec<&Diagnostic> {
    let weight = match capability(diagnostics, basis) {
        Capability::Blocked => Severity::Blocks,
        Capability::InitialLoadOnly => Severity::BlocksCdc,
        Capability::Cdc => return Vec::new(),
    };
    let held = diagnostics.iter().filter(|f| counts(f, basis) && checks::denied(f) == weight);
    let (unreached, tried): (Vec<_>, Vec<_>) = held.partition(|f| f.outcome == Outcome::NotReached);
    if tried.is_empty() { unreached } else { tried }
}

fn counts(diagnostic: &Diagnostic, basis: Basis) -> bool {
    diagnostic.check.counts(basis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Engine;

    fn all_pass(engine: Engine) -> Vec<Diagnostic> {
        checks::of(engine).map(|check| check.pass("")).collect()
    }

    #[test]
    fn nothing_found_is_blocked() {
        assert_eq!(capability(&[], Basis::Server), Capability::Blocked);
    }

    #[test]
    fn every_row_denies_what_it_says_whether_it_fails_is_unknown_or_unreached() {
        for engine in [Engine::Postgres, Engine::Mysql, Engine::Mariadb] {
            for row in checks::of(engine) {
                for outcome in [Outcome::Fail, Outcome::Unknown, Outcome::NotReached] {
                    let mut diagnostics = all_pass(engine);
                    diagnostics.iter_mut().find(|f| f.check == row).unwrap().outcome = outcome;
                    for basis in [Basis::Guide, Basis::Server] {
                        let severity =
                            if outcome == Outcome::Unknown { row.severity_if_unknown } else { row.severity };
                        let expected = match severity {
                            _ if row.basis.is_some_and(|only| only != basis) => Capability::Cdc,
                            Severity::Blocks => Capability::Blocked,
                            Severity::BlocksCdc => Capability::InitialLoadOnly,
                            Severity::Advisory => Capability::Cdc,
                        };
                        assert_eq!(
                            capability(&diagnostics, basis),
                            expected,
                            "{} {outcome:?} {basis:?}",
                            row.code
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn every_row_that_holds_back_is_named() {
        let mut diagnostics = all_pass(Engine::Postgres);
        assert!(blocked_by(&diagnostics, Basis::Server).is_empty());
        let check = |code: &str| checks::CHECKS.iter().find(|check| check.code == code).copied().unwrap();
        let (rule, replication) = (check("PG_DOCUMENTED_RULE"), check("PG_IAM_REPLICATION"));
        for check in [rule, replication, check("TOKEN_LIFE")] {
            diagnostics.iter_mut().find(|f| f.check == check).unwrap().outcome = Outcome::Fail;
        }
        let by = |basis| blocked_by(&diagnostics, basis).iter().map(|f| f.check).collect::<Vec<_>>();
        assert_eq!(by(Basis::Server), [replication]);
        assert_eq!(by(Basis::Guide), [rule, replication]);
    }

    #[test]
    fn what_is_not_asked_denies_nothing() {
        for engine in [Engine::Postgres, Engine::Mysql, Engine::Mariadb] {
            let not_applicable = checks::of(engine).map(|check| match check.severity {
                Severity::BlocksCdc => check.not_applicable(""),
                _ => check.pass(""),
            });
            assert_eq!(capability(&not_applicable.collect::<Vec<_>>(), Basis::Server), Capability::Cdc);
        }
    }
}

//! Findings → what ClickPipes can do. Knows no engine; fails closed: what is unknown or was not
//! reached denies as a failure does.

use crate::{
    checks,
    finding::{Capability, Denies, Finding, Outcome, Policy},
};

/// The capability under one policy.
pub fn capability(findings: &[Finding], policy: Policy) -> Capability {
    let denied = findings.iter().filter(|f| counts(f, policy)).map(checks::denied).max();
    match denied {
        // No finding at all proves nothing.
        None | Some(Denies::Everything) => Capability::Blocked,
        Some(Denies::Cdc) => Capability::InitialLoadOnly,
        Some(Denies::Nothing) => Capability::Cdc,
    }
}

/// Every finding that holds the capability back under this policy, in the table's order: all of them
/// must pass for more. What was not reached is named only where nothing else stands in the way.
pub fn held_back_by(findings: &[Finding], policy: Policy) -> Vec<&Finding> {
    let weight = match capability(findings, policy) {
        Capability::Blocked => Denies::Everything,
        Capability::InitialLoadOnly => Denies::Cdc,
        Capability::Cdc => return Vec::new(),
    };
    let held = findings.iter().filter(|f| counts(f, policy) && checks::denied(f) == weight);
    let (unreached, tried): (Vec<_>, Vec<_>) = held.partition(|f| f.outcome == Outcome::Unreached);
    if tried.is_empty() { unreached } else { tried }
}

fn counts(finding: &Finding, policy: Policy) -> bool {
    checks::check(finding.check).counts(policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{finding::CheckId, target::Engine};

    fn all_pass(engine: Engine) -> Vec<Finding> {
        checks::of(engine).map(|check| Finding::pass(check.id, "")).collect()
    }

    #[test]
    fn nothing_found_is_blocked() {
        assert_eq!(capability(&[], Policy::Observed), Capability::Blocked);
    }

    #[test]
    fn every_row_denies_what_it_says_whether_it_fails_is_unknown_or_unreached() {
        for engine in [Engine::Postgres, Engine::Mysql, Engine::Mariadb] {
            for row in checks::of(engine) {
                for outcome in [Outcome::Fail, Outcome::Unknown, Outcome::Unreached] {
                    let mut findings = all_pass(engine);
                    findings.iter_mut().find(|f| f.check == row.id).unwrap().outcome = outcome;
                    for policy in [Policy::Documented, Policy::Observed] {
                        let denies =
                            if outcome == Outcome::Unknown { row.unknown_denies } else { row.denies };
                        let expected = match denies {
                            _ if row.policy.is_some_and(|only| only != policy) => Capability::Cdc,
                            Denies::Everything => Capability::Blocked,
                            Denies::Cdc => Capability::InitialLoadOnly,
                            Denies::Nothing => Capability::Cdc,
                        };
                        assert_eq!(
                            capability(&findings, policy),
                            expected,
                            "{} {outcome:?} {policy:?}",
                            row.code
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn every_row_that_holds_back_is_named() {
        let mut findings = all_pass(Engine::Postgres);
        assert!(held_back_by(&findings, Policy::Observed).is_empty());
        let (rule, replication) = (CheckId::PostgresDocumentedRule, CheckId::PostgresIamReplication);
        for id in [rule, replication, CheckId::TokenLife] {
            findings.iter_mut().find(|f| f.check == id).unwrap().outcome = Outcome::Fail;
        }
        let by = |policy| held_back_by(&findings, policy).iter().map(|f| f.check).collect::<Vec<_>>();
        assert_eq!(by(Policy::Observed), [replication]);
        assert_eq!(by(Policy::Documented), [rule, replication]);
    }

    #[test]
    fn what_is_not_asked_denies_nothing() {
        for engine in [Engine::Postgres, Engine::Mysql, Engine::Mariadb] {
            let not_asked = checks::of(engine).map(|check| match check.denies {
                Denies::Cdc => Finding::not_asked(check.id, ""),
                _ => Finding::pass(check.id, ""),
            });
            assert_eq!(capability(&not_asked.collect::<Vec<_>>(), Policy::Observed), Capability::Cdc);
        }
    }
}

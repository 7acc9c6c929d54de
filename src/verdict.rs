//! Findings → what ClickPipes can do. Knows no engine; fails closed: what is unknown or was not
//! reached denies as a failure does.

use crate::{
    checks,
    finding::{Capability, Denies, Finding, Outcome, Policy},
};

/// The capability under one policy.
pub fn capability(findings: &[Finding], policy: Policy) -> Capability {
    let denied = findings
        .iter()
        .filter(|finding| !matches!(finding.outcome, Outcome::Pass | Outcome::Warn))
        .map(|finding| checks::check(finding.check))
        .filter(|check| check.policy.is_none_or(|only| only == policy))
        .map(|check| check.denies)
        .max();
    match denied {
        // No finding at all proves nothing.
        _ if findings.is_empty() => Capability::Blocked,
        Some(Denies::Everything) => Capability::Blocked,
        Some(Denies::Cdc) => Capability::InitialLoadOnly,
        Some(Denies::Nothing) | None => Capability::Cdc,
    }
}

/// The first finding that holds the capability back under this policy.
pub fn held_back_by(findings: &[Finding], policy: Policy) -> Option<&Finding> {
    let capability = capability(findings, policy);
    let weight = match capability {
        Capability::Blocked => Denies::Everything,
        Capability::InitialLoadOnly => Denies::Cdc,
        Capability::Cdc => return None,
    };
    findings.iter().find(|finding| {
        let check = checks::check(finding.check);
        !matches!(finding.outcome, Outcome::Pass | Outcome::Warn)
            && check.denies == weight
            && check.policy.is_none_or(|only| only == policy)
    })
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
                        let expected = match row.denies {
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
    fn the_first_row_that_holds_back_is_named() {
        let mut findings = all_pass(Engine::Postgres);
        assert_eq!(held_back_by(&findings, Policy::Observed), None);
        for id in [CheckId::PostgresDocumentedRule, CheckId::PostgresIamReplication] {
            findings.iter_mut().find(|f| f.check == id).unwrap().outcome = Outcome::Fail;
        }
        let by = |policy| held_back_by(&findings, policy).map(|f| f.check);
        assert_eq!(by(Policy::Observed), Some(CheckId::PostgresIamReplication));
    }
}

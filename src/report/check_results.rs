//! The results of all checks of a report.

use std::hash::{Hash, Hasher};

use serde::{Serialize, Serializer};

use super::{
    CheckResult, Report, Verdict,
    shared::{Known, Shared},
};
use crate::identity::IdentityEvidence;

/// In the order of the checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckResults(Vec<Shared<CheckResult>>);

impl CheckResults {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &CheckResult> + DoubleEndedIterator {
        self.0.iter().map(|result| &**result)
    }

    /// Copies each result that another report shares.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut CheckResult> {
        self.0.iter_mut().map(|result| &mut **result)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<CheckResult> for CheckResults {
    fn from_iter<I: IntoIterator<Item = CheckResult>>(results: I) -> Self {
        Self(results.into_iter().map(Shared::from).collect())
    }
}

impl<'a> IntoIterator for &'a CheckResults {
    type Item = &'a CheckResult;
    type IntoIter = Box<dyn Iterator<Item = &'a CheckResult> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

#[cfg(test)]
impl std::ops::Index<usize> for CheckResults {
    type Output = CheckResult;

    fn index(&self, i: usize) -> &CheckResult {
        &self.0[i]
    }
}

#[cfg(test)]
impl std::ops::IndexMut<usize> for CheckResults {
    fn index_mut(&mut self, i: usize) -> &mut CheckResult {
        &mut self.0[i]
    }
}

impl Serialize for CheckResults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
impl schemars::JsonSchema for CheckResults {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Vec::<CheckResult>::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<CheckResult>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Only what differs most, which is enough for a hash.
impl Hash for CheckResult {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.code, &self.title, &self.found).hash(state);
    }
}

/// As for a result: verdicts that differ mostly have another reason.
impl Hash for Verdict {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.reason.hash(state);
    }
}

/// As for a result.
impl Hash for IdentityEvidence {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.source_key, &self.caller).hash(state);
    }
}

/// Parts that reports share.
#[derive(Debug, Default)]
pub struct SharedResults {
    results: Known<CheckResult>,
    verdicts: Known<Verdict>,
    /// The targets of a role have the same.
    identities: Known<IdentityEvidence>,
}

impl SharedResults {
    /// Replaces each part by an equal one that is known already.
    pub fn share(&mut self, report: &mut Report) {
        for result in &mut report.checks.0 {
            self.results.share(result);
        }
        self.verdicts.share(&mut report.verdict);
        self.identities.share(&mut report.identity);
        self.results.tidy();
        self.verdicts.tidy();
        self.identities.tidy();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Basis, report::tests::report};

    fn shared(results: &CheckResults, others: &CheckResults) -> usize {
        results.0.iter().zip(&others.0).filter(|(a, b)| a.is_same(b)).count()
    }

    #[test]
    fn equal_results_are_stored_once() {
        let [mut first, mut second] = [(); 2].map(|()| report(false, Basis::Guide));
        first.checks[1].found = Some("only here".into());
        let mut known = SharedResults::default();
        known.share(&mut first);
        known.share(&mut second);
        assert_eq!(shared(&first.checks, &second.checks), first.checks.len() - 1);
        assert!(first.verdict.is_same(&second.verdict) && first.identity.is_same(&second.identity));
        // A change of one does not change the other.
        second.checks[0].title = "changed".into();
        assert_ne!(first.checks[0].title, "changed");
        assert_eq!(shared(&first.checks, &second.checks), first.checks.len() - 2);
        second.verdict.met = !first.verdict.met;
        assert!(!first.verdict.is_same(&second.verdict));
        known.share(&mut second);
        assert!(!first.verdict.is_same(&second.verdict) && first.verdict.met != second.verdict.met);
    }

    #[test]
    fn results_that_no_report_has_are_forgotten() {
        let mut known = SharedResults::default();
        let mut count = 0;
        for i in 0..5000 {
            let mut report = report(false, Basis::Guide);
            report.checks[0].found = Some(i.to_string());
            report.verdict.reason = i.to_string();
            known.share(&mut report);
            count = report.checks.len();
        }
        assert!(known.results.len() < 1200 + count, "{}", known.results.len());
        assert!(known.verdicts.len() < 1200, "{}", known.verdicts.len());
    }
}

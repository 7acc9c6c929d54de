//! The results of all checks of a report. Reports share results that are equal: `serve` keeps many, and most differ little.

use std::{
    collections::HashSet,
    hash::{Hash, Hasher},
    sync::Arc,
};

use serde::{Serialize, Serializer};

use super::CheckResult;

/// In the order of the checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckResults(Vec<Arc<CheckResult>>);

impl CheckResults {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &CheckResult> + DoubleEndedIterator {
        self.0.iter().map(Arc::as_ref)
    }

    /// Copies each result that another report shares.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut CheckResult> {
        self.0.iter_mut().map(Arc::make_mut)
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
        Self(results.into_iter().map(Arc::new).collect())
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
        Arc::make_mut(&mut self.0[i])
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

/// Results that reports share.
#[derive(Debug, Default)]
pub struct SharedResults {
    known: HashSet<Arc<CheckResult>>,
    /// The number of results after the last removal of those that no report has any more.
    kept: usize,
}

impl SharedResults {
    /// Replaces each result by an equal one that is known already.
    pub fn share(&mut self, results: &mut CheckResults) {
        for result in &mut results.0 {
            match self.known.get(result) {
                Some(known) => *result = Arc::clone(known),
                None => drop(self.known.insert(Arc::clone(result))),
            }
        }
        // Seldom, so that a report costs little.
        if self.known.len() > 2 * self.kept + 1000 {
            self.known.retain(|result| Arc::strong_count(result) > 1);
            self.known.shrink_to_fit();
            self.kept = self.known.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Basis, report::tests::report};

    fn shared(results: &CheckResults, others: &CheckResults) -> usize {
        results.0.iter().zip(&others.0).filter(|(a, b)| Arc::ptr_eq(a, b)).count()
    }

    #[test]
    fn equal_results_are_stored_once() {
        let [mut first, mut second] = [(); 2].map(|()| report(false, Basis::Guide).checks);
        first[1].found = Some("only here".into());
        let mut known = SharedResults::default();
        known.share(&mut first);
        known.share(&mut second);
        assert_eq!(shared(&first, &second), first.len() - 1);
        // A change of one does not change the other.
        second[0].title = "changed".into();
        assert_ne!(first[0].title, "changed");
        assert_eq!(shared(&first, &second), first.len() - 2);
    }

    #[test]
    fn results_that_no_report_has_are_forgotten() {
        let mut known = SharedResults::default();
        let mut last = CheckResults::default();
        for i in 0..5000 {
            last = report(false, Basis::Guide).checks;
            last[0].found = Some(i.to_string());
            known.share(&mut last);
        }
        assert!(known.known.len() < 1200 + last.len(), "{}", known.known.len());
    }
}

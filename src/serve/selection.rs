//! Which targets a client wants: `?health=unhealthy&q=orders&limit=100&after=NAME`.

use serde::Deserialize;

use super::status_store::{Entry, Health, StatusStore};

/// Empty values, as a form sends them, select everything.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(super) struct Selection {
    /// Part of the name of the target, or of the code of a check that failed or has a warning; in any letter case.
    pub(super) q: String,
    pub(super) health: HealthFilter,
    /// At most so many, in the order of their names.
    pub(super) limit: Option<usize>,
    /// Only targets whose names follow this one.
    pub(super) after: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum HealthFilter {
    #[default]
    #[serde(alias = "")]
    All,
    Unhealthy,
    Healthy,
    Unknown,
    /// Healthy or not, with a warning of its last check.
    Warning,
}

/// Targets of one page of the API without `limit`: the reports of many thousands would be more than most clients can read.
const PAGE: usize = 1000;

impl Selection {
    pub(super) fn is_all(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn has(&self, name: &str, entry: &Entry) -> bool {
        let is_chosen = match self.health {
            HealthFilter::All => true,
            HealthFilter::Unhealthy => entry.health == Health::Unhealthy,
            HealthFilter::Healthy => entry.health == Health::Healthy,
            HealthFilter::Unknown => entry.health == Health::Unknown,
            HealthFilter::Warning => entry.warnings().next().is_some(),
        };
        let is_after = self.after.as_deref().is_none_or(|after| name > after);
        is_chosen && is_after && self.is_searched(name, entry)
    }

    fn is_searched(&self, name: &str, entry: &Entry) -> bool {
        let sought = self.q.trim().to_lowercase();
        let contains = |text: &str| text.to_lowercase().contains(&sought);
        let blocking = || entry.last.iter().flat_map(|report| report.blocking_checks());
        sought.is_empty()
            || contains(name)
            || blocking().chain(entry.warnings()).any(|check| contains(check.cause_or_code()))
    }
}

impl StatusStore {
    /// The selected targets, and the name after which the next page starts.
    pub(super) fn select(&self, selection: &Selection) -> (Self, Option<String>) {
        let limit = selection.limit.unwrap_or(PAGE);
        let mut selected = self.filter(|name, entry| selection.has(name, entry));
        let next = selected.truncate(limit);
        (selected, next)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{extract::Query, http::Uri};

    use super::*;
    use crate::serve::status_store::tests::after_results;

    /// Targets alpha, beta and gamma, which were not checked, and one that is unhealthy.
    fn four() -> StatusStore {
        let mut status_store = after_results("-");
        let one = Arc::clone(&status_store.entries().next().unwrap().1.monitored);
        let named = |name: &str| {
            let mut monitored = (*one).clone();
            monitored.target.name = name.to_owned();
            Arc::new(monitored)
        };
        let mut all: Vec<_> = ["alpha", "beta", "gamma"].map(named).into();
        all.push(Arc::clone(&one));
        status_store.watch(&all);
        status_store
    }

    fn selected(selection: &Selection) -> (Vec<String>, Option<String>) {
        let (some, next) = four().select(selection);
        (some.entries().map(|(name, _)| name.to_owned()).collect(), next)
    }

    #[test]
    fn targets_are_selected_by_health_name_and_code() {
        let of = |q: &str, health| selected(&Selection { q: q.into(), health, ..Selection::default() }).0;
        let checked =
            four().entries().find(|(_, entry)| entry.health == Health::Unhealthy).unwrap().0.to_owned();
        assert_eq!(of("", HealthFilter::All).len(), 4);
        assert_eq!(of("", HealthFilter::Unhealthy), std::slice::from_ref(&checked));
        assert_eq!(of("", HealthFilter::Unknown), ["alpha", "beta", "gamma"]);
        assert_eq!(of("", HealthFilter::Healthy), Vec::<String>::new());
        assert_eq!(of(" BETA ", HealthFilter::All), ["beta"]);
        assert_eq!(of("not_iam", HealthFilter::All), [checked]);
    }

    #[test]
    fn pages_follow_each_other_without_gaps() {
        let page = |after: Option<&str>| {
            let after = after.map(str::to_owned);
            selected(&Selection { limit: Some(2), after, ..Selection::default() })
        };
        let (first, next) = page(None);
        assert_eq!((first.len(), next.as_deref()), (2, Some(&*first[1])));
        let (second, end) = page(next.as_deref());
        assert_eq!((second.len(), end), (2, None));
        assert!(first[1] < second[0]);
        assert_eq!(page(Some(&second[1])), (vec![], None));
    }

    #[test]
    fn an_empty_form_is_everything() {
        let read = |query: &str| from_query(query);
        assert!(read("q=&health=").is_all());
        assert_eq!(read("health=warning&limit=5").health, HealthFilter::Warning);
    }

    fn from_query(query: &str) -> Selection {
        let uri: Uri = format!("/?{query}").parse().unwrap();
        Query::try_from_uri(&uri).unwrap().0
    }
}

//! Resources that all checks of one configuration share. A reload keeps those whose inputs did not change.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use rustls::RootCertStore;
use tokio::sync::Semaphore;

use super::{auth::Users, http};
use crate::{
    config::{MonitoredTarget, Serve, Thresholds},
    connection::RateLimits,
    identity::Sessions,
    service::shared_logins,
    target::{CaCertificate, Endpoint, Invalid, Target},
    trust::{self, Anchors},
};

/// Maximum number of concurrent checks of one database. A check opens at most two connections.
const CHECKS_PER_DATABASE: usize = 4;

pub(super) struct Shared {
    pub(super) sessions: Arc<Sessions>,
    /// One per set of trust anchors.
    roots: HashMap<(Anchors, Option<CaCertificate>), Arc<RootCertStore>>,
    pub(super) rate_limits: Arc<RateLimits>,
    /// The concurrent checks of each database, identified by the endpoint that the token is signed for, whatever address is connected to.
    checks: HashMap<Endpoint, Arc<Semaphore>>,
    pub(super) timeout: Duration,
    pub(super) thresholds: Thresholds,
    pub(super) history: usize,
    pub(super) tls: Option<http::Acceptor>,
    pub(super) users: Arc<Users>,
    pub(super) host_names: BTreeSet<String>,
}

impl Shared {
    /// # Errors
    /// If trust anchors or the server certificate cannot be used.
    pub(super) fn new(config: &Serve, before: Option<&Self>) -> Result<Self, Invalid> {
        let tls = http::acceptor(&config.web)?;
        let mut roots = HashMap::new();
        let mut checks = HashMap::new();
        for MonitoredTarget { target, .. } in &config.targets {
            if let Entry::Vacant(entry) = roots.entry(anchors(target)) {
                entry.insert(match before.and_then(|before| before.roots(target)) {
                    Some(roots) => roots,
                    None => Arc::new(trust::database_roots(target)?),
                });
            }
            checks.entry(target.sign.clone()).or_insert_with(|| {
                let before = before.and_then(|before| before.checks(target));
                before.unwrap_or_else(|| Arc::new(Semaphore::new(CHECKS_PER_DATABASE)))
            });
        }
        let users = match before {
            Some(before) => before.users.updated(&config.web.users),
            None => Arc::new(Users::new(config.web.users.clone())),
        };
        let (sessions, rate_limits) = match before {
            Some(before) => (Arc::clone(&before.sessions), Arc::clone(&before.rate_limits)),
            None => (Arc::default(), Arc::new(RateLimits::new(config.logins_per_second))),
        };
        let targets = config.targets.iter().map(|monitored| &monitored.target);
        shared_logins::retain(&sessions, &rate_limits, config.logins_per_second, targets);
        Ok(Self {
            sessions,
            roots,
            rate_limits,
            checks,
            timeout: config.timeout,
            thresholds: config.thresholds,
            history: config.history,
            tls,
            users,
            host_names: config.web.host_names.clone(),
        })
    }

    pub(super) fn roots(&self, target: &Target) -> Option<Arc<RootCertStore>> {
        self.roots.get(&anchors(target)).cloned()
    }

    /// `None` if the configuration has no target of this database.
    pub(super) fn checks(&self, target: &Target) -> Option<Arc<Semaphore>> {
        self.checks.get(&target.sign).cloned()
    }
}

fn anchors(target: &Target) -> (Anchors, Option<CaCertificate>) {
    (Anchors::of(target), target.ca_certificate.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::serve_table;

    #[test]
    fn a_reload_keeps_what_did_not_change() {
        let read = |table: &str| serve_table(table).unwrap();
        let (config, hour) = (read(""), read("[defaults]\ninterval = '1h'"));
        let before = Shared::new(&config, None).unwrap();
        let after = Shared::new(&hour, Some(&before)).unwrap();
        let target = &hour.targets[0].target;
        let rate_limit = before.rate_limits.of(&target.sign);
        assert!(Arc::ptr_eq(&rate_limit, &after.rate_limits.of(&target.sign)));
        assert!(Arc::ptr_eq(&before.checks(target).unwrap(), &after.checks(target).unwrap()));
        assert!(Arc::ptr_eq(&before.roots(target).unwrap(), &after.roots(target).unwrap()));
        assert!(Arc::ptr_eq(&before.sessions, &after.sessions));
        assert!(Arc::ptr_eq(&before.users, &after.users));

        let faster = Shared::new(&read("[serve]\nlogins_per_second = 150"), Some(&after)).unwrap();
        assert!(!Arc::ptr_eq(&rate_limit, &faster.rate_limits.of(&target.sign)), "another rate limit");
        assert!(Arc::ptr_eq(&before.sessions, &faster.sessions));
    }
}

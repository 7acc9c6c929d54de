//! Resources that all checks of one configuration share.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use rustls::RootCertStore;

use super::{auth::Users, http};
use crate::{
    config::{MonitoredTarget, Serve, Thresholds},
    connection::RateLimit,
    identity::Sessions,
    target::{CaCertificate, Endpoint, Invalid, Target},
    trust::{self, Anchors},
};

pub(super) struct Shared {
    pub(super) sessions: Sessions,
    /// One per set of trust anchors.
    roots: HashMap<(Anchors, Option<CaCertificate>), Arc<RootCertStore>>,
    /// One per database, identified by the endpoint that the token is signed for, whatever address is connected to.
    rate_limits: HashMap<Endpoint, Arc<RateLimit>>,
    pub(super) timeout: Duration,
    pub(super) thresholds: Thresholds,
    pub(super) history: usize,
    pub(super) tls: Option<http::Acceptor>,
    pub(super) users: Users,
    pub(super) host_names: BTreeSet<String>,
}

impl Shared {
    /// # Errors
    /// If trust anchors or the server certificate cannot be used.
    pub(super) fn new(config: &Serve) -> Result<Self, Invalid> {
        let mut roots = HashMap::new();
        let mut rate_limits = HashMap::new();
        for MonitoredTarget { target, .. } in &config.targets {
            if let Entry::Vacant(entry) = roots.entry(anchors(target)) {
                entry.insert(Arc::new(trust::database_roots(target)?));
            }
            rate_limits
                .entry(target.sign.clone())
                .or_insert_with(|| Arc::new(RateLimit::new(config.logins_per_second)));
        }
        Ok(Self {
            sessions: Sessions::default(),
            roots,
            rate_limits,
            timeout: config.timeout,
            thresholds: config.thresholds,
            history: config.history,
            tls: http::acceptor(&config.web)?,
            users: Users::new(config.web.users.clone()),
            host_names: config.web.host_names.clone(),
        })
    }

    pub(super) fn roots(&self, target: &Target) -> Option<Arc<RootCertStore>> {
        self.roots.get(&anchors(target)).cloned()
    }

    pub(super) fn rate_limit(&self, watched: &MonitoredTarget) -> Option<Arc<RateLimit>> {
        self.rate_limits.get(&watched.target.sign).cloned()
    }
}

fn anchors(target: &Target) -> (Anchors, Option<CaCertificate>) {
    (Anchors::of(target), target.ca_certificate.clone())
}

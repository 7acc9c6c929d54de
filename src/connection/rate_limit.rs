//! How often one database is logged in to. AWS advises fewer than 200 new IAM connections a second and
//! instance, and throttles what is above (Amazon RDS User Guide, "Limitations for IAM database
//! authentication"); a probe leaves most of that capacity to applications.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::target::Endpoint;

/// Login rate limit of one database: logins per second, evenly spaced.
pub struct RateLimit(DefaultDirectRateLimiter);

impl RateLimit {
    pub fn new(logins_per_second: NonZeroU32) -> Self {
        // A burst of one: simultaneous logins are spaced evenly.
        Self(RateLimiter::direct(Quota::per_second(logins_per_second).allow_burst(NonZeroU32::MIN)))
    }

    /// Waits until the rate limit allows a login.
    pub async fn acquire(&self) {
        self.0.until_ready().await;
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RateLimit")
    }
}

/// The rate limits of a process, one for each database. A database is identified by the endpoint that the token is signed for, whatever
/// address is connected to.
#[derive(Debug)]
pub struct RateLimits(Mutex<Limits>);

#[derive(Debug)]
struct Limits {
    logins_per_second: NonZeroU32,
    databases: HashMap<Endpoint, Arc<RateLimit>>,
}

impl RateLimits {
    pub fn new(logins_per_second: NonZeroU32) -> Self {
        Self(Mutex::new(Limits { logins_per_second, databases: HashMap::new() }))
    }

    pub fn of(&self, database: &Endpoint) -> Arc<RateLimit> {
        let mut limits = self.limits();
        let logins_per_second = limits.logins_per_second;
        let limit = limits.databases.entry(database.clone());
        Arc::clone(limit.or_insert_with(|| Arc::new(RateLimit::new(logins_per_second))))
    }

    /// Forgets databases that are no longer used, and every limit if the rate has changed.
    pub fn update(&self, logins_per_second: NonZeroU32, is_used: impl Fn(&Endpoint) -> bool) {
        let mut limits = self.limits();
        let is_same = limits.logins_per_second == logins_per_second;
        limits.logins_per_second = logins_per_second;
        limits.databases.retain(|database, _| is_same && is_used(database));
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Host;

    #[test]
    fn a_database_keeps_its_limit_until_the_rate_changes() {
        let rate = |number| NonZeroU32::new(number).unwrap();
        let database = |port| Endpoint { host: Host::parse("host", "db.example").unwrap(), port };
        let limits = RateLimits::new(rate(100));
        let (a, b) = (limits.of(&database(1)), limits.of(&database(2)));
        assert!(Arc::ptr_eq(&a, &limits.of(&database(1))) && !Arc::ptr_eq(&a, &b));
        limits.update(rate(100), |used| *used == database(1));
        assert!(Arc::ptr_eq(&a, &limits.of(&database(1))) && !Arc::ptr_eq(&b, &limits.of(&database(2))));
        limits.update(rate(150), |_| true);
        assert!(!Arc::ptr_eq(&a, &limits.of(&database(1))));
    }
}

//! How often one database is logged in to. AWS advises fewer than 200 new IAM connections a second and
//! instance, and throttles what is above (Amazon RDS User Guide, "Limitations for IAM database
//! authentication"); a probe leaves most of that capacity to applications.

use std::{fmt, num::NonZeroU32};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

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
        f.write_str("Pace")
    }
}

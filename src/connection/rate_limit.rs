//! How often one database is logged in to. AWS advises fewer than 200 new IAM connections a second and
//! instance, and throttles what is above (Amazon RDS User Guide, "Limitations for IAM database
//! authentication"); a probe leaves most of that to those who work with the database.

use std::{fmt, num::NonZeroU32};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// One database's pace: so many logins a second, evenly.
pub struct RateLimit(DefaultDirectRateLimiter);

impl RateLimit {
    pub fn new(logins_per_second: NonZeroU32) -> Self {
        // One at a time: what arrives at once goes out evenly.
        Self(RateLimiter::direct(Quota::per_second(logins_per_second).allow_burst(NonZeroU32::MIN)))
    }

    /// Waits for this login's turn.
    pub async fn acquire(&self) {
        self.0.until_ready().await;
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pace")
    }
}

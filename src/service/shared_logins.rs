//! What logins of several targets share, and a reload keeps.

use std::{collections::HashSet, num::NonZeroU32};

use crate::{connection::RateLimits, identity::Sessions, target::Target};

/// Forgets the sessions and the rate limits that no target of the configuration uses.
pub(crate) fn retain<'a>(
    sessions: &Sessions,
    rate_limits: &RateLimits,
    logins_per_second: NonZeroU32,
    targets: impl Iterator<Item = &'a Target> + Clone,
) {
    let roles: HashSet<_> = targets.clone().map(|target| (&target.access, &target.region)).collect();
    sessions.retain(|access, region| roles.contains(&(access, region)));
    let databases: HashSet<_> = targets.map(|target| &target.sign).collect();
    rate_limits.update(logins_per_second, |database| databases.contains(database));
}

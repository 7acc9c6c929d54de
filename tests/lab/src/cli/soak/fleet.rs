//! The targets of a soak: many names, spread over all servers and several roles.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use lab::{Instance, Lab, SERVICE_ROLE};

/// A change of one role affects some targets of every server.
const ROLES: usize = 8;

#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// Of [`Lab::instances`].
    pub(crate) instance: usize,
    pub(crate) role: usize,
    /// Connected to by name instead of by address.
    by_name: bool,
}

/// Settings of `serve` besides its targets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    pub(crate) interval: Duration,
    pub(crate) full_interval: Duration,
}

pub(crate) fn role(number: usize) -> String {
    format!("arn:aws:iam::123456789012:role/clickpipes-soak-{number}")
}

/// Makes the roles; each may connect to every server.
pub(crate) fn make_roles(lab: &Lab) {
    let databases: Vec<&str> = lab.instances().iter().map(|i| i.resource_id.as_str()).collect();
    let roles: Vec<_> = (0..ROLES).map(|i| lab::access_role(&role(i), &databases)).collect();
    lab.aws().change(|world| world.roles.extend(roles));
}

pub(crate) fn targets(instances: &[Instance], count: usize) -> Vec<Target> {
    let target = |i: usize| {
        let (instance, role) = (i % instances.len(), i / instances.len() % ROLES);
        Target {
            name: format!("{}_{i:03}", instances[instance].name),
            instance,
            role,
            by_name: i.is_multiple_of(5),
        }
    };
    (0..count).map(target).collect()
}

pub(crate) fn names<'a>(
    targets: impl IntoIterator<Item = &'a Target>,
    which: impl Fn(&Target) -> bool,
) -> BTreeSet<String> {
    targets.into_iter().filter(|target| which(target)).map(|target| target.name.clone()).collect()
}

/// The configuration file. Every other role is assumed through the service role, and every fifth target is
/// connected to by name instead of by address.
pub(crate) fn config<'a>(
    lab: &Lab,
    address: SocketAddr,
    rhythm: Rhythm,
    targets: impl IntoIterator<Item = &'a Target>,
) -> String {
    let Rhythm { interval, full_interval } = rhythm;
    let mut text = format!(
        "[serve]\nlisten = \"{address}\"\nhistory = 10\n\n[defaults]\ninterval = \"{}s\"\nfull_interval = \"{}s\"\n\n",
        interval.as_secs(),
        full_interval.as_secs()
    );
    for target in targets {
        let table = lab.target_toml(&target.name, &lab.instances()[target.instance], &role(target.role));
        let table = match target.by_name {
            true => table.replace("connect_to = \"127.0.0.1:", "connect_to = \"localhost:"),
            false => table,
        };
        text.push_str(table.trim_end());
        if target.role % 2 == 1 {
            let _ = write!(text, "\nvia_roles = [\"{SERVICE_ROLE}\"]");
        }
        text.push_str("\n\n");
    }
    text
}

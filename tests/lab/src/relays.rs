//! Programs that relay connections to a database, for the benchmark of the agent. They are unpacked into the cache; installed packages
//! would start as services.

use std::io;
use std::path::PathBuf;

use crate::setup::step;
use crate::{cache, fetch};

const NAME: &str = "relays-2";
const PROGRAMS: [&str; 3] = ["haproxy", "pgbouncer", "socat"];

/// The folder of the program of that name. The package has the same name.
///
/// # Errors
/// If it cannot be downloaded, with apt's message.
pub fn relay(name: &str) -> io::Result<PathBuf> {
    let folder = cache::publish(NAME, |aside| {
        step("fetching haproxy, pgbouncer and socat", || {
            fetch::unpack_programs(NAME, "trixie", &PROGRAMS, &PROGRAMS, aside)
        })
    })?;
    let paths = ["usr/sbin", "usr/bin"].map(|part| folder.join(part).join(name));
    paths
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| io::Error::other(format!("no {name} in its package")))
}

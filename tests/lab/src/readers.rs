//! Programs of the distribution that read pipeprobe's output for monitoring and CI, to validate it:
//! promtool, `node_exporter`, Nagios plugins, a library for `JUnit` XML. They are unpacked into the cache; installed, some
//! would start services. Only some tests need them.

use std::io;
use std::path::PathBuf;

use crate::setup::step;
use crate::{cache, fetch};

/// Increase this if the packages change.
pub(crate) const NAME: &str = "readers-1";

/// They depend only on libc and Python.
const PACKAGES: [&str; 5] = [
    "prometheus",
    "prometheus-node-exporter",
    "monitoring-plugins-common",
    "python3-junitparser",
    "python3-future", // junitparser's only need
];

/// The path of one of them, such as `usr/bin/promtool`, if `cargo lab setup` could get it.
pub fn reader(path: &str) -> Option<PathBuf> {
    Some(folder().join(path)).filter(|path| path.exists())
}

pub(crate) fn is_there() -> bool {
    folder().is_dir()
}

pub(crate) fn fetch() -> io::Result<PathBuf> {
    let fetched = step("fetching promtool, node_exporter, Nagios plugins and junitparser", || {
        cache::publish(NAME, |aside| fetch::unpack_alone(NAME, "bookworm", &PACKAGES, aside))
    });
    cache::remember(NAME, &fetched);
    fetched
}

fn folder() -> PathBuf {
    cache::folder().join(NAME)
}

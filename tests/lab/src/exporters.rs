//! Prometheus exporters for the benchmark. They are unpacked into the cache; installed packages would start as services.

use std::io;
use std::path::PathBuf;

use crate::setup::step;
use crate::{cache, fetch};

const NAME: &str = "exporters-1";
/// They depend only on libc.
const PACKAGES: [&str; 2] = ["prometheus-blackbox-exporter", "prometheus-postgres-exporter"];

/// The program of that name. The package has the same name.
///
/// # Errors
/// If it cannot be downloaded, with apt's message.
pub fn exporter(name: &str) -> io::Result<PathBuf> {
    let folder = cache::publish(NAME, |aside| {
        step("fetching exporters", || fetch::unpack_alone(NAME, "bookworm", &PACKAGES, aside))
    })?;
    Ok(folder.join("usr/bin").join(name))
}

//! Exporters of the Prometheus project, to compare with. Unpacked into the cache: installed, they would start as services.

use std::io;
use std::path::PathBuf;

use crate::setup::step;
use crate::{cache, fetch};

const NAME: &str = "exporters-1";
/// They need nothing beside libc.
const PACKAGES: [&str; 2] = ["prometheus-blackbox-exporter", "prometheus-postgres-exporter"];

/// The program of that name, which is also its package's.
///
/// # Errors
/// If it cannot be had, with apt's words.
pub fn exporter(name: &str) -> io::Result<PathBuf> {
    let folder = cache::publish(NAME, |aside| {
        step("fetching exporters", || fetch::unpack_alone(NAME, "bookworm", &PACKAGES, aside))
    })?;
    Ok(folder.join("usr/bin").join(name))
}

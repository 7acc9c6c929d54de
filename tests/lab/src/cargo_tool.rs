//! Cargo extensions that the lab uses. They are built once and kept in the cache.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cache;
use crate::setup::step;

/// The program of that crate and version. Builds it (about a minute) if it is missing.
///
/// # Errors
/// If it cannot be downloaded or built. Cargo's messages are on stderr.
pub(crate) fn cargo_tool(name: &str, version: &str, what_for: &str, cargo: Command) -> io::Result<PathBuf> {
    let folder = cache::publish(&format!("{name}-{version}"), |aside| {
        step(&format!("building {name} {version}, for {what_for}"), || {
            let built = aside.join("target");
            let mut cargo = cargo;
            // A debug build takes a third of the time to build and runs fast enough.
            let status = cargo
                .args(["install", "--quiet", "--locked", "--debug", name, "--version", version, "--root"])
                .arg(aside)
                .env("CARGO_TARGET_DIR", &built)
                .env("CARGO_PROFILE_DEV_DEBUG", "0")
                .stdout(Stdio::null())
                .status()?;
            fs::remove_dir_all(built)?;
            match status.success() {
                true => Ok(()),
                false => Err(io::Error::other(format!("{name} could not be built"))),
            }
        })
    })?;
    Ok(folder.join("bin").join(name))
}

//! The dependency policy (`.deny.toml`), checked by cargo-deny from the cache.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cache;
use crate::setup::step;

/// Fixed, so that a new release cannot turn a green tree red by itself.
const VERSION: &str = "0.20.2";

/// cargo-deny's program, built once (about a minute) into the cache.
///
/// # Errors
/// If it cannot be had or built; cargo's words have gone to stderr.
pub fn cargo_deny(cargo: impl FnOnce() -> Command) -> io::Result<PathBuf> {
    let name = format!("cargo-deny-{VERSION}");
    let folder = cache::publish(&name, |aside| {
        step(&format!("building cargo-deny {VERSION}, for the dependency policy"), || {
            let built = aside.join("target");
            // A debug build: checking takes a second either way, building a third of the time.
            let status = cargo()
                .args([
                    "install",
                    "--quiet",
                    "--locked",
                    "--debug",
                    "cargo-deny",
                    "--version",
                    VERSION,
                    "--root",
                ])
                .arg(aside)
                .env("CARGO_TARGET_DIR", &built)
                .env("CARGO_PROFILE_DEV_DEBUG", "0")
                .stdout(Stdio::null())
                .status()?;
            fs::remove_dir_all(built)?;
            if status.success() { Ok(()) } else { Err(io::Error::other("cargo-deny could not be built")) }
        })
    })?;
    Ok(folder.join("bin/cargo-deny"))
}

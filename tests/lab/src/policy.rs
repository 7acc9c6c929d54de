//! Cargo extensions from the cache: cargo-deny checks the dependency policy (`.deny.toml`), cargo-deb builds the package.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::cargo_tool::cargo_tool;

/// Pinned, so that a new release cannot break CI.
const DENY: &str = "0.20.2";
const DEB: &str = "3.8.0";

/// cargo-deny's program.
///
/// # Errors
/// If it cannot be downloaded or built. Cargo's messages are on stderr.
pub fn cargo_deny(cargo: impl FnOnce() -> Command) -> io::Result<PathBuf> {
    cargo_tool("cargo-deny", DENY, "the dependency policy", cargo())
}

/// cargo-deb's program.
///
/// # Errors
/// If it cannot be downloaded or built. Cargo's messages are on stderr.
pub fn cargo_deb(cargo: impl FnOnce() -> Command) -> io::Result<PathBuf> {
    cargo_tool("cargo-deb", DEB, "the Debian package", cargo())
}

//! The dependency policy (`.deny.toml`), checked by cargo-deny from the cache.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::cargo_tool::cargo_tool;

/// Pinned, so that a new release cannot break CI.
const VERSION: &str = "0.20.2";

/// cargo-deny's program.
///
/// # Errors
/// If it cannot be downloaded or built. Cargo's messages are on stderr.
pub fn cargo_deny(cargo: impl FnOnce() -> Command) -> io::Result<PathBuf> {
    cargo_tool("cargo-deny", VERSION, "the dependency policy", cargo())
}

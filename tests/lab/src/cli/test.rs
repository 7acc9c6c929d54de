//! `cargo lab test`: every test, then the dependency policy.

use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode};

use super::setup;

pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> io::Result<ExitCode> {
    let outcomes = setup::prepare(false)?;
    let tools = lab::setup::tools(false);
    let folder = lab::setup::target_folder()?;
    let status = setup::cargo()
        // The operator's look is left out of ordinary builds for what it costs to build, and of no test.
        .args(["test", "--workspace", "--features", "pipeprobe/operator", "--target-dir"])
        .arg(folder.parent().unwrap_or(&folder))
        .args(arguments)
        .env("PIPEPROBE_LAB_CACHE", lab::cache_folder())
        .status()?;
    let policy = Command::new(lab::policy::cargo_deny(setup::cargo)?)
        .args(["check", "bans", "licenses", "sources"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .status()?;
    setup::announce(&outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>());
    setup::announce_tools(&tools);
    Ok(match status.success() && policy.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

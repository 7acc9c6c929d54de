//! `cargo lab test`: every test, then the containers and the dependency policy.

use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode};

use super::{containers, setup};

pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> io::Result<ExitCode> {
    let (outcomes, tools) =
        setup::while_tests_are_built(|| Ok((lab::setup::run(false)?, lab::setup::tools(false))))?;
    let arguments: Vec<OsString> = arguments.collect();
    let mut skipped = Vec::new();
    let folder = lab::setup::target_folder()?;
    let mut tests = setup::cargo();
    tests
        .args(["test", "--workspace", "--target-dir"])
        .arg(folder.parent().unwrap_or(&folder))
        .args(&arguments)
        .env("PIPEPROBE_LAB_CACHE", lab::cache_folder());
    // The tests leave processors idle, and the tools that are needed afterwards take minutes to compile.
    let (status, cargo_deny) = std::thread::scope(|threads| {
        let deny = threads.spawn(|| {
            let deny = lab::policy::cargo_deny(setup::cargo_with_low_priority)?;
            lab::policy::cargo_deb(setup::cargo_with_low_priority).map(|_| deny)
        });
        let status = tests.status();
        let deny = deny.join().unwrap_or_else(|_| Err(io::Error::other("the build panicked")));
        (status, deny)
    });
    let (status, cargo_deny) = (status?, cargo_deny?);
    // This test takes minutes, so it runs only if no test was selected.
    let containers = if arguments.is_empty() {
        containers::prove(&mut |line| skipped.push(line))
    } else {
        let why = "tests were chosen; run `cargo lab containers`";
        skipped.push(format!("lab: SKIPPED containers: {why}"));
        Ok(())
    };
    if let Err(e) = &containers {
        eprintln!("lab: docker-compose.yml: {e}");
    }
    let policy = Command::new(cargo_deny)
        .args(["check", "bans", "licenses", "sources"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .status()?;
    skipped.push(
        "lab: SKIPPED advisories: they need the internet; run `cargo deny check advisories`".to_owned(),
    );
    setup::announce(&outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>());
    setup::announce_tools(&tools);
    for line in skipped {
        eprintln!("{line}");
    }
    Ok(match status.success() && policy.success() && containers.is_ok() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

//! `cargo lab setup`. The other commands run it first.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use lab::setup::Outcome;
use lab::{Lab, ServerVersion, Skipped};

pub(crate) fn run() -> io::Result<ExitCode> {
    let outcomes = prepare(true)?;
    let tools = lab::setup::tools(true);
    println!("{:<14} {:<8} what", "lane", "state");
    for outcome in &outcomes {
        match outcome {
            Ok(installed) => {
                let from = match installed.server_version.is_always_there() {
                    true => "this machine's packages",
                    false => "packages of a newer release, in the cache",
                };
                println!("{:<14} {:<8} {} from {from}", installed.server_version, "ready", installed.version);
            }
            Err(skipped) => {
                println!("{:<14} {:<8} {}", skipped.server_version, "SKIPPED", skipped.reason.trim());
            }
        }
    }
    for (tool, outcome) in &tools {
        match outcome {
            Ok(()) => println!("{:<14} {:<8} for the tests of what operators run", tool.name(), "ready"),
            Err(reason) => println!("{:<14} {:<8} {reason}", tool.name(), "SKIPPED"),
        }
    }
    println!("cache: {}", lab::cache_folder().display());
    Ok(ExitCode::SUCCESS)
}

/// Downloads what is missing and builds pipeprobe. `again` also retries recent failures.
pub(crate) fn prepare(again: bool) -> io::Result<Vec<Outcome>> {
    let outcomes = lab::setup::run(again)?;
    build(&["build", "--package", "pipeprobe"])?;
    Ok(outcomes)
}

/// Downloads while the tests are built, and pipeprobe with them. The features of most dependencies differ from those of pipeprobe
/// alone, so `cargo lab truth` uses this build too.
pub(crate) fn while_tests_are_built<T>(download: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    std::thread::scope(|threads| {
        let built = threads.spawn(|| build(&["test", "--workspace", "--no-run"]));
        let downloaded = download();
        built.join().map_err(|_| io::Error::other("the build panicked"))??;
        downloaded
    })
}

/// The first available server version of each engine.
pub(crate) fn one_of_each() -> Vec<ServerVersion> {
    let server_versions = [ServerVersion::Postgres15, ServerVersion::Mysql9_7, ServerVersion::MariaDb10_11];
    server_versions.into_iter().filter(|server_version| lab::obtain(*server_version).is_ok()).collect()
}

/// Prints which servers were skipped and why.
pub(crate) fn announce(skipped: &[Skipped]) {
    for server_version in skipped {
        eprintln!("lab: SKIPPED {}: {}", server_version.server_version, server_version.reason.trim());
    }
}

/// Prints which optional tools were skipped and why.
pub(crate) fn announce_tools(tools: &[(lab::Tool, Result<(), String>)]) {
    for (tool, outcome) in tools {
        if let Err(reason) = outcome {
            eprintln!("lab: SKIPPED {}: {reason}", tool.name());
        }
    }
}

/// The path of the built program.
pub(crate) fn pipeprobe() -> io::Result<PathBuf> {
    Ok(lab::setup::target_folder()?.join("pipeprobe"))
}

/// A command that runs the program as the lab's caller, without this machine's AWS and pipeprobe settings.
pub(crate) fn ask_pipeprobe(lab: &Lab) -> io::Result<Command> {
    let mut pipeprobe = Command::new(pipeprobe()?);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("AWS_") || name.starts_with("PIPEPROBE_") {
            pipeprobe.env_remove(name);
        }
    }
    pipeprobe.envs(lab.environment());
    Ok(pipeprobe)
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Cargo for work that can wait.
pub(crate) fn cargo_with_low_priority() -> Command {
    let mut nice = Command::new("nice");
    nice.arg("-n19").arg(cargo().get_program());
    nice
}

/// Runs cargo, and says so if it takes long.
fn build(arguments: &[&str]) -> io::Result<()> {
    let folder = lab::setup::target_folder()?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut build = cargo();
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    build.args(arguments).args(["--quiet", "--profile", profile, "--target-dir"]);
    build.arg(folder.parent().unwrap_or(&folder));

    let start = Instant::now();
    let mut build = build.spawn()?;
    let mut told = false;
    let status = loop {
        if let Some(status) = build.try_wait()? {
            break status;
        }
        if !told && start.elapsed() > Duration::from_secs(2) {
            eprintln!("lab: building pipeprobe …");
            told = true;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if told {
        eprintln!("lab: … done in {:.1} s", start.elapsed().as_secs_f32());
    }
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other("pipeprobe could not be built")),
    }
}

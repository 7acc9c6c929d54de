//! `cargo lab bench`: the cost of pipeprobe compared with others and by the number of targets. Figures are valid for one machine and one run:
//! read them as ratios.

mod agent;
mod growth;
mod load;
mod once;
mod peers;
mod responder;
mod shards;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use lab::{Lab, ServerVersion};
use responder::Responder;

use super::setup;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this: peers, growth, shards, once, agent
    #[arg(long)]
    only: Option<String>,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds for one figure
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Maximum number of targets of a process
    #[arg(long, default_value_t = 10_000)]
    targets: usize,
    /// Connections through the agent, after which its descriptors are counted
    #[arg(long, default_value_t = 2_000)]
    connects: usize,
}

pub(crate) fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    if cfg!(debug_assertions) {
        return in_release();
    }
    let outcomes = setup::prepare(false)?;
    // PostgreSQL accepts TLS without an SSLRequest, as blackbox_exporter sends it, only since version 17.
    let server_version = ServerVersion::Postgres17;
    if lab::obtain(server_version).is_err() {
        setup::announce(&outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>());
        return Err(io::Error::other("the benchmark needs postgres17"));
    }
    let lab = Lab::start(&[server_version])?;
    let instance = lab.instance(server_version);
    let long = Duration::from_secs(arguments.seconds);
    let wanted = |part: &str| arguments.only.as_deref().is_none_or(|only| only == part);
    if wanted("once") {
        once::run(&lab, instance, 4 * arguments.rounds)?;
    }
    if wanted("peers") {
        peers::run(&lab, instance, arguments.rounds, long)?;
    }
    if wanted("agent") {
        agent::run(&lab, instance, arguments.rounds, arguments.connects)?;
    }
    if wanted("growth") || wanted("shards") {
        let responder = Responder::start(instance, lab.dir())?;
        if wanted("growth") {
            growth::run(&lab, &responder, arguments.targets, long * 5)?;
        }
        if wanted("shards") {
            shards::run(&lab, &responder, arguments.targets, long * 10)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the benchmark again as a release build.
fn in_release() -> io::Result<ExitCode> {
    let folder = lab::setup::target_folder()?;
    let status = setup::cargo()
        .args(["run", "--quiet", "--release", "--package", "lab", "--target-dir"])
        .arg(folder.parent().unwrap_or(&folder))
        .arg("--")
        .args(std::env::args_os().skip(1))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! Command line of `cargo lab`.

mod bench;
mod clean;
mod containers;
mod demo;
mod http;
mod package;
mod process;
mod serve;
mod service;
mod setup;
mod soak;
mod test;
mod truth;
mod up;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lab::ServerVersion;

/// Real PostgreSQL, MariaDB and MySQL servers on this machine that verify RDS IAM tokens, with an AWS stand-in.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Get everything the lab needs: system packages, newer servers, plugins, pipeprobe itself
    ///
    /// Installs packages if run as root. Otherwise prints the command that installs them. Returns at once if nothing is missing.
    Setup,
    /// Keep a lab running until Ctrl-C, and print the commands to use it
    Up {
        /// Servers to run, such as postgres17; one of each engine by default
        #[arg(value_parser = server_version)]
        server_versions: Vec<ServerVersion>,
        /// Do not download anything
        #[arg(long)]
        no_setup: bool,
    },
    /// Run `pipeprobe check` against one server of each engine and one that refuses the token
    Demo,
    /// Run every test of the workspace and the dependency policy, and list the servers that were skipped
    Test {
        /// Passed to `cargo test --workspace`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run `pipeprobe serve` with many targets while servers, AWS and configuration change, and compare its results
    Soak(soak::Arguments),
    /// Compare the verdicts of `pipeprobe check` with real replication of random databases
    Truth(truth::Arguments),
    /// Benchmark pipeprobe (release build) against Prometheus exporters and a shell script
    Bench(bench::Arguments),
    /// Build the Debian package of pipeprobe, unpack it and run its program
    Package(package::Arguments),
    /// Run docker-compose.yml on base images made from this machine's Debian mirror (part of `test`)
    Containers,
    /// Run one part of the lab in the foreground, as docker-compose.yml does in a container
    Service(service::Arguments),
    /// Remove the cache: downloaded servers, templates, Python libraries, cargo tools, base images
    Clean,
}

impl Arguments {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        match self.command {
            Command::Setup => setup::run(),
            Command::Up { server_versions, no_setup } => up::run(server_versions, no_setup),
            Command::Demo => demo::run(),
            // Unchanged: clap would consume a leading `--`.
            Command::Test { .. } => test::run(std::env::args_os().skip(2)),
            Command::Soak(arguments) => soak::run(&arguments),
            Command::Truth(arguments) => truth::run(&arguments),
            Command::Bench(arguments) => bench::run(&arguments),
            Command::Package(arguments) => package::run(&arguments),
            Command::Containers => containers::run(),
            Command::Service(arguments) => service::run(arguments),
            Command::Clean => clean::run(),
        }
    }
}

fn server_version(name: &str) -> Result<ServerVersion, String> {
    let names = ServerVersion::all().map(ServerVersion::name).join(", ");
    ServerVersion::named(name).ok_or_else(|| format!("the lanes are {names}"))
}

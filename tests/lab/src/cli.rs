//! What can be typed, and where it goes.

mod bench;
mod clean;
mod containers;
mod demo;
mod http;
mod process;
mod serve;
mod service;
mod setup;
mod soak;
mod test;
mod up;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lab::ServerVersion;

/// Real PostgreSQL, MariaDB and MySQL servers on this machine that check RDS IAM tokens, and the AWS they ask.
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
    /// Installs packages when run as root, and says what to install otherwise. Does nothing, quickly, when all is there.
    Setup,
    /// Keep a lab running until Ctrl-C, and print what to type to use it
    Up {
        /// Servers to run, such as postgres17; one of each engine by default
        #[arg(value_parser = server_version)]
        server_versions: Vec<ServerVersion>,
        /// Use what is there and fetch nothing
        #[arg(long)]
        no_setup: bool,
    },
    /// Run `pipeprobe check` against one server of each engine and one that refuses, as a user would
    Demo,
    /// Run every test of the workspace and check the dependency policy, and say which servers were skipped
    Test {
        /// Passed on to `cargo test --workspace`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Let `pipeprobe serve` watch many targets while servers, AWS and configuration change, and compare what it notices
    Soak(soak::Arguments),
    /// Measure pipeprobe beside Prometheus' exporters, with many targets, and beside a shell script; in release
    Bench(bench::Arguments),
    /// Run docker-compose.yml for real, on base images made from this machine's mirror: a part of `test`
    Containers,
    /// One piece of the lab in the foreground, for a container of its own: what docker-compose.yml runs
    Service(service::Arguments),
    /// Remove the cache: fetched servers, templates, Python's libraries, cargo's tools, base images
    Clean,
}

impl Arguments {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        match self.command {
            Command::Setup => setup::run(),
            Command::Up { server_versions, no_setup } => up::run(server_versions, no_setup),
            Command::Demo => demo::run(),
            // As they were typed: clap takes a leading `--` for its own.
            Command::Test { .. } => test::run(std::env::args_os().skip(2)),
            Command::Soak(arguments) => soak::run(&arguments),
            Command::Bench(arguments) => bench::run(&arguments),
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

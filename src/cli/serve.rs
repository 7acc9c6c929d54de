//! `pipeprobe serve` and `pipeprobe health`.

use clap::Args;

use super::{
    AgentSockets, Sources,
    fields::{JudgeFields, ServeFields},
};

/// Monitor targets continuously, with metrics, a status page and an API
#[derive(Clone, Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Serve {
    #[command(flatten)]
    pub sources: Sources,

    #[command(flatten)]
    pub serve: ServeFields,

    #[command(flatten)]
    pub judge: JudgeFields,

    /// Also do what `agent` does for these targets, with the same sessions, rate limits and metrics page
    #[arg(long, env = "PIPEPROBE_SERVE_AGENT")]
    pub agent: bool,

    #[command(flatten)]
    pub sockets: AgentSockets,
}

/// Ask a running `serve` on this host whether it is healthy: the health check of a container
///
/// Reads the same configuration file to find the address. Makes no other connection.
#[derive(Debug, Args)]
#[command(after_help = HEALTH_EXIT_CODES)]
pub struct Health {
    #[command(flatten)]
    pub serve: Serve,
}

const ABOUT: &str = "\
Monitor targets continuously, with metrics, a status page and an API

Each target of the configuration file is checked at its `interval` (default 30s: identity, connection, login) \
and fully at its `full_interval` (default 10m: all checks). The table [serve] of the same file has the other \
settings; `pipeprobe config check` reads it.

  /                          status page; /targets/NAME for one target
  /metrics                   the state of every target, for Prometheus
  /probe?target=NAME         a new full check, as blackbox_exporter answers; &debug=true shows the report
  /api/v1/targets            the reports as JSON; /api/v1/targets/NAME for one
  /-/healthy, /-/ready       the process runs; every target has been checked once
  POST /-/reload, SIGHUP     read the file again; an invalid file changes nothing";

const EXAMPLES: &str = "\
Examples:
  pipeprobe serve -c pipeprobe.toml
  pipeprobe serve -c pipeprobe.toml --agent
  curl 'http://127.0.0.1:9719/probe?target=orders&debug=true'

Exit codes: 0 stopped (SIGTERM, SIGINT), 1 internal error, 2 bad usage or configuration, or the address is in use";

const HEALTH_EXIT_CODES: &str = "\
Examples:
  pipeprobe health -c pipeprobe.toml

Exit codes: 0 healthy, 2 bad usage or configuration, 3 no answer within three seconds";

//! `pipeprobe agent`.

use std::path::PathBuf;

use clap::Args;

use super::{ConfigFile, Given};

/// Serve a private local socket for each target, whose connections log in with IAM
///
/// As `exec`, for programs that are started elsewhere. The socket of a target is in DIR/NAME. PostgreSQL clients connect to it
/// with PGHOST=DIR/NAME and sslmode=disable, those of MySQL and MariaDB with the socket DIR/NAME/mysql.sock. Only this user and root can use it. On SIGTERM no new connections are accepted,
/// and open sessions have the time of --drain to end; a second SIGTERM ends them. On SIGHUP the file is read again: open
/// sessions stay, and an invalid file changes nothing.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Agent {
    #[command(flatten)]
    pub file: ConfigFile,

    #[command(flatten)]
    pub sockets: AgentSockets,

    /// Address for /metrics, /-/healthy and /-/ready; without TLS, and without a secret [default: none]
    #[arg(long, env = "PIPEPROBE_AGENT_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<Given>,
}

/// What `agent` and `serve --agent` have in common.
#[derive(Clone, Debug, Default, Args)]
pub struct AgentSockets {
    /// Directory of the agent's sockets [default: $XDG_RUNTIME_DIR/pipeprobe, otherwise /run/pipeprobe]
    #[arg(long, env = "PIPEPROBE_SOCKET_DIR", value_name = "DIR")]
    pub socket_dir: Option<PathBuf>,

    /// How long open sessions of the agent may continue after SIGTERM [default: 30s]
    #[arg(long, env = "PIPEPROBE_DRAIN", value_name = "DURATION")]
    pub drain: Option<Given>,
}

const EXAMPLES: &str = "\
Examples:
  pipeprobe agent -c pipeprobe.toml --listen 127.0.0.1:9720
  PGHOST=$XDG_RUNTIME_DIR/pipeprobe/orders PGSSLMODE=disable psql -U clickpipes_iam_user app

Exit codes: 0 stopped (SIGTERM, SIGINT), 1 internal error, 2 bad usage or configuration, or a socket is in use";

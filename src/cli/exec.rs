//! `pipeprobe exec`.

use std::ffi::OsString;

use clap::Args;

use super::{ConfigFile, fields::TargetFields};

/// Run a program whose database connections log in with IAM; it gets no secret
///
/// The program finds a private Unix socket in its environment: PGHOST, or MYSQL_HOME (with an option file) and
/// MYSQL_UNIX_PORT. Each connection to it is logged in to the target with a new IAM token, over verified TLS. The socket
/// is removed when the program ends. AWS_* variables are removed from the environment of the program. Without --iam-role the source credentials sign the tokens.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Exec {
    /// Target of the configuration file, or a URL, postgres://USER@HOST or mysql://USER@HOST
    #[arg(value_name = "TARGET")]
    pub name: Option<String>,

    #[command(flatten)]
    pub file: ConfigFile,

    /// TCP on loopback with a new password instead of a socket, for programs that cannot use one (JDBC, Node)
    ///
    /// The program finds address and password in DATABASE_URL, in JDBC_DATABASE_URL, and in PGHOST, PGPORT and PGPASSWORD or the option
    /// file in MYSQL_HOME. Every user of the machine can connect to the port, but only with the password.
    #[arg(long)]
    pub tcp: bool,

    /// Leave AWS_* variables in the environment of the program
    #[arg(long)]
    pub keep_aws: bool,

    #[command(flatten)]
    pub target: TargetFields,

    /// The program and its arguments, after --
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  pipeprobe exec -c pipeprobe.toml orders -- psql
  pipeprobe exec -c pipeprobe.toml orders -- pg_dump --schema-only
  pipeprobe exec -c pipeprobe.toml shop -- mysql -e 'SELECT current_user()'
  pipeprobe exec -c pipeprobe.toml --tcp orders -- node server.js

Exit codes: those of the program; 128+N if signal N ended it; 127 program not found, 126 cannot be run, \
2 bad usage or configuration";

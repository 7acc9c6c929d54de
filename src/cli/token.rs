//! `pipeprobe token`.

use clap::{Args, ValueEnum};

use super::{ConfigFile, Format, Output, fields::TargetFields};

/// Sign an RDS auth token and print it
///
/// The token is a secret that is valid for 15 minutes. A client sends it also to a server without TLS, unless it verifies
/// TLS: --for prints a command that does. Do not use MYSQL_PWD without --ssl-ca and verification: the MariaDB client then sends
/// the token in plaintext. `pipeprobe exec` needs no secret. If the inputs cannot work, warnings are printed on stderr. Without
/// --iam-role the source credentials sign the token.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Token {
    /// Target of the configuration file to sign for, or a URL, postgres://USER@HOST
    #[arg(value_name = "TARGET")]
    pub name: Option<String>,

    #[command(flatten)]
    pub file: ConfigFile,

    /// Print a command line instead, which signs a token and logs in with this client over verified TLS
    #[arg(long = "for", value_name = "CLIENT", ignore_case = true, conflicts_with = "json")]
    pub client: Option<Client>,

    #[command(flatten)]
    pub output: Output<Format>,

    #[command(flatten)]
    pub target: TargetFields,
}

/// A client that a command line is printed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// PostgreSQL's client
    Psql,
    /// MySQL's client
    Mysql,
    /// MariaDB's client
    Mariadb,
}

const EXAMPLES: &str = "\
Examples:
  pipeprobe token -c pipeprobe.toml orders
  pipeprobe token -c pipeprobe.toml orders --for psql > login.sh && sh login.sh

Exit codes: 0 printed, 1 internal error, 2 bad usage or configuration, 3 no credentials";

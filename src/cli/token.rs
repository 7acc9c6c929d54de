//! `pipeprobe token`.

use clap::Args;

use super::{ConfigFile, Format, Output, fields::TargetFields};

/// Sign an RDS auth token and print it
///
/// The token is a secret that is valid for 15 minutes. A client sends it also to a server without TLS, unless it verifies
/// TLS: PGSSLMODE=verify-full, --ssl-mode=VERIFY_IDENTITY. Do not use MYSQL_PWD: the MariaDB client then sends it in plaintext.
/// `pipeprobe exec` needs no secret. If the inputs cannot work, warnings are printed on stderr. Without --iam-role the
/// source credentials sign the token.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Token {
    /// Target of the configuration file to sign for, or a URL, postgres://USER@HOST
    #[arg(value_name = "TARGET")]
    pub name: Option<String>,

    #[command(flatten)]
    pub file: ConfigFile,

    #[command(flatten)]
    pub output: Output<Format>,

    #[command(flatten)]
    pub target: TargetFields,
}

const EXAMPLES: &str = "\
Examples:
  PGSSLMODE=verify-full PGSSLROOTCERT=global-bundle.pem PGPASSWORD=\"$(pipeprobe token -c pipeprobe.toml orders)\" \\
      psql 'host=… user=clickpipes_iam_user dbname=…'

Exit codes: 0 printed, 1 internal error, 2 bad usage or configuration, 3 no credentials";

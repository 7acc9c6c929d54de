//! `pipeprobe token`.

use clap::Args;

use super::{ConfigFile, Format, Output, fields::TargetFields};

/// Sign an RDS auth token and print it
///
/// For psql, mysql and other clients: PGPASSWORD="$(pipeprobe token …)". The token is a secret that is
/// valid for 15 minutes. If the inputs cannot work, warnings are printed on stderr. Without --iam-role the
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
  PGPASSWORD=\"$(pipeprobe token -c pipeprobe.toml orders)\" psql 'host=… user=clickpipes_iam_user sslmode=verify-full'

Exit codes: 0 printed, 1 internal error, 2 bad usage or configuration, 3 no credentials";

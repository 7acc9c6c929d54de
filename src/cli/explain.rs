//! `pipeprobe explain`.

use clap::Args;

use super::{Format, Output};

/// Explain a code of a report: what it means, how it is recognized, what to do
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Explain {
    /// Code of a check or a cause, such as PG_TOKEN_REFUSED
    #[arg(value_name = "CODE", required_unless_present = "list", conflicts_with = "list")]
    pub code: Option<String>,

    /// List all codes
    #[arg(long)]
    pub list: bool,

    #[command(flatten)]
    pub output: Output<Format>,
}

const EXAMPLES: &str = "\
Examples:
  pipeprobe explain PG_WAL_LEVEL
  pipeprobe explain --list

Exit codes: 0 printed, 2 unknown code";

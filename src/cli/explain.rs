//! `pipeprobe explain`.

use clap::Args;

use super::{Format, Output};

/// Explain a code of a report: what it means, how it is recognized, what to do
///
/// Other words are searched for in codes, titles and explanations. Matching codes are listed; a single one is explained.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Explain {
    /// Code of a check, a cause or a policy rule, such as PG_TOKEN_REFUSED, or words to search for
    #[arg(value_name = "CODE", required_unless_present = "list", conflicts_with = "list")]
    pub code: Vec<String>,

    /// List all codes
    #[arg(long)]
    pub list: bool,

    #[command(flatten)]
    pub output: Output<Format>,
}

const EXAMPLES: &str = "\
Examples:
  pipeprobe explain PG_WAL_LEVEL
  pipeprobe explain wal_level
  pipeprobe explain parameter group
  pipeprobe explain --list

Exit codes: 0 printed, 2 nothing found";

//! `pipeprobe setup`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{
    ClickHouse, Format, Given, Output, Sources,
    fields::{PipeFields, SubjectFields, TargetFields},
};

/// Print what must exist before ClickPipes can use a database, ready to paste
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub struct Setup {
    /// Target of the configuration file to set up
    #[arg(value_name = "TARGET")]
    pub name: Option<String>,

    #[command(flatten)]
    pub sources: Sources,

    #[command(flatten)]
    pub clickhouse: ClickHouse,

    /// Print only this part, for example to pipe it to psql, mysql, bash or aws
    #[arg(long, value_name = "PART", conflicts_with = "write", ignore_case = true)]
    pub only: Option<SetupPart>,

    /// Write each part to a file in this folder instead of printing it
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,

    /// Overwrite existing files
    #[arg(long, requires = "write")]
    pub force: bool,

    #[command(flatten)]
    pub output: Output<Format>,

    #[command(flatten, next_help_heading = "Setup")]
    pub subject: SubjectFields,

    /// Additional principal that may assume the access role, such as the one that runs `check`; repeatable
    #[arg(long = "caller", env = "PIPEPROBE_CALLERS", value_name = "ARN", value_delimiter = ',')]
    #[arg(help_heading = "Setup")]
    pub callers: Option<Vec<Given>>,

    #[command(flatten)]
    pub target: TargetFields,

    #[command(flatten)]
    pub pipe: PipeFields,
}

/// One part of a setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SetupPart {
    /// Trust policy of the access role (JSON)
    TrustPolicy,
    /// Permission policy of the access role: rds-db:connect (JSON)
    ConnectPolicy,
    /// Database user, grants and publication
    Sql,
    /// Parameter group settings (JSON, for `aws rds modify-db-…parameter-group --parameters`)
    Parameters,
    /// All steps in order, as a script of `aws` commands
    Steps,
    /// The AWS resources and the ClickPipe, for Terraform
    Terraform,
}

const ABOUT: &str = "\
Print what must exist before ClickPipes can use a database, ready to paste

Prints the trust policy of the access role, its rds-db:connect policy, SQL for the user and its grants, \
parameter group settings, the AWS steps in order, and the same for Terraform: for CDC (the default) or for \
Initial Load Only (--replication-mode snapshot). It connects to neither AWS nor the database, and changes \
nothing. Unknown values appear as placeholders, with the command that prints them.";

const EXAMPLES: &str = "\
Examples:
  pipeprobe setup --type rdspostgres --host mydb.abc123.eu-west-1.rds.amazonaws.com \\
      --database shop --iam-role arn:aws:iam::123456789012:role/clickpipes \\
      --service-role arn:aws:iam::999988887777:role/CH-service-role --table public.orders
  pipeprobe setup -c pipeprobe.toml orders --only sql | psql …
  pipeprobe setup -c pipeprobe.toml orders --write setup/

Exit codes: 0 printed or written, 1 internal error, 2 bad usage or configuration";

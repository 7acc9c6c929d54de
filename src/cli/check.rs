//! `pipeprobe check`.

use clap::{Args, ValueEnum, builder::FalseyValueParser};

use super::{
    CheckFormat, ClickHouse, Given, Output, Sources,
    fields::{DiagnoseFields, JudgeFields, PipeFields, TargetFields},
    value::one_of,
};

/// Verify databases and report what ClickPipes can do with them
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES, after_long_help = LONG, override_usage = USAGE)]
pub struct Check {
    /// Targets of the file [default: all], or a URL such as postgres://USER@HOST/DATABASE
    #[arg(value_name = "TARGET")]
    pub names: Vec<String>,

    #[command(flatten)]
    pub sources: Sources,

    #[command(flatten)]
    pub clickhouse: ClickHouse,

    #[command(flatten)]
    pub judge: JudgeFields,

    /// Exit with 4 on warnings too [default: error]
    #[arg(long, env = "PIPEPROBE_FAIL_ON", value_name = "LEVEL", value_parser = one_of::<FailOn>())]
    #[arg(hide_short_help = true)]
    pub fail_on: Option<Given>,

    /// Repeat until the requirement is met, for at most this long, such as 5m
    #[arg(long, env = "PIPEPROBE_WAIT", value_name = "DURATION")]
    pub wait: Option<Given>,

    /// Do not retry after a refusal (one STS call without session tags, one login with a new token)
    #[arg(long, alias = "no-second-look", env = "PIPEPROBE_NO_RETRY", value_parser = FalseyValueParser::new())]
    #[arg(hide_short_help = true)]
    pub no_retry: bool,

    /// Estimate how long the initial load takes (reads up to 48 MiB of the largest tables, for up to 9 s)
    #[arg(long, env = "PIPEPROBE_ESTIMATE", value_parser = FalseyValueParser::new())]
    #[arg(hide_short_help = true)]
    pub estimate: bool,

    #[command(flatten)]
    pub output: Output<CheckFormat>,

    /// Show all checks, endpoints and durations
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,

    /// Show one line per target
    #[arg(short, long)]
    pub quiet: bool,

    #[command(flatten)]
    pub target: TargetFields,

    #[command(flatten)]
    pub pipe: PipeFields,

    #[command(flatten)]
    pub diagnose: DiagnoseFields,
}

/// A capability that can be required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Require {
    /// The tables can be copied
    #[value(alias = "initial_load_only")]
    InitialLoad,
    /// Changes can be replicated too
    Cdc,
}

/// The lowest severity that changes the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Only what blocks the required capability
    Error,
    /// Warnings too
    Warning,
}

const USAGE: &str = "\
pipeprobe check --type <TYPE> --host <NAME> --iam-role <ARN> [OPTIONS]
       pipeprobe check [-c <FILE>] [TARGET]... [OPTIONS]
       pipeprobe check --terraform-plan <FILE> [TARGET]... [OPTIONS]
       pipeprobe check --clickhouse-service <ID> [TARGET]... [OPTIONS]";

const ABOUT: &str = "\
Verify databases and report what ClickPipes can do with them

Give one target with flags, or several in a configuration file (TOML with a table [targets.NAME] for each, \
and [defaults] for shared fields). Without a file and --host, ./pipeprobe.toml is used. With --terraform-plan or \
--terraform-state, the pipes of the document are the targets, named by their addresses; with --clickhouse-service, \
those of a ClickHouse Cloud service, named by their names. Every flag can also be set \
with an environment variable. Flags take precedence over variables, and variables over the file.";

const EXAMPLES: &str = "\
Examples:
  pipeprobe check --type rdspostgres --host mydb.abc123.eu-west-1.rds.amazonaws.com \\
      --database shop --iam-role arn:aws:iam::123456789012:role/clickpipes
  pipeprobe check -c pipeprobe.toml --require cdc --json

Exit codes: 0 met, 1 internal error, 2 bad input, 3 not met, 4 warnings (--fail-on warning)
All options: pipeprobe check --help";

const LONG: &str = "\
Examples:
  pipeprobe check --type rdspostgres --host mydb.abc123.eu-west-1.rds.amazonaws.com \\
      --database shop --iam-role arn:aws:iam::123456789012:role/clickpipes
  pipeprobe check postgres://clickpipes_iam_user@mydb.abc123.eu-west-1.rds.amazonaws.com:5432/shop \\
      --iam-role arn:aws:iam::123456789012:role/clickpipes
  pipeprobe check -c pipeprobe.toml --require cdc --json
  pipeprobe check -c pipeprobe.toml orders --wait 5m
  terraform show -json plan.out | pipeprobe check --terraform-plan -

With --terraform-plan, a pipe whose settings are known only after apply is not checked and not
met; its report names the settings. A file (-c) can add what a plan does not contain: [defaults],
and a table [targets.'ADDRESS'] for a pipe, for example with connect_to. Values that Terraform
marks as sensitive are never printed.

With --clickhouse-service, the API key needs the permission manage-clickpipes: no smaller one lists
pipes. Only GET requests are sent, and a service that is idle is not woken.

A URL sets the type from its scheme and host name: an Aurora type for a cluster endpoint, otherwise an
RDS type. --type overrides it. A URL must not contain a password.

With --wait, targets that are not met are checked again after pauses of 1 s to 15 s. The last check
starts at the latest when the time is over, and is limited by --timeout. A result that cannot change,
such as the rule of the ClickPipes guide, is not waited for.

AWS credentials are found as the AWS CLI finds them: environment, shared config and credentials files
(AWS_PROFILE, SSO, credential_process), web identity, container and Pod Identity, instance metadata.
They need sts:AssumeRole and sts:TagSession on the access role.

Exit codes:
  0    every target has the required capability (--require)
  1    internal error
  2    bad usage or configuration, or ClickHouse Cloud did not list the pipes; no database was reached
  3    a target does not have the required capability
  4    all targets have it, but there are warnings (with --fail-on warning)
  130  interrupted (SIGINT); 143 terminated (SIGTERM); finished targets are printed

Exit codes with -o nagios:
  0    OK: 0 above
  1    WARNING: 4 above
  2    CRITICAL: 3 above
  3    UNKNOWN: 1 and 2 above";

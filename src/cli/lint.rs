//! `pipeprobe lint`.

use clap::Args;

use super::{
    ClickHouse, FailOn, Format, Given, Output, Sources,
    fields::{SubjectFields, TargetFields},
    value::one_of,
};

/// Check trust and permission policies offline
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES, after_long_help = LONG)]
pub struct Lint {
    /// Policy documents (JSON); `-` reads stdin. Trust policies are recognized by their content
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,

    #[command(flatten)]
    pub subject: SubjectFields,

    /// Target of the configuration file to compare with
    #[arg(long = "target", env = "PIPEPROBE_TARGET", value_name = "NAME")]
    pub name: Option<Given>,

    #[command(flatten)]
    pub sources: Sources,

    #[command(flatten)]
    pub clickhouse: ClickHouse,

    /// Exit with 4 on warnings and unknown answers too [default: error]
    #[arg(long, env = "PIPEPROBE_FAIL_ON", value_name = "LEVEL", value_parser = one_of::<FailOn>())]
    pub fail_on: Option<Given>,

    #[command(flatten)]
    pub output: Output<Format>,

    #[command(flatten)]
    pub target: TargetFields,
}

const ABOUT: &str = "\
Check trust and permission policies offline

Would these policies allow ClickPipes, and not only this caller? A document can be alone in its file, in the \
output of aws iam get-role or get-role-policy, or in a CloudFormation template (JSON). Every target field is \
optional: what is not given is not compared. What cannot be known offline is reported as unknown, never as yes.";

const EXAMPLES: &str = "\
Examples:
  pipeprobe lint trust.json permission.json --service-role arn:aws:iam::999988887777:role/CH-service-role
  aws iam get-role --role-name clickpipes | pipeprobe lint - -c pipeprobe.toml

Exit codes: 0 allowed, 1 internal error, 2 bad usage or unreadable file, 3 not allowed, 4 warnings (--fail-on warning)";

const LONG: &str = "\
Examples:
  pipeprobe lint trust.json permission.json --service-role arn:aws:iam::999988887777:role/CH-service-role
  aws iam get-role --role-name clickpipes | pipeprobe lint - -c pipeprobe.toml
  pipeprobe lint permission.json --type rdspostgres --host mydb.abc123.eu-west-1.rds.amazonaws.com \\
      --iam-role arn:aws:iam::123456789012:role/clickpipes --resource-id db-ABCDEFGHIJKL01234

Exit codes:
  0    nothing in the documents keeps ClickPipes out
  1    internal error
  2    bad usage, or a file that cannot be read
  3    ClickPipes would be refused, or IAM would not accept a document
  4    warnings or unknown answers (with --fail-on warning)";

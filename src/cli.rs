//! What can be typed. Words only: every value stays text until [`crate::config`] gives it meaning,
//! so that an error names the field the same way wherever it came from.

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Can ClickPipes use this RDS or Aurora database with IAM, and for what: Initial Load Only, or CDC?
#[derive(Debug, Parser)]
#[command(version, about, long_about = LONG_ABOUT, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// What to log on stderr; no level shows a secret [default: error, for serve info]
    #[arg(long, global = true, env = "PIPEPROBE_LOG_LEVEL", value_name = "LEVEL")]
    #[arg(hide_env_values = true)]
    pub log_level: Option<LogLevel>,

    /// How to write the log
    #[arg(long, global = true, env = "PIPEPROBE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    #[arg(hide_env_values = true)]
    pub log_format: LogFormat,
}

const LONG_ABOUT: &str = "\
Can ClickPipes use this RDS or Aurora database with IAM, and for what: Initial Load Only, or CDC?

pipeprobe does what ClickPipes will do: it assumes the access role with a session tag, signs an RDS \
auth token, logs in over verified TLS as clickpipes_iam_user, and asks the database what it allows. \
It reports one verdict with its evidence and what to do next. It writes nothing to the database.";

#[derive(Debug, Subcommand)]
pub enum Command {
    Check(Box<Check>),
    Token(Box<Token>),
    Explain(Explain),
    Setup(Box<Setup>),
    Lint(Box<Lint>),
    Serve(Serve),
    #[command(alias = "healthy")]
    Health(Health),
    /// Read configuration files, and print what to start from
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print a completion script for a shell
    Completions {
        shell: clap_complete::Shell,
    },
    /// Print the JSON Schema of what a command prints with `-o json`
    Schema {
        /// The command
        #[arg(value_name = "COMMAND", default_value = "check")]
        of: Documented,
    },
}

/// A command with a JSON document, and its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Documented {
    Check,
    Token,
    Explain,
    Setup,
    Lint,
}

/// Verify databases and say what ClickPipes can do with them
#[derive(Debug, Args)]
#[command(long_about = CHECK_ABOUT, after_help = CHECK_EXAMPLES, after_long_help = CHECK_LONG)]
pub struct Check {
    /// Targets of the configuration file to check; all of them when none is named
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    #[command(flatten)]
    pub file: ConfigFile,

    /// Which answer is the verdict; the report carries both
    #[arg(long, alias = "policy", env = "PIPEPROBE_BASIS", value_name = "BASIS", hide_env_values = true)]
    #[arg(
        help = "Which answer is the verdict: documented (the guide's rule, the default) or observed (the evidence)"
    )]
    pub basis: Option<String>,

    /// Capability that must be met for exit code 0: initial-load or cdc [default: what --replication-mode needs]
    #[arg(long, env = "PIPEPROBE_REQUIRE", value_name = "CAPABILITY", hide_env_values = true)]
    pub require: Option<String>,

    /// Exit with 4 on warnings too: error (the default) or warning
    #[arg(long, env = "PIPEPROBE_FAIL_ON", value_name = "LEVEL", hide_env_values = true)]
    pub fail_on: Option<String>,

    /// Time for one check of a target, such as 30s or 1m [default: 30s]
    #[arg(long, env = "PIPEPROBE_TIMEOUT", value_name = "DURATION", hide_env_values = true)]
    pub timeout: Option<String>,

    /// Check again until the required capability is met, for as long as this, such as 5m [default: check once]
    #[arg(long, env = "PIPEPROBE_WAIT", value_name = "DURATION", hide_env_values = true)]
    pub wait: Option<String>,

    /// After a refusal, do not ask STS once more without tags, nor log in once more with a fresh token
    #[arg(long, env = "PIPEPROBE_NO_SECOND_LOOK", hide_env_values = true)]
    pub no_second_look: bool,

    #[command(flatten)]
    pub output: Output<CheckFormat>,

    #[command(flatten)]
    pub target: TargetArgs,

    #[command(flatten)]
    pub pipe: PipeArgs,

    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Sign an RDS auth token and print it
///
/// For psql, mysql and others: PGPASSWORD="$(pipeprobe token …)". The token is a secret that lives
/// for 15 minutes. Warnings, where the inputs cannot work, go to stderr. Without --iam-role the
/// source credentials themselves sign.
#[derive(Debug, Args)]
pub struct Token {
    /// Target of the configuration file to sign for
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    #[command(flatten)]
    pub file: ConfigFile,

    #[command(flatten)]
    pub output: Output<Format>,

    #[command(flatten)]
    pub target: TargetArgs,
}

/// Explain a code of a report: what it means, what tells it, what to do
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Explain {
    /// Code of a check or of a cause, such as PG_TOKEN_REFUSED
    #[arg(value_name = "CODE", required_unless_present = "list", conflicts_with = "list")]
    pub code: Option<String>,

    /// List every code there is
    #[arg(long)]
    pub list: bool,

    #[command(flatten)]
    pub output: Output<Format>,
}

/// Print what has to exist before ClickPipes can use a database, ready to paste
#[derive(Debug, Args)]
#[command(long_about = SETUP_ABOUT, after_help = SETUP_EXAMPLES)]
pub struct Setup {
    /// Target of the configuration file to set up
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    #[command(flatten)]
    pub file: ConfigFile,

    /// Print this artefact alone, as it is piped into psql, mysql, bash or aws
    #[arg(long, value_name = "ARTEFACT", conflicts_with = "write")]
    pub only: Option<Artefact>,

    /// Write the artefacts into this folder, a file each, instead of printing them
    #[arg(long, value_name = "DIR")]
    pub write: Option<std::path::PathBuf>,

    /// Overwrite files that are there
    #[arg(long, requires = "write")]
    pub force: bool,

    #[command(flatten)]
    pub output: Output<Format>,

    /// ClickHouse service role that is to assume the access role [default: the last --via-role]
    #[arg(long, env = "PIPEPROBE_SERVICE_ROLE", value_name = "ARN", hide_env_values = true)]
    #[arg(help_heading = "Setup")]
    pub service_role: Option<String>,

    /// Who else may assume it, such as whoever runs `pipeprobe check`: a role, a user, an account; repeatable
    #[arg(long = "caller", env = "PIPEPROBE_CALLERS", value_name = "ARN", value_delimiter = ',')]
    #[arg(hide_env_values = true, help_heading = "Setup")]
    pub callers: Option<Vec<String>>,

    /// Resource id of the instance (db-…), the cluster (cluster-…) or the proxy (prx-…)
    #[arg(long, env = "PIPEPROBE_RESOURCE_ID", value_name = "ID", hide_env_values = true)]
    #[arg(help_heading = "Setup")]
    pub resource_id: Option<String>,

    #[command(flatten)]
    pub target: TargetArgs,

    #[command(flatten)]
    pub pipe: PipeArgs,
}

/// One of the things `setup` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Artefact {
    /// Who may assume the access role (JSON)
    TrustPolicy,
    /// What it may do: rds-db:connect (JSON)
    ConnectPolicy,
    /// User, grants and publication
    Sql,
    /// Parameter group settings (JSON, for `aws rds modify-db-…parameter-group --parameters`)
    Parameters,
    /// The steps in order, as a script of `aws` commands
    Steps,
    /// The AWS resources and the ClickPipe, for Terraform
    Terraform,
}

/// Judge trust and permission policies, without asking AWS
#[derive(Debug, Args)]
#[command(long_about = LINT_ABOUT, after_help = LINT_EXAMPLES, after_long_help = LINT_LONG)]
pub struct Lint {
    /// Policy documents (JSON); `-` reads stdin. Which is the trust policy is seen from its content
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,

    /// The ClickHouse service role that must be let in [default: the last --via-role]
    #[arg(long, env = "PIPEPROBE_SERVICE_ROLE", value_name = "ARN", hide_env_values = true)]
    pub service_role: Option<String>,

    /// Resource ID of the database to compare with: db-…, cluster-… or prx-…
    #[arg(long, env = "PIPEPROBE_RESOURCE_ID", value_name = "ID", hide_env_values = true)]
    pub resource_id: Option<String>,

    /// Target of the configuration file to lint for
    #[arg(long = "target", env = "PIPEPROBE_TARGET", value_name = "NAME", hide_env_values = true)]
    pub name: Option<String>,

    #[command(flatten)]
    pub file: ConfigFile,

    /// Exit with 4 on warnings and unknown answers too: error (the default) or warning
    #[arg(long, env = "PIPEPROBE_FAIL_ON", value_name = "LEVEL", hide_env_values = true)]
    pub fail_on: Option<String>,

    #[command(flatten)]
    pub output: Output<Format>,

    #[command(flatten)]
    pub target: TargetArgs,
}

/// Check targets again and again, and answer Prometheus, browsers and programs
#[derive(Clone, Debug, Args)]
#[command(long_about = SERVE_ABOUT, after_help = SERVE_EXAMPLES)]
pub struct Serve {
    #[command(flatten)]
    pub file: ConfigFile,

    /// Address and port to answer on [default: 127.0.0.1:9719]
    #[arg(long, env = "PIPEPROBE_LISTEN", value_name = "ADDRESS:PORT", hide_env_values = true)]
    pub listen: Option<String>,

    /// Which answer is the verdict: documented (the guide's rule, the default) or observed (the evidence)
    #[arg(long, alias = "policy", env = "PIPEPROBE_BASIS", value_name = "BASIS", hide_env_values = true)]
    pub basis: Option<String>,

    /// Capability that makes a target healthy: initial-load or cdc [default: what its replication_mode needs]
    #[arg(long, env = "PIPEPROBE_REQUIRE", value_name = "CAPABILITY", hide_env_values = true)]
    pub require: Option<String>,

    /// Time for one check, such as 10s [default: 20s]
    #[arg(long, env = "PIPEPROBE_TIMEOUT", value_name = "DURATION", hide_env_values = true)]
    pub timeout: Option<String>,
}

/// Ask a running `serve` on this machine whether it runs: a container's health check
///
/// Reads the same file, to know where it listens. Nothing else is dialled. Exit codes: 0 it answers, 2 bad usage or
/// configuration, 3 it does not answer within three seconds.
#[derive(Debug, Args)]
pub struct Health {
    #[command(flatten)]
    pub serve: Serve,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    Check(ConfigCheck),
    Example(ConfigExample),
}

/// Print a file to start from: configuration, Prometheus, alerts, dashboard, systemd, Kubernetes
///
/// Without a name, says which there are. Each is complete, and says at its top what to change.
#[derive(Debug, Args)]
pub struct ConfigExample {
    #[arg(value_name = "NAME")]
    pub name: Option<Example>,
}

/// One of the files to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Example {
    /// pipeprobe.toml, with every field
    Config,
    /// Prometheus scraping /metrics of a pipeprobe on the same host
    Prometheus,
    /// The same over TLS, with a user
    PrometheusTls,
    /// Prometheus probing one target a scrape, as with blackbox_exporter
    PrometheusProbe,
    /// The same over TLS, with a user
    PrometheusProbeTls,
    /// Alert rules for Prometheus, each with what to do
    Alerts,
    /// Dashboard for Grafana
    Dashboard,
    /// Service for systemd, confined
    Systemd,
    /// Deployment, ServiceAccount, ConfigMap, Service and ServiceMonitor for Kubernetes
    Kubernetes,
    /// CronJob and init container for Kubernetes: check before something is done
    KubernetesPreflight,
}

/// Read a configuration file as `check` and `serve` do, and say what is in it or what is wrong with it
///
/// Nothing is dialled and AWS is not asked. Exit codes: 0 it can be used, 2 it cannot.
#[derive(Debug, Args)]
pub struct ConfigCheck {
    #[command(flatten)]
    pub serve: Serve,

    #[command(flatten)]
    pub output: Output<Format>,
}

#[derive(Clone, Debug, Args)]
pub struct ConfigFile {
    /// Configuration file (TOML) with named targets
    #[arg(
        long,
        visible_alias = "config",
        env = "PIPEPROBE_CONFIG_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub config_file: Option<std::path::PathBuf>,
}

#[derive(Debug, Args)]
pub struct Output<F: ValueEnum + Send + Sync + 'static> {
    /// How to print the result
    #[arg(
        short,
        long,
        env = "PIPEPROBE_OUTPUT",
        value_name = "FORMAT",
        default_value = "text",
        hide_env_values = true
    )]
    pub output: F,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person
    Text,
    /// One JSON document, alone on stdout
    Json,
}

/// [`Format`], and what `check` alone has readers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For a person
    Text,
    /// One JSON document, alone on stdout
    Json,
    /// JUnit XML for CI: a suite a target, a case a check, and one for the verdict
    Junit,
    /// Metrics as text, for node_exporter's textfile collector
    Prometheus,
    /// One line and performance data for Nagios and Icinga, with their exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    Nagios,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for a person
    Text,
    /// A JSON object a line
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The fields of a target, named as in ClickHouse's Terraform provider where it has them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Target")]
pub struct TargetArgs {
    /// rdspostgres, aurorapostgres, rdsmysql, auroramysql or rdsmariadb
    #[arg(long = "type", env = "PIPEPROBE_TYPE", value_name = "TYPE", hide_env_values = true)]
    pub source_type: Option<String>,
    /// Name of the database endpoint
    #[arg(long, env = "PIPEPROBE_HOST", value_name = "NAME", hide_env_values = true)]
    pub host: Option<String>,
    /// Port of the database [default: 5432 or 3306]
    #[arg(long, env = "PIPEPROBE_PORT", value_name = "PORT", hide_env_values = true)]
    pub port: Option<String>,
    /// Database to open [default: postgres, or none on MySQL]
    #[arg(long, env = "PIPEPROBE_DATABASE", value_name = "NAME", hide_env_values = true)]
    pub database: Option<String>,
    /// Database user of the token [default: clickpipes_iam_user]
    #[arg(long, env = "PIPEPROBE_USER", value_name = "NAME", hide_env_values = true)]
    pub user: Option<String>,
    /// Region of the database [default: read from the RDS name]
    #[arg(long, env = "PIPEPROBE_REGION", value_name = "REGION", hide_env_values = true)]
    pub region: Option<String>,
    /// Name the certificate must carry, where it is not the host (PrivateLink, NLB, CNAME, IP address)
    #[arg(long, env = "PIPEPROBE_TLS_HOST", value_name = "NAME", hide_env_values = true)]
    pub tls_host: Option<String>,
    /// More trust anchors: a PEM file, or the PEM text itself (RDS and web roots are built in)
    #[arg(long, env = "PIPEPROBE_CA_CERTIFICATE", value_name = "PEM", hide_env_values = true)]
    #[arg(allow_hyphen_values = true)] // PEM begins with -----BEGIN
    pub ca_certificate: Option<String>,
    /// Dial here instead: a tunnel, an NLB, a PrivateLink endpoint
    #[arg(long, env = "PIPEPROBE_CONNECT_TO", value_name = "HOST:PORT", hide_env_values = true)]
    pub connect_to: Option<String>,
    /// Host the token is signed for [default: tls-host, else host]
    #[arg(long, env = "PIPEPROBE_SIGN_HOST", value_name = "NAME", hide_env_values = true)]
    pub sign_host: Option<String>,
    /// Port the token is signed for [default: port]
    #[arg(long, env = "PIPEPROBE_SIGN_PORT", value_name = "PORT", hide_env_values = true)]
    pub sign_port: Option<String>,

    /// Access role to assume, the one ClickPipes is given
    #[arg(long, env = "PIPEPROBE_IAM_ROLE", value_name = "ARN", hide_env_values = true)]
    #[arg(help_heading = "Identity")]
    pub iam_role: Option<String>,
    /// Role to assume before the access role, such as the ClickHouse service role; repeatable, in order
    #[arg(long = "via-role", env = "PIPEPROBE_VIA_ROLES", value_name = "ARN", value_delimiter = ',')]
    #[arg(hide_env_values = true, help_heading = "Identity")]
    pub via_roles: Option<Vec<String>>,
    /// External id that the access role's trust policy asks for
    #[arg(long, env = "PIPEPROBE_EXTERNAL_ID", value_name = "ID", hide_env_values = true)]
    #[arg(help_heading = "Identity")]
    pub external_id: Option<String>,
    /// Name of the session [default: pipeprobe]
    #[arg(long, env = "PIPEPROBE_SESSION_NAME", value_name = "NAME", hide_env_values = true)]
    #[arg(help_heading = "Identity")]
    pub session_name: Option<String>,
    /// Session tag; repeatable (AWS_SESSION_TAGS is honoured) [default: pipeprobe=1]
    #[arg(
        long = "session-tag",
        env = "PIPEPROBE_SESSION_TAGS",
        value_name = "KEY=VALUE",
        value_delimiter = ','
    )]
    #[arg(hide_env_values = true, help_heading = "Identity")]
    pub session_tags: Option<Vec<String>>,
    /// Key of a session tag that is carried on through the roles; repeatable (AWS_TRANSITIVE_TAGS is honoured)
    #[arg(
        long = "transitive-tag",
        env = "PIPEPROBE_TRANSITIVE_TAGS",
        value_name = "KEY",
        value_delimiter = ','
    )]
    #[arg(hide_env_values = true, help_heading = "Identity")]
    pub transitive_tags: Option<Vec<String>>,
    /// Length of the sessions, 15m to 12h [default: 15m]
    #[arg(long, env = "PIPEPROBE_DURATION", value_name = "DURATION", hide_env_values = true)]
    #[arg(help_heading = "Identity")]
    pub duration: Option<String>,
    /// Profile of the shared AWS files [default: AWS_PROFILE]
    #[arg(
        long,
        env = "PIPEPROBE_PROFILE",
        value_name = "NAME",
        hide_env_values = true,
        help_heading = "Identity"
    )]
    pub profile: Option<String>,
}

/// What the pipe is to do, named as in ClickHouse's Terraform provider where it has them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Pipe")]
pub struct PipeArgs {
    /// What the pipe is to do: cdc, snapshot or cdc_only [default: see how far it can go]
    #[arg(long, env = "PIPEPROBE_REPLICATION_MODE", value_name = "MODE", hide_env_values = true)]
    pub replication_mode: Option<String>,
    /// How the pipe names a position in the binary log: auto, gtid or file_pos [default: auto]
    #[arg(long, env = "PIPEPROBE_REPLICATION_MECHANISM", value_name = "MECHANISM", hide_env_values = true)]
    pub replication_mechanism: Option<String>,
    /// Table to replicate, as SCHEMA.TABLE, * for any characters; repeatable [default: every table]
    #[arg(long = "table", env = "PIPEPROBE_TABLES", value_name = "TABLE", value_delimiter = ',')]
    #[arg(hide_env_values = true)]
    pub tables: Option<Vec<String>>,
    /// PostgreSQL publication the pipe is to use [default: one that covers the tables]
    #[arg(long, env = "PIPEPROBE_PUBLICATION", value_name = "NAME", hide_env_values = true)]
    pub publication: Option<String>,
}

/// Whose credentials may look at what AWS has on record.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Operator's look (in a build with --features operator)")]
pub struct OperatorArgs {
    /// Read with this profile's credentials what RDS and IAM have on record, to single out causes
    #[arg(long, env = "PIPEPROBE_EXPLAIN_WITH_PROFILE", value_name = "NAME", hide_env_values = true)]
    pub explain_with_profile: Option<String>,
    /// The same as this role, assumed from that profile's credentials, else from the source credentials
    #[arg(long, env = "PIPEPROBE_EXPLAIN_WITH_ROLE", value_name = "ARN", hide_env_values = true)]
    pub explain_with_role: Option<String>,
}

const SETUP_ABOUT: &str = "\
Print what has to exist before ClickPipes can use a database, ready to paste

The trust policy of the access role and its rds-db:connect policy, SQL for the user and its grants, \
parameter group settings, the steps in AWS in order, and the same for Terraform: for CDC, which is \
the default, or for Initial Load Only (--replication-mode snapshot). Nothing is asked of AWS or of \
the database, and nothing is changed. What cannot be known from the inputs is marked, with the \
command that prints it.";

const SETUP_EXAMPLES: &str = "\
Examples:
  pipeprobe setup --type rdspostgres --host mydb.abc123.eu-west-1.rds.amazonaws.com \\
      --database shop --iam-role arn:aws:iam::123456789012:role/clickpipes \\
      --service-role arn:aws:iam::999988887777:role/CH-service-role --table public.orders
  pipeprobe setup --config-file pipeprobe.toml orders --only sql | psql …
  pipeprobe setup --config-file pipeprobe.toml orders --write setup/

Exit codes: 0 printed or written, 1 internal, 2 bad usage or configuration";

const SERVE_ABOUT: &str = "\
Check targets again and again, and answer Prometheus, browsers and programs

Every target of the configuration file is checked at its `interval` (30s: identity, connection, login) and in \
full at its `full_interval` (10m: everything the database can be asked). A table [serve] in the same file \
says the rest; `pipeprobe config check` reads it.

  /                          status page; /targets/NAME for one target
  /metrics                   what is known of every target, for Prometheus
  /probe?target=NAME         a fresh full check, as blackbox_exporter answers; &debug=true shows the report
  /api/v1/targets            the reports, as JSON; /api/v1/targets/NAME for one
  /-/healthy, /-/ready       it runs; every target was checked once
  POST /-/reload, SIGHUP     read the file again; one that cannot be used changes nothing";

const SERVE_EXAMPLES: &str = "\
Examples:
  pipeprobe serve --config-file pipeprobe.toml
  curl 'http://127.0.0.1:9719/probe?target=orders&debug=true'

Exit codes: 0 stopped (SIGTERM, SIGINT), 1 internal, 2 bad usage or configuration, or the address is taken";

const CHECK_ABOUT: &str = "\
Verify databases and say what ClickPipes can do with them

One target is given by flags, or several by a configuration file (TOML, a table [targets.NAME] \
each, [defaults] for what they share). Every flag can also come from the environment as \
PIPEPROBE_<FLAG>; flags win over the environment, which wins over the file.";

const CHECK_EXAMPLES: &str = "\
Examples:
  pipeprobe check --type rdspostgres --host mydb.abc123.eu-west-1.rds.amazonaws.com \\
      --database shop --iam-role arn:aws:iam::123456789012:role/clickpipes
  pipeprobe check --config-file pipeprobe.toml --require cdc -o json
  pipeprobe check --config-file pipeprobe.toml orders --wait 5m

Exit codes: 0 met, 1 internal, 2 bad usage or configuration, 3 not met, 4 warnings (--fail-on warning)";

const CHECK_LONG: &str = "\
Examples:
  pipeprobe check --type rdspostgres --host mydb.abc123.eu-west-1.rds.amazonaws.com \\
      --database shop --iam-role arn:aws:iam::123456789012:role/clickpipes
  pipeprobe check --config-file pipeprobe.toml --require cdc -o json
  pipeprobe check --config-file pipeprobe.toml orders --wait 5m

With --wait, targets that are not met are checked again, after pauses of 1 s growing to 15 s. The
last check begins when the time is over, at the latest; --timeout ends it. What waiting cannot
change, such as the rule of the ClickPipes guide, is not waited for.

AWS credentials are found as the AWS command line finds them: environment, shared config and
credentials files (AWS_PROFILE, SSO, credential_process), web identity, container and Pod Identity,
instance metadata. They need one permission: sts:AssumeRole and sts:TagSession on the access role.

Exit codes:
  0    every target meets the required capability (--require)
  1    internal error
  2    bad usage or configuration; nothing was dialled
  3    a target does not meet it
  4    all meet it, but with warnings, under --fail-on warning
  130  interrupted (SIGINT); 143 terminated (SIGTERM)

Exit codes with -o nagios, and with nothing else:
  0    OK: 0 above
  1    WARNING: 4 above
  2    CRITICAL: 3 above
  3    UNKNOWN: 1 and 2 above";

const LINT_ABOUT: &str = "\
Judge trust and permission policies, without asking AWS

Would ClickPipes, and not just this caller, be let in? The documents may be alone in their files, in \
what aws iam get-role and get-role-policy print, or in a CloudFormation template (JSON). Every field of \
the target is optional: what is not given is not compared. What cannot be known from here is answered \
with unknown, never with yes.";

const LINT_EXAMPLES: &str = "\
Examples:
  pipeprobe lint trust.json permission.json --service-role arn:aws:iam::999988887777:role/CH-service-role
  aws iam get-role --role-name clickpipes | pipeprobe lint - --config-file pipeprobe.toml

Exit codes: 0 let in, 1 internal, 2 bad usage or unreadable file, 3 not let in, 4 warnings (--fail-on warning)";

const LINT_LONG: &str = "\
Examples:
  pipeprobe lint trust.json permission.json --service-role arn:aws:iam::999988887777:role/CH-service-role
  aws iam get-role --role-name clickpipes | pipeprobe lint - --config-file pipeprobe.toml
  pipeprobe lint permission.json --type rdspostgres --host mydb.abc123.eu-west-1.rds.amazonaws.com \\
      --iam-role arn:aws:iam::123456789012:role/clickpipes --resource-id db-ABCDEFGHIJKL01234

Exit codes:
  0    nothing keeps ClickPipes out, as far as can be known from here
  1    internal error
  2    bad usage, or a file that cannot be read
  3    ClickPipes would not be let in, or a document is none that IAM would save
  4    warnings or unknown answers, under --fail-on warning";

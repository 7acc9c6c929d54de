//! What can be typed: one module per command. Values stay text until [`crate::config`] reads them.

#![expect(clippy::doc_markdown, reason = "doc comments are help texts")]

mod agent;
mod check;
mod clickhouse;
mod config_file;
mod exec;
mod explain;
pub mod fields;
mod lint;
mod output;
mod serve;
mod setup;
mod token;
mod value;

use std::{path::PathBuf, sync::LazyLock};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use agent::{Agent, AgentSockets};
pub use check::{Check, FailOn, Require};
pub use clickhouse::ClickHouse;
pub use config_file::{ConfigCheck, ConfigCommand, ConfigExample, ConfigFile, Example, Sources};
pub use exec::Exec;
pub use explain::Explain;
pub use lint::Lint;
pub use output::{CheckFormat, Detail, Format, LogFormat, LogLevel, Output};
pub use serve::{Health, Serve};
pub use setup::{Setup, SetupPart};
pub use token::{Client, Token};
pub use value::{Given, Written};

use crate::trust::BUNDLE_DATE;

/// Can ClickPipes use this RDS or Aurora database with IAM, and for what: Initial Load Only, or CDC?
#[derive(Debug, Parser)]
#[command(version, long_version = long_version(), about, long_about = LONG_ABOUT, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Log level on stderr; no level logs a secret [default: error; serve and agent: info]
    #[arg(long, global = true, env = "PIPEPROBE_LOG_LEVEL", value_name = "LEVEL", ignore_case = true)]
    #[arg(hide_short_help = true, help_heading = "Log")]
    pub log_level: Option<LogLevel>,

    /// Log format
    #[arg(long, global = true, env = "PIPEPROBE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    #[arg(ignore_case = true, hide_short_help = true, help_heading = "Log")]
    pub log_format: LogFormat,
}

/// Version, commit and features of this build.
fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(version_text);
    &TEXT
}

fn version_text() -> String {
    format!(
        "{}\ncommit: {}\nfeatures: {}\nRDS root certificates: as of {BUNDLE_DATE}",
        env!("CARGO_PKG_VERSION"),
        env!("PIPEPROBE_COMMIT"),
        env!("PIPEPROBE_FEATURES"),
    )
}

const LONG_ABOUT: &str = "\
Can ClickPipes use this RDS or Aurora database with IAM, and for what: Initial Load Only, or CDC?

pipeprobe does what ClickPipes does: it assumes the access role with a session tag, signs an RDS \
auth token, logs in over verified TLS as clickpipes_iam_user and queries what the database allows. \
It prints one verdict with evidence and the next step. It does not write to the database.";

#[derive(Debug, Subcommand)]
pub enum Command {
    Check(Box<Check>),
    Token(Box<Token>),
    Exec(Box<Exec>),
    Agent(Agent),
    Explain(Explain),
    Setup(Box<Setup>),
    Lint(Box<Lint>),
    Serve(Serve),
    #[command(alias = "healthy")]
    Health(Health),
    /// Check a configuration file, or print an example
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print a completion script for a shell
    #[command(
        after_help = "Examples:\n  source <(pipeprobe completions bash)\n  pipeprobe completions fish > ~/.config/fish/completions/pipeprobe.fish"
    )]
    Completions {
        #[arg(ignore_case = true)]
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write the man page of every command to a folder
    #[command(hide = true, after_help = "Examples:\n  pipeprobe man --output-dir /usr/local/share/man/man1")]
    Man {
        /// Folder for the man pages
        #[arg(long, value_name = "DIR")]
        output_dir: Option<PathBuf>,
    },
    /// Print the JSON Schema of a command's JSON output, or of the configuration file
    #[command(
        after_help = "Examples:\n  pipeprobe schema check\n  pipeprobe schema config > pipeprobe.schema.json"
    )]
    Schema {
        /// The command, or config for the configuration file
        #[arg(value_name = "COMMAND", default_value = "check", ignore_case = true)]
        of: Documented,
    },
}

/// A command with JSON output that has a schema, or the configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Documented {
    Check,
    Token,
    Explain,
    Setup,
    Lint,
    Config,
}

impl Cli {
    /// Reads the arguments and the environment variables that belong to them.
    ///
    /// # Errors
    /// Bad usage; and the requests for help and the version, which clap returns as errors.
    pub fn read(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let short_help = arguments.iter().any(|argument| argument == "-h");
        let mut command = Self::full_command(short_help);
        let mut matches = command.try_get_matches_from_mut(arguments)?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
    }

    /// The commands as help and completions show them. Values of variables are never shown, and `-h` leaves the names
    /// of the variables to `--help`.
    pub fn full_command(short_help: bool) -> clap::Command {
        fn adapt(command: clap::Command, short_help: bool) -> clap::Command {
            command
                .mut_args(|arg| arg.hide_env_values(true).hide_env(short_help))
                .mut_subcommands(|subcommand| adapt(subcommand, short_help))
        }
        adapt(Self::command(), short_help)
    }
}

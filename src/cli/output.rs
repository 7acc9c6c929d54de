//! How results and logs are printed.

use clap::{Args, ValueEnum};

/// `-o FORMAT`, and `--json` for short.
#[derive(Debug, Args)]
pub struct Output<F: ValueEnum + Send + Sync + 'static> {
    /// Output format
    #[arg(
        short = 'o',
        long = "output",
        env = "PIPEPROBE_OUTPUT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    #[arg(id = "output", ignore_case = true)]
    format: F,

    /// The same as -o json
    #[arg(long)]
    json: bool,
}

impl<F: ValueEnum + Copy + Send + Sync + 'static> Output<F> {
    pub fn format(&self) -> F {
        let json = F::from_str("json", false).ok().filter(|_| self.json);
        json.unwrap_or(self.format)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people
    Text,
    /// One JSON document on stdout
    Json,
}

/// The formats of `check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Text for people
    Text,
    /// One JSON document on stdout
    Json,
    /// JUnit XML for CI: a suite per target, a test case per check and one for the verdict
    Junit,
    /// Metrics for node_exporter's textfile collector
    Prometheus,
    /// Nagios plugin output, with Nagios exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    Nagios,
}

/// How much text a report has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// One line for each target (`--quiet`).
    Quiet,
    /// The verdict, and the checks that need attention.
    #[default]
    Normal,
    /// All checks, endpoints and durations (`--verbose`).
    Verbose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object per line
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

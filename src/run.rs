//! What each command does: targets in parallel, output, exit code.

mod agent;
mod check;
mod completions;
mod example;
mod exec;
mod explain;
mod health;
mod lint;
mod man;
mod progress;
mod serve;
mod setup;
mod schema;
mod terminal;
mod token;
mod wait;

use std::io::{self, Write};

pub use agent::agent;
pub use check::{check, refuse_check};
pub use completions::{answer_completion, completions};
pub use example::example;
pub use exec::exec;
pub use explain::{explain, list};
pub use health::health;
pub use lint::lint;
pub use man::man;
pub use schema::schema;
pub use serve::{config_check, serve};
pub use setup::setup;
pub use token::{client_command, token};

use crate::{
    cli::Format,
    report::{json, nagios},
    target::ConfigErrors,
};

/// The exit code; documented in `check --help` and the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Met,
    Internal,
    Usage,
    NotMet,
    MetWithWarnings,
    Interrupted,
    Terminated,
    /// `exec`: as the program ended.
    Program(u8),
    /// `check -o nagios`, which has the exit codes of Nagios plugins.
    Plugin(nagios::State),
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Met => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::NotMet => 3,
            Self::MetWithWarnings => 4,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Program(code) => code,
            Self::Plugin(state) => state as u8,
        }
    }
}

/// Reports why nothing was done: as text on stderr, or as JSON on stdout.
///
/// # Errors
/// `out`'s.
pub fn refuse(errors: &ConfigErrors, format: Format, out: &mut impl Write) -> io::Result<Exit> {
    match format {
        Format::Json => json::Document::of_errors(errors).write(out)?,
        Format::Text => say(errors),
    }
    Ok(Exit::Usage)
}

fn say(errors: &ConfigErrors) {
    for invalid in errors.all() {
        let origin = invalid.origin.as_ref().map(|origin| format!(" ({origin})")).unwrap_or_default();
        let line = |(label, text): (&str, &str)| {
            format!("\n  {:<10}{}", format!("{label}:"), text.replace('\n', "\n            "))
        };
        eprintln!("error: {}{origin}{}", invalid.field, invalid.lines("help").map(line).collect::<String>());
    }
}

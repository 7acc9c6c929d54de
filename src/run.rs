//! What a command does: many targets at once, the renderings, the exit code.

mod check;
mod example;
mod explain;
mod health;
mod lint;
mod progress;
mod serve;
mod setup;
mod schema;
mod token;
mod wait;

use std::io::{self, Write};

pub use check::{check, refuse_check};
pub use example::example;
pub use explain::{explain, list};
pub use health::health;
pub use lint::lint;
pub use schema::schema;
pub use serve::{config_check, serve};
pub use setup::setup;
pub use token::token;

use crate::{
    cli::Format,
    report::{json, nagios},
    target::Invalid,
};

/// How the process ends; documented in `check --help` and the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Met,
    Internal,
    Usage,
    NotMet,
    MetWithWarnings,
    Interrupted,
    Terminated,
    /// `check -o nagios`, whose codes are another convention's.
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
            Self::Plugin(state) => state as u8,
        }
    }
}

/// Says why nothing was done: to a person on stderr, or as JSON where that was asked for.
///
/// # Errors
/// `out`'s.
pub fn refuse(invalid: &Invalid, format: Format, out: &mut impl Write) -> io::Result<Exit> {
    match format {
        Format::Json => json::Document::of_error(invalid).write(out)?,
        Format::Text => say(invalid),
    }
    Ok(Exit::Usage)
}

fn say(invalid: &Invalid) {
    eprintln!("error: {}\n  wanted: {}\n  found:  {}", invalid.field, invalid.expected, invalid.found);
}

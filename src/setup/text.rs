//! Text for people: the screen (`templates/screen.txt`) and `README.txt` of a written folder.

use std::{
    fmt::Display,
    io::{self, Write},
};

use anstyle::Style;
use askama::Template;

use super::{Missing, SetupParts, filters, policies, rendered, steps::Steps};

/// Columns of prose. Commands and files are not wrapped.
pub(super) const WIDTH: usize = 90;
const STRONG: Style = Style::new().bold();

#[derive(Template)]
#[template(path = "screen.txt", config = "src/setup/templates/askama.toml")]
struct Screen<'a> {
    made: &'a SetupParts<'a>,
    s: Steps<'a>,
}

#[derive(Template)]
#[template(path = "readme.txt", config = "src/setup/templates/askama.toml")]
struct Readme<'a> {
    made: &'a SetupParts<'a>,
}

impl Screen<'_> {
    fn strong(&self, text: impl Display) -> String {
        format!("{STRONG}{text}{STRONG:#}")
    }

    /// The heading of the next step.
    fn step(&self, title: &str) -> String {
        self.heading(&format!("{}. {title}", self.s.step()))
    }

    fn heading(&self, text: &str) -> String {
        let rule = "─".repeat(WIDTH.saturating_sub(text.chars().count() + 4));
        format!("── {} {rule}", self.strong(text))
    }
}

/// # Errors
/// If `out` cannot be written.
pub fn write(out: &mut impl Write, made: &SetupParts<'_>) -> io::Result<()> {
    let Some(s) = Steps::new(made.plan) else { return Ok(()) };
    out.write_all(rendered(&Screen { made, s }).as_bytes())
}

/// The files that were written, and the values to fill in.
///
/// # Errors
/// If `out` cannot be written.
pub fn write_written(out: &mut impl Write, made: &SetupParts<'_>, files: &[String]) -> io::Result<()> {
    for file in files {
        writeln!(out, "wrote {file}")?;
    }
    for missing in &made.missing {
        writeln!(out, "fill in: {} ({})", missing.placeholder, missing.flag)?;
    }
    Ok(())
}

/// `README.txt`: the files beside it, in order of use.
pub(super) fn readme(made: &SetupParts<'_>) -> String {
    rendered(&Readme { made })
}

impl Missing {
    /// What it is, and how to set it.
    fn text(&self) -> String {
        let command = if self.command.is_some() { ". This prints it:" } else { "" };
        format!("{}; set it with {}{command}", self.what, self.flag)
    }
}

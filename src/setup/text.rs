//! For a person: what is made, under headings (`templates/screen.txt`); and `README.txt` of a written folder.

use std::{
    fmt::Display,
    io::{self, Write},
};

use anstyle::Style;
use askama::Template;

use super::{Artefacts, Missing, filters, rendered};
use crate::cli::Artefact;

/// Columns of a screen. Artefacts are not wrapped.
pub(super) const WIDTH: usize = 90;
const STRONG: Style = Style::new().bold();

#[derive(Template)]
#[template(path = "screen.txt", config = "src/setup/templates/askama.toml")]
struct Screen<'a> {
    made: &'a Artefacts<'a>,
}

#[derive(Template)]
#[template(path = "readme.txt", config = "src/setup/templates/askama.toml")]
struct Readme<'a> {
    made: &'a Artefacts<'a>,
}

impl Screen<'_> {
    fn strong(&self, text: impl Display) -> String {
        format!("{STRONG}{text}{STRONG:#}")
    }

    fn heading(&self, text: &str) -> String {
        let rule = "─".repeat(WIDTH.saturating_sub(text.chars().count() + 4));
        format!("── {} {rule}", self.strong(text))
    }
}

/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, made: &Artefacts<'_>) -> io::Result<()> {
    out.write_all(rendered(&Screen { made }).as_bytes())
}

/// What was written, and what to do with it.
///
/// # Errors
/// The writer's.
pub fn write_written(out: &mut impl Write, made: &Artefacts<'_>, files: &[String]) -> io::Result<()> {
    for file in files {
        writeln!(out, "wrote {file}")?;
    }
    for missing in &made.missing {
        writeln!(out, "to fill in: {} ({})", missing.placeholder, missing.flag)?;
    }
    Ok(())
}

/// `README.txt`: what lies beside it, and in what order it is used.
pub(super) fn readme(made: &Artefacts<'_>) -> String {
    rendered(&Readme { made })
}

impl Missing {
    /// What it is, and how to give it.
    fn text(&self) -> String {
        let command = if self.command.is_some() { ", and this prints it:" } else { "" };
        format!("{}; {} gives it{command}", self.what, self.flag)
    }
}

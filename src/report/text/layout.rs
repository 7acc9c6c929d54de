//! How text is laid out: width, marks, colors and wrapped paragraphs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use textwrap::{Options, WordSplitter, wrap};

use crate::{
    cli::Detail,
    diagnostic::{Capability, Outcome},
    report::{CheckResult, Report, Status},
};

/// Columns of text that is not for a terminal, and of texts whose width does not follow the terminal.
pub(crate) const WIDTH: usize = 80;
pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default();

/// How a report is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// In columns.
    pub width: usize,
    /// No characters beyond ASCII, except in texts from outside.
    pub ascii: bool,
    pub detail: Detail,
}

impl Layout {
    /// A layout for a terminal of this many columns; `None` if the output is not a terminal. Lines are 60 to 120
    /// columns wide: longer lines are hard to read.
    pub fn new(columns: Option<usize>, ascii: bool, detail: Detail) -> Self {
        Self { width: columns.map_or(WIDTH, |columns| columns.clamp(60, 120)), ascii, detail }
    }
}

/// The meaning of a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// Not reached, not applicable, or without effect on what is required.
    Neutral,
    Good,
    Unknown,
    Warning,
    Bad,
}

impl Mark {
    pub(super) fn of(report: &Report, check: &CheckResult) -> Self {
        match check.status() {
            Status::NotCounted => Self::Neutral,
            Status::Failed if !report.blocks_requirement(check) => Self::Neutral,
            Status::Passed | Status::Warning | Status::Failed => Self::of_outcome(check.outcome),
        }
    }

    pub(super) fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Good,
            Outcome::Warn => Self::Warning,
            Outcome::Fail => Self::Bad,
            Outcome::Unknown => Self::Unknown,
            Outcome::NotReached | Outcome::NotApplicable => Self::Neutral,
        }
    }

    pub(super) fn of_target(report: &Report) -> Self {
        match report.verdict.met {
            false => Self::Bad,
            true if report.has_warnings() => Self::Warning,
            true => Self::Good,
        }
    }

    /// The sign in its color.
    pub(super) fn show(self, layout: Layout) -> String {
        let (sign, ascii, style) = match self {
            Self::Good => ("√", "+", GREEN),
            Self::Warning => ("‼", "!", YELLOW),
            Self::Bad => ("×", "x", RED),
            Self::Unknown => ("?", "?", YELLOW),
            Self::Neutral => ("·", "-", DIM),
        };
        format!("{style}{}{style:#}", if layout.ascii { ascii } else { sign })
    }
}

pub(super) fn style_of(capability: Capability) -> Style {
    match capability {
        Capability::Blocked => RED,
        Capability::InitialLoadOnly => YELLOW,
        Capability::Cdc => GREEN,
    }
    .bold()
}

/// Text wrapped at [`WIDTH`], the first line after `first`, the others after `rest`.
pub(crate) fn paragraph(
    out: &mut impl Write,
    first: &str,
    rest: &str,
    text: &str,
    style: Style,
) -> io::Result<()> {
    wrapped(out, WIDTH, first, rest, text, style)
}

/// Text after a label, wrapped and indented behind the label.
pub(super) fn labeled(out: &mut impl Write, layout: Layout, label: &str, text: &str) -> io::Result<()> {
    if text.starts_with("aws ") {
        // The terminal wraps a command: with line breaks, it could not be copied.
        return writeln!(out, "{label}{text}");
    }
    let indent = " ".repeat(label.chars().count());
    wrapped(out, layout.width, label, &indent, text, Style::new())
}

pub(super) fn wrapped(
    out: &mut impl Write,
    width: usize,
    first: &str,
    rest: &str,
    text: &str,
    style: Style,
) -> io::Result<()> {
    // ARNs and SQL that a person copies may be longer than a line, so words are never broken.
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    for line in wrap(text, options) {
        writeln!(out, "{style}{line}{style:#}")?;
    }
    Ok(())
}

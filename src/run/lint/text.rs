//! The findings as text: 80 columns, readable without color.

use std::io::{self, Write};

use anstyle::Style;
use textwrap::core::display_width;

use crate::{
    evidence::FIX,
    lint::{Answer, AnswerKind, JudgedDocument, Lint, Row, Severity},
    report::text::{DIM, GREEN, RED, STRONG, WIDTH, YELLOW, paragraph},
};

/// # Errors
/// The writer fails.
pub(super) fn write(out: &mut impl Write, lint: &Lint) -> io::Result<()> {
    for document in &lint.documents {
        write_document(out, document)?;
    }
    for answer in &lint.answers {
        write_answer(out, answer)?;
    }
    Ok(())
}

fn write_document(out: &mut impl Write, document: &JudgedDocument) -> io::Result<()> {
    let kind = document.kind.unwrap_or("cannot be read as a policy");
    writeln!(out, "{STRONG}{}{STRONG:#}", document.file)?;
    let inside = document.path.as_ref().map_or_else(String::new, |path| format!(" at {path}"));
    match document.statements {
        0 => writeln!(out, "{kind}\n")?,
        1 => writeln!(out, "{kind}{inside}, 1 statement\n")?,
        n => writeln!(out, "{kind}{inside}, {n} statements\n")?,
    }
    if document.findings.is_empty() {
        writeln!(out, "  {GREEN}√{GREEN:#} no mistakes found")?;
    }
    for (i, row) in document.findings.iter().enumerate() {
        // Findings with the same path and remedy: print the remedy once, below the last.
        let below = document.findings.get(i + 1);
        let same = below.is_some_and(|next| (&next.path, &next.remedy) == (&row.path, &row.remedy));
        write_row(out, row, !same)?;
    }
    writeln!(out)
}

/// `is_last`: of those with the same remedy.
fn write_row(out: &mut impl Write, row: &Row, is_last: bool) -> io::Result<()> {
    let (mark, style) = match row.severity {
        Severity::Error => ("×", RED),
        Severity::Warning => ("‼", YELLOW),
        Severity::Unknown => ("?", YELLOW),
    };
    write!(out, "  {style}{mark}{style:#} {}", row.description)?;
    let room = WIDTH.saturating_sub(4 + display_width(row.description));
    if display_width(row.code) + 2 > room {
        writeln!(out, "\n    {DIM}{}{DIM:#}", row.code)?;
    } else {
        writeln!(out, "{:gap$}{DIM}{}{DIM:#}", "", row.code, gap = room - display_width(row.code))?;
    }
    let place = match row.path.as_str() {
        "" => format!("{}:{}", row.line, row.column),
        path => format!("{}:{} {path}", row.line, row.column),
    };
    let lines = row.lines(FIX).filter(|(label, _)| *label != FIX || is_last);
    for (label, text) in std::iter::once(("at", &*place)).chain(lines) {
        paragraph(out, &format!("    {label:<9}"), "             ", text, Style::new())?;
    }
    Ok(())
}

fn write_answer(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let (mark, style) = match answer.answer {
        AnswerKind::Yes => ("√", GREEN),
        AnswerKind::No => ("×", RED),
        AnswerKind::Unknown => ("?", YELLOW),
        AnswerKind::NotChecked => ("·", DIM),
    };
    // The mark gets its color after line breaking.
    let sentence = format!("{}: {} ({})", answer.sentence, answer.answer.name(), answer.why);
    let mut lines = Vec::new();
    paragraph(&mut lines, "  ", "    ", &sentence, Style::new())?;
    let lines = String::from_utf8_lossy(&lines).into_owned();
    write!(out, "{style}{mark}{style:#} {}", lines.trim_start())?;
    for provided in &answer.provided {
        paragraph(out, "    if      ", "            ", provided, Style::new())?;
    }
    Ok(())
}

//! The report for a person: 80 columns, readable without colour.

use std::{
    io::{self, Write},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use textwrap::{Options, core::display_width, wrap};

use super::{AwsDiagnostics, CheckResult, Report};
use crate::{
    checks::Group,
    diagnostic::{Basis, Capability, Outcome},
};

pub(crate) const WIDTH: usize = 80;
pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default();

/// Every report, and where there are several, a summary.
///
/// # Errors
/// The writer's.
pub fn write_all(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    for (i, report) in reports.iter().enumerate() {
        if i > 0 {
            writeln!(out, "\n{}\n", "─".repeat(WIDTH))?;
        }
        write(out, report)?;
    }
    if reports.len() > 1 {
        let met = reports.iter().filter(|r| r.verdict.met).count();
        writeln!(out, "\n{}\n", "─".repeat(WIDTH))?;
        write_summary(out, reports)?;
        let required = reports[0].verdict.required;
        let what = match reports.iter().all(|r| r.verdict.required == required) {
            true => required.name(),
            false => "what was required of them",
        };
        writeln!(out, "\n{met} of {} targets allow {what}", reports.len())?;
    }
    Ok(())
}

/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let sign = &report.endpoints.sign;
    writeln!(out, "{STRONG}{}{STRONG:#}", report.target)?;
    writeln!(out, "{} at {}:{}", report.source_type.name(), sign.host, sign.port)?;
    for group in Group::ALL {
        writeln!(out, "\n  {STRONG}{}{STRONG:#}", group.name())?;
        for row in report.checks.iter().filter(|row| row.group == group) {
            write_row(out, row)?;
        }
    }
    if let Some(look) = &report.aws_diagnostics {
        write_look(out, look)?;
    }
    write_endpoints(out, report)?;
    write_timings(out, report)?;
    write_verdict(out, report)
}

/// √ holds, ‼ holds but look at it, × does not, ? is not known, · was not reached, not asked or does not count.
fn mark(row: &CheckResult) -> (&'static str, Style) {
    if row.applies { mark_of(row.outcome) } else { ("·", DIM) }
}

fn mark_of(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Pass => ("√", GREEN),
        Outcome::Warn => ("‼", YELLOW),
        Outcome::Fail => ("×", RED),
        Outcome::Unknown => ("?", YELLOW),
        Outcome::NotReached | Outcome::NotApplicable => ("·", DIM),
    }
}

fn write_row(out: &mut impl Write, row: &CheckResult) -> io::Result<()> {
    let (mark, style) = mark(row);
    let room = WIDTH.saturating_sub(4 + display_width(&row.title) + 2);
    let found = row.found.as_deref().unwrap_or_default();
    // Where all is well, what was found is small print: behind the phrase where there is room, else below.
    let (note, small_print) = match (row.outcome, row.applies) {
        (Outcome::NotReached, _) => ("not reached", found),
        (Outcome::NotApplicable, _) => ("not asked", found),
        (_, false) => ("does not count under this policy", found),
        (Outcome::Pass, _) if display_width(found) <= room => (found, ""),
        (Outcome::Pass, _) => ("", found),
        _ => (row.cause.as_deref().unwrap_or_default(), ""),
    };
    write!(out, "  {style}{mark}{style:#} {}", row.title)?;
    match note {
        "" => writeln!(out)?,
        note => {
            let gap = (room + 2).saturating_sub(display_width(note)).max(2);
            writeln!(out, "{:gap$}{DIM}{note}{DIM:#}", "")?;
        }
    }
    if !small_print.is_empty() {
        paragraph(out, "    ", "    ", small_print, DIM)?;
    }
    if row.applies && matches!(row.outcome, Outcome::Warn | Outcome::Fail | Outcome::Unknown) {
        for (label, text) in [("expected", &row.expected), ("found", &row.found), ("to do", &row.remedy)] {
            if let Some(text) = text {
                paragraph(out, &format!("    {label:<9}"), "             ", text, Style::new())?;
            }
        }
        for (i, candidate) in row.candidates.iter().enumerate() {
            let label = if i == 0 { "    could be" } else { "" };
            // The remedy of the likeliest is the row's.
            let text = match i {
                0 => format!("{}: {}", candidate.cause, candidate.because),
                _ => format!("{}: {}; {}", candidate.cause, candidate.because, candidate.remedy),
            };
            paragraph(out, &format!("{label:<12} {}. ", i + 1), "                ", &text, Style::new())?;
        }
    }
    Ok(())
}

fn write_look(out: &mut impl Write, look: &AwsDiagnostics) -> io::Result<()> {
    writeln!(out, "\n  {STRONG}operator's look{STRONG:#}")?;
    if let Some(caller) = &look.caller {
        paragraph(out, "    as      ", "            ", caller, Style::new())?;
    }
    for found in &look.findings {
        let (mark, style) = mark_of(found.outcome);
        write!(out, "  {style}{mark}{style:#} {}", found.subject)?;
        match &found.cause {
            Some(cause) => {
                let taken = 4 + display_width(&found.subject) + display_width(cause);
                writeln!(out, "{:gap$}{DIM}{cause}{DIM:#}", "", gap = WIDTH.saturating_sub(taken).max(2))?;
            }
            None => writeln!(out)?,
        }
        match &found.remedy {
            None if found.outcome == Outcome::Pass => paragraph(out, "    ", "    ", &found.found, DIM)?,
            remedy => {
                paragraph(out, "    found   ", "            ", &found.found, Style::new())?;
                if let Some(remedy) = remedy {
                    paragraph(out, "    to do   ", "            ", remedy, Style::new())?;
                }
            }
        }
    }
    let mut answered: Vec<&str> = Vec::new();
    for auth_request in look.calls.iter().filter(|auth_request| auth_request.refused.is_none()) {
        if !answered.contains(&auth_request.call.as_str()) {
            answered.push(&auth_request.call);
        }
    }
    if !answered.is_empty() {
        paragraph(out, "    asked   ", "            ", &answered.join(", "), DIM)?;
    }
    for auth_request in &look.calls {
        if let Some(words) = &auth_request.refused {
            paragraph(out, "    refused ", "            ", &format!("{}: {words}", auth_request.call), DIM)?;
        }
    }
    paragraph(out, "    so      ", "            ", &look.conclusion, Style::new())
}

/// Text broken into lines, the first one after `first`.
pub(crate) fn paragraph(
    out: &mut impl Write,
    first: &str,
    rest: &str,
    text: &str,
    style: Style,
) -> io::Result<()> {
    // What a person copies (ARNs, SQL) may be longer than a line, but is never cut in two.
    let options = Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    for line in wrap(text, options) {
        writeln!(out, "{style}{line}{style:#}")?;
    }
    Ok(())
}

fn write_endpoints(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let e = &report.endpoints;
    writeln!(out, "\n  {STRONG}endpoints{STRONG:#}")?;
    writeln!(out, "    dial      {}:{}", e.connect.host, e.connect.port)?;
    writeln!(out, "    verify    {}", e.tls_host)?;
    writeln!(out, "    sign for  {}:{}", e.sign.host, e.sign.port)?;
    writeln!(out, "              in {} as {}", e.region, e.user)
}

fn write_timings(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let steps = report.timings.iter().map(|t| format!("{} {}", t.stage.name(), rounded(t.duration)));
    let text = steps.chain([format!("in all {}", rounded(report.duration))]).collect::<Vec<_>>().join(", ");
    writeln!(out, "\n  {STRONG}time{STRONG:#}")?;
    paragraph(out, "    ", "    ", &text, Style::new())?;
    match report.waited {
        Some(waited) if waited.attempts > 1 => {
            writeln!(out, "    the last of {} checks in {}", waited.attempts, rounded(waited.duration))
        }
        _ => Ok(()),
    }
}

fn rounded(duration: Duration) -> String {
    match duration.as_secs_f64() * 1e3 {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

fn style_of(capability: Capability) -> Style {
    match capability {
        Capability::Blocked => RED,
        Capability::InitialLoadOnly => YELLOW,
        Capability::Cdc => GREEN,
    }
    .bold()
}

fn write_verdict(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let v = &report.verdict;
    let style = style_of(v.capability);
    writeln!(out, "\n  {style}{}{style:#}", v.capability)?;
    paragraph(out, "    ", "    ", &v.reason, Style::new())?;
    writeln!(out)?;
    for (basis, answer) in [(Basis::Guide, v.guide), (Basis::Server, v.server)] {
        let chosen = if basis == v.basis { "  (--basis, the verdict)" } else { "" };
        writeln!(out, "    {:<12}{answer}{DIM}{chosen}{DIM:#}", basis.name())?;
    }
    if let Some(mode) = &v.replication_mode {
        writeln!(out, "    {:<12}replication_mode = \"{}\"", "Terraform", mode.name())?;
    }
    let label = if v.capability == Capability::Blocked { "next" } else { "for more" };
    for (i, next) in v.next_steps.iter().enumerate() {
        let label = if i == 0 { label } else { "" };
        paragraph(out, &format!("    {label:<12}"), "                ", next, Style::new())?;
    }
    if !v.met {
        writeln!(out, "    {:<12}{}: not met", "required", v.required)?;
    }
    Ok(())
}

/// One line a target.
fn write_summary(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let width = reports.iter().map(|r| display_width(&r.target)).max().unwrap_or(0);
    for report in reports {
        let v = &report.verdict;
        let style = style_of(v.capability);
        let held = match v.blocked_by.as_slice() {
            [] => String::new(),
            [only] => (*only).to_owned(),
            [first, more @ ..] => format!("{first} and {} more", more.len()),
        };
        let time = rounded(report.duration);
        writeln!(out, "{:<width$}  {style}{:<17}{style:#}  {time:>8}  {held}", report.target, v.capability)?;
    }
    Ok(())
}

//! The report for a person: 80 columns, readable without colour.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use textwrap::{Options, wrap};

use super::{Report, Row};
use crate::{
    checks::Group,
    finding::{Capability, Outcome, Policy},
};

const WIDTH: usize = 80;
const STRONG: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();

/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let sign = &report.endpoints.sign;
    writeln!(out, "{STRONG}{}{STRONG:#}", report.target)?;
    writeln!(out, "{} at {}:{}", report.source_type, sign.host, sign.port)?;
    for group in [Group::Identity, Group::Connection, Group::Capability] {
        writeln!(out, "\n  {STRONG}{}{STRONG:#}", group.name())?;
        for row in report.checks.iter().filter(|row| row.is_in(group)) {
            write_row(out, row)?;
        }
    }
    write_endpoints(out, report)?;
    write_timings(out, report)?;
    write_verdict(out, report)
}

/// √ holds, ‼ holds but look at it, × does not, · was not reached or does not count.
fn mark(row: &Row) -> (&'static str, Style) {
    match row.outcome {
        _ if !row.counts => ("·", DIM),
        Outcome::Pass => ("√", GREEN),
        Outcome::Warn => ("‼", YELLOW),
        Outcome::Fail => ("×", RED),
        Outcome::Unknown => ("?", YELLOW),
        Outcome::Unreached => ("·", DIM),
    }
}

fn write_row(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let (mark, style) = mark(row);
    let (description, note) = match (row.outcome, row.counts) {
        (Outcome::Unreached, _) => (&row.description, "not reached".to_owned()),
        (_, false) => (&row.description, "does not count under this policy".to_owned()),
        _ => (&row.description, row.cause.clone().unwrap_or_default()),
    };
    let gap = WIDTH.saturating_sub(4 + textwrap::core::display_width(description) + note.len()).max(2);
    let note = if note.is_empty() { note } else { format!("{:gap$}{DIM}{note}{DIM:#}", "") };
    writeln!(out, "  {style}{mark}{style:#} {description}{note}")?;
    let plain = row.outcome == Outcome::Pass || !row.counts;
    for (label, text) in [("wanted", &row.wanted), ("found", &row.found), ("to do", &row.remedy)] {
        match text {
            Some(text) if plain && label == "found" => paragraph(out, "    ", "    ", text, DIM)?,
            Some(text) if !plain => {
                paragraph(out, &format!("    {label:<8}"), "            ", text, Style::new())?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn paragraph(out: &mut impl Write, first: &str, rest: &str, text: &str, style: Style) -> io::Result<()> {
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
    writeln!(out, "    dial      {}:{}", e.dial.host, e.dial.port)?;
    writeln!(out, "    verify    {}", e.verify)?;
    writeln!(out, "    sign for  {}:{}", e.sign.host, e.sign.port)?;
    writeln!(out, "              in {} as {}", e.region, e.user)
}

fn write_timings(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let steps = report.timings.iter().map(|t| format!("{} {}", t.step, rounded(t.duration_ms)));
    let text =
        steps.chain([format!("in all {}", rounded(report.duration_ms))]).collect::<Vec<_>>().join(", ");
    writeln!(out, "\n  {STRONG}time{STRONG:#}")?;
    paragraph(out, "    ", "    ", &text, Style::new())
}

fn rounded(ms: f64) -> String {
    match ms {
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
    paragraph(out, "    ", "    ", &v.why, Style::new())?;
    writeln!(out)?;
    for (policy, answer) in [(Policy::Documented, v.documented), (Policy::Observed, v.observed)] {
        let chosen = if policy == v.policy { "  (--policy, the verdict)" } else { "" };
        writeln!(out, "    {:<12}{answer}{DIM}{chosen}{DIM:#}", policy.name())?;
    }
    if let Some(mode) = &v.replication_mode {
        writeln!(out, "    {:<12}replication_mode = \"{mode}\"", "Terraform")?;
    }
    if let Some(next) = &v.next {
        let label = if v.capability == Capability::Blocked { "next" } else { "for more" };
        paragraph(out, &format!("    {label:<12}"), "                ", next, Style::new())?;
    }
    Ok(())
}

/// One line a target, where there are several.
///
/// # Errors
/// The writer's.
pub fn write_summary(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    let width = reports.iter().map(|r| textwrap::core::display_width(&r.target)).max().unwrap_or(0);
    for report in reports {
        let v = &report.verdict;
        let style = style_of(v.capability);
        let held = v.held_back_by.as_deref().unwrap_or("");
        let time = rounded(report.duration_ms);
        writeln!(out, "{:<width$}  {style}{:<17}{style:#}  {time:>8}  {held}", report.target, v.capability)?;
    }
    Ok(())
}

//! Several targets as text: one line for each target, and their number.

use std::io::{self, Write};

use anstyle::Style;
use textwrap::core::display_width;

use super::layout::{DIM, Layout, Mark, STRONG, style_of, wrapped};
use crate::{diagnostic::Capability, report::Report};

/// The targets that need attention, then the others, each in the order of the configuration.
pub(super) fn attention_first(reports: &[Report]) -> Vec<&Report> {
    let mut sorted: Vec<&Report> = reports.iter().collect();
    sorted.sort_by_key(|report| std::cmp::Reverse(Mark::of_target(report)));
    sorted
}

/// A table with a row for each target.
pub(super) fn table(out: &mut impl Write, reports: &[Report], layout: Layout) -> io::Result<()> {
    let names = reports.iter().map(|report| display_width(&report.target)).max().unwrap_or(0).max(6);
    // A narrow terminal has no room for what is required.
    let requires = match layout.width {
        ..80 => 0,
        _ => reports.iter().map(|report| report.verdict.required.name().len()).max().unwrap_or(0).max(8) + 2,
    };
    let required = if requires > 0 { "Required" } else { "" };
    let header = format!("  {}  {:<17}  {required:<requires$}Cause", padded("Target", names), "Verdict");
    writeln!(out, "{STRONG}{header}{STRONG:#}")?;
    for report in attention_first(reports) {
        let verdict = &report.verdict;
        let style = style_of(verdict.capability);
        let required = if requires > 0 { verdict.required.name() } else { "" };
        let cause = attention(report).unwrap_or_default();
        let rest = format!("{required:<requires$}{cause}");
        let gap = if rest.is_empty() { 0 } else { 19 - verdict.capability.name().len() };
        write!(
            out,
            "{} {}  {style}{}{style:#}{:gap$}{}",
            Mark::of_target(report).show(layout),
            padded(&report.target, names),
            verdict.capability,
            "",
            rest.trim_end(),
        )?;
        if !cause.is_empty() {
            let taken = 2 + names + 2 + 17 + 2 + requires + display_width(&cause) + 2;
            let remedy = if verdict.met { None } else { verdict.next_steps.first() };
            // A remedy that has almost no room says nothing.
            if let (Some(remedy), Some(room @ 16..)) = (remedy, layout.width.checked_sub(taken)) {
                write!(out, "  {DIM}{}{DIM:#}", shortened(remedy, room, layout))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The cause of a target that needs attention.
fn attention(report: &Report) -> Option<String> {
    if !report.verdict.met {
        let more = report.verdict.blocked_by.len().saturating_sub(1);
        let cause = report.cause()?;
        return Some(if more > 0 { format!("{cause} +{more}") } else { cause.to_owned() });
    }
    let mut warnings = report.warnings();
    let first = warnings.next()?.cause_or_code();
    let more = warnings.count();
    Some(if more > 0 { format!("{first} +{more}") } else { first.to_owned() })
}

/// `2 of 3 targets meet their requirement: 1 CDC, 1 Initial Load Only, 1 Blocked`
pub(super) fn count(out: &mut impl Write, reports: &[Report], layout: Layout) -> io::Result<()> {
    let met = reports.iter().filter(|report| report.verdict.met).count();
    let of = |capability| reports.iter().filter(|report| report.verdict.capability == capability).count();
    let kinds = [Capability::Cdc, Capability::InitialLoadOnly, Capability::Blocked].map(|c| (of(c), c));
    let kinds: Vec<String> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, c)| format!("{count} {c}")).collect();
    let text = format!("{met} of {} targets meet their requirement: {}", reports.len(), kinds.join(", "));
    wrapped(out, layout.width, "", "", &text, Style::new())
}

/// One line for one target: `√ orders: CDC`.
pub(super) fn line(out: &mut impl Write, report: &Report, layout: Layout) -> io::Result<()> {
    let style = style_of(report.verdict.capability);
    let capability = report.verdict.capability;
    write!(out, "{} {}: {style}{capability}{style:#}", Mark::of_target(report).show(layout), report.target)?;
    if !report.verdict.met {
        write!(out, ", not {}", report.verdict.required)?;
    }
    match attention(report) {
        Some(cause) => writeln!(out, " ({cause})"),
        None => writeln!(out),
    }
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{:gap$}", "", gap = width.saturating_sub(display_width(text)))
}

fn shortened(text: &str, width: usize, layout: Layout) -> String {
    let end = if layout.ascii { "..." } else { "…" };
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if display_width(&short) + display_width(end) + display_width(c.encode_utf8(&mut [0; 4])) > width {
            break;
        }
        short.push(c);
    }
    short + end
}

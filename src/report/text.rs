//! The report as text for people: the verdict first, then its reason, what to do next, and the checks that need
//! attention. It is readable without color.

mod checks;
mod initial_load;
mod layout;
mod summary;

use std::{
    io::{self, Write},
    time::Duration,
};

pub use layout::Layout;
pub(crate) use layout::{DIM, GREEN, RED, STRONG, WIDTH, YELLOW, paragraph};

use super::{Endpoints, Report};
use crate::{
    cli::Detail,
    diagnostic::{Basis, Capability, RequiredBy},
    target::Skipped,
};
use layout::{Mark, labeled, style_of, wrapped};

/// Targets whose verdict is explained below the table, unless verbose: all of them would not fit a screen.
const MOST_EXPLAINED: usize = 3;

/// One target with its details; several as a table, with the verdicts of those that need attention.
///
/// # Errors
/// The writer's.
pub fn write_all(out: &mut impl Write, reports: &[Report], layout: Layout) -> io::Result<()> {
    if layout.detail == Detail::Quiet {
        return reports.iter().try_for_each(|report| summary::line(out, report, layout));
    }
    let many = match reports {
        [] => return Ok(()),
        [report] => return write(out, report, layout),
        many => many,
    };
    summary::table(out, many, layout)?;
    writeln!(out)?;
    summary::count(out, many, layout)?;
    let verbose = layout.detail == Detail::Verbose;
    let sorted = summary::attention_first(many);
    let detailed: Vec<_> =
        sorted.into_iter().filter(|report| verbose || Mark::of_target(report) > Mark::Good).collect();
    let (shown, others) = match verbose {
        true => (&detailed[..], &[][..]),
        false => detailed.split_at(detailed.len().min(MOST_EXPLAINED)),
    };
    for report in shown {
        if verbose {
            let rule = if layout.ascii { "-" } else { "─" };
            writeln!(out, "\n{}\n", rule.repeat(layout.width))?;
            write(out, report, layout)?;
        } else {
            writeln!(out)?;
            write_verdict(out, report, layout)?;
            checks::write_brief(out, report, layout)?;
            write_next_steps(out, report, layout)?;
        }
    }
    let Some(first) = detailed.first().filter(|_| !verbose) else { return Ok(()) };
    let more = match others.len() {
        0 => String::new(),
        1 => "1 more target needs attention. ".to_owned(),
        more => format!("{more} more targets need attention. "),
    };
    let text = format!("{more}For details, name a target, such as {}, or use -v.", first.target);
    writeln!(out)?;
    wrapped(out, layout.width, "", "", &text, anstyle::Style::new())
}

/// Most skipped pipes that are listed, unless verbose.
const MOST_SKIPPED: usize = 10;

/// The pipes that were not checked, with the reason.
///
/// # Errors
/// The writer's.
pub fn write_skipped(out: &mut impl Write, skipped: &[Skipped], layout: Layout) -> io::Result<()> {
    if skipped.is_empty() || layout.detail == Detail::Quiet {
        return Ok(());
    }
    let (count, plural) = (skipped.len(), if skipped.len() == 1 { "pipe" } else { "pipes" });
    let most = if layout.detail == Detail::Verbose { count } else { MOST_SKIPPED };
    writeln!(out, "\n{count} {plural} skipped (not a PostgreSQL or MySQL source with IAM_ROLE):")?;
    for Skipped { target, reason } in &skipped[..count.min(most)] {
        labeled(out, layout, &format!("{} ", Mark::Neutral.show(layout)), &format!("{target}: {reason}"))?;
    }
    if count > most {
        writeln!(out, "  and {} more (-v shows all)", count - most)?;
    }
    Ok(())
}

/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, report: &Report, layout: Layout) -> io::Result<()> {
    write_verdict(out, report, layout)?;
    if !report.verdict.next_steps.is_empty() {
        writeln!(out)?;
        write_next_steps(out, report, layout)?;
    }
    checks::write(out, report, layout)?;
    if let Some(aws) = &report.aws_diagnostics {
        checks::write_aws(out, report, aws, layout)?;
    }
    write_target(out, report, layout)?;
    if let Some(load) = &report.initial_load {
        initial_load::write(out, load, layout)?;
    }
    if layout.detail == Detail::Verbose { write_timings(out, report, layout) } else { Ok(()) }
}

fn write_verdict(out: &mut impl Write, report: &Report, layout: Layout) -> io::Result<()> {
    let verdict = &report.verdict;
    let style = style_of(verdict.capability);
    let dash = if layout.ascii { "-" } else { "—" };
    writeln!(out, "{style}Verdict: {}{style:#} {dash} {}", verdict.capability, report.target)?;
    wrapped(out, layout.width, "", "", &verdict.reason, anstyle::Style::new())
}

fn write_next_steps(out: &mut impl Write, report: &Report, layout: Layout) -> io::Result<()> {
    let verdict = &report.verdict;
    let label = match (verdict.met, verdict.capability) {
        (true, Capability::InitialLoadOnly) => "For CDC:  ",
        _ => "Next:     ",
    };
    let several = verdict.next_steps.len() > 1;
    for (i, step) in verdict.next_steps.iter().enumerate() {
        let label = if i == 0 { label } else { "          " };
        let number = if several { format!("{}. ", i + 1) } else { String::new() };
        labeled(out, layout, &format!("{label}{number}"), step)?;
    }
    Ok(())
}

/// What was checked, and under which rules.
fn write_target(out: &mut impl Write, report: &Report, layout: Layout) -> io::Result<()> {
    let verdict = &report.verdict;
    let verbose = layout.detail == Detail::Verbose;
    writeln!(out)?;
    if let Some(pipe) = &report.pipe {
        let state = report.pipe_state.as_ref().map(|state| format!(" ({state} in ClickHouse Cloud)"));
        labeled(out, layout, "Pipe      ", &format!("{pipe}{}", state.unwrap_or_default()))?;
    }
    if let Some(endpoints) = &report.endpoints {
        write_endpoints(out, report, endpoints, layout)?;
    }
    let met = if verdict.met { "met" } else { "not met" };
    let mode = verdict.replication_mode.map(|mode| format!(", replication_mode = \"{}\"", mode.name()));
    let by = match verdict.required_by {
        RequiredBy::Require | RequiredBy::ReplicationMode => "",
        RequiredBy::Default => " (default)",
        RequiredBy::BestSoFar => " (the best so far)",
    };
    let required = format!("{}{by}: {met}{}", verdict.required, mode.unwrap_or_default());
    labeled(out, layout, "Required  ", &required)?;
    if !verdict.not_replicated.is_empty() {
        labeled(out, layout, "Ignored   ", &verdict.not_replicated.join("; "))?;
    }
    if verdict.guide != verdict.server || verbose {
        let answers =
            [(Basis::Guide, verdict.guide), (Basis::Server, verdict.server)].map(|(basis, answer)| {
                let chosen = if basis == verdict.basis { " (the verdict)" } else { "" };
                format!("{}: {answer}{chosen}", basis.name())
            });
        labeled(out, layout, "Basis     ", &answers.join(", "))?;
    }
    match report.waited {
        Some(waited) if waited.attempts > 1 => {
            let (attempts, all) = (waited.attempts, rounded(waited.duration));
            let text = format!("{}, the last of {attempts} checks in {all}", rounded(report.duration));
            labeled(out, layout, "Time      ", &text)
        }
        _ if verbose => labeled(out, layout, "Time      ", &rounded(report.duration)),
        _ => Ok(()),
    }
}

fn write_endpoints(
    out: &mut impl Write,
    report: &Report,
    endpoints: &Endpoints,
    layout: Layout,
) -> io::Result<()> {
    let verbose = layout.detail == Detail::Verbose;
    let database = endpoints.database.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
    labeled(out, layout, "Database  ", &format!("{}{database}", endpoints.sign))?;
    let source_type = report.source_type.map(|kind| format!("{}, ", kind.name())).unwrap_or_default();
    let user = format!("{} ({source_type}{})", endpoints.user, endpoints.region);
    labeled(out, layout, "User      ", &user)?;
    if let Some(role) = &endpoints.role {
        labeled(out, layout, "Role      ", role)?;
    }
    let other_name = endpoints.tls_host != endpoints.sign.host;
    if other_name || endpoints.connect != endpoints.sign || verbose {
        let name = if other_name || verbose {
            format!(", TLS certificate of {}", endpoints.tls_host)
        } else {
            String::new()
        };
        labeled(out, layout, "Connect   ", &format!("{}{name}", endpoints.connect))?;
    }
    Ok(())
}

fn write_timings(out: &mut impl Write, report: &Report, layout: Layout) -> io::Result<()> {
    let stages = report.timings.iter().map(|t| format!("{} {}", t.stage.name(), rounded(t.duration)));
    labeled(out, layout, "Stages    ", &stages.collect::<Vec<_>>().join(", "))
}

fn rounded(duration: Duration) -> String {
    match duration.as_secs_f64() * 1e3 {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

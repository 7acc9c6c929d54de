//! `check`: every target, side by side, as one result.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use tokio::task::JoinSet;

use super::{Exit, progress::Progress, say, wait};
use crate::{
    cli::CheckFormat,
    config::Config,
    report::{Report, json, junit, metrics, nagios, text},
    target::{ConfigErrors, Target},
    verify::{self, Budget, Clock},
};

/// Targets verified at once. Each is one or two connections, so this bounds sockets, not speed.
const AT_ONCE: usize = 32;

/// One target's last check. Where checking broke pipeprobe itself, the report says that nothing was reached.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) report: Report,
    pub(super) broken: bool,
}

/// Verifies every target, again while it is waited for, and prints the result.
///
/// # Errors
/// `out`'s, but for a reader that went away: that changes no verdict.
pub async fn check(config: Config, clock: Clock, out: &mut impl Write) -> io::Result<Exit> {
    let progress = Progress::new();
    let ask = async |targets: &[Target]| verify_all(&config, targets, clock, &progress).await;
    let checked = wait::until_met(&config.targets, config.wait, &progress, ask).await;
    progress.finish();
    let broken = checked.iter().any(|checked| checked.broken);
    let reports: Vec<Report> = checked.into_iter().map(|checked| checked.report).collect();
    let met = reports.iter().all(|report| report.verdict.met);
    let exit = match met {
        _ if broken => Exit::Internal,
        false => Exit::NotMet,
        true if config.fail_on_warning && reports.iter().any(Report::has_warnings) => Exit::MetWithWarnings,
        true => Exit::Met,
    };
    let written = match config.output {
        CheckFormat::Text => text::write_all(out, &reports),
        CheckFormat::Json => json::Document::of(&reports).write(out),
        CheckFormat::Junit => junit::write(out, &reports),
        CheckFormat::Prometheus => out.write_all(metrics::exposition(&reports).as_bytes()),
        CheckFormat::Nagios if broken => {
            nagios::write_unknown(out, "checking broke pipeprobe itself; please report it").map(|_| ())
        }
        CheckFormat::Nagios => nagios::write(out, &reports, config.fail_on_warning).map(|_| ()),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ if config.output == CheckFormat::Nagios => Ok(Exit::Plugin(state(exit))),
        _ => Ok(exit),
    }
}

/// An exit code in the words of Nagios.
fn state(exit: Exit) -> nagios::State {
    match exit {
        Exit::Met => nagios::State::Ok,
        Exit::MetWithWarnings => nagios::State::Warning,
        Exit::NotMet => nagios::State::Critical,
        _ => nagios::State::Unknown,
    }
}

/// In the order of the targets, whichever came first. One that breaks us leaves the others' reports standing.
async fn verify_all(config: &Config, targets: &[Target], clock: Clock, progress: &Progress) -> Vec<Checked> {
    progress.begin(targets);
    let mut waiting = targets.iter().cloned().enumerate();
    let mut running = JoinSet::new();
    let mut places = HashMap::new();
    let mut all = Vec::new();
    loop {
        while running.len() < AT_ONCE
            && let Some((i, target)) = waiting.next()
        {
            let budget = Budget { timeout: config.judge.timeout, retry: config.retry };
            let requirement = config.requirement(&target);
            let task =
                running.spawn(async move { verify::verify(&target, requirement, budget, clock).await });
            places.insert(task.id(), i);
        }
        let (id, report) = match running.join_next_with_id().await {
            Some(Ok((id, report))) => (id, Some(report)),
            Some(Err(error)) => (error.id(), None),
            None => break,
        };
        let Some((i, target)) = places.remove(&id).and_then(|i| Some((i, targets.get(i)?))) else {
            continue;
        };
        progress.done(&target.name);
        let broken = report.is_none();
        let report = report.unwrap_or_else(|| {
            eprintln!("error: checking {} broke pipeprobe itself; please report it", target.name);
            verify::unreached(target, config.requirement(target), clock())
        });
        all.push((i, Checked { report, broken }));
    }
    all.sort_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, checked)| checked).collect()
}

/// Says why nothing was checked, to whoever reads that format.
///
/// # Errors
/// `out`'s.
pub fn refuse_check(errors: &ConfigErrors, format: CheckFormat, out: &mut impl Write) -> io::Result<Exit> {
    match format {
        CheckFormat::Json => json::Document::of_errors(errors).write(out)?,
        CheckFormat::Junit => junit::write_errors(out, errors)?,
        CheckFormat::Nagios => {
            return nagios::write_unknown(out, &nagios::refusal(errors)).map(Exit::Plugin);
        }
        // No metric stands for what was never checked: the last check's time grows old.
        CheckFormat::Text | CheckFormat::Prometheus => say(errors),
    }
    Ok(Exit::Usage)
}

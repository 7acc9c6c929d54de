//! `check`: all targets concurrently, as one result.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::{self, Write},
};

use tokio::task::JoinSet;

use super::{Exit, progress::Progress, say, terminal, wait};
use crate::{
    cli::CheckFormat,
    config::Config,
    report::{
        Report, json, junit, metrics, nagios,
        text::{self, Layout},
    },
    target::{ConfigErrors, Target, Unchecked},
    verify::{self, Budget, Clock},
};

/// Targets that are checked at the same time. Each has one or two connections, so this limits sockets.
const CONCURRENT_TARGETS: usize = 32;

/// The last check of one target. If pipeprobe itself failed, the report says that nothing was reached.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) report: Report,
    pub(super) broken: bool,
}

/// The last check of each target that was checked, by name.
type Finished = RefCell<HashMap<String, Checked>>;

/// Checks every target, again with `--wait`, and prints the result. If `stop` ends first, prints the targets that were
/// checked by then.
///
/// # Errors
/// `out`'s, except that its reader is gone: that changes no verdict.
pub async fn check(
    config: Config,
    clock: Clock,
    stop: impl Future<Output = Exit>,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let (progress, finished) = (Progress::new(), Finished::default());
    let ask = async |targets: &[Target]| verify_all(&config, targets, clock, &progress, &finished).await;
    let (checked, stopped) = tokio::select! {
        checked = wait::until_met(&config.targets, config.wait, &progress, ask) => (checked, None),
        exit = stop => {
            let mut finished = finished.borrow_mut();
            let checked = config.targets.iter().filter_map(|target| finished.remove(&target.name));
            (checked.collect(), Some(exit))
        }
    };
    progress.finish();
    let broken = checked.iter().any(|checked| checked.broken);
    let mut reports: Vec<Report> = checked.into_iter().map(|checked| checked.report).collect();
    if !config.unchecked.is_empty() {
        let requirement = |pipe: &Unchecked| config.judge.requirement(pipe.mode);
        let unchecked = config.unchecked.iter();
        reports.extend(unchecked.map(|pipe| Report::of_unchecked(pipe, requirement(pipe), clock())));
        reports.sort_by(|a, b| a.target.cmp(&b.target));
    }
    let written = match stopped {
        None => write(out, &config, &reports, broken),
        Some(_) => write_interrupted(out, &config, &reports),
    };
    let exit = stopped.unwrap_or_else(|| exit(&config, &reports, broken));
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ if config.output == CheckFormat::Nagios && stopped.is_none() => Ok(Exit::Plugin(match broken {
            true => nagios::State::Unknown,
            false => nagios::State::worst(&reports, config.fail_on_warning),
        })),
        _ => Ok(exit),
    }
}

fn exit(config: &Config, reports: &[Report], broken: bool) -> Exit {
    match reports.iter().all(|report| report.verdict.met) {
        _ if broken => Exit::Internal,
        false => Exit::NotMet,
        true if config.fail_on_warning && reports.iter().any(Report::has_warnings) => Exit::MetWithWarnings,
        true => Exit::Met,
    }
}

fn write(out: &mut impl Write, config: &Config, reports: &[Report], broken: bool) -> io::Result<()> {
    match config.output {
        CheckFormat::Text => {
            if reports.is_empty() {
                writeln!(out, "No pipe to check: none has a PostgreSQL or MySQL source and IAM_ROLE")?;
            }
            text::write_all(out, reports, layout(config))?;
            text::write_skipped(out, &config.skipped, layout(config))
        }
        CheckFormat::Json => json::Document::of(reports, &config.skipped).write(out),
        CheckFormat::Junit => junit::write(out, reports, &config.skipped),
        CheckFormat::Prometheus => out.write_all(metrics::exposition(reports).as_bytes()),
        CheckFormat::Nagios if broken => {
            nagios::write_unknown(out, "internal error of pipeprobe; please report it").map(|_| ())
        }
        CheckFormat::Nagios if reports.is_empty() => {
            nagios::write_unknown(out, "no pipe to check").map(|_| ())
        }
        CheckFormat::Nagios => nagios::write(out, reports, config.fail_on_warning).map(|_| ()),
    }
}

fn write_interrupted(out: &mut impl Write, config: &Config, reports: &[Report]) -> io::Result<()> {
    match config.output {
        CheckFormat::Text => {
            text::write_all(out, reports, layout(config))?;
            let (done, all) = (reports.len(), config.targets.len() + config.unchecked.len());
            writeln!(
                out,
                "{}Interrupted: {done} of {all} targets were checked",
                if done > 0 { "\n" } else { "" }
            )
        }
        CheckFormat::Json => json::Document::of_interrupted(reports, &config.skipped).write(out),
        CheckFormat::Nagios => nagios::write_unknown(out, "interrupted").map(|_| ()),
        CheckFormat::Junit | CheckFormat::Prometheus => write(out, config, reports, false),
    }
}

fn layout(config: &Config) -> Layout {
    Layout::new(terminal::columns(), config.ascii, config.detail)
}

/// Checks the targets concurrently; the results are in the order of the targets. A panic in one check does not affect
/// the others.
async fn verify_all(
    config: &Config,
    targets: &[Target],
    clock: Clock,
    progress: &Progress,
    finished: &Finished,
) -> Vec<Checked> {
    progress.begin(targets);
    let mut waiting = targets.iter().cloned().enumerate();
    let mut running = JoinSet::new();
    let mut places = HashMap::new();
    let mut all = Vec::new();
    loop {
        while running.len() < CONCURRENT_TARGETS
            && let Some((i, target)) = waiting.next()
        {
            let budget =
                Budget { timeout: config.judge.timeout, retry: config.retry, estimate: config.estimate };
            let requirement = config.requirement(&target);
            let task = running
                .spawn(async move { Box::pin(verify::verify(&target, requirement, budget, clock)).await });
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
            eprintln!("error: internal error while checking {}; please report it", target.name);
            verify::unreached(target, config.requirement(target), clock())
        });
        let checked = Checked { report, broken };
        finished.borrow_mut().insert(target.name.clone(), checked.clone());
        all.push((i, checked));
    }
    all.sort_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, checked)| checked).collect()
}

/// Reports in the format of the output why nothing was checked.
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
        // Without a check there is no metric; the timestamp of the last check grows old.
        CheckFormat::Text | CheckFormat::Prometheus => say(errors),
    }
    Ok(Exit::Usage)
}

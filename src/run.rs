//! What a command does: many targets at once, the renderings, the exit code.

mod explain;
mod healthy;
mod setup;
mod lint;
mod serve;
mod token;

use std::{
    collections::HashMap,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

pub use explain::{explain, list};
pub use healthy::healthy;
pub use lint::lint;
pub use serve::{config_check, serve};
pub use setup::setup;
pub use token::token;

use crate::{
    cli::Format,
    config::Config,
    report::{Report, json, text},
    target::{Invalid, Target},
    verify::{self, Clock, Limits},
};

/// How the process ends; documented in `check --help` and the README.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Met = 0,
    Internal = 1,
    Usage = 2,
    NotMet = 3,
    MetWithWarnings = 4,
    Interrupted = 130,
    Terminated = 143,
}

/// Targets verified at once. Each is one or two connections, so this bounds sockets, not speed.
const AT_ONCE: usize = 32;

/// Verifies every target and prints the result.
///
/// # Errors
/// `out`'s, but for a reader that went away: that changes no verdict.
pub async fn check(config: Config, clock: Clock, out: &mut impl Write) -> io::Result<Exit> {
    let (reports, broken) = verify_all(&config, clock).await;
    let met = reports.iter().all(|report| report.verdict.met);
    let exit = match met {
        _ if broken => Exit::Internal,
        false => Exit::NotMet,
        true if config.fail_on_warning && reports.iter().any(Report::has_warnings) => Exit::MetWithWarnings,
        true => Exit::Met,
    };
    let written = match config.output {
        Format::Json => json::Document::of(&reports).write(out),
        Format::Text => write_text(out, &reports),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(exit),
    }
}

/// Reports in the order of the targets, whichever came first; and whether one broke us. That one's
/// report says that nothing was reached, and the others' stand.
async fn verify_all(config: &Config, clock: Clock) -> (Vec<Report>, bool) {
    let progress = Progress::new(&config.targets);
    let mut waiting = config.targets.iter().cloned().enumerate();
    let mut running = JoinSet::new();
    let mut places = HashMap::new();
    let mut reports = Vec::new();
    let mut broken = false;
    loop {
        while running.len() < AT_ONCE
            && let Some((i, target)) = waiting.next()
        {
            let limits = Limits { timeout: config.timeout, second_look: config.second_look };
            let terms = config.terms(&target);
            let task = running.spawn(async move { verify::verify(&target, terms, limits, clock).await });
            places.insert(task.id(), i);
        }
        let (id, report) = match running.join_next_with_id().await {
            Some(Ok((id, report))) => (id, Some(report)),
            Some(Err(error)) => (error.id(), None),
            None => break,
        };
        let Some((i, target)) = places.remove(&id).and_then(|i| Some((i, config.targets.get(i)?))) else {
            continue;
        };
        progress.done(&target.name);
        reports.push((
            i,
            report.unwrap_or_else(|| {
                broken = true;
                eprintln!("error: checking {} broke pipeprobe itself; please report it", target.name);
                verify::unreached(target, config.terms(target), clock())
            }),
        ));
    }
    progress.finish();
    reports.sort_by_key(|(i, _)| *i);
    (reports.into_iter().map(|(_, report)| report).collect(), broken)
}

fn write_text(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    for (i, report) in reports.iter().enumerate() {
        if i > 0 {
            writeln!(out, "\n{}\n", "─".repeat(80))?;
        }
        text::write(out, report)?;
    }
    if reports.len() > 1 {
        let met = reports.iter().filter(|r| r.verdict.met).count();
        writeln!(out, "\n{}\n", "─".repeat(80))?;
        text::write_summary(out, reports)?;
        let required = reports[0].verdict.required;
        let what = match reports.iter().all(|r| r.verdict.required == required) {
            true => required.name(),
            false => "what was required of them",
        };
        writeln!(out, "\n{met} of {} targets allow {what}", reports.len())?;
    }
    Ok(())
}

/// A line on a terminal while targets are being verified; nothing elsewhere.
struct Progress {
    bar: ProgressBar,
    waiting: std::sync::Mutex<Vec<String>>,
}

impl Progress {
    fn new(targets: &[Target]) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::new(targets.len() as u64)
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} checking {msg} ({pos} of {len} done, {elapsed})")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        let this = Self { bar, waiting: targets.iter().map(|t| t.name.clone()).collect::<Vec<_>>().into() };
        this.show();
        this
    }

    fn show(&self) {
        if let Ok(waiting) = self.waiting.lock() {
            let more = if waiting.len() > 3 { ", …" } else { "" };
            self.bar.set_message(waiting.iter().take(3).cloned().collect::<Vec<_>>().join(", ") + more);
        }
    }

    fn done(&self, name: &str) {
        if let Ok(mut waiting) = self.waiting.lock()
            && let Some(i) = waiting.iter().position(|n| n == name)
        {
            waiting.remove(i);
        }
        self.bar.inc(1);
        self.show();
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Says why nothing was done: to a person on stderr, or as JSON where that was asked for.
///
/// # Errors
/// `out`'s.
pub fn refuse(invalid: &Invalid, format: Format, out: &mut impl Write) -> io::Result<Exit> {
    match format {
        Format::Json => json::Document::of_error(invalid).write(out)?,
        Format::Text => {
            eprintln!("error: {}\n  wanted: {}\n  found:  {}", invalid.field, invalid.wanted, invalid.found);
        }
    }
    Ok(Exit::Usage)
}

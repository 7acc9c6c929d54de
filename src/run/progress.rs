//! Progress on stderr: on a terminal, one line that changes; otherwise, with `--wait`, a line whenever the state of a
//! target changes.

use std::{
    collections::HashMap,
    io::{self, IsTerminal},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{report::Report, target::Target};

#[derive(Debug)]
pub(super) struct Progress {
    /// `None` if stderr is not a terminal.
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Names of the targets whose check is running or has not started, and the number of finished ones.
    pending: Vec<String>,
    done: usize,
    /// What `--wait` waits for; empty before the first checks have ended.
    waiting: String,
    /// The last line about each target.
    printed: HashMap<String, String>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks of these targets start.
    pub(super) fn begin(&self, targets: &[Target]) {
        let mut state = self.state();
        state.pending = targets.iter().map(|target| target.name.clone()).collect();
        state.done = 0;
        self.show(&state);
    }

    /// The check of a target has ended.
    pub(super) fn done(&self, name: &str) {
        let mut state = self.state();
        if let Some(i) = state.pending.iter().position(|pending| pending == name) {
            state.pending.remove(i);
            state.done += 1;
        }
        self.show(&state);
    }

    /// With `--wait`, all checks of an attempt have ended.
    pub(super) fn attempt_ended<'a>(&self, reports: impl Iterator<Item = &'a Report>) {
        let mut state = self.state();
        let mut waiting = Vec::new();
        for report in reports {
            let name = &report.target;
            let cause = report.blocked_by().unwrap_or_default();
            let line = match (report.verdict.met, report.blocking_rule()) {
                (true, _) if !state.printed.contains_key(name) => continue, // there was nothing to wait for
                (true, _) => format!("{name} is met: {}", report.verdict.capability),
                (false, Some(rule)) => {
                    format!("not waiting for {name}: {} does not change; see --basis", rule.code)
                }
                (false, None) => {
                    waiting.push(format!("{name}: {cause}"));
                    format!("waiting for {name}: {cause}")
                }
            };
            if state.printed.get(name) != Some(&line) {
                if self.bar.is_none() {
                    eprintln!("{line}");
                }
                state.printed.insert(name.clone(), line);
            }
        }
        state.waiting = match waiting.as_slice() {
            [] => String::new(),
            [one] => format!("waiting for {one}"),
            [first, more @ ..] => format!("waiting for {first}, and {} more", more.len()),
        };
        self.show(&state);
    }

    fn show(&self, state: &State) {
        let Some(bar) = &self.bar else { return };
        if !state.waiting.is_empty() {
            return bar.set_message(state.waiting.clone());
        }
        if state.pending.is_empty() {
            return; // the report comes next
        }
        let more = if state.pending.len() > 3 { ", …" } else { "" };
        let names: Vec<&str> = state.pending.iter().take(3).map(String::as_str).collect();
        let (done, all) = (state.done, state.done + state.pending.len());
        bar.set_message(format!("checking {}{more}, {done} of {all} done", names.join(", ")));
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

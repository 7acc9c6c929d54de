//! What is being done, on stderr while it is done: a line that changes on a terminal; elsewhere, under `--wait`, a
//! line whenever a target's state changes.

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
    /// `None` where nobody looks.
    bar: Option<ProgressBar>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Names of the targets that this round still asks, and how many it has asked.
    asking: Vec<String>,
    done: usize,
    /// What is waited for, in words; empty before the first round is over.
    waiting: String,
    /// What was last said of each target.
    said: HashMap<String, String>,
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
        Self { bar, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A round of checks begins.
    pub(super) fn begin(&self, targets: &[Target]) {
        let mut seen = self.seen();
        seen.asking = targets.iter().map(|target| target.name.clone()).collect();
        seen.done = 0;
        self.show(&seen);
    }

    /// A target's check is over.
    pub(super) fn done(&self, name: &str) {
        let mut seen = self.seen();
        if let Some(i) = seen.asking.iter().position(|asking| asking == name) {
            seen.asking.remove(i);
            seen.done += 1;
        }
        self.show(&seen);
    }

    /// A round is over under `--wait`: how every target stands.
    pub(super) fn tell<'a>(&self, reports: impl Iterator<Item = &'a Report>) {
        let mut seen = self.seen();
        let mut waiting = Vec::new();
        for report in reports {
            let name = &report.target;
            let held = report.blocked_by().unwrap_or_default();
            let state = match (report.verdict.met, report.blocking_rule()) {
                (true, _) if !seen.said.contains_key(name) => continue, // it was never waited for
                (true, _) => format!("{name} is met: {}", report.verdict.capability),
                (false, Some(rule)) => {
                    format!("not waiting for {name}: no time changes {}; see --basis", rule.code)
                }
                (false, None) => {
                    waiting.push(format!("{name}: {held}"));
                    format!("waiting for {name}: {held}")
                }
            };
            if seen.said.get(name) != Some(&state) {
                if self.bar.is_none() {
                    eprintln!("{state}");
                }
                seen.said.insert(name.clone(), state);
            }
        }
        seen.waiting = match waiting.as_slice() {
            [] => String::new(),
            [one] => format!("waiting for {one}"),
            [first, more @ ..] => format!("waiting for {first}, and {} more", more.len()),
        };
        self.show(&seen);
    }

    fn show(&self, seen: &Seen) {
        let Some(bar) = &self.bar else { return };
        if !seen.waiting.is_empty() {
            return bar.set_message(seen.waiting.clone());
        }
        if seen.asking.is_empty() {
            return; // the report comes next
        }
        let more = if seen.asking.len() > 3 { ", …" } else { "" };
        let names: Vec<&str> = seen.asking.iter().take(3).map(String::as_str).collect();
        let (done, all) = (seen.done, seen.done + seen.asking.len());
        bar.set_message(format!("checking {}{more}, {done} of {all} done", names.join(", ")));
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

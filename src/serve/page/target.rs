//! The page of one target: verdict, remedies, all checks, timings and history.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::{ago, badge, class, document, plot, took};
use crate::{
    checks::Group,
    diagnostic::{Outcome, RequiredBy, in_words},
    facts::{PipeBinlog, PipeSlot},
    report::{CheckResult, Report, Verdict},
    serve::{
        history::HistoryEntry,
        status_store::{Entry, Health},
    },
};

pub(in crate::serve) fn page(entry: &Entry, now: Timestamp) -> String {
    let target = &entry.monitored.target;
    let body = html! {
        p { a href="/" { "All targets" } }
        h1 class=(class(entry.health)) { (target.name) " " (badge(entry.health)) }
        @if let Some(since) = entry.since {
            p { (entry.health.name()) " for " (ago(since, now)) }
        }
        @match &entry.last {
            Some(report) => (last(report, now)),
            None => p { "Not checked yet." },
        }
        (history(entry))
        @if let Some(failure) = entry.last_failure.as_deref().filter(|_| entry.health == Health::Healthy) {
            h2 { "Last failure" }
            p { (started(failure, now)) ": " @if let Some(code) = failure.cause() { code { (code) } ". " } (failure.verdict.reason) }
        }
    };
    document(&format!("{} – pipeprobe", target.name), now, &body)
}

fn last(report: &Report, now: Timestamp) -> Markup {
    let verdict = &report.verdict;
    html! {
        h2 { (verdict.capability.name()) }
        p { (verdict.reason) }
        @if !verdict.next_steps.is_empty() {
            h3 { "To do" }
            ul { @for next in &verdict.next_steps { li { (next) } } }
        }
        dl {
            dt { "Required" } dd { (required(verdict)) ": " (if verdict.met { "met" } else { "not met" }) }
            dt { "By the guide" } dd { (verdict.guide.name()) }
            dt { "By the server" } dd { (verdict.server.name()) }
            dt { "Last checked" } dd { (started(report, now)) ", in " (took(report.duration)) }
            dt { "Last full check" } dd {
                @match report.facts_as_of {
                    Some(at) => { (ago(at, now)) " ago" },
                    None => "not reached",
                }
            }
            @for slot in &report.measurements.slots {
                dt { "Slot " (slot.name) } dd { (position(slot)) }
            }
            @if let Some(binlog) = &report.measurements.binlog {
                dt { "Binary log" } dd { (binary_log(binlog, now)) }
            }
            @if let Some(pipe) = &report.pipe { dt { "Pipe" } dd { (pipe) } }
            @if let Some(endpoints) = &report.endpoints {
                dt { "Connected to" } dd { (endpoints.connect.host) ":" (endpoints.connect.port) }
                dt { "Verified" } dd { (endpoints.tls_host) }
                dt { "Signed for" } dd {
                    (endpoints.sign.host) ":" (endpoints.sign.port) " in " (endpoints.region)
                    " as " (endpoints.user)
                }
            }
        }
        @for group in Group::ALL {
            @if report.checks.iter().any(|check| check.group == group) { (checks(report, group)) }
        }
        table {
            caption { "Time" }
            thead { tr { th scope="col" { "Stage" } th scope="col" { "Took" } } }
            tbody {
                @for timing in &report.timings {
                    tr { th scope="row" { (timing.stage.name()) } td.number { (took(timing.duration)) } }
                }
            }
        }
    }
}

/// The position of a pipe, and how long it can be disconnected.
fn position(slot: &PipeSlot) -> String {
    let mut words = vec![match (slot.lost, slot.active) {
        (true, _) => "lost: the pipe needs a resync".to_owned(),
        (false, true) => "active".to_owned(),
        (false, false) => "not active".to_owned(),
    }];
    words.extend(slot.lag_bytes.map(|bytes| format!("{} MB behind", bytes.div_ceil(1 << 20))));
    words.extend(slot.retained_bytes.map(|bytes| format!("{} MB of WAL retained", bytes.div_ceil(1 << 20))));
    if let (Some(seconds), Some(limit)) = (slot.lost_after_seconds, slot.lost_by) {
        let time = in_words(SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::MAX));
        words.push(match slot.active {
            true => format!("could be disconnected for about {time} ({})", limit.name()),
            false => format!("lost in about {time} if the pipe does not continue ({})", limit.name()),
        });
    }
    words.join(", ")
}

/// Who reads the binary log, and how long that can be interrupted.
fn binary_log(binlog: &PipeBinlog, now: Timestamp) -> String {
    let reads = binlog.readers.is_some_and(|readers| readers > 0);
    let mut words = vec![match (binlog.readers, binlog.readers_have_everything, binlog.last_read_at) {
        _ if binlog.lost == Some(true) => "lost: the pipe needs a resync".to_owned(),
        (None, ..) => "its readers are not visible".to_owned(),
        (Some(0), _, Some(at)) => {
            format!("not read for {}", in_words(now.duration_since(at)))
        }
        (Some(0), ..) => "not read".to_owned(),
        (Some(n), Some(true), _) => format!("read by {n} connection(s), which were sent everything"),
        (Some(n), ..) => format!("read by {n} connection(s), which were not sent everything yet"),
    }];
    if let (Some(files), Some(bytes)) = (binlog.files, binlog.retained_bytes) {
        words.push(format!("{files} file(s) with {} MB", bytes.div_ceil(1 << 20)));
    }
    if let (Some(seconds), Some(limit)) = (binlog.lost_after_seconds, binlog.lost_by) {
        let time = in_words(SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::MAX));
        words.push(match reads {
            true => format!("could be disconnected for at least {time} ({})", limit.name()),
            false => format!("kept for at least {time} more ({})", limit.name()),
        });
    }
    words.join(", ")
}

/// What is required, and why.
fn required(verdict: &Verdict) -> String {
    let required =
        verdict.required_of_server.map_or(verdict.required, |of_server| of_server.max(verdict.required));
    let by = match verdict.required_by {
        RequiredBy::Require => " (require)",
        RequiredBy::ReplicationMode => " (replication_mode)",
        RequiredBy::Default => " (neither replication_mode nor require is set)",
        RequiredBy::BestSoFar => " (the best so far, because neither replication_mode nor require is set)",
    };
    format!("{}{by}", required.name())
}

fn started(report: &Report, now: Timestamp) -> Markup {
    html! { (ago(report.started_at, now)) " ago" }
}

fn checks(report: &Report, group: Group) -> Markup {
    html! {
        table.checks {
            caption { (group.name()) }
            thead { tr { th scope="col" { "Outcome" } th scope="col" { "Check" } th scope="col" { "Found" } } }
            tbody { @for row in report.checks.iter().filter(|row| row.group == group) { (check(row)) } }
        }
    }
}

fn check(row: &CheckResult) -> Markup {
    let (class, sign, word) = match row.outcome {
        Outcome::Pass => ("good", "√", "passed"),
        Outcome::Warn => ("warn", "‼", "warning"),
        Outcome::Fail => ("bad", "×", "failed"),
        Outcome::Unknown => ("warn", "?", "unknown"),
        Outcome::NotReached => ("unknown", "·", "not reached"),
        Outcome::NotApplicable => ("unknown", "·", "not applicable"),
    };
    html! {
        tr class=(class) {
            td { span aria-hidden="true" { (sign) " " } (word) }
            th scope="row" { (row.title) div.small { code { (row.cause_or_code()) } } }
            td {
                @if let Some(found) = &row.found { (found) }
                @if let Some(expected) = &row.expected { div { "expected: " (expected) } }
                @if let Some(remedy) = &row.remedy { div { strong { "to do: " } (remedy) } }
                @if row.candidates.len() > 1 {
                    ol {
                        @for candidate in &row.candidates {
                            li {
                                code { (candidate.cause) } ": " (candidate.because)
                                @if !candidate.remedy.is_empty() { div { strong { "to do: " } (candidate.remedy) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Number of checks in the history table; the plot shows all of them.
const SHOWN: usize = 20;

fn history(entry: &Entry) -> Markup {
    html! {
        h2 { "History" }
        (plot::durations(entry.past.iter()))
        table {
            caption { "Last " (entry.past.len().min(SHOWN)) " of " (entry.past.len()) " checks" }
            thead {
                tr {
                    th scope="col" { "At" } th scope="col" { "Verdict" } th scope="col" { "Cause" }
                    th scope="col" { "Took" }
                }
            }
            tbody { @for past in entry.past.iter().rev().take(SHOWN) { (past_row(past)) } }
        }
    }
}

fn past_row(past: HistoryEntry) -> Markup {
    html! {
        tr class=(if past.met { "good" } else { "bad" }) {
            th scope="row" { (super::time(past.at)) }
            td data-label="Verdict" { (past.capability.name()) (if past.met { "" } else { ", not met" }) }
            td data-label="Cause" { @if let Some(code) = &past.cause { code { (code) } } }
            td.number data-label="Took" { (took(past.duration)) }
        }
    }
}

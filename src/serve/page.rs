//! The status page: a list of all targets, and one page per target. Rendered on the server: no scripts, no
//! external resources, and readable without colors.

mod plot;
mod target;

use std::time::Duration;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use crate::{diagnostic::in_words, report::CheckResult};

use super::{
    selection::{HealthFilter, Selection},
    status_store::{Entry, Health, StatusStore},
};

pub(super) use target::page as target;

pub(super) const STYLE: &str = include_str!("page/style.css");

/// Number of checks that the strip of a row shows.
const STRIP: usize = 30;

/// Number of checks that failed, with their remedies, that a row shows.
const FIXES: usize = 3;

/// Number of targets that the list shows. The others are reached with the filter.
const ROWS: usize = 1000;

/// The selected targets: unhealthy ones first, then by name.
pub(super) fn index(
    status_store: &StatusStore,
    selection: &Selection,
    started_at: Timestamp,
    now: Timestamp,
) -> String {
    let mut entries: Vec<_> = status_store.entries().collect();
    entries.sort_by_key(|(name, entry)| (entry.health, *name));
    let count = |health| entries.iter().filter(|(_, entry)| entry.health == health).count();
    let counts = [Health::Unhealthy, Health::Healthy, Health::Unknown].map(|health| (health, count(health)));
    let [(_, unhealthy), (_, healthy), _] = counts;
    let summary = match (unhealthy, healthy == entries.len()) {
        (0, true) => format!("All {healthy} targets are healthy"),
        (0, false) => {
            format!("{healthy} of {} targets are healthy, the others not checked yet", entries.len())
        }
        (n, _) => format!("{n} of {} targets are unhealthy", entries.len()),
    };
    let warned = entries.iter().filter(|(_, entry)| entry.warnings().next().is_some()).count();
    let all = entries.len();
    entries.retain(|(name, entry)| selection.has(name, entry));
    let selected = entries.len();
    entries.truncate(selection.limit.unwrap_or(ROWS).min(ROWS));
    let shown = entries.len();
    let body = html! {
        h1 { (summary) }
        ul.counts {
            @for (health, count) in counts.iter().filter(|(_, count)| *count > 0) {
                li { a href={ "/?health=" (code(*health)) } { strong { (count) } " " (badge(*health)) } }
            }
            @if warned > 0 {
                li { a href="/?health=warning" { strong { (warned) } " with warnings" } }
            }
        }
        (filter(selection))
        p { "Can ClickPipes use these databases with IAM, and for what: Initial Load Only, or CDC?" }
        table.targets {
            caption {
                @if selected < all { (selected) " of " (all) " targets. " a href="/" { "Show all" } } @else { "Targets" }
                @if shown < selected { ". The first " (shown) " are shown: use the filter" }
            }
            thead {
                tr {
                    th scope="col" { "Health" }
                    th scope="col" { "Target" }
                    th scope="col" { "Verdict" }
                    th scope="col" { "Since" }
                    th scope="col" { "What to fix" }
                    th scope="col" { "Last checks" }
                }
            }
            tbody {
                @for (name, entry) in entries { (row(name, entry, now)) }
            }
        }
        p.small {
            "pipeprobe " (env!("CARGO_PKG_VERSION")) ", started " (time(started_at)) ". See also "
            a href="/metrics" { "/metrics" } " and " a href="/api/v1/targets" { "/api/v1/targets" } "."
        }
    };
    // The browser tab shows the title.
    let title = match unhealthy {
        0 => "pipeprobe".to_owned(),
        n => format!("{n} unhealthy – pipeprobe"),
    };
    document(&title, now, &body)
}

/// A form, which works without scripts.
fn filter(selection: &Selection) -> Markup {
    let choices = [
        (HealthFilter::All, "", "all"),
        (HealthFilter::Unhealthy, "unhealthy", "unhealthy"),
        (HealthFilter::Healthy, "healthy", "healthy"),
        (HealthFilter::Unknown, "unknown", "not checked yet"),
        (HealthFilter::Warning, "warning", "with warnings"),
    ];
    html! {
        form method="get" action="/" role="search" {
            label { "Name or code " input type="search" name="q" value=(selection.q); }
            " "
            label {
                "Health "
                select name="health" {
                    @for (sought, value, words) in choices {
                        option value=(value) selected[selection.health == sought] { (words) }
                    }
                }
            }
            " "
            button type="submit" { "Filter" }
        }
    }
}

/// The page for an address that does not exist.
pub(super) fn missing(what: &str, now: Timestamp) -> String {
    let body = html! {
        h1 { "Not found" }
        p { (what) ". " a href="/" { "All targets" } }
    };
    document("Not found – pipeprobe", now, &body)
}

/// As the filter and the API name it.
fn code(health: Health) -> &'static str {
    match health {
        Health::Unhealthy => "unhealthy",
        Health::Unknown => "unknown",
        Health::Healthy => "healthy",
    }
}

fn row(name: &str, entry: &Entry, now: Timestamp) -> Markup {
    let last = entry.last.as_deref();
    html! {
        tr class=(class(entry.health)) {
            td { (badge(entry.health)) }
            th scope="row" {
                a href=(path(name)) { (name) }
                @if let Some(kind) = last.and_then(|report| report.source_type) { div.small { (kind.name()) } }
            }
            td data-label="Verdict" { @if let Some(report) = last { (report.verdict.capability.name()) } }
            td data-label="Since" { @if let Some(since) = entry.since { (ago(since, now)) } }
            td data-label="What to fix" {
                @match last.filter(|_| entry.health == Health::Unhealthy) {
                    Some(report) => {
                        @for check in report.blocking_checks().take(FIXES) {
                            div { code { (check.cause_or_code()) } " " (report.fix_of(check)) }
                        }
                        @let others = report.blocking_checks().count().saturating_sub(FIXES);
                        @if others > 0 { div { a href=(path(name)) { "and " (others) " more" } } }
                    }
                    None if entry.warnings().next().is_none() => "–",
                    None => {},
                }
                (warnings(entry))
            }
            td data-label="Last checks" { (plot::strip(entry.past.iter().rev().take(STRIP).rev())) }
        }
    }
}

fn document(title: &str, now: Timestamp, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content="15";
                title { (title) }
                link rel="stylesheet" href="/style.css";
            }
            body {
                header { a href="/" { "pipeprobe" } }
                main { (body) }
                footer.small { "As of " (time(now)) ". This page refreshes every 15 seconds." }
            }
        }
    }
    .into_string()
}

/// Shows health as a sign, a word and a color; each one is sufficient.
fn badge(health: Health) -> Markup {
    let sign = match health {
        Health::Healthy => "√",
        Health::Unhealthy => "×",
        Health::Unknown => "·",
    };
    html! { span class={ "badge " (class(health)) } { span aria-hidden="true" { (sign) " " } (health.name()) } }
}

fn class(health: Health) -> &'static str {
    match health {
        Health::Healthy => "good",
        Health::Unhealthy => "bad",
        Health::Unknown => "unknown",
    }
}

/// Codes of the warnings of the last check.
fn warnings(entry: &Entry) -> Markup {
    let codes: Vec<&str> = entry.warnings().map(CheckResult::cause_or_code).collect();
    html! {
        @if !codes.is_empty() {
            div.small {
                span aria-hidden="true" { "‼ " } @if codes.len() == 1 { "warning: " } @else { "warnings: " }
                @for (i, code) in codes.iter().enumerate() { @if i > 0 { ", " } code { (code) } }
            }
        }
    }
}

/// Path of a target's page.
fn path(name: &str) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    format!("/targets/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

fn time(at: Timestamp) -> Markup {
    let complete = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    html! { time datetime=(complete) { (readable(at)) } }
}

/// `2026-01-02 03:04:05 UTC`
fn readable(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `3 min`, with the exact time as a tooltip.
fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let complete = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    html! { time datetime=(complete) title=(complete) { (in_words(now.duration_since(at))) } }
}

/// A duration for people: `171 ms`, `12.8 s`.
fn took(duration: Duration) -> String {
    match duration.as_secs_f64() * 1e3 {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}

#[cfg(test)]
mod tests;

//! Small SVG charts of the history. Each has a text alternative.

use std::time::Duration;

use maud::{Markup, html};

use super::{readable, took};
use crate::serve::history::HistoryEntry;

/// One bar per check, the newest on the right.
pub(super) fn strip(past: impl ExactSizeIterator<Item = HistoryEntry> + Clone) -> Markup {
    let (all, met) = (past.len(), past.clone().filter(|past| past.met).count());
    let width = 6 * all.max(1);
    html! {
        svg.strip role="img" width=(width) height="20" viewBox={ "0 0 " (width) " 20" }
            aria-label={ "last " (all) " checks: " (met) " met, " (all - met) " not met" } {
            @for (i, past) in past.enumerate() {
                rect class=(if past.met { "good" } else { "bad" }) x=(6 * i) width="4"
                    y=(if past.met { 4 } else { 0 }) height=(if past.met { 16 } else { 20 }) {
                    title { (readable(past.at)) " " (past.capability.name()) @if let Some(code) = &past.cause { " " (code) } }
                }
            }
        }
    }
}

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 80.0;
/// For the labels of the axes: on the left, and below.
const LEFT: f64 = 60.0;
const BELOW: f64 = 20.0;

/// Duration of each check: time on the x axis, milliseconds on the y axis; failed checks are marked.
pub(super) fn durations(past: impl ExactSizeIterator<Item = HistoryEntry> + Clone) -> Markup {
    let longest = past.clone().map(|past| past.duration).fold(Duration::from_millis(1), Duration::max);
    let ends = past.clone().next().zip(past.clone().last());
    let step = WIDTH / (past.len().max(2) - 1) as f64;
    let points: Vec<_> = past
        .enumerate()
        .map(|(i, past)| (i as f64 * step, HEIGHT * (1.0 - past.duration.div_duration_f64(longest)), past))
        .collect();
    let line: Vec<String> = points.iter().map(|(x, y, _)| format!("{x:.1},{y:.1}")).collect();
    html! {
        svg.plot role="img" viewBox={ (-5.0 - LEFT) " -10 " (WIDTH + LEFT + 10.0) " " (HEIGHT + BELOW + 15.0) }
            aria-label={ "duration of the last " (points.len()) " checks, at most " (took(longest)) } {
            line x1="0" y1="0" x2="0" y2=(HEIGHT) {}
            line x1="0" y1=(HEIGHT) x2=(WIDTH) y2=(HEIGHT) {}
            text x="-5" y="4" text-anchor="end" { (took(longest)) }
            text x="-5" y=(HEIGHT) text-anchor="end" { "0 ms" }
            @if let Some((first, last)) = ends {
                text x="0" y=(HEIGHT + BELOW - 4.0) { (readable(first.at)) }
                text x=(WIDTH) y=(HEIGHT + BELOW - 4.0) text-anchor="end" { (readable(last.at)) }
            }
            polyline points=(line.join(" ")) {}
            @for (x, y, past) in &points {
                circle class=(if past.met { "good" } else { "bad" }) cx=(format!("{x:.1}")) cy=(format!("{y:.1}"))
                    r=(if past.met { 2 } else { 4 }) {
                    title { (readable(past.at)) ": " (took(past.duration)) ", " (past.capability.name()) }
                }
            }
        }
    }
}

//! The estimate of the initial load as text.

use std::io::{self, Write};

use jiff::SignedDuration;

use super::layout::{Layout, Mark, labeled};
use crate::{
    diagnostic::in_words,
    facts::{InitialLoad, LargeTable},
    report::LoadEstimate,
};

const INDENT: &str = "          ";

pub(super) fn write(out: &mut impl Write, load: &LoadEstimate, layout: Layout) -> io::Result<()> {
    let estimate = match load {
        LoadEstimate { estimate: Some(estimate), .. } => estimate,
        LoadEstimate { problem, .. } => {
            let problem = problem.as_deref().unwrap_or("unknown");
            return labeled(out, layout, "Load      ", &format!("no estimate: {problem}"));
        }
    };
    labeled(out, layout, "Load      ", &headline(estimate))?;
    labeled(out, layout, INDENT, &basis(estimate))?;
    let warning = format!("{INDENT}{} ", Mark::Warning.show(layout));
    if let (Some(false), Some(kept), Some(limit)) =
        (estimate.is_outlasted(), estimate.changes_kept_seconds, estimate.changes_kept_by)
    {
        let text = format!(
            "changes during the load are kept for {} ({}): make that longer than the load",
            time(kept),
            limit.name()
        );
        labeled(out, layout, &warning, &text)?;
    }
    for table in estimate.largest.iter().filter(|table| estimate.connections > 1 && !table.split) {
        if let Some(text) = splitting(estimate, table) {
            labeled(out, layout, INDENT, &text)?;
        }
    }
    Ok(())
}

fn headline(estimate: &InitialLoad) -> String {
    let InitialLoad { tables, connections, .. } = estimate;
    let (shortest, longest) = (time(estimate.shortest_seconds), time(estimate.longest_seconds));
    let duration = match shortest == longest {
        true => shortest,
        false => format!("{shortest} to {longest}"),
    };
    let rows = estimate.rows.map(|rows| format!(", {} rows", rounded(rows))).unwrap_or_default();
    format!(
        "about {duration} with {connections} {}: {tables} {}, {} on disk{rows}",
        plural(*connections as usize, "connection"),
        plural(*tables, "table"),
        size(estimate.bytes_on_disk),
    )
}

fn basis(estimate: &InitialLoad) -> String {
    let sampled = &estimate.sampled;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is for people")]
    let rate = size(sampled.bytes_per_second as u64);
    format!(
        "measured from here, not from ClickPipes: {rate}/s over one connection ({} of {})",
        size(sampled.bytes),
        sampled.tables.join(", ")
    )
}

/// Only for a table that makes the load longer.
fn splitting(estimate: &InitialLoad, table: &LargeTable) -> Option<String> {
    let key = table.possible_partition_key.as_ref()?;
    let share = estimate.bytes_on_disk / u64::from(estimate.connections.max(1));
    (table.bytes_on_disk > share).then(|| {
        format!(
            "{} ({}) is read by one connection; partition_key = \"{key}\" splits it",
            table.name,
            size(table.bytes_on_disk)
        )
    })
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// Less than a second is one.
fn time(seconds: f64) -> String {
    in_words(SignedDuration::try_from_secs_f64(seconds.max(1.0)).unwrap_or(SignedDuration::MAX))
}

/// With two digits: `512 bytes`, `1.4 GB`.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{} {name}", two_digits(bytes, unit)),
        None => format!("{bytes} bytes"),
    }
}

/// A number of rows: `950`, `1.2 million`.
fn rounded(rows: u64) -> String {
    let units = [(1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand")];
    match units.into_iter().find(|(unit, _)| rows >= *unit) {
        Some((unit, name)) => format!("{} {name}", two_digits(rows, unit)),
        None => rows.to_string(),
    }
}

fn two_digits(n: u64, unit: u64) -> String {
    match n / unit {
        0..10 => format!("{}.{}", n / unit, n % unit * 10 / unit),
        whole => whole.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_two_digits() {
        for (n, expected) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (123_456, "123 kB"),
            (9_999_999, "9.9 MB"),
            (42_000_000_000, "42 GB"),
            (7_700_000_000_000, "7.7 TB"),
        ] {
            assert_eq!(size(n), expected);
        }
        assert_eq!([950, 1_200_000, 3_400_000_000].map(rounded), ["950", "1.2 million", "3.4 billion"]);
        assert_eq!([0.01, 59.0, 7_300.0].map(time), ["1 s", "59 s", "2 h 1 min"]);
    }
}

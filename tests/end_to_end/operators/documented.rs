//! Every series that a running `serve` serves is on the pages of metrics, with its labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::serve::{QUICK, ServeProcess, client::get, two, wait};

/// A table of the page: a name, and its labels.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = include_str!("../../../src/report/metrics.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let documented: BTreeMap<_, _> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            // The labels stand before the meaning; what a page has between is a kind.
            let labels = cells[cells.len() - 2].split(", ").map(|label| label.trim_matches('`').to_owned());
            let labels = labels.filter(|label| !label.is_empty()).collect();
            (cells[0].trim_matches('`').to_owned(), labels)
        })
        .collect();
    assert!(documented.len() > 25, "{documented:?}");
    documented
}

/// Asserts that every metric which a text names is documented.
#[track_caller]
pub(super) fn assert_metrics(of: &str, text: &str) {
    let known = documented();
    let mut named = 0;
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let word = word.strip_suffix("_bucket").unwrap_or(word);
        if word.starts_with("pipeprobe_") || word.starts_with("probe_") || word == "up" {
            named += 1;
            assert!(word == "up" || known.contains_key(word), "{of} names {word}, which is on no page");
        }
    }
    assert!(named > 0, "{of} names no metric");
}

/// Names with their labels, as they are served.
fn serve(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut serve = BTreeMap::new();
    let histograms: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram")).collect();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let part = ["_bucket", "_count", "_sum"].iter().find_map(|part| name.strip_suffix(part));
        let name = part.filter(|name| histograms.contains(name)).unwrap_or(name);
        let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
        let labels = labels.map(|(key, _)| key.to_owned()).filter(|key| key != "le").collect();
        serve.insert(name.to_owned(), labels);
    }
    serve
}

#[test]
fn every_series_that_is_served_is_on_the_page() {
    let lab = two();
    // One that fails, for what only failures have.
    let failing = lab.target_toml("denied", &lab.instances()[0], "arn:aws:iam::123456789012:role/nobody");
    lab.instances()[0]
        .sql("SELECT pg_create_logical_replication_slot('peerflow_slot_page', 'pgoutput')")
        .unwrap();
    let running = ServeProcess::start(&lab, QUICK, &(lab.config_toml() + &failing));
    wait("every target is checked", || {
        let ready = running.get("/-/ready");
        if ready.status == 200 { Ok(()) } else { Err(ready.body) }
    });
    let known = documented();
    let mut all = BTreeMap::new();
    for path in ["/metrics", "/probe?target=denied", "/probe?target=postgres15", "/probe?target=mariadb10_11"]
    {
        // Only OpenMetrics marks the end.
        let answer =
            get(&running.address, path, &[("Accept", "application/openmetrics-text; version=1.0.0")]);
        assert!(answer.body.ends_with("# EOF\n"), "{path}: {}", answer.body);
        for (name, labels) in serve(&answer.body) {
            assert_eq!(known.get(&name), Some(&labels), "{path} serves {name}");
            all.insert(name, labels);
        }
    }
    // And the page promises no more than there is, but for what this lab cannot show.
    // Those of `agent` are in the test of its metrics.
    let of_serve = known.keys().filter(|name| !name.starts_with("pipeprobe_agent_"));
    let unseen: Vec<_> = of_serve.filter(|name| !all.contains_key(*name)).collect();
    // Pretend keys do not end, and the lab has no rds_configuration that says NULL or a number.
    // Its slot has no limit that it could reach, and PostgreSQL 15 does not say since when it is inactive.
    let excused = [
        "pipeprobe_source_credentials_remaining_seconds",
        "pipeprobe_binlog_retention_seconds",
        "pipeprobe_slot_safe_wal_bytes",
        "pipeprobe_slot_lost_after_seconds",
        "pipeprobe_slot_inactive_seconds",
        // Nothing reads its binary logs, MariaDB does not show its replicas to the user, and a rate needs a second full check.
        "pipeprobe_binlog_readers_caught_up",
        "pipeprobe_binlog_lost",
        "pipeprobe_binlog_lost_after_seconds",
        "pipeprobe_binlog_bytes_per_second",
        "pipeprobe_registered_replicas",
    ];
    assert!(unseen.iter().all(|name| excused.contains(&name.as_str())), "{unseen:?}");
}

//! Sets of global transaction ids (GTID), as far as they are needed to see whether transactions were purged that a pipe has not
//! read.

use std::collections::BTreeMap;

/// Whether this set of GTIDs of MySQL contains one that is not in the other set. `None` if one cannot be read.
/// `uuid:1-5:7:tag:1, uuid:…` (MySQL Reference Manual, "GTID Format and Storage"; tags since 8.3).
pub(super) fn mysql_exceeds(set: &str, other: &str) -> Option<bool> {
    let (set, other) = (intervals(set)?, intervals(other)?);
    Some(set.iter().any(|(source, intervals)| {
        let known = other.get(source).map(Vec::as_slice).unwrap_or_default();
        intervals.iter().any(|(first, last)| !covers(known, *first, *last))
    }))
}

/// By source and tag, in ascending order.
fn intervals(set: &str) -> Option<BTreeMap<String, Vec<(u64, u64)>>> {
    let mut all: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
    let is_space = |c: char| c.is_whitespace() || c.is_control();
    for of_source in set.split(',').map(|part| part.trim_matches(is_space)).filter(|part| !part.is_empty()) {
        let mut parts = of_source.split(':').map(|part| part.trim_matches(is_space));
        let source = parts.next().filter(|uuid| uuid.len() == 36)?.to_ascii_lowercase();
        let mut key = source.clone();
        for part in parts {
            if part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                key = format!("{source}:{}", part.to_ascii_lowercase());
                continue;
            }
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            all.entry(key.clone()).or_default().push((first.parse().ok()?, last.parse().ok()?));
        }
    }
    for intervals in all.values_mut() {
        intervals.sort_unstable();
    }
    Some(all)
}

/// Whether these ascending intervals contain all numbers from `first` to `last`. Adjacent ones may be separate.
fn covers(intervals: &[(u64, u64)], first: u64, last: u64) -> bool {
    let mut next = first;
    for (from, to) in intervals {
        if *from <= next && next <= *to {
            match to.checked_add(1) {
                Some(after) if after <= last => next = after,
                _ => return true,
            }
        }
    }
    first > last
}

/// As [`mysql_exceeds`], for positions of MariaDB: the last GTID of each domain, `domain-server-sequence,…` (MariaDB documentation,
/// "Global Transaction ID").
pub(super) fn mariadb_exceeds(position: &str, other: &str) -> Option<bool> {
    let (position, other) = (domains(position)?, domains(other)?);
    Some(position.iter().any(|(domain, sequence)| other.get(domain).is_none_or(|known| known < sequence)))
}

fn domains(position: &str) -> Option<BTreeMap<u32, u64>> {
    let mut all = BTreeMap::new();
    for gtid in position.split(',').map(str::trim).filter(|gtid| !gtid.is_empty()) {
        let mut parts = gtid.split('-');
        let (domain, _server, sequence) = (parts.next()?, parts.next()?, parts.next()?);
        let last: &mut u64 = all.entry(domain.parse().ok()?).or_default();
        *last = (*last).max(sequence.parse().ok()?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    #[test]
    fn purged_transactions_of_mysql_are_compared_with_executed_ones() {
        let (upper, tagged) = (A.to_uppercase(), format!("{A}:1-5:tag_a:1-3"));
        for (set, other, exceeds) in [
            (String::new(), String::new(), Some(false)),
            (String::new(), format!("{A}:1-5"), Some(false)),
            (format!("{A}:1-5"), format!("{A}:1-5"), Some(false)),
            (format!("{A}:1-5"), format!("{upper}:1-5"), Some(false)),
            (format!("{A}:1-6"), format!("{A}:1-5"), Some(true)),
            (format!("{A}:1-6"), format!("{A}:4-9:1-3"), Some(false)),
            (format!("{A}:1-6"), format!("{A}:1-3:5-9"), Some(true)),
            (format!("{A}:7"), format!("{A}:1-6:8-9"), Some(true)),
            (format!("{A}:1-2,\n{B}:1"), format!("{A}:1-2"), Some(true)),
            (format!("{A}:1-2,\n{B}:1"), format!("{B}:1-9, {A}:1-9"), Some(false)),
            (format!("{A}:tag_a:1-3"), tagged.clone(), Some(false)),
            (format!("{A}:tag_b:1"), tagged.clone(), Some(true)),
            (tagged, format!("{A}:1-5"), Some(true)),
            ("nonsense:1".into(), String::new(), None),
            (format!("{A}:x-"), String::new(), Some(false)),
            (format!("{A}:1-x"), String::new(), None),
        ] {
            assert_eq!(mysql_exceeds(&set, &other), exceeds, "{set} {other}");
        }
    }

    #[test]
    fn positions_of_mariadb_are_compared_by_domain() {
        for (position, other, exceeds) in [
            ("", "0-1-5", Some(false)),
            ("0-1-5", "0-1-5", Some(false)),
            // After a failover another server continues the domain.
            ("0-1-5", "0-2-6", Some(false)),
            ("0-1-6", "0-2-5", Some(true)),
            ("0-1-5,1-1-2", "0-1-9", Some(true)),
            ("0-1-5,1-1-2", "1-1-2, 0-1-9", Some(false)),
            ("0-1", "0-1-9", None),
            ("0-1-x", "", None),
        ] {
            assert_eq!(mariadb_exceeds(position, other), exceeds, "{position} {other}");
        }
    }
}

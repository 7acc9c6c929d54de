//! Which connection makes room for which.

use super::*;

const LIMITS: Limits = Limits { waiting: 4, working: 3, working_per_client: 2 };

/// A table of connections, and when it started.
struct Table {
    connections: Connections,
    start: Instant,
}

struct Entry {
    id: u64,
    close: CancellationToken,
}

impl Table {
    fn new() -> Self {
        Self { connections: Connections::new(LIMITS), start: Instant::now() }
    }

    fn arrive(&mut self, host: u8) -> Entry {
        let (client, close) = (Client::new([10, 0, 0, host].into()), CancellationToken::new());
        Entry { id: self.connections.arrive(client, close.clone()), close }
    }

    fn work(&mut self, entry: &Entry, second: u64) -> bool {
        self.connections.work(entry.id, self.start + Duration::from_secs(second)).is_ok()
    }

    fn send(&mut self, entry: &Entry, second: u64) {
        self.connections.send(entry.id, self.start + Duration::from_secs(second));
    }
}

fn closed(entries: &[Entry]) -> Vec<usize> {
    entries.iter().enumerate().filter(|(_, entry)| entry.close.is_cancelled()).map(|(i, _)| i).collect()
}

#[test]
fn the_client_with_the_most_waiting_connections_loses_its_oldest() {
    let mut table = Table::new();
    let mut entries: Vec<_> = [9, 1, 1, 1].map(|host| table.arrive(host)).into();
    assert!(closed(&entries).is_empty());
    entries.push(table.arrive(2));
    assert_eq!(closed(&entries), [1]);
    entries.push(table.arrive(1));
    assert_eq!(closed(&entries), [1, 2]);
    // One each: the oldest.
    entries.push(table.arrive(3));
    entries.push(table.arrive(4));
    assert_eq!(closed(&entries), [0, 1, 2, 3]);
}

#[test]
fn the_newest_connection_is_read_however_many_there_are() {
    let mut table = Table::new();
    for _ in 0..100 {
        assert!(!table.arrive(1).close.is_cancelled());
    }
    assert_eq!(table.connections.open.len(), LIMITS.waiting);
}

#[test]
fn requests_are_limited_per_client_and_in_total() {
    let mut table = Table::new();
    let own: Vec<_> = [1, 1, 1].map(|host| table.arrive(host)).into();
    assert_eq!(own.iter().map(|entry| table.work(entry, 0)).collect::<Vec<_>>(), [true, true, false]);
    let (second, third) = (table.arrive(2), table.arrive(3));
    assert!(table.work(&second, 0));
    assert!(!table.work(&third, 0), "three work");
    table.connections.leave(own[0].id);
    assert!(table.work(&third, 0));
}

#[test]
fn a_response_that_is_not_read_makes_room_for_a_request() {
    let mut table = Table::new();
    let own: Vec<_> = [1, 1, 1].map(|host| table.arrive(host)).into();
    for entry in &own[..2] {
        assert!(table.work(entry, 0));
        table.send(entry, 0);
    }
    assert!(!table.work(&own[2], 0), "they have just started");
    assert!(table.work(&own[2], 1));
    assert_eq!(closed(&own), [0]);

    // Another client's only if all places are taken.
    let others: Vec<_> = [2, 3].map(|host| table.arrive(host)).into();
    assert!(table.work(&others[0], 1));
    assert_eq!(closed(&own), [0]);
    assert!(table.work(&others[1], 1));
    assert_eq!(closed(&own), [0, 1]);
    let last = table.arrive(4);
    assert!(!table.work(&last, 9), "what is still being made keeps its place");
}

#[test]
fn a_health_request_takes_no_place_and_a_closed_connection_gets_none() {
    let mut table = Table::new();
    let health = table.arrive(1);
    table.send(&health, 0);
    let working: Vec<_> = [1, 1].map(|host| table.arrive(host)).into();
    assert!(working.iter().all(|entry| table.work(entry, 9)));
    assert!(!health.close.is_cancelled());

    let old = table.arrive(2);
    table.connections.close_waiting();
    table.connections.close_waiting();
    assert!(old.close.is_cancelled() && health.close.is_cancelled());
    assert!(!table.work(&old, 0));
}

#[test]
fn a_client_is_an_address_or_an_ipv6_network() {
    let same = |a: &str, b: &str| Client::new(a.parse().unwrap()) == Client::new(b.parse().unwrap());
    assert!(same("10.0.0.1", "::ffff:10.0.0.1"));
    assert!(!same("10.0.0.1", "10.0.0.2"));
    assert!(same("2001:db8::1", "2001:db8::2:1"));
    assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
    assert!(!same("::1", "::"));
}

#[test]
fn limits_follow_the_file_descriptors() {
    assert_eq!(Limits::new(4096), Limits { waiting: 1024, working: 256, working_per_client: 128 });
    assert_eq!(Limits::new(usize::MAX), Limits::new(4096));
    assert_eq!(Limits::new(1024), Limits { waiting: 256, working: 128, working_per_client: 64 });
    assert_eq!(Limits::new(1), Limits { waiting: 1, working: 1, working_per_client: 1 });
}

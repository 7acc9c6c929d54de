//! The open HTTP connections, by client, and which of them to close when there are too many. Pure: time is an
//! argument.
//!
//! A connection first waits for its client: TLS handshake and request head. It costs little, and the oldest one is closed
//! to make room, so a new client is always read. A health request is answered from there. Any other request needs one
//! of the places for work, which are limited per client and in total. A response that its client does not read gives
//! its place to the next request.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// After this time, the connection of a response can be closed to make room.
const SLOW: Duration = Duration::from_secs(1);

/// Where a connection comes from: an IPv4 address, or the /64 network of an IPv6 address, because one machine usually has
/// all its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client(IpAddr);

impl Client {
    pub(crate) fn new(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V6(ip) if !ip.is_loopback() => {
                let network = u128::from(ip) & !u128::from(u64::MAX);
                Self(Ipv6Addr::from(network).into())
            }
            ip => Self(ip),
        }
    }
}

/// Maximum numbers of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) waiting: usize,
    pub(crate) working: usize,
    pub(crate) working_per_client: usize,
}

impl Limits {
    /// At most three eighths of the file descriptors; checks need the others.
    pub(crate) fn new(descriptors: usize) -> Self {
        let working = (descriptors / 8).clamp(1, 256);
        Self { waiting: (descriptors / 4).clamp(1, 1024), working, working_per_client: working.div_ceil(2) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    /// The response is being made.
    Working,
    /// The response is being sent, since this time.
    Sending(Instant),
}

#[derive(Debug)]
struct Connection {
    client: Client,
    phase: Phase,
    close: CancellationToken,
}

/// All open connections, oldest first.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: Limits,
    open: BTreeMap<u64, Connection>,
    next: u64,
}

/// No place is free.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Connections {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, open: BTreeMap::new(), next: 0 }
    }

    /// Adds a connection. `close` is canceled when it has to make room. Closes one if too many wait.
    pub(crate) fn arrive(&mut self, client: Client, close: CancellationToken) -> u64 {
        let id = self.next;
        self.next += 1;
        self.open.insert(id, Connection { client, phase: Phase::Waiting, close });
        if self.count(|connection| connection.phase == Phase::Waiting) > self.limits.waiting {
            self.close_waiting();
        }
        id
    }

    /// Closes the oldest waiting connection of the client that has the most.
    pub(crate) fn close_waiting(&mut self) {
        self.close_one(|connection| connection.phase == Phase::Waiting);
    }

    /// The request head was read: takes a place for work.
    pub(crate) fn work(&mut self, id: u64, now: Instant) -> Result<(), Busy> {
        let client = self.open.get(&id).ok_or(Busy)?.client;
        let slow = |connection: &Connection| matches!(connection.phase, Phase::Sending(since) if now.saturating_duration_since(since) >= SLOW);
        let works = |connection: &Connection| connection.phase != Phase::Waiting;
        let own = self.count(|connection| works(connection) && connection.client == client);
        let is_free = if own >= self.limits.working_per_client {
            self.close_one(|connection| slow(connection) && connection.client == client)
        } else if self.count(works) >= self.limits.working {
            self.close_one(slow)
        } else {
            true
        };
        match self.open.get_mut(&id).filter(|_| is_free) {
            Some(connection) => {
                connection.phase = Phase::Working;
                Ok(())
            }
            None => Err(Busy),
        }
    }

    /// The response is ready to be sent. A connection that still waits, as one with a health request, keeps waiting.
    pub(crate) fn send(&mut self, id: u64, now: Instant) {
        if let Some(connection) = self.open.get_mut(&id).filter(|c| c.phase == Phase::Working) {
            connection.phase = Phase::Sending(now);
        }
    }

    pub(crate) fn leave(&mut self, id: u64) {
        self.open.remove(&id);
    }

    fn count(&self, which: impl Fn(&Connection) -> bool) -> usize {
        self.open.values().filter(|connection| which(connection)).count()
    }

    /// Of these connections, closes the oldest one of the client that has the most.
    fn close_one(&mut self, which: impl Fn(&Connection) -> bool) -> bool {
        // For each client: the number of its connections, and the oldest one.
        let mut clients: HashMap<Client, Candidate> = HashMap::new();
        for (id, connection) in self.open.iter().filter(|(_, connection)| which(connection)) {
            let candidate = clients.entry(connection.client).or_insert(Candidate { count: 0, oldest: *id });
            candidate.count += 1;
        }
        let chosen = clients.into_values().max_by_key(|c| (c.count, std::cmp::Reverse(c.oldest)));
        let connection = chosen.and_then(|chosen| self.open.remove(&chosen.oldest));
        if let Some(connection) = &connection {
            connection.close.cancel();
        }
        connection.is_some()
    }
}

struct Candidate {
    count: usize,
    oldest: u64,
}

#[cfg(test)]
mod tests;

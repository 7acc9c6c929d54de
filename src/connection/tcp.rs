//! Resolve a name to all its addresses, and race connections to them (RFC 8305, "Happy Eyeballs").

use std::{net::SocketAddr, time::Duration};

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use tokio::{net::TcpStream, task::JoinSet, time::Instant};

use super::{Attempt, ConnectError, Stage};
use crate::{diagnostic::printable, local_failure::LocalFailure, target::Endpoint};

/// "Connection Attempt Delay" of RFC 8305 section 5.
const STAGGER: Duration = Duration::from_millis(250);

/// A connection without packets is tested after this time, then at the interval, and ends after so many probes without an
/// answer: two minutes in all.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;

/// Asks for the name at the end of the aliases (POSIX, getaddrinfo); the same number everywhere.
const AI_CANONNAME: i32 = 2;

/// All addresses, and the name they belong to where `dial` is an alias (CNAME) of it.
pub(super) async fn resolve(
    dial: &Endpoint,
    alias_of: &mut Option<String>,
) -> Result<Vec<SocketAddr>, ConnectError> {
    if let Some(ip) = dial.host.ip() {
        return Ok(vec![SocketAddr::new(ip, dial.port)]);
    }
    let (host, port) = (dial.host.as_str().to_owned(), dial.port);
    // The system's resolver blocks while it waits for name servers, so it runs on a separate thread, as in tokio.
    let auth_request = tokio::task::spawn_blocking(move || look_up(&host, port)).await;
    let (found, canonical) = auth_request.map_err(|e| ConnectError::Resolver(e.to_string()))??;
    *alias_of = canonical.filter(|name| !name.eq_ignore_ascii_case(dial.host.as_str()));
    if found.is_empty() { Err(ConnectError::Resolve("no address".into())) } else { Ok(interleaved(&found)) }
}

fn look_up(host: &str, port: u16) -> Result<(Vec<SocketAddr>, Option<String>), ConnectError> {
    let hints =
        AddrInfoHints { socktype: SockType::Stream.into(), flags: AI_CANONNAME, ..AddrInfoHints::default() };
    let answer = getaddrinfo(Some(host), Some(&port.to_string()), Some(hints)).map_err(|error| {
        let kind = error.kind();
        let error = std::io::Error::from(error);
        if let Some(failure) = LocalFailure::of_connect(&error) {
            return ConnectError::Local { stage: Stage::Resolve, failure };
        }
        let words = error.to_string();
        match kind {
            LookupErrorKind::NoName | LookupErrorKind::NoData => ConnectError::Resolve(words),
            _ => ConnectError::Resolver(words),
        }
    })?;
    let (mut addresses, mut canonical) = (Vec::new(), None);
    for one in answer.flatten() {
        addresses.push(one.sockaddr);
        canonical = canonical.or(one.canonname);
    }
    Ok((addresses, canonical.map(|name| printable(name.trim_end_matches('.')))))
}

/// The families in turn, beginning with the one the resolver put first (RFC 8305 section 4).
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (one, other): (Vec<_>, Vec<_>) = addresses.iter().partition(|a| a.is_ipv6() == first.is_ipv6());
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    std::iter::from_fn(|| match (one.next(), other.next()) {
        (None, None) => None,
        pair => Some(pair),
    })
    .flat_map(|(a, b)| a.into_iter().chain(b))
    .collect()
}

/// The first connection that succeeds. A new attempt starts when one fails, or after the stagger.
pub(super) async fn race(
    addresses: &[SocketAddr],
    attempts: &mut Vec<Attempt>,
) -> Result<TcpStream, ConnectError> {
    let mut waiting = addresses.iter().copied();
    let mut running = JoinSet::new(); // dropped with the losers in it, which ends them
    let mut next_start = Instant::now();
    let mut exhausted = false;
    let mut failures = Vec::new();
    loop {
        if running.is_empty() && exhausted {
            return Err(failed(&failures));
        }
        tokio::select! {
            () = tokio::time::sleep_until(next_start), if !exhausted => match waiting.next() {
                Some(address) => {
                    running.spawn(async move { (address, TcpStream::connect(address).await) });
                    next_start = Instant::now() + STAGGER;
                }
                None => exhausted = true,
            },
            Some(Ok((address, result))) = running.join_next() => match result {
                Ok(stream) => {
                    attempts.push(Attempt { address, error: None });
                    let _ = prepare(&stream); // hints; the handshake works without them
                    return Ok(stream);
                }
                Err(error) => {
                    failures.push(LocalFailure::of_connect(&error));
                    attempts.push(Attempt { address, error: Some(plain(&error)) });
                    next_start = Instant::now();
                }
            },
        }
    }
}

/// Small packets are sent at once. Keepalive notices a server that is gone, also in a session of the agent that is idle for
/// hours, and keeps a connection through a load balancer open (Network Load Balancer: 350 s without a packet).
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl};
    stream.set_nodelay(true)?;
    set_socket_keepalive(stream, true)?;
    set_tcp_keepidle(stream, KEEPALIVE_AFTER)?;
    set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    Ok(set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?)
}

/// The error of all attempts. An attempt that this machine could not make says nothing about the address, so without
/// descriptors or memory the result is local. A missing permission, port or address family concerns single addresses: then
/// the attempts at the others decide.
fn failed(failures: &[Option<LocalFailure>]) -> ConnectError {
    let exhausted = failures.iter().flatten().find(|failure| !failure.is_of_address);
    let all = || failures.first()?.as_ref().filter(|_| failures.iter().all(Option::is_some));
    match exhausted.or_else(all) {
        Some(failure) => ConnectError::Local { stage: Stage::Connect, failure: failure.clone() },
        None => ConnectError::NotConnected,
    }
}

/// The operating system's words without Rust's "(os error N)".
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Host;

    #[test]
    fn families_take_turns() {
        let read = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let given = read(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        assert_eq!(interleaved(&given), read(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]));
    }

    #[tokio::test]
    async fn a_refusal_moves_on_at_once_and_is_remembered() {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let mut attempts = Vec::new();
        let stream = race(&[closed, open.local_addr().unwrap()], &mut attempts).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open.local_addr().unwrap());
        assert_eq!(attempts[0].error.as_deref(), Some("connection refused"));
        assert_eq!(attempts[1].error, None);
    }

    #[test]
    fn a_failure_of_this_machine_is_not_the_networks() {
        let of = |errno: rustix::io::Errno| {
            LocalFailure::of_connect(&std::io::Error::from_raw_os_error(errno.raw_os_error()))
        };
        let (descriptors, family) = (of(rustix::io::Errno::MFILE), of(rustix::io::Errno::ADDRNOTAVAIL));
        let local = |failure: &Option<LocalFailure>| ConnectError::Local {
            stage: Stage::Connect,
            failure: failure.clone().unwrap(),
        };
        assert_eq!(failed(&[None]), ConnectError::NotConnected);
        assert_eq!(failed(std::slice::from_ref(&descriptors)), local(&descriptors));
        assert_eq!(failed(&[None, descriptors.clone()]), local(&descriptors), "one was not tried");
        assert_eq!(failed(&[family.clone(), family.clone()]), local(&family));
        assert_eq!(failed(&[family.clone(), None]), ConnectError::NotConnected, "IPv4 was tried");
        assert_eq!(failed(&[family, descriptors.clone()]), local(&descriptors));
    }

    #[tokio::test]
    async fn an_address_is_nobodys_alias() {
        let (mut alias_of, dial) =
            (None, Endpoint { host: Host::parse("host", "127.0.0.1").unwrap(), port: 5432 });
        let found = resolve(&dial, &mut alias_of).await.unwrap();
        assert_eq!((found, alias_of), (vec!["127.0.0.1:5432".parse().unwrap()], None));
    }

    #[tokio::test]
    async fn no_address_left_is_a_failure_with_every_attempt() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let mut attempts = Vec::new();
        assert_eq!(race(&[closed], &mut attempts).await.unwrap_err(), ConnectError::NotConnected);
        assert_eq!(attempts.len(), 1);
    }
}

//! Names, told by a name server of ours on loopback. The program sees it as the machine's, in a mount namespace of its own.

use std::{
    fs,
    net::{Ipv6Addr, UdpSocket},
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
    thread,
};

use lab::{Instance, ServerVersion};

use super::{Fault, fault, network::black_hole_at};
use crate::support::{Run, shared, skipped};

/// The name that is asked for.
const ALIAS: &str = "orders.corp.example";

const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NAME_ERROR: u8 = 3;

/// What a name server answers: a code, and where it has one, what the name is.
#[derive(Clone, Copy)]
enum Says {
    Nothing,
    Code(u8),
    /// IPv4 loopback, and IPv6 loopback.
    Both,
    /// An alias of the database's own name, which is on IPv4 loopback.
    Alias,
}

/// Why names cannot be told here; nothing where they can.
pub(super) fn why_not() -> Option<String> {
    let works = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|o| o.status.success());
    if !works {
        return Some("no mount namespace may be made here".into());
    }
    UdpSocket::bind("127.53.0.1:53").err().map(|e| format!("port 53 of loopback: {e}"))
}

/// A name server on an address of its own.
fn name_server(says: Says, database: String) -> String {
    static NEXT: AtomicU8 = AtomicU8::new(2);
    let address = format!("127.53.0.{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let socket = UdpSocket::bind((address.as_str(), 53)).unwrap();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length], says, &database) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}

/// A message of RFC 1035 section 4: the question again, and the records.
fn answer(query: &[u8], says: Says, database: &str) -> Option<Vec<u8>> {
    const A: u16 = 1;
    const CNAME: u16 = 5;
    const AAAA: u16 = 28;
    const QUESTION: [u8; 2] = [0xc0, 12]; // where the name that was asked for stands
    let name_length = query.get(12..)?.iter().position(|byte| *byte == 0)? + 1;
    let end = 12 + name_length + 4; // behind type and class
    let auth_request = u16::from_be_bytes([*query.get(end - 4)?, *query.get(end - 3)?]);
    let record = |name: &[u8], kind: u16, data: &[u8]| {
        let length = (data.len() as u16).to_be_bytes();
        [name, &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 0], &length, data].concat()
    };
    let (v4, v6) = ([127, 0, 0, 1], Ipv6Addr::LOCALHOST.octets());
    let (code, records) = match says {
        Says::Nothing => return None,
        Says::Code(code) => (code, vec![]),
        Says::Both if auth_request == A => (NO_ERROR, vec![record(&QUESTION, A, &v4)]),
        Says::Both if auth_request == AAAA => (NO_ERROR, vec![record(&QUESTION, AAAA, &v6)]),
        Says::Both => (NO_ERROR, vec![]),
        Says::Alias => {
            let labels =
                database.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
            let name: Vec<u8> = labels.chain([0]).collect();
            let alias = record(&QUESTION, CNAME, &name);
            let address = (auth_request == A).then(|| record(&name, A, &v4));
            (NO_ERROR, [alias].into_iter().chain(address).collect())
        }
    };
    // An answer, recursion was wanted and is had; one question, so many records.
    let head = [0x81, 0x80 | code, 0, 1, 0, records.len() as u8, 0, 0, 0, 0];
    Some([&query[..2], &head, &query[12..end], &records.concat()].concat())
}

/// Has the program ask that name server.
fn asking<'a>(run: Run<'a>, server: &str) -> Run<'a> {
    let file = |name: &str, content: &str| {
        let path = shared().dir().join(format!("{name}-{server}"));
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let script =
        r#"mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@""#;
    let resolver = file("resolv.conf", &format!("nameserver {server}\n"));
    let switch = file("nsswitch.conf", "hosts: files dns\n");
    run.through(["unshare", "--mount", "sh", "-c", script, &resolver, &switch].map(str::to_owned).to_vec())
}

/// Dials the alias, on the database's port.
fn dialling(fault: Fault, says: Says) -> Fault {
    fault.run(move |run, database| {
        let run = asking(run, &name_server(says, database.host.clone()));
        run.more(&["--connect-to".into(), format!("{ALIAS}:{}", database.port)])
    })
}

/// IPv6 where what comes to the database's port is dropped.
fn dropping_ipv6(database: &Instance) -> Box<dyn std::any::Any> {
    if UdpSocket::bind("[::1]:0").is_err() {
        skipped("a black hole on IPv6: this machine has none, which is as dead");
        return Box::new(());
    }
    black_hole_at((Ipv6Addr::LOCALHOST, database.port).into()).1
}

pub(super) fn faults() -> Vec<Fault> {
    let resolve = |name, cause, to_do| fault(name, "DNS_RESOLVE", cause, to_do);
    let dial = |name| fault(name, "NET_DIAL", "", "127.0.0.1:");
    vec![
        dialling(
            resolve("a name that does not exist", "DNS_NOT_RESOLVED", "check the spelling of `host`"),
            Says::Code(NAME_ERROR),
        ),
        dialling(
            resolve("a name without an address", "DNS_NOT_RESOLVED", "check the spelling of `host`"),
            Says::Code(NO_ERROR),
        ),
        dialling(
            resolve("a name server that fails", "DNS_FAILED", "this machine's resolver"),
            Says::Code(SERVER_FAILURE),
        ),
        resolve("no name server", "DNS_FAILED", "this machine's resolver")
            .run(|run, _| asking(run, "127.53.0.1").more(&["--connect-to".into(), format!("{ALIAS}:1")])),
        dialling(
            resolve("a name server that says nothing", "DNS_TIMED_OUT", "this machine's resolver"),
            Says::Nothing,
        ),
        fault(
            "an alias (CNAME) of the database's name",
            "TLS_VERIFY",
            "TLS_WRONG_NAME",
            "set `tls_host` to postgres15.c9lab0example",
        )
        .run(|run, database| {
            let run = asking(run, &name_server(Says::Alias, database.host.clone()));
            run.with("connect_to", "").with("host", &format!("\"{ALIAS}\""))
        }),
        dialling(dial("IPv6 refuses, IPv4 is alive"), Says::Both),
        dialling(dial("IPv6 is a black hole, IPv4 is alive"), Says::Both)
            .lab(|_, database| Some(dropping_ipv6(database))),
    ]
}

#[test]
fn the_name_behind_an_alias_is_evidence() {
    if why_not().is_some() {
        return; // said where the faults are
    }
    let database = shared().instance(ServerVersion::Postgres15);
    let run =
        asking(Run::check(shared(), &[&database.name]), &name_server(Says::Alias, database.host.clone()));
    let answer = run.more(&["--connect-to".into(), format!("{ALIAS}:{}", database.port)]).json();
    assert_eq!(answer.status, 0);
    assert_eq!(answer.report()["endpoints"]["alias_of"], database.host.as_str());
    let found = answer.row("DNS_RESOLVE")["found"].clone();
    assert_eq!(found, format!("127.0.0.1, an alias of {}", database.host));
}

//! PostgreSQL servers that lie once the session is up.

use std::io;

use super::{
    case::{Case, run},
    postgres::{authentication, error, hear, message, notice, parameter, ready, token},
    server::{End, Peer},
};

/// As it should be, up to the first question. Whether it is for replication.
fn session(peer: &mut Peer) -> io::Result<bool> {
    let startup = token(peer)?;
    peer.send(&authentication(0, &[]))?;
    peer.send(&[parameter("server_version", "15.4"), message(b'K', &[0; 8]), ready()].concat())?;
    Ok(startup.windows(12).any(|w| w == b"replication\0"))
}

pub(crate) fn columns(names: &[&str]) -> Vec<u8> {
    let mut body = (names.len() as u16).to_be_bytes().to_vec();
    for name in names {
        body.extend([name.as_bytes(), &[0; 19]].concat());
    }
    message(b'T', &body)
}

pub(crate) fn row(values: &[&[u8]]) -> Vec<u8> {
    let mut body = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        body.extend([&(value.len() as u32).to_be_bytes()[..], value].concat());
    }
    message(b'D', &body)
}

pub(crate) fn complete() -> Vec<u8> {
    message(b'C', b"SELECT 1\0")
}

/// Every question gets this, on both connections.
fn always(name: &str, answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Case {
    Case::postgres(name, move |peer| {
        session(peer)?;
        loop {
            let (tag, body) = hear(peer)?;
            if tag == b'X' {
                return Ok(End::Close);
            }
            peer.send(&answer(String::from_utf8_lossy(&body).trim_end_matches('\0')))?;
        }
    })
    .after_the_token()
}

/// The first question gets this without end.
fn floods(name: &str, first: Vec<u8>, then: Vec<u8>) -> Case {
    Case::postgres(name, move |peer| {
        session(peer)?;
        hear(peer)?;
        peer.send(&first)?;
        peer.flood(&then)
    })
    .within(5)
    .after_the_token()
    .unknown("DB_VERSION", "PG_UNANSWERED")
}

/// What an honest server would say, as far as the version.
pub(crate) fn honestly(sql: &str) -> Vec<u8> {
    match sql {
        "SELECT version()" => {
            [columns(&["version"]), row(&[b"PostgreSQL 15.4 on hostile"]), complete(), ready()].concat()
        }
        "SELECT current_setting('server_version_num')" => {
            [columns(&["n"]), row(&[b"150004"]), complete(), ready()].concat()
        }
        _ => [columns(&[]), complete(), ready()].concat(),
    }
}

#[test]
fn answers_that_are_none() {
    let unknown = |name: &str, answer: Vec<u8>| {
        always(name, move |_| answer.clone()).unknown("DB_VERSION", "PG_UNANSWERED")
    };
    let then_ready = |message: Vec<u8>| [message, ready()].concat();
    run(vec![
        unknown("no row", [columns(&["x"]), complete(), ready()].concat()),
        unknown("rows of no column", [columns(&[]), row(&[]), row(&[]), complete(), ready()].concat()),
        unknown("a row without a description", [row(&[b"1"]), complete(), ready()].concat()),
        unknown(
            "more columns than described",
            then_ready([columns(&["a"]), row(&[b"1", b"2"]), complete()].concat()),
        ),
        unknown(
            "fewer columns than described",
            then_ready([columns(&["a", "b"]), row(&[b"1"]), complete()].concat()),
        ),
        unknown(
            "words for numbers",
            then_ready([columns(&["a"]), row(&[b"\x1b[31mno number"]), complete()].concat()),
        ),
        unknown("no UTF-8", then_ready([columns(&["a"]), row(&[b"\xff\xfe"]), complete()].concat())),
        unknown("a column that ends nowhere", then_ready(message(b'D', &[0, 1, 0x7f, 0xff, 0xff, 0xff]))),
        unknown("a described column that ends nowhere", then_ready(message(b'T', &[0xff, 0xff, b'x']))),
        unknown("CopyInResponse", then_ready(message(b'G', &[0, 0, 0]))),
        unknown("CopyOutResponse", then_ready(message(b'H', &[0, 0, 0]))),
        unknown("CopyBothResponse", message(b'W', &[0, 0, 0])),
        unknown("an authentication request", authentication(3, &[])),
        unknown("an error in wild words", then_ready(error("XX\u{1b}00", "\u{1b}]0;owned\u{7}")))
            .saying("owned"),
        unknown("an error of no fields", then_ready(message(b'E', &[0]))),
        unknown("an unknown message", message(b'\x1b', &[])),
        unknown("length 3", b"T\0\0\0\x03".to_vec()),
        unknown("a row of 1 GiB", b"D\x40\0\0\0\0\x01".to_vec()),
        unknown("a row of 2 GiB and more", b"D\x80\0\0\0\0\x01".to_vec()),
        always("described twice", move |_| {
            [columns(&["a"]), row(&[b"1"]), columns(&["a", "b"]), row(&[b"1", b"2"]), complete(), ready()]
                .concat()
        })
        .has("DB_TABLES_READ", "pass"),
        always("two answers to one question", |sql| honestly(sql).repeat(2)).has("AUTH_LOG_IN", "pass"),
        always("ready a thousand times", |_| ready().repeat(1000)).unknown("DB_VERSION", "PG_UNANSWERED"),
    ]);
}

#[test]
fn rows_without_end() {
    run(vec![
        floods("rows", columns(&["a"]), row(&[b"1"])),
        floods("rows of no column without end", columns(&[]), row(&[])),
        floods("rows of NULLs", columns(&["a"; 1000]), {
            let nulls = [&1000_u16.to_be_bytes()[..], &[0xff; 4].repeat(1000)].concat();
            message(b'D', &nulls)
        }),
        floods("descriptions", Vec::new(), columns(&["a"; 500])),
        floods("results", Vec::new(), [columns(&["a"]), row(&[b"1"]), complete()].concat()),
        floods("notices", Vec::new(), notice()),
        floods("parameters", Vec::new(), parameter("TimeZone", "UTC")),
        floods("notifications", Vec::new(), message(b'A', b"\0\0\0\x01a\0b\0")),
        floods("errors", Vec::new(), error("XX000", "again")),
        floods("empty answers", Vec::new(), message(b'I', &[])),
        Case::postgres("more tables than there are", |peer| {
            session(peer)?;
            loop {
                let (_, body) = hear(peer)?;
                let sql = String::from_utf8_lossy(&body);
                let answer = if sql.contains("relreplident") {
                    let one = row(&[b"9", b"s", b"t", b"s.t"]);
                    [columns(&["total", "schema", "name", "quoted"]), one.repeat(20_000), complete(), ready()]
                        .concat()
                } else {
                    honestly(sql.trim_end_matches('\0'))
                };
                peer.send(&answer)?;
            }
        })
        .within(5)
        .after_the_token()
        .has("DB_VERSION", "pass"),
    ]);
}

#[test]
fn silence_and_goodbye() {
    run(vec![
        Case::postgres("no answer to any question", |peer| {
            session(peer)?;
            Ok(End::Listen)
        })
        .after_the_token()
        .unknown("DB_VERSION", "PG_UNANSWERED"),
        always("answers, and is never ready", |_| [columns(&["a"]), row(&[b"1"]), complete()].concat())
            .unknown("DB_VERSION", "PG_UNANSWERED"),
        Case::postgres("closes on the first question", |peer| {
            session(peer)?;
            hear(peer)?;
            Ok(End::Close)
        })
        .after_the_token()
        .unknown("DB_VERSION", "PG_UNANSWERED"),
        Case::postgres("closes in the middle of a row", |peer| {
            session(peer)?;
            hear(peer)?;
            peer.send(&[columns(&["a"]), row(&[b"12345678"])[..9].to_vec()].concat())?;
            Ok(End::Close)
        })
        .after_the_token()
        .unknown("DB_VERSION", "PG_UNANSWERED"),
        Case::postgres("drips answers", |peer| {
            session(peer)?;
            peer.drip(&[columns(&["a"]), row(&[b"1"]), complete(), ready()].concat())
        })
        .within(3)
        .after_the_token()
        .unknown("DB_VERSION", "PG_UNANSWERED"),
        Case::postgres("an error as soon as the session is up", |peer| {
            session(peer)?;
            peer.send(&error("57P01", "going down"))?;
            Ok(End::Close)
        })
        .after_the_token()
        .unknown("DB_VERSION", "PG_UNANSWERED"),
        // The session is honest, and the replication connection is not.
        replicating("replication: says nothing", |_| Ok(End::Listen)),
        replicating("replication: closes", |_| Ok(End::Close)),
        replicating("replication: rows without end", |peer| {
            hear(peer)?;
            peer.send(&columns(&["a"]))?;
            peer.flood(&row(&[b"1"]))
        })
        .within(5),
        replicating("replication: rows of no column", |peer| {
            hear(peer)?;
            peer.send(&[columns(&[]), row(&[]), complete(), ready()].concat())?;
            Ok(End::Listen)
        }),
        replicating("replication: CopyBothResponse", |peer| {
            hear(peer)?;
            peer.send(&message(b'W', &[0, 0, 0]))?;
            peer.flood(&message(b'd', b"k0000000000000000x"))
        }),
        replicating("replication: drips", |peer| peer.drip(&columns(&["systemid"]).repeat(3))),
    ]);
}

fn replicating(name: &str, lie: impl Fn(&mut Peer) -> io::Result<End> + Send + Sync + 'static) -> Case {
    Case::postgres(name, move |peer| {
        if session(peer)? {
            return lie(peer);
        }
        loop {
            let (tag, body) = hear(peer)?;
            if tag == b'X' {
                return Ok(End::Close);
            }
            peer.send(&honestly(String::from_utf8_lossy(&body).trim_end_matches('\0')))?;
        }
    })
    .within(3)
    .after_the_token()
    .has("DB_VERSION", "pass")
}

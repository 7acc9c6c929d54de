//! PostgreSQL servers that lie before the session is up.

use std::{io, time::Duration};

use super::{
    case::{Case, run},
    server::{End, Peer},
};

/// A message: its tag, its length (which counts itself), its body.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

/// AuthenticationXxx, by number, and what more it carries.
pub(crate) fn authentication(number: u32, more: &[u8]) -> Vec<u8> {
    message(b'R', &[&number.to_be_bytes()[..], more].concat())
}

pub(crate) fn cleartext() -> Vec<u8> {
    authentication(3, &[])
}

/// ErrorResponse or NoticeResponse, by tag, with these fields.
pub(crate) fn fields(tag: u8, fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, text) in fields {
        body.extend([&[*kind], *text, &[0]].concat());
    }
    body.push(0);
    message(tag, &body)
}

pub(crate) fn error(code: &str, text: &str) -> Vec<u8> {
    fields(b'E', &[(b'S', b"FATAL"), (b'V', b"FATAL"), (b'C', code.as_bytes()), (b'M', text.as_bytes())])
}

pub(crate) fn notice() -> Vec<u8> {
    fields(b'N', &[(b'S', b"NOTICE"), (b'V', b"NOTICE"), (b'C', b"00000"), (b'M', b"n")])
}

pub(crate) fn parameter(name: &str, value: &str) -> Vec<u8> {
    message(b'S', format!("{name}\0{value}\0").as_bytes())
}

pub(crate) fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

pub(crate) fn ssl_request(peer: &mut Peer) -> io::Result<()> {
    assert_eq!(peer.read(8)?, [0, 0, 0, 8, 4, 210, 22, 47]);
    Ok(())
}

/// As it should be, up to the StartupMessage; and that message.
pub(crate) fn startup(peer: &mut Peer) -> io::Result<Vec<u8>> {
    ssl_request(peer)?;
    peer.send(b"S")?;
    peer.encrypt()?;
    let length = u32::from_be_bytes(peer.read(4)?.try_into().unwrap());
    peer.read(length as usize - 4)
}

/// A message of the client's: tag and body.
pub(crate) fn hear(peer: &mut Peer) -> io::Result<(u8, Vec<u8>)> {
    let head = peer.read(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().unwrap());
    Ok((head[0], peer.read(length as usize - 4)?))
}

/// As it should be, up to the token.
pub(crate) fn token(peer: &mut Peer) -> io::Result<Vec<u8>> {
    let startup = startup(peer)?;
    peer.send(&cleartext())?;
    assert_eq!(hear(peer)?.0, b'p');
    Ok(startup)
}

/// Says this to the StartupMessage.
fn answers(name: &str, bytes: Vec<u8>) -> Case {
    Case::postgres(name, move |peer| {
        startup(peer)?;
        peer.send(&bytes)?;
        Ok(End::Listen)
    })
}

/// Says this to the token.
fn answers_the_token(name: &str, bytes: Vec<u8>) -> Case {
    Case::postgres(name, move |peer| {
        token(peer)?;
        peer.send(&bytes)?;
        Ok(End::Listen)
    })
    .after_the_token()
}

#[test]
fn before_tls() {
    let says = |name: &str, bytes: &'static [u8]| {
        Case::postgres(name, move |peer| {
            ssl_request(peer)?;
            peer.send(bytes)?;
            Ok(End::Listen)
        })
    };
    run(vec![
        says("no TLS", b"N").fails("TLS_VERIFY", "TLS_NOT_OFFERED"),
        says("S and garbage", b"Sgarbage, and no TLS record at all").fails("TLS_VERIFY", "TLS_FAILED"),
        says("an unknown byte", b"\x1b").fails("TLS_VERIFY", "DB_PROTOCOL"),
        says("an error", b"E\0\0\0\x20SFATAL\0C28000\0M<script>\0\0")
            .fails("TLS_VERIFY", "DB_PROTOCOL")
            .without_saying("<script>"),
        Case::postgres("bytes injected before TLS", |peer| {
            ssl_request(peer)?;
            peer.send(&[&b"S"[..], &cleartext()].concat())?;
            peer.encrypt()?;
            startup_after(peer)
        })
        .fails("TLS_VERIFY", "TLS_FAILED"),
        Case::postgres("closes at once", |_| Ok(End::Close)).fails("TLS_VERIFY", "DB_CLOSED"),
        Case::postgres("closes on SSLRequest", |peer| {
            ssl_request(peer)?;
            Ok(End::Close)
        })
        .fails("TLS_VERIFY", "DB_CLOSED"),
        Case::postgres("says nothing", |_| Ok(End::Listen)).fails("TLS_VERIFY", "DB_TIMED_OUT"),
        Case::postgres("drips where TLS should be", |peer| {
            ssl_request(peer)?;
            peer.send(b"S")?;
            peer.drip(&[&[0x16, 3, 3, 0x40, 0][..], &[0; 200]].concat())
        })
        .fails("TLS_VERIFY", "DB_TIMED_OUT"),
    ]);
}

fn startup_after(peer: &mut Peer) -> io::Result<End> {
    peer.read(1)?;
    Ok(End::Listen)
}

#[test]
fn asking_for_something_else() {
    let mechanisms = |names: &[&str]| {
        let mut body: Vec<u8> = names.iter().flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect();
        body.push(0);
        authentication(10, &body)
    };
    let not_iam = |name: &str, bytes: Vec<u8>, words: &str| {
        answers(name, bytes).fails("AUTH_IAM_ASKED", "AUTH_NOT_IAM").saying(words)
    };
    let broken = |name: &str, bytes: Vec<u8>| answers(name, bytes).fails("AUTH_IAM_ASKED", "DB_PROTOCOL");
    run(vec![
        not_iam("md5", authentication(5, b"salt"), "MD5"),
        not_iam("SCRAM", mechanisms(&["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]), "SCRAM-SHA-256-PLUS"),
        not_iam("many mechanisms", mechanisms(&["\u{1b}[2J", "X"].repeat(5000)), "a password ("),
        not_iam("GSSAPI", authentication(7, &[]), "GSSAPI"),
        not_iam("SSPI", authentication(9, &[]), "SSPI"),
        not_iam("Kerberos", authentication(2, &[]), "Kerberos V5"),
        not_iam("SCM credentials", authentication(6, &[]), "SCM credentials"),
        not_iam("nothing at all", authentication(0, &[]), "no authentication at all"),
        broken("mechanisms without end", {
            let mut bytes = vec![b'R'];
            bytes.extend(u32::MAX.to_be_bytes());
            bytes.extend([0, 0, 0, 10]);
            bytes.extend(b"X\0".repeat(50_000));
            bytes
        }),
        broken("mechanisms without a NUL", authentication(10, b"SCRAM-SHA-256")),
        broken("an unknown number", authentication(77, &[])),
        broken("GSS continued", authentication(8, b"x")),
        broken("SASL continued", authentication(11, b"x")),
        broken("an authentication of three bytes", message(b'R', &[0, 0, 3])),
        broken("cleartext and more in it", authentication(3, b"more")),
        broken("ready at once", ready()),
        broken("rows at once", message(b'D', &[0, 1, 0, 0, 0, 1, b'x'])),
        broken("an unknown message", message(b'\x1b', b"x")),
        broken("length 0", b"R\0\0\0\0\0\0\0\x03".to_vec()),
        broken("length 1", b"R\0\0\0\x01\0\0\0\x03".to_vec()),
        broken("length 2", b"R\0\0\0\x02\0\0\0\x03".to_vec()),
        broken("length 3", b"R\0\0\0\x03\0\0\0\x03".to_vec()),
        broken("length 2 GiB", b"R\x7f\xff\xff\xff\0\0\0\x03".to_vec()),
        broken("a negative length", b"R\xff\xff\xff\xff\0\0\0\x03".to_vec()),
        broken("an error of 1 GiB", b"E\x40\0\0\0SFATAL\0".to_vec()),
        Case::postgres("closes on the StartupMessage", |peer| {
            startup(peer)?;
            Ok(End::Close)
        })
        .fails("AUTH_IAM_ASKED", "DB_CLOSED"),
        Case::postgres("closes in the middle of asking", |peer| {
            startup(peer)?;
            peer.send(&cleartext()[..5])?;
            Ok(End::Close)
        })
        .fails("AUTH_IAM_ASKED", "DB_CLOSED"),
        Case::postgres("asks for nothing", |peer| {
            startup(peer)?;
            Ok(End::Listen)
        })
        .fails("AUTH_IAM_ASKED", "DB_TIMED_OUT"),
        Case::postgres("drips what it asks", |peer| {
            startup(peer)?;
            peer.drip(&authentication(5, b"salt").repeat(4))
        })
        .within(3)
        .fails("AUTH_IAM_ASKED", "DB_TIMED_OUT"),
        Case::postgres("notices without end before it asks", |peer| {
            startup(peer)?;
            peer.flood(&notice())
        })
        .within(2)
        .fails("AUTH_IAM_ASKED", "DB_TIMED_OUT"),
        Case::postgres("notices of no fields without end", |peer| {
            startup(peer)?;
            peer.flood(&message(b'N', &[]))
        })
        .within(2)
        .fails("AUTH_IAM_ASKED", "DB_TIMED_OUT"),
    ]);
}

#[test]
fn refusing_in_bad_words() {
    let refused = |name: &str, bytes: Vec<u8>| answers(name, bytes).fails("AUTH_IAM_ASKED", "PG_REFUSED");
    let wild = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\u{9b}31m\u{0}after";
    run(vec![
        refused("an error of 60 KB", error("XX000", &"long ".repeat(12_000))).saying("long long"),
        refused("an error that drives the terminal", error(wild, wild)).saying("]0;owned"),
        Case::postgres("a terminal that is driven, on a terminal", move |peer| {
            startup(peer)?;
            peer.send(&error(wild, wild))?;
            Ok(End::Listen)
        })
        .in_text("]0;owned"),
        refused("an error in no UTF-8", fields(b'E', &[(b'C', b"XX\xff00"), (b'M', b"caf\xe9\xff")]))
            .saying("caf"),
        refused("an error without fields", message(b'E', &[0])).saying("no reason"),
        refused("an error without even an end", message(b'E', &[])).saying("no reason"),
        refused("an error without a NUL", message(b'E', b"MFATAL")).saying("no reason"),
        refused(
            "an error with many fields",
            fields(b'E', &[(b'M', &b"m"[..]), (b'D', b"d"), (b'H', b"h"), (0x1b, b"x")].repeat(2000)),
        )
        .saying("m"),
        answers("a token refused before it was sent", error("28000", "PAM authentication failed"))
            .fails("AUTH_IAM_ASKED", "PG_TOKEN_REFUSED"),
    ]);
}

#[test]
fn answering_the_token() {
    let broken =
        |name: &str, bytes: Vec<u8>| answers_the_token(name, bytes).fails("AUTH_LOG_IN", "DB_PROTOCOL");
    let ok = authentication(0, &[]);
    let after = |more: Vec<u8>| [&ok[..], &more].concat();
    run(vec![
        broken("asks a second time", cleartext()),
        broken("asks for md5 as well", authentication(5, b"salt")),
        broken("ready without OK", ready()),
        answers_the_token("OK and an error", after(error("57P03", "not yet")))
            .fails("AUTH_LOG_IN", "PG_NOT_READY"),
        answers_the_token("OK and an error of no fields", after(message(b'E', &[0])))
            .fails("AUTH_LOG_IN", "DB_PROTOCOL"),
        broken("OK and rows", after(message(b'D', &[0, 1, 0, 0, 0, 1, b'x']))),
        broken("OK and an unknown message", after(message(b'\x1b', b"x"))),
        broken("OK and length 0", after(b"S\0\0\0\0".to_vec())),
        broken("OK and a negative length", after(b"S\xff\xff\xff\xff".to_vec())),
        answers_the_token("OK and 2 GiB", after(b"S\x7f\xff\xff\xff".to_vec()))
            .fails("AUTH_LOG_IN", "DB_TIMED_OUT"),
        broken("OK and a parameter in no UTF-8", after(message(b'S', b"\xff\0\xfe\0"))),
        answers_the_token("OK and never ready", ok.clone()).fails("AUTH_LOG_IN", "DB_TIMED_OUT"),
        answers_the_token("no answer to the token", Vec::new()).fails("AUTH_LOG_IN", "DB_TIMED_OUT"),
        Case::postgres("closes on the token", |peer| {
            token(peer)?;
            Ok(End::Close)
        })
        .after_the_token()
        .fails("AUTH_LOG_IN", "DB_CLOSED"),
        Case::postgres("closes after OK", |peer| {
            token(peer)?;
            peer.send(&authentication(0, &[]))?;
            Ok(End::Close)
        })
        .after_the_token()
        .fails("AUTH_LOG_IN", "DB_CLOSED"),
        Case::postgres("drips after the token", |peer| {
            token(peer)?;
            peer.drip(&authentication(0, &[]).repeat(9))
        })
        .within(3)
        .after_the_token()
        .fails("AUTH_LOG_IN", "DB_TIMED_OUT"),
        Case::postgres("notices without end after the token", |peer| {
            token(peer)?;
            peer.flood(&notice())
        })
        .within(2)
        .after_the_token()
        .fails("AUTH_LOG_IN", "DB_TIMED_OUT"),
        Case::postgres("notices without end after OK", |peer| {
            token(peer)?;
            peer.send(&authentication(0, &[]))?;
            peer.flood(&notice())
        })
        .within(12)
        .after_the_token()
        .fails("AUTH_LOG_IN", "DB_PROTOCOL")
        .saying("8 MiB"),
        Case::postgres("parameters without end", |peer| {
            token(peer)?;
            peer.send(&authentication(0, &[]))?;
            let value = "v".repeat(30);
            let many: Vec<u8> = (0..250_000).flat_map(|i| parameter(&i.to_string(), &value)).collect();
            peer.send(&many)?;
            Ok(End::Close)
        })
        .within(12)
        .after_the_token()
        .fails("AUTH_LOG_IN", "DB_PROTOCOL")
        .saying("8 MiB"),
        Case::postgres("garbage where TLS records were", |peer| {
            token(peer)?;
            io::Write::write_all(peer.socket(), b"\x16\x03\x03\0\x04\0\0\0\0and no record at all")?;
            std::thread::sleep(Duration::from_millis(100));
            Ok(End::Close)
        })
        .after_the_token()
        .fails("AUTH_LOG_IN", "DB_PROTOCOL"),
    ]);
}

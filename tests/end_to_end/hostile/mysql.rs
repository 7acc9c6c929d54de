//! MySQL and MariaDB servers that lie before the session is up.

use std::io;

use super::{
    case::{Case, run},
    server::{End, Peer},
};

/// Everything but CLIENT_MYSQL, as a MariaDB has it.
const ALL: u32 = 0xdfff_ffff;
const CLIENT_PROTOCOL_41: u32 = 0x0200;
const CLIENT_SSL: u32 = 0x0800;
const CLIENT_PLUGIN_AUTH: u32 = 0x0008_0000;

pub(crate) fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
    [&[a, b, c, sequence], payload].concat()
}

/// Initial handshake packet, as MySQL 8.0 sends it but for these.
pub(crate) struct Greeting {
    protocol: u8,
    version: Vec<u8>,
    capabilities: u32,
    scramble_length: u8,
    plugin: Vec<u8>,
}

impl Default for Greeting {
    fn default() -> Self {
        Self {
            protocol: 10,
            version: b"8.0.39".to_vec(),
            capabilities: ALL,
            scramble_length: 21,
            plugin: b"caching_sha2_password".to_vec(),
        }
    }
}

impl Greeting {
    pub(crate) fn packet(&self) -> Vec<u8> {
        let [a, b, c, d] = self.capabilities.to_le_bytes();
        let mut payload = vec![self.protocol];
        payload.extend([&self.version[..], b"\0\x01\0\0\0abcdefgh\0"].concat());
        payload.extend([a, b, 45, 2, 0, c, d, self.scramble_length]);
        payload.extend([0; 10]);
        let second = usize::from(self.scramble_length).saturating_sub(8).max(13) - 1;
        payload.extend([&vec![b'x'; second][..], &[0]].concat());
        payload.extend([&self.plugin[..], &[0]].concat());
        packet(0, &payload)
    }
}

pub(crate) fn hear(peer: &mut Peer) -> io::Result<(u8, Vec<u8>)> {
    let head = peer.read(4)?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    Ok((head[3], peer.read(length as usize)?))
}

/// As it should be, up to the HandshakeResponse.
pub(crate) fn response(peer: &mut Peer) -> io::Result<Vec<u8>> {
    peer.send(&Greeting::default().packet())?;
    assert_eq!(hear(peer)?.1.len(), 32, "SSLRequest");
    peer.encrypt()?;
    Ok(hear(peer)?.1)
}

/// As it should be, up to the token.
pub(crate) fn token(peer: &mut Peer) -> io::Result<()> {
    response(peer)?;
    peer.send(&packet(3, b"\xfemysql_clear_password\0"))?;
    hear(peer).map(drop)
}

pub(crate) fn error(number: u16, words: &[u8]) -> Vec<u8> {
    [&[0xff], &number.to_le_bytes()[..], b"#HY000", words].concat()
}

pub(crate) const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

/// Greets with these bytes.
fn greets(name: &str, bytes: Vec<u8>) -> Case {
    Case::mysql(name, move |peer| {
        peer.send(&bytes)?;
        Ok(End::Listen)
    })
}

/// Says this to the HandshakeResponse.
fn answers(name: &str, bytes: Vec<u8>) -> Case {
    Case::mysql(name, move |peer| {
        response(peer)?;
        peer.send(&bytes)?;
        Ok(End::Listen)
    })
}

fn answers_the_token(name: &str, bytes: Vec<u8>) -> Case {
    Case::mysql(name, move |peer| {
        token(peer)?;
        peer.send(&bytes)?;
        Ok(End::Listen)
    })
    .after_the_token()
}

#[test]
fn greetings() {
    let broken = |name: &str, bytes: Vec<u8>| greets(name, bytes).fails("TLS_VERIFY", "DB_PROTOCOL");
    let like = |change: fn(&mut Greeting)| {
        let mut greeting = Greeting::default();
        change(&mut greeting);
        greeting.packet()
    };
    let scramble = |length: u8| {
        let bytes = Greeting { scramble_length: length, ..Greeting::default() }.packet();
        Case::mysql(format!("a scramble of {length} bytes"), move |peer| {
            peer.send(&bytes)?;
            peer.drip(&[0; 200])
        })
    };
    let wild = "8.0\u{1b}]0;owned\u{7}\u{9b}31m".as_bytes().to_vec();
    run(vec![
        greets("no CLIENT_SSL", like(|g| g.capabilities &= !CLIENT_SSL))
            .fails("TLS_VERIFY", "TLS_NOT_OFFERED"),
        broken("no CLIENT_PLUGIN_AUTH", like(|g| g.capabilities &= !CLIENT_PLUGIN_AUTH)),
        broken("no CLIENT_PROTOCOL_41", like(|g| g.capabilities &= !CLIENT_PROTOCOL_41)),
        broken("protocol 9", like(|g| g.protocol = 9)),
        greets("protocol 255, which is an error", like(|g| g.protocol = 255))
            .fails("TLS_VERIFY", "MYSQL_REFUSED"),
        broken("not a NUL in it", packet(0, &[10; 200])),
        broken("a greeting of one byte", packet(0, &[10])),
        broken("a greeting cut short", {
            let greeting = Greeting::default().packet();
            packet(0, &greeting[4..25])
        }),
        broken("a greeting of no bytes", packet(0, &[])),
        broken("a greeting of 16 MiB", vec![0xff, 0xff, 0xff, 0, 10]),
        broken("a greeting of more than 64 KiB", like(|g| g.version = vec![b'8'; 70_000])),
        broken("the wrong sequence", {
            let mut greeting = Greeting::default().packet();
            greeting[3] = 7;
            greeting
        }),
        Case::mysql("a version of 60 KB", |peer| {
            peer.send(&Greeting { version: vec![b'8'; 60_000], ..Greeting::default() }.packet())?;
            hear(peer)?;
            Ok(End::Close)
        })
        .fails("TLS_VERIFY", "TLS_FAILED"),
        Case::mysql("a version that drives the terminal", move |peer| {
            let plugin = wild.clone();
            peer.send(&Greeting { version: wild.clone(), plugin, ..Greeting::default() }.packet())?;
            hear(peer)?;
            Ok(End::Close)
        })
        .fails("TLS_VERIFY", "TLS_FAILED"),
        // TLS never comes; that the greeting was accepted or refused is all there is to see.
        scramble(0).within(2).fails("TLS_VERIFY", "TLS_FAILED"),
        scramble(8).within(2).fails("TLS_VERIFY", "TLS_FAILED"),
        scramble(127).within(2).fails("TLS_VERIFY", "TLS_FAILED"),
        scramble(128).fails("TLS_VERIFY", "DB_PROTOCOL"),
        scramble(255).fails("TLS_VERIFY", "DB_PROTOCOL"),
        greets("an error for a greeting", packet(0, b"\xff\x15\x04Host '\x1b[31m' is not allowed\0\x07"))
            .fails("TLS_VERIFY", "MYSQL_USER_REFUSED"),
        greets("a blocked host", packet(0, b"\xff\x69\x04Host is blocked"))
            .fails("TLS_VERIFY", "MYSQL_HOST_BLOCKED"),
        greets("an error of no words", packet(0, b"\xff\x15\x04"))
            .fails("TLS_VERIFY", "MYSQL_USER_REFUSED")
            .saying("no reason"),
        broken("an error of one byte", packet(0, b"\xff")),
        greets("an error of 60 KB", packet(0, &error(1045, &b"long ".repeat(12_000))))
            .fails("TLS_VERIFY", "MYSQL_USER_REFUSED"),
        broken("OK before anything", packet(0, OK)),
        broken("a PostgreSQL server", b"E\0\0\x01\x20SFATAL\0C08P01\0Mno\0\0".to_vec()),
        broken("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        greets("a greeting in part", Greeting::default().packet()[..30].to_vec())
            .fails("TLS_VERIFY", "DB_TIMED_OUT"),
        Case::mysql("no greeting", |_| Ok(End::Listen)).fails("TLS_VERIFY", "DB_TIMED_OUT"),
        Case::mysql("closes before the greeting", |_| Ok(End::Close)).fails("TLS_VERIFY", "DB_CLOSED"),
        Case::mysql("closes in the greeting", |peer| {
            peer.send(&Greeting::default().packet()[..20])?;
            Ok(End::Close)
        })
        .fails("TLS_VERIFY", "DB_CLOSED"),
        Case::mysql("drips its greeting", |peer| peer.drip(&Greeting::default().packet()))
            .within(3)
            .fails("TLS_VERIFY", "DB_TIMED_OUT"),
        Case::mysql("OK for an SSLRequest", |peer| {
            peer.send(&Greeting::default().packet())?;
            hear(peer)?;
            peer.send(&packet(2, OK))?;
            Ok(End::Listen)
        })
        .fails("TLS_VERIFY", "TLS_FAILED"),
        Case::mysql("asks for the token without TLS", |peer| {
            peer.send(&Greeting::default().packet())?;
            peer.send(&packet(2, b"\xfemysql_clear_password\0"))?;
            Ok(End::Listen)
        })
        .fails("TLS_VERIFY", "TLS_FAILED"),
        Case::mysql("bytes injected before TLS", |peer| {
            peer.send(&[Greeting::default().packet(), packet(3, b"\xfemysql_clear_password\0")].concat())?;
            hear(peer)?;
            peer.encrypt()?;
            Ok(End::Listen)
        })
        .fails("TLS_VERIFY", "TLS_FAILED"),
        Case::mysql("closes on SSLRequest", |peer| {
            peer.send(&Greeting::default().packet())?;
            hear(peer)?;
            Ok(End::Close)
        })
        .fails("TLS_VERIFY", "TLS_FAILED"),
    ]);
}

#[test]
fn asking_for_something_else() {
    let switch = |plugin: &str| {
        let request = [b"\xfe", plugin.as_bytes(), b"\0abcdefghijklmnopqrst\0"].concat();
        answers(&format!("AuthSwitch to {plugin:?}"), packet(3, &request))
            .fails("AUTH_IAM_ASKED", "AUTH_NOT_IAM")
    };
    let broken = |name: &str, bytes: Vec<u8>| answers(name, bytes).fails("AUTH_IAM_ASKED", "DB_PROTOCOL");
    let mut cases: Vec<Case> = [
        "caching_sha2_password",
        "sha256_password",
        "mysql_native_password",
        "mysql_old_password",
        "client_ed25519",
        "parsec",
        "dialog",
        "auth_gssapi_client",
        "mysql_clear_passwor",
        "mysql_clear_password_",
        "MYSQL_CLEAR_PASSWORD",
    ]
    .into_iter()
    .map(|plugin| switch(plugin).saying(plugin))
    .collect();
    cases.extend([
        switch("").saying("the plugin"),
        switch("\u{1b}]0;owned\u{7}").saying("owned"),
        switch(&"long".repeat(10_000)).saying("longlong"),
        broken("the old AuthSwitch", packet(3, &[0xfe])),
        broken("AuthMoreData", packet(3, b"\x01\x04")),
        broken("a public key", packet(3, b"\x01-----BEGIN PUBLIC KEY-----")),
        broken("LOCAL INFILE for a login", packet(3, b"\xfb/etc/passwd")),
        broken("the wrong sequence after TLS", packet(9, b"\xfemysql_clear_password\0")),
        broken("a packet of no bytes after TLS", packet(3, &[])),
        broken("a packet of 16 MiB after TLS", vec![0xff, 0xff, 0xff, 3, 0xfe]),
        broken("a second greeting", packet(3, &Greeting::default().packet()[4..])),
        answers("OK before the token", packet(3, OK))
            .fails("AUTH_IAM_ASKED", "AUTH_NOT_IAM")
            .saying("no authentication at all"),
        answers("an error in wild words", packet(3, &error(1045, "\u{1b}[2J\u{9b}\0 caf\u{e9}".as_bytes())))
            .fails("AUTH_IAM_ASKED", "MYSQL_USER_REFUSED"),
        answers("an error in no UTF-8", packet(3, &error(2000, b"caf\xe9")))
            .fails("AUTH_IAM_ASKED", "MYSQL_REFUSED")
            .saying("caf"),
        broken("progress instead of an error", packet(3, b"\xff\xff\xff\x01\x01\x02\0\0\0\x01x")),
        Case::mysql("closes on the HandshakeResponse", |peer| {
            response(peer)?;
            Ok(End::Close)
        })
        .fails("AUTH_IAM_ASKED", "DB_CLOSED"),
        Case::mysql("asks for nothing", |peer| {
            response(peer)?;
            Ok(End::Listen)
        })
        .fails("AUTH_IAM_ASKED", "DB_TIMED_OUT"),
        Case::mysql("drips what it asks", |peer| {
            response(peer)?;
            peer.drip(&packet(3, b"\xfemysql_clear_password\0"))
        })
        .within(3)
        .fails("AUTH_IAM_ASKED", "DB_TIMED_OUT"),
        Case::mysql("closes instead of the handshake", |peer| {
            peer.send(&Greeting::default().packet())?;
            hear(peer)?;
            peer.encrypt()?;
            Ok(End::Close)
        })
        .fails("AUTH_IAM_ASKED", "DB_CLOSED"),
    ]);
    run(cases);
}

#[test]
fn answering_the_token() {
    let broken =
        |name: &str, bytes: Vec<u8>| answers_the_token(name, bytes).fails("AUTH_LOG_IN", "DB_PROTOCOL");
    run(vec![
        broken("AuthSwitch a second time", packet(5, b"\xfemysql_native_password\0abcdefghijklmnopqrst\0")),
        broken("AuthSwitch to cleartext again", packet(5, b"\xfemysql_clear_password\0")),
        broken("AuthMoreData after the token", packet(5, b"\x01\x04")),
        broken("LOCAL INFILE after the token", packet(5, b"\xfb/etc/passwd")),
        broken("the wrong sequence after the token", packet(0, OK)),
        broken("no bytes after the token", packet(5, &[])),
        broken("16 MiB after the token", vec![0xff, 0xff, 0xff, 5, 0]),
        answers_the_token("refused", packet(5, &error(1045, b"Access denied")))
            .fails("AUTH_LOG_IN", "MYSQL_TOKEN_REFUSED"),
        answers_the_token("no answer to the token", Vec::new()).fails("AUTH_LOG_IN", "DB_TIMED_OUT"),
        Case::mysql("closes on the token", |peer| {
            token(peer)?;
            Ok(End::Close)
        })
        .after_the_token()
        .fails("AUTH_LOG_IN", "DB_CLOSED"),
        Case::mysql("drips after the token", |peer| {
            token(peer)?;
            peer.drip(&packet(5, OK))
        })
        .within(2)
        .after_the_token()
        .fails("AUTH_LOG_IN", "DB_TIMED_OUT"),
    ]);
}

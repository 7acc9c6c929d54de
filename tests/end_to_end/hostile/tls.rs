//! Servers that cannot, or will not, prove their name.

use std::{
    io::{self, Write},
    net::TcpStream,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use rustls::{ServerConfig, version::TLS12};

use super::{
    case::{Case, run},
    mysql::{Greeting, hear},
    postgres::{cleartext, ssl_request},
    server::{AUTHORITY, Authority, End, HOST, Identity, Peer, params},
};
use crate::support::skipped;

/// The same lie, told by either engine: `lie` begins where TLS does.
fn both(
    name: &str,
    cause: &'static str,
    lie: impl Fn(&mut Peer) -> io::Result<End> + Send + Sync + 'static,
) -> [Case; 2] {
    let lie = Arc::new(lie);
    let again = lie.clone();
    let postgres = Case::postgres(format!("PostgreSQL: {name}"), move |peer| {
        ssl_request(peer)?;
        peer.send(b"S")?;
        lie(peer)
    });
    let mysql = Case::mysql(format!("MySQL: {name}"), move |peer| {
        peer.send(&Greeting::default().packet())?;
        hear(peer)?;
        again(peer)
    });
    [postgres, mysql].map(|case| case.within(3).fails("TLS_VERIFY", cause))
}

/// A handshake with this, and then the question for a token all the same.
fn shows(name: &str, cause: &'static str, config: Arc<ServerConfig>) -> [Case; 2] {
    both(name, cause, move |peer| {
        peer.encrypt_with(&config)?;
        peer.send(&cleartext())?;
        Ok(End::Listen)
    })
}

fn valid(from: (i32, u8, u8), until: (i32, u8, u8)) -> CertificateParams {
    let mut params = params(HOST);
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    params
}

fn self_signed() -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = params(HOST);
    params.distinguished_name = named(HOST);
    Identity { chain: vec![params.self_signed(&key).unwrap().into()], key }
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// The name and key of an authority that nobody trusts.
fn stranger() -> Authority {
    Authority::new("a stranger")
}

#[test]
fn certificates() {
    let issued = |params: CertificateParams| AUTHORITY.issue(params).config(rustls::ALL_VERSIONS);
    let mut wild = params("x\u{1b}y.example").clone();
    wild.distinguished_name.push(DnType::CommonName, "\u{1b}]0;owned\u{7}\u{9b}");
    let mut endless = AUTHORITY.issue(params(HOST));
    endless.chain = vec![endless.chain[0].clone(); 3000];
    let cases = [
        shows("for another name", "TLS_WRONG_NAME", issued(params("other.example"))),
        shows("for a part of the name", "TLS_WRONG_NAME", issued(params("rds.amazonaws.com"))),
        shows(
            "for every name of the Region",
            "TLS_WRONG_NAME",
            issued(params("*.us-east-1.rds.amazonaws.com")),
        ),
        shows("for an address", "TLS_WRONG_NAME", issued(params("127.0.0.1"))),
        shows("a name that drives the terminal", "TLS_WRONG_NAME", issued(wild)),
        shows("expired", "TLS_EXPIRED", issued(valid((2020, 1, 1), (2021, 1, 1)))),
        shows("not yet valid", "TLS_NOT_YET_VALID", issued(valid((2090, 1, 1), (2091, 1, 1)))),
        shows("self-signed", "TLS_SELF_SIGNED", self_signed().config(rustls::ALL_VERSIONS)),
        shows(
            "of an unknown CA",
            "TLS_UNKNOWN_CA",
            stranger().issue(params(HOST)).config(rustls::ALL_VERSIONS),
        ),
        shows(
            "of an unknown CA, TLS 1.2",
            "TLS_UNKNOWN_CA",
            stranger().issue(params(HOST)).config(&[&TLS12]),
        ),
        shows(
            "of another CA of the same name",
            "TLS_FAILED",
            Authority::new(AUTHORITY.name).issue(params(HOST)).config(rustls::ALL_VERSIONS),
        ),
        // A trust anchor of this name would give TLS_FAILED (bad signature), as the next case shows.
        shows(
            "of a CA that imitates a public root",
            "TLS_UNKNOWN_CA",
            Authority::imitating("US", "Internet Security Research Group", "ISRG Root X1")
                .issue(params(HOST))
                .config(rustls::ALL_VERSIONS),
        )
        .map(Case::trusting_built_in_roots),
        shows(
            "of a CA that imitates an Amazon root",
            "TLS_FAILED",
            Authority::imitating("US", "Amazon", "Amazon Root CA 1")
                .issue(params(HOST))
                .config(rustls::ALL_VERSIONS),
        )
        .map(Case::trusting_built_in_roots),
        shows("a chain of 3000 certificates", "TLS_FAILED", endless.config(rustls::ALL_VERSIONS)),
    ];
    let mut cases: Vec<Case> = cases.into_iter().flatten().collect();
    let leaf = AUTHORITY.issue(params(HOST));
    cases.push(
        Case::postgres("an authority that is not the server's", {
            let config = leaf.config(rustls::ALL_VERSIONS);
            move |peer| {
                ssl_request(peer)?;
                peer.send(b"S")?;
                peer.encrypt_with(&config)?;
                Ok(End::Listen)
            }
        })
        .trusting(stranger().pem)
        .fails("TLS_VERIFY", "TLS_UNKNOWN_CA"),
    );
    run(cases);
}

#[test]
fn handshakes() {
    let raw = |name: &str, cause: &'static str, bytes: Vec<u8>| {
        both(name, cause, move |peer| {
            peer.send(&bytes)?;
            Ok(End::Listen)
        })
    };
    /// A ServerHello of this version, with a cipher suite of its time.
    fn hello(version: [u8; 2]) -> Vec<u8> {
        let mut body = vec![2, 0, 0, 38, version[0], version[1]];
        body.extend([7; 32]);
        body.extend([0, 0, 0x2f, 0]);
        [&[0x16, version[0], version[1], 0, body.len() as u8][..], &body].concat()
    }
    let cases = [
        raw("TLS 1.1 in its ServerHello", "TLS_INCOMPATIBLE", hello([3, 2])),
        raw("SSL 3.0 in its ServerHello", "TLS_INCOMPATIBLE", hello([3, 0])),
        raw("an alert: protocol version", "TLS_INCOMPATIBLE", vec![0x15, 3, 2, 0, 2, 2, 70]),
        raw("an alert: handshake failure", "TLS_INCOMPATIBLE", vec![0x15, 3, 3, 0, 2, 2, 40]),
        raw("an alert: internal error", "TLS_FAILED", vec![0x15, 3, 3, 0, 2, 2, 80]),
        raw("a record of 64 KiB", "TLS_FAILED", [&[0x16, 3, 3, 0xff, 0xff][..], &[0; 70_000]].concat()),
        raw("a record of no bytes", "TLS_FAILED", vec![0x16, 3, 3, 0, 0]),
        raw("HelloRequest", "TLS_FAILED", vec![0x16, 3, 3, 0, 4, 0, 0, 0, 0]),
        raw("application data", "TLS_FAILED", [&[0x17, 3, 3, 0, 20][..], &[0; 20]].concat()),
        raw("HTTP", "TLS_FAILED", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        raw("a handshake message of 16 MiB", "TLS_FAILED", vec![0x16, 3, 3, 0, 6, 2, 0xff, 0xff, 0xff, 3, 3]),
        both("no answer to the ClientHello", "DB_TIMED_OUT", |_| Ok(End::Listen)),
        both("half a record", "DB_TIMED_OUT", |peer| {
            peer.send(&[0x16, 3, 3, 0x10, 0, 2, 0, 0x0f, 0xfc, 3, 3])?;
            Ok(End::Listen)
        }),
        both("closes on the ClientHello", "TLS_FAILED", |_| Ok(End::Close)),
        both("warnings without end", "TLS_FAILED", |peer| peer.flood(&[0x15, 3, 3, 0, 2, 1, 90])),
        both("records of no bytes without end", "TLS_FAILED", |peer| peer.flood(&[0x16, 3, 3, 0, 0])),
        both("change_cipher_spec without end", "TLS_FAILED", |peer| peer.flood(&[0x14, 3, 3, 0, 1, 1])),
        both("drips a ServerHello", "DB_TIMED_OUT", |peer| peer.drip(&hello([3, 3]))),
    ];
    run(cases.into_iter().flatten().collect());
}

/// A real server of TLS 1.1, where OpenSSL still makes one: its bytes, passed on both ways.
#[test]
fn a_server_of_tls_1_1() {
    let Some(mut openssl) = OpenSsl::start() else {
        skipped("a real server of TLS 1.1: no openssl that speaks it (its ServerHello is tried by hand)");
        return;
    };
    let port = openssl.port;
    run(both("OpenSSL with TLS 1.1 only", "TLS_INCOMPATIBLE", move |peer| {
        let mut from = TcpStream::connect(("127.0.0.1", port))?;
        let (mut to, mut socket, mut back) =
            (from.try_clone()?, peer.socket().try_clone()?, peer.socket().try_clone()?);
        std::thread::spawn(move || io::copy(&mut socket, &mut to));
        io::copy(&mut from, &mut back)?;
        Ok(End::Listen)
    })
    .into());
    openssl.process.kill().unwrap();
    openssl.process.wait().unwrap();
}

struct OpenSsl {
    process: std::process::Child,
    port: u16,
}

impl OpenSsl {
    fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let identity = AUTHORITY.issue(params(HOST));
        let mut file = tempfile::NamedTempFile::new().ok()?;
        let pem = format!("{}{}", identity.key.serialize_pem(), pem(&identity.chain[0]));
        file.write_all(pem.as_bytes()).ok()?;
        let process = Command::new("openssl")
            .args([
                "s_server",
                "-quiet",
                "-tls1_1",
                "-cipher",
                "ALL:@SECLEVEL=0",
                "-accept",
                &port.to_string(),
                "-cert",
            ])
            .arg(file.path())
            .arg("-key")
            .arg(file.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut this = Self { process, port };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(this);
            }
            if this.process.try_wait().ok()?.is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = this.process.kill();
        let _ = this.process.wait();
        None
    }
}

fn pem(der: &[u8]) -> String {
    let text = Command::new("openssl")
        .args(["x509", "-inform", "DER"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut text = text.unwrap();
    text.stdin.take().unwrap().write_all(der).unwrap();
    String::from_utf8(text.wait_with_output().unwrap().stdout).unwrap()
}

//! The token leaves only over verified TLS.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    thread::JoinHandle,
    time::Duration,
};

use lab::{Engine, Lab, ServerVersion};

use crate::support::{Run, server_versions, shared, text};

#[test]
fn an_issuer_nobody_trusts_is_refused_with_what_was_presented() {
    let lab = shared();
    for server_version in server_versions() {
        let instance = lab.instance(server_version);
        let before = instance.decisions().len();
        let answer = Run::check(lab, &[&instance.name]).with("ca_certificate", "").json();
        let row = answer.fails_at("TLS_VERIFY", "TLS_UNKNOWN_CA");
        assert!(text(&row["found"]).contains(&instance.host), "{server_version}: {row:#}");
        assert_eq!(answer.report()["tls"]["certificates"][0]["names"][0], instance.host.as_str());
        assert_eq!(answer.report()["tls"]["version"], serde_json::Value::Null);
        let _ = before; // other tests log in beside this one; the row is what counts here
        assert_eq!(answer.row("AUTH_LOG_IN")["outcome"], "not_reached");
    }
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let lab = shared();
    let host = format!("other.abc.us-east-1.{}", "rds.amazonaws.com");
    for server_version in [ServerVersion::Postgres15, ServerVersion::MariaDb10_11] {
        let answer = Run::check(lab, &[server_version.name(), "--tls-host", &host]).json();
        let row = answer.fails_at("TLS_VERIFY", "TLS_WRONG_NAME");
        assert_eq!(text(&row["expected"]), format!("a certificate of {host}"));
        assert!(text(&row["remedy"]).contains("tls_host"));
    }
}

/// A server that speaks no TLS, and keeps every byte it is sent.
fn plaintext_server(engine: Engine) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut heard = Vec::new();
        if engine == Engine::Postgres {
            let mut request = [0; 8];
            stream.read_exact(&mut request).unwrap();
            heard.extend(request);
            stream.write_all(b"N").unwrap();
        } else {
            // A greeting of MySQL 8.0 whose capabilities lack CLIENT_SSL (0x0800) and have all else.
            let mut greeting = b"\x0a8.0.39\0\x01\0\0\0abcdefgh\0".to_vec();
            greeting.extend([0xff, 0xf7, 45, 2, 0, 0xff, 0xdf, 21]);
            greeting.extend([0; 10]);
            greeting.extend(b"ijklmnopqrst\0mysql_clear_password\0");
            stream.write_all(&[greeting.len() as u8, 0, 0, 0]).unwrap();
            stream.write_all(&greeting).unwrap();
        }
        let _ = stream.read_to_end(&mut heard); // whatever comes until the client goes
        heard
    });
    (address, thread)
}

#[test]
fn a_plaintext_only_server_is_told_nothing() {
    let lab = shared();
    for (server_version, engine, spoken) in
        [(ServerVersion::Postgres15, Engine::Postgres, 8), (ServerVersion::MariaDb10_11, Engine::MariaDb, 0)]
    {
        let (address, heard) = plaintext_server(engine);
        let answer = Run::check(lab, &[server_version.name(), "--connect-to", &address.to_string()]).json();
        answer.fails_at("TLS_VERIFY", "TLS_NOT_OFFERED");
        // Only the SSLRequest; not the user's name, and never a token.
        assert_eq!(heard.join().unwrap().len(), spoken, "{server_version}");
    }
}

#[test]
fn a_real_server_with_tls_off_never_sees_the_token() {
    let lab = Lab::start(&[ServerVersion::Postgres15, ServerVersion::MariaDb10_11]).unwrap();
    lab.instance(ServerVersion::Postgres15).restart_with(&[("ssl", "off")]).unwrap();
    lab.instance(ServerVersion::MariaDb10_11)
        .restart_with(&[("skip-ssl", ""), ("require-secure-transport", "OFF")])
        .unwrap();
    for server_version in [ServerVersion::Postgres15, ServerVersion::MariaDb10_11] {
        let answer = Run::check(&lab, &[server_version.name()]).json();
        answer.fails_at("TLS_VERIFY", "TLS_NOT_OFFERED");
        assert!(lab.instance(server_version).decisions().is_empty(), "{server_version}");
    }
}

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use lab::{Certificate, ServerVersion};

use super::{Fault, fault};

/// A server on loopback that does this with every connection.
pub(super) fn server(with: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().flatten().for_each(with));
    address
}

/// A port whose queue of waiting connections is full, and of which nobody takes any: what comes is dropped.
fn black_hole() -> (SocketAddr, Box<dyn std::any::Any>) {
    black_hole_at("127.0.0.1:0".parse().unwrap())
}

pub(super) fn black_hole_at(address: SocketAddr) -> (SocketAddr, Box<dyn std::any::Any>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(async {
        let socket = match address {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4().unwrap(),
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6().unwrap(),
        };
        socket.bind(address).unwrap();
        socket.listen(1).unwrap()
    });
    let address = listener.local_addr().unwrap();
    let waiting: Vec<_> =
        (0..8).map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok()).collect();
    (address, Box::new((listener, waiting, runtime)))
}

/// A connection that comes from 127.0.0.2.
pub(super) fn from_another_address(to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let stream = socket.connect(to).await.unwrap().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    })
}

/// Where every connection is carried on over one of these, unchanged.
pub(super) fn relay(dial: impl Fn() -> TcpStream + Send + 'static) -> SocketAddr {
    server(move |near| {
        let far = dial();
        for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
            thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    })
}

fn dialling(
    fault: Fault,
    server_version: ServerVersion,
    with: impl Fn(TcpStream) + Clone + Send + 'static,
) -> Fault {
    fault.on(server_version).run(move |run, _| {
        let address = server(with.clone()).to_string();
        run.more(&["--connect-to".into(), address, "--timeout".into(), "8s".into()])
    })
}

pub(super) fn faults() -> Vec<Fault> {
    use ServerVersion::{MariaDb10_11, Postgres15};
    let closed = |stream: TcpStream| drop(stream.shutdown(Shutdown::Both));
    let http = |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.read(&mut [0; 64]);
    };
    let silent =
        |stream: TcpStream| drop(thread::spawn(move || (thread::sleep(Duration::from_secs(10)), stream)));
    // Closing with what has not been read makes the system answer with a reset.
    let reset = |mut stream: TcpStream| {
        let _ = stream.write_all(b"S");
        let _ = stream.read(&mut [0; 1]);
    };
    let mut faults = vec![
        fault("nothing listens", "NET_DIAL", "NET_REFUSED", "port").server(lab::Instance::stop),
        fault("nothing listens, on MariaDB's port", "NET_DIAL", "NET_REFUSED", "port")
            .on(MariaDb10_11)
            .server(lab::Instance::stop),
        fault("packets are dropped", "NET_DIAL", "NET_TIMED_OUT", "security group").lab(|_, _| None).run(
            |run, _| {
                let (address, held) = black_hole();
                std::mem::forget(held); // the process of the tests ends soon
                run.more(&["--connect-to".into(), address.to_string()])
            },
        ),
        dialling(fault("closes at once", "TLS_VERIFY", "DB_CLOSED", "server's port"), Postgres15, closed),
        dialling(
            fault("closes at once, as MariaDB", "TLS_VERIFY", "DB_CLOSED", "server's port"),
            MariaDb10_11,
            closed,
        ),
        dialling(
            fault("a web server", "TLS_VERIFY", "DB_PROTOCOL", "PostgreSQL server's port"),
            Postgres15,
            http,
        ),
        dialling(
            fault("a web server, as MariaDB", "TLS_VERIFY", "DB_PROTOCOL", "MariaDB server's port"),
            MariaDb10_11,
            http,
        ),
        dialling(
            fault("accepts and says nothing", "TLS_VERIFY", "DB_TIMED_OUT", "waits for the client"),
            Postgres15,
            silent,
        ),
        dialling(
            fault(
                "accepts and says nothing, as MariaDB",
                "TLS_VERIFY",
                "DB_TIMED_OUT",
                "waits for the client",
            ),
            MariaDb10_11,
            silent,
        ),
        dialling(
            fault("a reset in the handshake", "TLS_VERIFY", "TLS_FAILED", "look for a firewall or proxy"),
            Postgres15,
            reset,
        ),
        fault("a database that is no PostgreSQL", "TLS_VERIFY", "DB_PROTOCOL", "PostgreSQL server's port")
            .on(MariaDb10_11)
            .args(&["--type", "rdspostgres"]),
        fault("a database that is no MySQL", "TLS_VERIFY", "DB_TIMED_OUT", "MySQL server's port").args(&[
            "--type",
            "rdsmysql",
            "--timeout",
            "8s",
        ]),
        fault("no TLS", "TLS_VERIFY", "TLS_NOT_OFFERED", "turn TLS on")
            .server(|server| server.restart_with(&[("ssl", "off")]).unwrap()),
        fault("no TLS on MariaDB", "TLS_VERIFY", "TLS_NOT_OFFERED", "turn TLS on").on(MariaDb10_11).server(
            |server| {
                server.restart_with(&[("skip-ssl", ""), ("require-secure-transport", "OFF")]).unwrap();
            },
        ),
    ];
    for (engine, server_version) in [("PostgreSQL", Postgres15), ("MariaDB", MariaDb10_11)] {
        let name = |what: &str| -> &'static str { format!("{what}, {engine}").leak() };
        faults.extend([
            fault(
                name("a certificate for another name"),
                "TLS_VERIFY",
                "TLS_WRONG_NAME",
                format!("set `tls_host` to {}.c9lab0example", server_version.name().replace('_', "-")).leak(),
            )
            .on(server_version)
            .args(&["--tls-host", "other.abc.us-east-1.rds.amazonaws.com"]),
            fault(
                name("a certificate of a CA that is not known"),
                "TLS_VERIFY",
                "TLS_UNKNOWN_CA",
                "ca_certificate",
            )
            .on(server_version)
            .run(|run, _| run.with("ca_certificate", "")),
        ]);
    }
    faults.extend(certificates());
    // The port of the tunnel is not the one that the database listens on.
    for (server_version, cause) in [(Postgres15, "PG_TOKEN_REFUSED"), (MariaDb10_11, "MYSQL_TOKEN_REFUSED")] {
        let name: &'static str = format!("a tunnel as host, {}", server_version.name()).leak();
        faults.push(fault(name, "AUTH_LOG_IN", cause, "--connect-to localhost:").on(server_version).run(
            |run, server| {
                let (to, tls_host) = (server.address(), server.host.clone());
                let port = relay(move || TcpStream::connect(to).unwrap()).port();
                let host = ["--host".into(), "localhost".into(), "--port".into(), port.to_string()];
                run.with("connect_to", "").more(&host).more(&["--tls-host".into(), tls_host])
            },
        ));
    }
    faults.extend(old_tls());
    faults
}

/// Real servers, each with a certificate that has one thing wrong.
fn certificates() -> Vec<Fault> {
    let mut faults = Vec::new();
    for (engine, server_version) in [
        ("PostgreSQL", ServerVersion::Postgres15),
        ("MariaDB", ServerVersion::MariaDb10_11),
        ("MySQL", ServerVersion::Mysql9_7),
    ] {
        for (what, certificate, cause, to_do) in [
            (
                "a certificate that has expired",
                Certificate::Expired,
                "TLS_EXPIRED",
                "--ca-certificate-identifier",
            ),
            (
                "a certificate that is not valid yet",
                Certificate::NotYetValid,
                "TLS_NOT_YET_VALID",
                "this machine's clock",
            ),
            (
                "a certificate without subjectAltName",
                Certificate::NoSubjectAltName,
                "TLS_NO_SAN",
                "in its subjectAltName extension",
            ),
            (
                "an intermediate certificate that is not sent",
                Certificate::MissingIntermediate,
                "TLS_UNKNOWN_CA",
                "if pipeprobe lab intermediate is an intermediate CA, let the server send",
            ),
            (
                "an intermediate certificate that has expired",
                Certificate::ExpiredIntermediate,
                "TLS_INTERMEDIATE_EXPIRED",
                "current certificate of pipeprobe lab intermediate",
            ),
            (
                "a certificate signed by itself",
                Certificate::SelfSigned,
                "TLS_SELF_SIGNED",
                "no RDS or Aurora endpoint",
            ),
            (
                "a certificate signed by itself, as an authority",
                Certificate::SelfSignedAuthority,
                "TLS_SELF_SIGNED",
                "no RDS or Aurora endpoint",
            ),
        ] {
            let name: &'static str = format!("{what}, {engine}").leak();
            faults.push(fault(name, "TLS_VERIFY", cause, to_do).on(server_version).lab(
                move |lab, server| {
                    lab.present(server, certificate).unwrap();
                    None
                },
            ));
        }
    }
    faults
}

/// Real servers that speak nothing newer than TLS 1.1. MySQL has forgotten it.
fn old_tls() -> Vec<Fault> {
    vec![
        fault("TLS 1.1 only, PostgreSQL", "TLS_VERIFY", "TLS_INCOMPATIBLE", "ssl_min_protocol_version")
            .server(|server| {
                let settings = [
                    ("ssl_min_protocol_version", "TLSv1.1"),
                    ("ssl_max_protocol_version", "TLSv1.1"),
                    ("ssl_ciphers", "ALL:@SECLEVEL=0"),
                ];
                server.restart_with(&settings).unwrap();
            }),
        fault("TLS 1.1 only, MariaDB", "TLS_VERIFY", "TLS_INCOMPATIBLE", "tls_version")
            .on(ServerVersion::MariaDb10_11)
            .server(|server| {
                let settings = [("tls-version", "TLSv1.1"), ("ssl-cipher", "ALL:@SECLEVEL=0")];
                server.restart_with(&settings).unwrap();
            }),
    ]
}

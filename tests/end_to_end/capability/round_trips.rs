//! Counts round trips on the wire: behind a relay that delays everything
//! a little, everything that is sent without waiting arrives together.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use lab::{Engine, Lab};

use crate::support::{Run, server_versions};

/// Longer than a lab server needs to answer a query, also on a busy machine: an answer that comes later divides what the client
/// sends together, and counts as one more round trip.
const HELD_BACK: Duration = Duration::from_millis(200);

/// Relays connections to `server` and counts on each how often the client sends after the server has sent.
struct Relay {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Arc<AtomicUsize>>>>,
}

impl Relay {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let cases = Arc::new(AtomicUsize::new(0));
                counted.lock().unwrap().push(Arc::clone(&cases));
                let server = TcpStream::connect(server).unwrap();
                let client_spoke_last = Arc::new(AtomicUsize::new(0));
                let (to, from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let last = Arc::clone(&client_spoke_last);
                thread::spawn(move || {
                    pump(from, to, || cases.fetch_add(1 - last.swap(1, Ordering::SeqCst), Ordering::SeqCst));
                });
                thread::spawn(move || pump(server, client, || client_spoke_last.swap(0, Ordering::SeqCst)));
            }
        });
        Self { address, connections }
    }

    /// The maximum of all connections.
    fn cases(&self) -> usize {
        let connections = self.connections.lock().unwrap();
        connections.iter().map(|cases| cases.load(Ordering::SeqCst)).max().unwrap()
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, spoke: impl Fn() -> usize) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        spoke();
        thread::sleep(HELD_BACK);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

#[test]
fn queries_are_sent_together() {
    for server_version in server_versions() {
        let lab = Lab::start(&[server_version]).unwrap();
        let server = lab.instance(server_version);
        // Many tables, so that one query per table would show.
        let tables: String =
            (0..40).map(|i| format!("CREATE TABLE many_{i} (id int PRIMARY KEY);\n")).collect();
        server.sql(&tables).unwrap();
        if server_version.engine() == Engine::Postgres {
            server.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO clickpipes_iam_user").unwrap();
        }
        let relay = Relay::to(server.address());
        let answer = Run::check(&lab, &["--basis", "server"])
            .with("connect_to", &format!("\"{}\"", relay.address))
            .json();
        assert_eq!(answer.row("DB_TABLES_READ")["found"], "every column of 41 tables", "{server_version}");
        // Up to the login: PostgreSQL SSLRequest, TLS hello, startup, token. MySQL TLS hello (behind the greeting),
        // login, token. Then PostgreSQL's two rounds of queries; MySQL's statements and the dump. Then the close.
        let most = match server_version.engine() {
            Engine::Postgres => 4 + 2 + 2,
            Engine::Mysql | Engine::MariaDb => 3 + 18 + 2,
        };
        let cases = relay.cases();
        eprintln!("{server_version}: {cases} round trips");
        assert!(cases <= most, "{server_version}: {cases} round trips, at most {most} were expected");
    }
}

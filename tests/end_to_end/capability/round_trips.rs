//! How often a check waits for the server, counted on the wire: behind a relay that holds everything back
//! for a moment, whatever is sent without waiting arrives as one.

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

/// Longer than a server of the lab takes to answer a question.
const HELD_BACK: Duration = Duration::from_millis(60);

/// Relays connections to `server`, and counts on each how often the client spoke after the server had.
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
                let concurrency = Arc::new(AtomicUsize::new(0));
                counted.lock().unwrap().push(Arc::clone(&concurrency));
                let server = TcpStream::connect(server).unwrap();
                let client_spoke_last = Arc::new(AtomicUsize::new(0));
                let (to, from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let last = Arc::clone(&client_spoke_last);
                thread::spawn(move || {
                    pump(from, to, || {
                        concurrency.fetch_add(1 - last.swap(1, Ordering::SeqCst), Ordering::SeqCst)
                    });
                });
                thread::spawn(move || pump(server, client, || client_spoke_last.swap(0, Ordering::SeqCst)));
            }
        });
        Self { address, connections }
    }

    /// The most that one connection took.
    fn concurrency(&self) -> usize {
        let connections = self.connections.lock().unwrap();
        connections.iter().map(|concurrency| concurrency.load(Ordering::SeqCst)).max().unwrap()
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
fn questions_go_out_together() {
    for server_version in server_versions() {
        let lab = Lab::start(&[server_version]).unwrap();
        let server = lab.instance(server_version);
        // Many tables, so that asking about each by itself would show.
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
        // login, token. Then PostgreSQL's two rounds of questions; MySQL's statements and the dump. Then goodbye.
        let most = match server_version.engine() {
            Engine::Postgres => 4 + 2 + 2,
            Engine::Mysql | Engine::MariaDb => 3 + 15 + 2,
        };
        let concurrency = relay.concurrency();
        eprintln!("{server_version}: {concurrency} round trips");
        assert!(
            concurrency <= most,
            "{server_version}: {concurrency} round trips, at most {most} were expected"
        );
    }
}

//! Clients that do not read, do not finish their request or say nothing: health checks and memory.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use super::{ServeProcess, TIMEOUT, client, two, wait, web};

const CLIENTS: usize = 1000;
/// The shipped Kubernetes manifest has the smaller limit: 256 MiB.
const MEMORY: u64 = 256 * 1024;
/// Less than each timeout of the server: a health check that waits for one takes longer.
const MOST: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Requests a large response and does not read it.
    Stalled,
    /// Sends a byte of its request from time to time.
    Slow,
    /// Connects, and sends nothing.
    Idle,
}

/// A connection, with TLS if a configuration is given.
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

struct Attacker {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Attacker {
    /// A connection with a small receive buffer, so that the server keeps what is not read.
    fn open(&self, kind: Kind) -> std::io::Result<Stream> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let socket = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(2048)?;
            socket.connect(self.address).await?.into_std()
        })?;
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut stream = match &self.tls {
            // An idle client does not start the handshake either.
            Some(config) if kind != Kind::Idle => {
                let name = ServerName::try_from("localhost").unwrap();
                let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
                Stream::Tls(Box::new(StreamOwned::new(connection, socket)))
            }
            _ => Stream::Plain(socket),
        };
        match kind {
            Kind::Stalled => stream.write(b"GET /api/v1/targets HTTP/1.1\r\nHost: localhost\r\n\r\n")?,
            Kind::Slow => stream.write(b"GET /api/v1/targets HTTP/1.1\r\nX-Slow: ")?,
            Kind::Idle => {}
        }
        stream.socket().set_nonblocking(true)?;
        Ok(stream)
    }

    /// Whether the server has closed it. Nothing is read.
    fn is_closed(kind: Kind, stream: &mut Stream) -> bool {
        match kind {
            Kind::Slow => stream.write(b"x").is_err(),
            Kind::Idle => {
                let read = stream.socket().peek(&mut [0]);
                !matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
            }
            Kind::Stalled => !matches!(stream.socket().take_error(), Ok(None)),
        }
    }

    /// Keeps as many connections open, and opens those again that the server closes, until `stop`.
    fn run(self, stop: Arc<AtomicBool>, opened: std::sync::mpsc::Sender<usize>) -> JoinHandle<()> {
        std::thread::spawn(move || {
            let kinds = [Kind::Stalled, Kind::Slow, Kind::Idle];
            let mut open: Vec<_> = (0..CLIENTS).map(|i| (kinds[i % kinds.len()], None)).collect();
            while !stop.load(Ordering::Relaxed) {
                for (kind, stream) in &mut open {
                    if stream.as_mut().is_none_or(|stream| Self::is_closed(*kind, stream)) {
                        *stream = self.open(*kind).ok();
                    }
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
                let _ = opened.send(open.iter().filter(|(_, stream)| stream.is_some()).count());
                std::thread::sleep(Duration::from_millis(100));
            }
        })
    }
}

/// Resident memory in KiB.
fn resident(serve: &ServeProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serve.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// This process needs a descriptor for each client.
fn raise_descriptor_limit() {
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before }).unwrap();
}

/// Many targets, so that the response of the API is large.
fn targets(lab: &lab::Lab) -> String {
    let target = |i: usize| lab.target_toml(&format!("t{i}"), &lab.instances()[i % 2], lab::ACCESS_ROLE);
    (0..100).map(target).collect()
}

/// Checks health while the clients are there, and prints what was measured.
fn withstand(serve: &ServeProcess, tls: Option<Arc<ClientConfig>>, get: impl Fn(&str) -> client::Answer) {
    wait("every target has been checked", || match get("/-/ready").status {
        200 => Ok(()),
        _ => Err(get("/-/ready").body),
    });
    let (body, before) = (get("/api/v1/targets").body.len(), resident(serve));
    let stop = Arc::new(AtomicBool::new(false));
    let (opened, opens) = std::sync::mpsc::channel();
    let attacker = Attacker { address: serve.address.parse().unwrap(), tls };
    let attack = attacker.run(Arc::clone(&stop), opened);
    let begin = Instant::now();
    // From the first connection on, and for some time after the last one.
    let (mut took, mut most, mut end) = (Vec::new(), before, None);
    while end.is_none_or(|end| Instant::now() < end) {
        let start = Instant::now();
        assert_eq!(get("/-/healthy").status, 200);
        took.push(start.elapsed());
        most = most.max(resident(serve));
        if opens.try_recv().is_ok_and(|open| open == CLIENTS) {
            end.get_or_insert_with(|| Instant::now() + Duration::from_secs(12));
        }
        assert!(begin.elapsed() < TIMEOUT, "the clients do not get connections");
        std::thread::sleep(Duration::from_millis(50));
    }
    stop.store(true, Ordering::Relaxed);
    attack.join().unwrap();
    took.sort();
    let slow = took.iter().filter(|took| **took > Duration::from_secs(1)).count();
    let longest = took[took.len() - 1];
    eprintln!(
        "{} health checks beside {CLIENTS} clients: median {:?}, longest {longest:?}, {slow} over 1 s; \
         memory {before} → {most} KiB, body {body} bytes",
        took.len(),
        took[took.len() / 2],
    );
    assert!(longest < MOST && slow * 10 <= took.len(), "{took:?}");
    assert!(most < MEMORY, "{most} KiB");
    // A scrape that reads its response gets one.
    wait("the API answers", || {
        let answer = get("/api/v1/targets");
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    });
}

#[test]
fn a_thousand_stalled_clients_delay_no_health_check_and_take_little_memory() {
    raise_descriptor_limit();
    let lab = two();
    let serve = ServeProcess::start(&lab, "[defaults]\ninterval = \"20s\"\n", &targets(&lab));
    withstand(&serve, None, |path| serve.get(path));
}

#[test]
fn a_thousand_stalled_tls_clients_delay_no_health_check_and_take_little_memory() {
    raise_descriptor_limit();
    let lab = two();
    let (pem, key) = web::certificate();
    let head = format!(
        "[serve]\ntls_certificate = '''{pem}'''\ntls_key = '''{key}'''\n[defaults]\ninterval = \"20s\"\n"
    );
    let serve = ServeProcess::start(&lab, &head, &targets(&lab));
    let tls = web::Tls::new(&pem);
    withstand(&serve, Some(Arc::clone(&tls.0)), |path| tls.get(&serve.address, path, &[]));
}

#[test]
fn a_connection_has_one_request() {
    let lab = two();
    let serve = ServeProcess::start(&lab, "", &lab.config_toml());
    let mut stream = client::connect(&serve.address);
    let request = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(&[&request[..], &request[..]].concat()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("connection: close") && text.ends_with("healthy\n"), "{text}");
    assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
}

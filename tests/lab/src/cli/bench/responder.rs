//! A cheap PostgreSQL stand-in for benchmarks: it accepts every token and replays the answers of a real server.
//! It forwards each new query once to the real server, as the user of the guide.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lab::Instance;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Each thread serves one connection at a time. A full check needs two, and `serve` runs at most 256 checks at once.
const THREADS: usize = 600;
const PATIENCE: Duration = Duration::from_secs(30);
/// `AuthenticationOk`, one parameter, `ReadyForQuery`.
const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x18server_version\x0017.0\0Z\0\0\0\x05I";
const ASK_FOR_TOKEN: &[u8] = b"R\0\0\0\x08\0\0\0\x03";
const NO_REPLICATION: &[u8] = b"E\0\0\0\x3dSFATAL\0VFATAL\0C28000\0MPAM authentication failed for you\0\0";

/// Serves until the process ends.
#[derive(Debug)]
pub(crate) struct Responder {
    pub(crate) address: SocketAddr,
    /// The trust root of its certificate, a PEM file.
    pub(crate) root: PathBuf,
}

/// Every first label is a separate database.
pub(crate) const DOMAIN: &str = "c9lab0example.us-east-1.rds.amazonaws.com";

impl Responder {
    pub(crate) fn start(real: &Instance, folder: &Path) -> io::Result<Self> {
        let (config, root) = certificate().map_err(io::Error::other)?;
        let file = folder.join("responder.pem");
        std::fs::write(&file, root)?;
        let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
        let address = listener.local_addr()?;
        let answers = Arc::new(Answers { known: Mutex::default(), real: Mutex::new(Real::connect(real)?) });
        let config = Arc::new(config);
        for _ in 0..THREADS {
            let (listener, config, answers) =
                (Arc::clone(&listener), Arc::clone(&config), Arc::clone(&answers));
            std::thread::spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    // If a client breaks off, the next one is served.
                    let _ = serve(stream, &config, &answers);
                }
            });
        }
        Ok(Self { address, root: file })
    }
}

fn certificate() -> Result<(ServerConfig, String), Box<dyn std::error::Error + Send + Sync>> {
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    root.distinguished_name.push(DnType::CommonName, "pipeprobe responder root");
    let key = KeyPair::generate()?;
    let pem = root.self_signed(&key)?.pem();
    let issuer = Issuer::new(root, key);
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![format!("*.{DOMAIN}")])?.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    config.send_tls13_tickets = 0; // as PostgreSQL
    Ok((config, pem))
}

/// One connection: `SSLRequest`, TLS, `StartupMessage`, the token, questions.
fn serve(mut stream: TcpStream, config: &Arc<ServerConfig>, answers: &Answers) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut ssl_request = [0; 8];
    stream.read_exact(&mut ssl_request)?;
    stream.write_all(b"S")?;
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let startup = body(&mut stream)?;
    let replicates = startup.windows(12).any(|word| word == b"replication\0");
    stream.write_all(ASK_FOR_TOKEN)?;
    message(&mut stream)?;
    if replicates {
        return stream.write_all(NO_REPLICATION);
    }
    stream.write_all(WELCOME)?;
    loop {
        match message(&mut stream)? {
            (b'Q', question) => stream.write_all(&answers.to(&question)?)?,
            (b'X', _) => return Ok(()),
            (other, _) => return Err(io::Error::other(format!("a message of type {other}"))),
        }
    }
}

fn message(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut kind = [0];
    stream.read_exact(&mut kind)?;
    Ok((kind[0], body(stream)?))
}

/// Reads a message after its length, which includes itself.
fn body(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    let mut body = vec![0; length.saturating_sub(4).min(1 << 20)];
    stream.read_exact(&mut body)?;
    Ok(body)
}

#[derive(Debug)]
struct Answers {
    known: Mutex<HashMap<Vec<u8>, Arc<[u8]>>>,
    real: Mutex<Real>,
}

impl Answers {
    fn to(&self, question: &[u8]) -> io::Result<Arc<[u8]>> {
        if let Some(answer) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(question) {
            return Ok(Arc::clone(answer));
        }
        let answer: Arc<[u8]> =
            self.real.lock().unwrap_or_else(PoisonError::into_inner).ask(question)?.into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry(question.to_vec()).or_insert(answer)))
    }
}

/// A session of the real server, over its Unix socket.
#[derive(Debug)]
struct Real(UnixStream);

impl Real {
    fn connect(instance: &Instance) -> io::Result<Self> {
        let folder = instance.sql("SHOW unix_socket_directories")?;
        let user = instance.sql("SELECT current_user")?;
        let socket = Path::new(folder.trim()).join(format!(".s.PGSQL.{}", instance.port));
        let mut real = Self(UnixStream::connect(socket)?);
        let parameters = format!("user\0{}\0database\0{}\0\0", user.trim(), lab::DATABASE);
        let length = 8 + parameters.len() as u32;
        real.0.write_all(
            &[&length.to_be_bytes()[..], &196_608u32.to_be_bytes(), parameters.as_bytes()].concat(),
        )?;
        real.until_ready()?;
        real.ask(format!("SET SESSION AUTHORIZATION {}\0", lab::USER).as_bytes())?;
        Ok(real)
    }

    fn ask(&mut self, question: &[u8]) -> io::Result<Vec<u8>> {
        let length = 4 + question.len() as u32;
        self.0.write_all(&[&b"Q"[..], &length.to_be_bytes(), question].concat())?;
        self.until_ready()
    }

    /// Everything up to `ReadyForQuery`.
    fn until_ready(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let (kind, body) = message(&mut self.0)?;
            all.push(kind);
            all.extend((4 + body.len() as u32).to_be_bytes());
            all.extend(&body);
            if kind == b'Z' {
                return Ok(all);
            }
        }
    }
}

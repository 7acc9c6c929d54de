//! A server that does what its script says, and keeps every byte it is sent.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// The name every target here has.
pub(crate) const HOST: &str = "hostile.c9lab0example.us-east-1.rds.amazonaws.com";

/// Longer than any `--timeout` here: who waits this long has been left hanging.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A certificate authority for the whole suite.
pub(crate) struct Authority {
    pub(crate) name: &'static str,
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

pub(crate) static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("the suite"));

impl Authority {
    pub(crate) fn new(name: &'static str) -> Self {
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, name);
        Self::with_subject(name, subject)
    }

    /// An authority with the subject of a public root, and another key.
    pub(crate) fn imitating(country: &str, organization: &str, name: &'static str) -> Self {
        let mut subject = DistinguishedName::new();
        for (kind, text) in [
            (DnType::CountryName, country),
            (DnType::OrganizationName, organization),
            (DnType::CommonName, name),
        ] {
            subject.push(kind, DnValue::PrintableString(text.try_into().unwrap()));
        }
        Self::with_subject(name, subject)
    }

    fn with_subject(name: &'static str, subject: DistinguishedName) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { name, pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key.
    pub(crate) fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        Identity { chain: vec![params.signed_by(&key, &self.issuer).unwrap().into()], key }
    }
}

/// What a server proves its name with.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: KeyPair,
}

impl Identity {
    pub(crate) fn config(self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(self.chain, key).unwrap())
    }
}

pub(crate) fn params(host: &str) -> CertificateParams {
    CertificateParams::new(vec![host.to_owned()]).unwrap()
}

/// The honest TLS of [`HOST`].
pub(crate) static HONEST: LazyLock<Arc<ServerConfig>> =
    LazyLock::new(|| AUTHORITY.issue(params(HOST)).config(rustls::ALL_VERSIONS));

/// How a script ends.
pub(crate) enum End {
    /// The server closes.
    Close,
    /// It says no more, and listens until the client goes.
    Listen,
}

pub(crate) type Script = Box<dyn Fn(&mut Peer) -> io::Result<End> + Send + Sync>;

/// What was heard on all connections: before TLS, and inside of it.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) clear: Vec<u8>,
    pub(crate) encrypted: Vec<u8>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, over) = (Arc::<Mutex<Heard>>::default(), Arc::<AtomicBool>::default());
        let (ears, closing, script) = (heard.clone(), over.clone(), Arc::new(script));
        let thread = std::thread::spawn(move || {
            let mut connections = Vec::new();
            for stream in listener.incoming().flatten() {
                if closing.load(Ordering::Relaxed) {
                    break;
                }
                let (script, heard) = (script.clone(), ears.clone());
                connections.push(std::thread::spawn(move || serve(stream, heard, &**script)));
            }
            for connection in connections {
                connection.join().unwrap();
            }
        });
        Self { address, heard, over, thread }
    }

    /// When the client has gone: what it said.
    pub(crate) fn heard(self) -> Heard {
        self.over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        self.thread.join().unwrap();
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

fn serve(stream: TcpStream, heard: Arc<Mutex<Heard>>, script: &dyn Fn(&mut Peer) -> io::Result<End>) {
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut peer = Peer { stream: Stream::Clear(stream), heard };
    // An error is a client that has gone, or had enough.
    if let Ok(End::Listen) = script(&mut peer) {
        peer.listen();
    }
}

enum Stream {
    Clear(TcpStream),
    Encrypted(Box<StreamOwned<ServerConnection, TcpStream>>),
}

/// The client, as a script sees it.
pub(crate) struct Peer {
    stream: Stream,
    heard: Arc<Mutex<Heard>>,
}

impl Peer {
    /// An honest handshake.
    pub(crate) fn encrypt(&mut self) -> io::Result<()> {
        self.encrypt_with(&HONEST)
    }

    pub(crate) fn encrypt_with(&mut self, config: &Arc<ServerConfig>) -> io::Result<()> {
        let Stream::Clear(stream) = &self.stream else { panic!("encrypted twice") };
        let mut stream = stream.try_clone()?;
        let mut session = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        self.stream = Stream::Encrypted(Box::new(StreamOwned::new(session, stream)));
        Ok(())
    }

    /// The socket itself, for what no TLS library would send.
    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        match &mut self.stream {
            Stream::Clear(stream) => stream,
            Stream::Encrypted(stream) => &mut stream.sock,
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Clear(stream) => stream.write_all(bytes),
            Stream::Encrypted(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Without end, until the client has had enough.
    pub(crate) fn flood(&mut self, bytes: &[u8]) -> io::Result<End> {
        let many = bytes.repeat((64 << 10) / bytes.len() + 1);
        loop {
            self.send(&many)?;
        }
    }

    /// A byte now and then.
    pub(crate) fn drip(&mut self, bytes: &[u8]) -> io::Result<End> {
        for byte in bytes {
            self.send(&[*byte])?;
            std::thread::sleep(Duration::from_millis(300));
        }
        Ok(End::Listen)
    }

    pub(crate) fn read(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut read = 0;
        while read < length {
            match self.hear(&mut bytes[read..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => read += n,
            }
        }
        Ok(bytes)
    }

    fn hear(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::Clear(stream) => stream.read(buffer)?,
            Stream::Encrypted(stream) => stream.read(buffer)?,
        };
        let mut heard = self.heard.lock().unwrap();
        match &self.stream {
            Stream::Clear(_) => heard.clear.extend(&buffer[..read]),
            Stream::Encrypted(_) => heard.encrypted.extend(&buffer[..read]),
        }
        Ok(read)
    }

    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while self.hear(&mut buffer).is_ok_and(|read| read > 0) {}
    }
}

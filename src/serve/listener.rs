//! Accepts HTTP connections, with or without TLS. Each connection has one request, a deadline for each step, and a place
//! in the table of [`super::connections`].

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{Router, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_rustls::server::TlsStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Monitor,
    bodies::Outdated,
    connections::{Busy, Client, Connections, Limits},
    http,
    progress::Progress,
};
use crate::report::metrics::table::Refusal;

/// For the TLS handshake and the request head together.
const HEAD: Duration = Duration::from_secs(5);
/// For each step of sending a response: time without progress.
const PROGRESS: Duration = Duration::from_secs(10);
/// For sending a complete response.
const RESPONSE: Duration = Duration::from_secs(60);
/// For the client to close the connection after the response. Unsent data is then discarded.
const CLOSE: Duration = Duration::from_secs(10);
/// Socket buffers, which the kernel doubles. By default they grow to megabytes, and count as memory of the service.
const SEND_BUFFER: u32 = 64 * 1024;
const RECEIVE_BUFFER: u32 = 16 * 1024;
/// Maximum size of a request head.
const HEAD_SIZE: usize = 16 * 1024;

/// # Errors
/// If the address cannot be listened on.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit the sizes.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(address)?;
    socket.listen(1024)
}

/// Serves until `stop`; requests that were read are answered.
pub(super) async fn serve(
    listener: TcpListener,
    serve: Arc<Monitor>,
    limits: Limits,
    stop: CancellationToken,
) {
    let router = http::router(&serve);
    let (table, open) = (Table(Arc::new(Mutex::new(Connections::new(limits)))), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Most likely no file descriptors are free. Wait, instead of retrying in a busy loop.
                tracing::warn!(%error, "cannot accept a connection");
                table.lock().close_waiting();
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let exchange = Exchange {
            serve: Arc::clone(&serve),
            place: table.place(Client::new(peer.ip())),
            router: TowerToHyperService::new(router.clone()),
            stop: stop.clone(),
            deadline: Instant::now() + HEAD,
        };
        open.spawn(exchange.run(stream));
        // Lets the new connection be read before others arrive.
        tokio::task::yield_now().await;
    }
    open.close();
    open.wait().await;
}

type Stream = Progress<TcpStream>;

/// The table of connections, shared by all of them.
#[derive(Clone)]
struct Table(Arc<Mutex<Connections>>);

impl Table {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        // A panic cannot leave a partial entry: each change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, client: Client) -> Place {
        let close = CancellationToken::new();
        let id = self.lock().arrive(client, close.clone());
        Place { id, client, close, table: self.clone() }
    }
}

/// A connection's place in the table, until it is dropped.
struct Place {
    id: u64,
    client: Client,
    close: CancellationToken,
    table: Table,
}

impl Place {
    fn work(&self) -> Result<(), Busy> {
        self.table.lock().work(self.id, std::time::Instant::now())
    }

    fn send(&self) {
        self.table.lock().send(self.id, std::time::Instant::now());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.lock().leave(self.id);
    }
}

/// Why a connection ended before the response was sent.
enum Ended {
    Refused(Refusal),
    Failed(io::Error),
}

impl Ended {
    fn of(error: hyper::Error) -> Self {
        let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause.map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) => Self::Refused(Refusal::SlowResponse),
            _ => Self::Failed(io::Error::other(error)),
        }
    }
}

/// What a connection waits for.
#[derive(Clone)]
enum Step {
    Head { deadline: Instant },
    Work,
    Send { deadline: Instant, outdated: Outdated },
}

impl Step {
    /// Completes when the step has taken too long.
    async fn overdue(&self) -> Ended {
        match self {
            Self::Head { deadline } => {
                sleep_until(*deadline).await;
                Ended::Refused(Refusal::SlowRequest)
            }
            // A probe and a reload have their own deadlines.
            Self::Work => pending().await,
            Self::Send { deadline, outdated } => {
                tokio::select! {
                    () = sleep_until(*deadline) => {}
                    () = outdated.0.cancelled() => {}
                }
                Ended::Refused(Refusal::SlowResponse)
            }
        }
    }
}

/// One request and its response.
struct Exchange {
    serve: Arc<Monitor>,
    place: Place,
    router: TowerToHyperService<Router>,
    stop: CancellationToken,
    /// Of the request head.
    deadline: Instant,
}

impl Exchange {
    async fn run(self, stream: TcpStream) {
        match self.exchange(stream).await {
            Ok(()) => {}
            Err(Ended::Refused(refusal)) => self.serve.metrics.refused(refusal),
            Err(Ended::Failed(error)) => tracing::debug!(%error, "connection ended with an error"),
        }
    }

    async fn exchange(&self, stream: TcpStream) -> Result<(), Ended> {
        stream.set_nodelay(true).map_err(Ended::Failed)?;
        let mut stream = Progress::new(stream, PROGRESS);
        let tls = self.serve.shared().tls.clone();
        let (result, stream) = match tls {
            None => (self.answer(&mut stream).await, stream),
            Some(tls) => {
                let mut stream = self.handshake(stream, &tls).await?;
                (self.answer(&mut stream).await, stream.into_inner().0)
            }
        };
        let mut stream = stream.into_inner();
        if result.is_err() || !self.is_closed_by_client(&mut stream).await {
            // Discards unsent data. Otherwise the kernel keeps it for minutes, for a client that does not read.
            let _ = stream.set_zero_linger();
        }
        result
    }

    async fn handshake(&self, stream: Stream, tls: &http::Acceptor) -> Result<TlsStream<Stream>, Ended> {
        let step = Step::Head { deadline: self.deadline };
        tokio::select! {
            accepted = tls.accept(stream) => accepted.map_err(Ended::Failed),
            ended = self.overdue(&step) => Err(ended),
        }
    }

    /// Reads the request and sends the response.
    async fn answer(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), Ended> {
        let (step, mut steps) = watch::channel(Step::Head { deadline: self.deadline });
        let service = hyper::service::service_fn(|request| self.respond(request, &step));
        let connection = http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(HEAD_SIZE)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        loop {
            let step = steps.borrow_and_update().clone();
            tokio::select! {
                ended = &mut connection => return ended.map_err(Ended::of),
                Ok(()) = steps.changed() => {}
                ended = self.overdue(&step) => return Err(ended),
            }
        }
    }

    /// Completes when the connection must end in this step.
    async fn overdue(&self, step: &Step) -> Ended {
        tokio::select! {
            ended = step.overdue() => ended,
            () = self.place.close.cancelled() => Ended::Refused(Refusal::Evicted),
            () = self.stop.cancelled(), if matches!(step, Step::Head { .. }) => {
                Ended::Failed(io::Error::other("stopping"))
            }
        }
    }

    async fn respond(
        &self,
        mut request: hyper::Request<Incoming>,
        step: &watch::Sender<Step>,
    ) -> Result<Response, Infallible> {
        step.send_replace(Step::Work);
        let is_health = http::HEALTH_PATHS.contains(&request.uri().path());
        let response = if is_health || self.place.work().is_ok() {
            request.extensions_mut().insert(self.place.client);
            self.router.call(request).await?
        } else {
            self.serve.metrics.refused(Refusal::Busy);
            http::busy()
        };
        self.place.send();
        let outdated = response.extensions().get::<Outdated>().cloned().unwrap_or_default();
        step.send_replace(Step::Send { deadline: Instant::now() + RESPONSE, outdated });
        Ok(response)
    }

    /// Whether the client closes the connection in time, and has therefore read the response.
    async fn is_closed_by_client(&self, stream: &mut TcpStream) -> bool {
        let closed = async {
            let mut ignored = [0; 1024];
            while stream.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
        };
        tokio::select! {
            () = closed => true,
            () = self.stop.cancelled() => true,
            () = self.place.close.cancelled() => false,
            () = sleep(CLOSE) => false,
        }
    }
}

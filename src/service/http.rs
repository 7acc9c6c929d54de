//! Accepts HTTP connections, with or without TLS. Each connection has one request, a deadline for each step, and a place
//! in the table of [`connections`].

mod connections;
pub(crate) mod origin;
mod progress;

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::io::Errno;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{report::metrics::table::Refusal, target::Invalid};
use connections::{Busy, Connections};
pub(crate) use connections::{Client, Limits};
use progress::Progress;

/// Answered without a password and without limits.
pub(crate) const HEALTHY: &str = "/-/healthy";
pub(crate) const READY: &str = "/-/ready";

/// OpenMetrics 1.0.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Prometheus text format.
pub(crate) const PLAIN_METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is served.
pub(crate) trait Application: Send + Sync + 'static {
    fn router(self: &Arc<Self>) -> Router;

    /// TLS of the current configuration; `None` for plain HTTP.
    fn tls(&self) -> Option<TlsAcceptor>;

    /// Counts a request that was refused, or a connection that was closed early.
    fn refused(&self, refusal: Refusal);
}

/// Canceled when the memory of a response is needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outdated(pub(crate) CancellationToken);

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
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Invalid> {
    listen(address).map_err(|error| {
        Invalid::new("listen", "an address and a port to listen on", format!("`{address}`: {error}"))
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let is_any = address.ip().is_unspecified();
    let (socket, address) = match address {
        SocketAddr::V4(_) => (TcpSocket::new_v4()?, address),
        SocketAddr::V6(_) => match TcpSocket::new_v6() {
            // A kernel without IPv6 has every IPv4 address.
            Err(error) if is_any && error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error()) => {
                (TcpSocket::new_v4()?, (Ipv4Addr::UNSPECIFIED, address.port()).into())
            }
            socket => (socket?, address),
        },
    };
    if address.is_ipv6() && is_any {
        // IPv4 too, whatever the default of the system is.
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit the sizes.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(address)?;
    socket.listen(1024)
}

/// Serves until `stop`; requests that were read are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    application: Arc<impl Application>,
    limits: Limits,
    stop: CancellationToken,
) {
    let router = application.router();
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
            application: Arc::clone(&application),
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
struct Exchange<A> {
    application: Arc<A>,
    place: Place,
    router: TowerToHyperService<Router>,
    stop: CancellationToken,
    /// Of the request head.
    deadline: Instant,
}

impl<A: Application> Exchange<A> {
    async fn run(self, stream: TcpStream) {
        match self.exchange(stream).await {
            Ok(()) => {}
            Err(Ended::Refused(refusal)) => self.application.refused(refusal),
            Err(Ended::Failed(error)) => tracing::debug!(%error, "connection ended with an error"),
        }
    }

    async fn exchange(&self, stream: TcpStream) -> Result<(), Ended> {
        stream.set_nodelay(true).map_err(Ended::Failed)?;
        let mut stream = Progress::new(stream, PROGRESS);
        let tls = self.application.tls();
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

    async fn handshake(&self, stream: Stream, tls: &TlsAcceptor) -> Result<TlsStream<Stream>, Ended> {
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
        let is_health = [HEALTHY, READY].contains(&request.uri().path());
        let response = if is_health || self.place.work().is_ok() {
            request.extensions_mut().insert(self.place.client);
            self.router.call(request).await?
        } else {
            self.application.refused(Refusal::Busy);
            busy()
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

/// Answers one request of a client that is connected in another way, within this time.
///
/// # Errors
/// If the client sends no complete request, or does not read the response.
pub(crate) async fn answer_one(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    limit: Duration,
) -> io::Result<()> {
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_SIZE)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let answered = tokio::time::timeout(limit, connection).await;
    answered.map_err(io::Error::from)?.map_err(io::Error::other)
}

/// Pages run no scripts and load no external resources.
pub(crate) async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Too many requests.
fn busy() -> Response {
    let later = [(header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, later, "503: too many requests at once\n").into_response()
}

/// Prometheus accepts gzip, and curl does with `--compressed`.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    is_accepted(headers, &header::ACCEPT_ENCODING, "gzip")
}

/// Prometheus names OpenMetrics if it is to be used; `promtool` and people do not.
pub(crate) fn accepts_openmetrics(headers: &HeaderMap) -> bool {
    is_accepted(headers, &header::ACCEPT, "application/openmetrics-text")
}

/// Whether this value is named, and not with a weight of 0.
fn is_accepted(headers: &HeaderMap, header: &HeaderName, value: &str) -> bool {
    let accepted = headers.get_all(header).iter().filter_map(|given| given.to_str().ok());
    accepted.flat_map(|given| given.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(value));
        let refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
        is_named && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_unspecified_ipv6_address_accepts_ipv4_too() {
        let listener = bind("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert!(peer.ip().to_canonical().is_ipv4(), "{peer}");
    }

    #[test]
    fn gzip_is_for_clients_that_accept_it() {
        for (accept, expected) in [
            (None, false),
            (Some("identity"), false),
            (Some("gzip"), true),
            (Some("deflate, GZip;q=0.5"), true),
            (Some("gzip;q=0, *"), false),
            (Some("br"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
            }
            assert_eq!(accepts_gzip(&headers), expected, "{accept:?}");
        }
    }

    #[test]
    fn openmetrics_is_for_clients_that_name_it() {
        for (accept, expected) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/plain;version=0.0.4"), false),
            (Some("application/openmetrics-text;q=0"), false),
            (Some("application/openmetrics-text"), true),
            // Prometheus 2.42 and 3.
            (
                Some(
                    "application/openmetrics-text; version=1.0.0; charset=utf-8; q=0.5, text/plain;q=0.2,*/*;q=0.1",
                ),
                true,
            ),
            (
                Some(
                    "application/vnd.google.protobuf;q=0.6,Application/OpenMetrics-Text;version=1.0.0;q=0.5",
                ),
                true,
            ),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(accepts_openmetrics(&headers), expected, "{accept:?}");
        }
    }
}

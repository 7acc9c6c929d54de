//! HTTP/1.1 for the AWS SDK, over our own rustls: one connection a call. The SDK's own clients
//! would bring a second TLS stack. Timeouts of a connector are applied here, as its contract asks.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
        http_client_fn,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream, date_time::Format};
use http::{Request, Response, Uri, header};
use hyper::{
    body::{Body, Bytes, Frame, Incoming},
    client::conn::http1,
};
use hyper_util::{
    client::proxy::matcher::{Intercept, Matcher},
    rt::TokioIo,
};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::in_words;
use crate::{diagnostic::printable, local_failure::LocalFailure, trust};

/// AWS's clock minus ours, in seconds, from the last answer that had a `Date`.
pub(super) type SharedClock = Arc<Mutex<Option<i64>>>;

pub(super) fn offset(clock: &SharedClock) -> Option<i64> {
    clock.lock().ok().and_then(|offset| *offset)
}

/// The HTTP client for the AWS SDK.
pub(super) type Client = SharedHttpClient;

/// `plaintext`: whether plain HTTP is allowed beyond this host.
///
/// # Errors
/// If trust anchors cannot be used.
pub(super) fn client(
    roots: Arc<RootCertStore>,
    clock: SharedClock,
    plaintext: bool,
) -> Result<Client, String> {
    let (tls, _) = trust::client_config(roots).map_err(|e| e.to_string())?;
    Ok(http_client_fn(move |settings, _| {
        SharedHttpConnector::new(Connector {
            tls: tls.clone(),
            settings: settings.clone(),
            clock: clock.clone(),
            plaintext,
            longest_answer: LONGEST_ANSWER,
        })
    }))
}

#[derive(Clone, Debug)]
struct Connector {
    tls: Arc<ClientConfig>,
    settings: HttpConnectorSettings,
    clock: SharedClock,
    plaintext: bool,
    /// In bytes.
    longest_answer: usize,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
            let host = host_and_port(request.uri());
            let connected = dial(request.uri(), this.tls, this.plaintext);
            let stream = within(this.settings.connect_timeout(), connected).await?;
            let response = within(this.settings.read_timeout(), exchange(stream, request)).await?;
            note_date(&response, &this.clock);
            let response =
                response.map(|body| SdkBody::from_body_1_x(LimitedStream::of(body, this.longest_answer)));
            let mut response =
                HttpResponse::try_from(response).map_err(|e| ConnectorError::other(e.into(), None))?;
            response.add_extension(Endpoint(host));
            Ok(response)
        })
    }
}

/// Whether an error of the SDK means that a service did not respond.
pub(super) fn is_connection_error(error: &(dyn std::error::Error + 'static)) -> bool {
    // The SDK's error for a time limit is generic, so it is known by its message.
    let is = |error: &(dyn std::error::Error + 'static)| {
        error.is::<ConnectorError>() || error.to_string() == "request has timed out"
    };
    std::iter::successors(Some(error), |error| error.source()).any(is)
}

/// Without user and password, which a URL can contain.
fn host_and_port(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Host and port that a response came from.
#[derive(Clone, Debug)]
struct Endpoint(String);

/// What answered, if it was not the service: status, kind of content, host. Nothing else of its content, which can contain
/// what it has received.
pub(super) fn description(response: &HttpResponse) -> String {
    let status = response.status().as_u16();
    let host = response.extension::<Endpoint>().map_or("the endpoint", |endpoint| endpoint.0.as_str());
    let declared = response.headers().get("content-type").and_then(|value| value.split(';').next());
    let declared = printable(declared.unwrap_or_default().trim());
    let kind = content_kind(response.body().bytes());
    match declared.as_str() {
        "" => format!("{host} answered with HTTP status {status} and {kind}"),
        declared => format!("{host} answered with HTTP status {status} and {kind} ({declared})"),
    }
}

/// Whether an error is in the form of the Query API: the SDK accepts the errors of other services too (Query API,
/// `ErrorResponse`).
pub(super) fn is_error_of_query_api(response: &HttpResponse) -> bool {
    response.body().bytes().is_some_and(|body| content_kind(Some(body)).contains("(<ErrorResponse>)"))
}

/// The first bytes of a body say what it is. The root element of XML names the service that sent it.
fn content_kind(body: Option<&[u8]>) -> String {
    let Some(body) = body else { return "content that could not be read".to_owned() };
    let start = String::from_utf8_lossy(&body[..body.len().min(512)]);
    let mut start = start.trim_start_matches('\u{feff}').trim_start();
    while start.starts_with("<?") || start.starts_with("<!--") {
        let Some((_, rest)) = start.split_once('>') else { break };
        start = rest.trim_start();
    }
    let lower = start.to_ascii_lowercase();
    if start.is_empty() {
        "no content".to_owned()
    } else if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        "an HTML page".to_owned()
    } else if start.starts_with(['{', '[']) {
        "JSON".to_owned()
    } else if let Some(rest) = start.strip_prefix('<') {
        let root: String = rest.chars().take_while(char::is_ascii_alphanumeric).take(40).collect();
        format!("XML that is not a complete answer of the service (<{root}>)")
    } else {
        "text".to_owned()
    }
}

/// For requests of services that have no client of the SDK here.
#[derive(Debug)]
pub(crate) struct HttpSender(Connector);

#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
    pub(crate) text: String,
    /// What answered, if it was not the service.
    pub(crate) description: String,
}

/// How long to wait for the start of a response, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpLimits {
    pub(crate) response: Duration,
    pub(crate) bytes: usize,
}

impl HttpSender {
    /// With the limits for AWS.
    ///
    /// # Errors
    /// If trust anchors cannot be used.
    #[cfg(feature = "aws-diagnostics")]
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        clock: SharedClock,
        plaintext: bool,
    ) -> Result<Self, String> {
        let (tls, _) = trust::client_config(roots).map_err(|e| e.to_string())?;
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(super::CONNECT_TIMEOUT)
            .read_timeout(super::READ_TIMEOUT)
            .build();
        Ok(Self(Connector { tls, settings, clock, plaintext, longest_answer: LONGEST_ANSWER }))
    }

    /// For a service that is not AWS: plain HTTP only to this host.
    ///
    /// # Errors
    /// If trust anchors cannot be used.
    pub(crate) fn with_limits(roots: Arc<RootCertStore>, limits: HttpLimits) -> Result<Self, String> {
        let (tls, _) = trust::client_config(roots).map_err(|e| e.to_string())?;
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(super::CONNECT_TIMEOUT)
            .read_timeout(limits.response)
            .build();
        let clock = SharedClock::default();
        Ok(Self(Connector { tls, settings, clock, plaintext: false, longest_answer: limits.bytes }))
    }

    /// # Errors
    /// If there is no response.
    pub(crate) async fn send(&self, request: Request<String>) -> Result<HttpAnswer, String> {
        let request = HttpRequest::try_from(request.map(SdkBody::from)).map_err(|e| e.to_string())?;
        let mut response = self.0.call(request).await.map_err(|error| in_words(&error))?;
        let body = ByteStream::new(response.take_body()).collect().await.map_err(|error| in_words(&error))?;
        let body = body.into_bytes();
        let text = String::from_utf8(body.to_vec()).map_err(|_| "a response that is not text".to_owned())?;
        *response.body_mut() = SdkBody::from(body);
        // As seconds (RFC 9110, section 10.2.3), or in the header of ClickHouse Cloud. A date is not read.
        let mut headers = ["retry-after", "x-ratelimit-reset"].into_iter();
        let retry_after = headers.find_map(|name| response.headers().get(name)?.trim().parse().ok());
        let (status, description) = (response.status().as_u16(), description(&response));
        Ok(HttpAnswer { status, retry_after, text, description })
    }
}

/// Maximum response size of AWS. A regular response has a few kilobytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// A body with a size limit.
struct LimitedStream {
    body: Incoming,
    limit: usize,
    left: usize,
}

impl LimitedStream {
    fn of(body: Incoming, limit: usize) -> Self {
        Self { body, limit, left: limit }
    }
}

impl Body for LimitedStream {
    type Data = Bytes;
    type Error = AnyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()?;
        let length = frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
        Poll::Ready(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                frame.map(Ok)
            }
            None => {
                let limit = self.limit >> 20;
                Some(Err(format!("the answer is longer than {limit} MiB").into()))
            }
        })
    }
}

async fn within<T>(
    limit: Option<Duration>,
    step: impl Future<Output = Result<T, AnyError>>,
) -> Result<T, ConnectorError> {
    let result = match limit {
        Some(limit) => {
            tokio::time::timeout(limit, step).await.map_err(|e| ConnectorError::timeout(e.into()))?
        }
        None => step.await,
    };
    result.map_err(ConnectorError::io)
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn dial(uri: &Uri, tls: Arc<ClientConfig>, plaintext: bool) -> Result<Box<dyn Stream>, AnyError> {
    let host = uri.host().ok_or("the endpoint has no host")?;
    if uri.scheme_str() != Some("https") {
        let stream = connect(host, uri.port_u16().unwrap_or(80)).await?;
        // Instance metadata, container credentials, a local endpoint. A profile can set any endpoint, and a name can
        // have any address, so the address that is connected to decides. No proxy has a way to them.
        if !plaintext && !is_local(stream.peer_addr()?.ip()) {
            return Err("the endpoint uses plain HTTP and is on another host: use https".into());
        }
        return Ok(Box::new(stream));
    }
    let port = uri.port_u16().unwrap_or(443);
    let stream: Box<dyn Stream> = match Matcher::from_env().intercept(uri) {
        Some(proxy) => tunnel(&proxy, &format!("{host}:{port}"), Arc::clone(&tls)).await?,
        None => Box::new(connect(host, port).await?),
    };
    encrypt(stream, host, tls).await
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, AnyError> {
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await;
    let stream = stream.map_err(|error| match LocalFailure::of_connect(&error) {
        Some(failure) => AnyError::from(failure),
        None => error.into(),
    })?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn encrypt(
    stream: Box<dyn Stream>,
    host: &str,
    tls: Arc<ClientConfig>,
) -> Result<Box<dyn Stream>, AnyError> {
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
    Ok(Box::new(TlsConnector::from(tls).connect(name, stream).await?))
}

/// A proxy that did not open the way to an endpoint.
#[derive(Clone, Debug)]
pub(super) struct ProxyFailure(String);

impl ProxyFailure {
    /// The failure of a proxy that an error of the SDK contains.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Option<String> {
        let mut chain = std::iter::successors(Some(error), |error| error.source());
        chain.find_map(|error| error.downcast_ref::<Self>()).map(|failure| failure.0.clone())
    }
}

impl std::fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ProxyFailure {}

/// A connection to `endpoint` through the proxy of HTTPS_PROXY (RFC 9110, section 9.3.6, CONNECT). The proxy sees TLS.
async fn tunnel(
    proxy: &Intercept,
    endpoint: &str,
    tls: Arc<ClientConfig>,
) -> Result<Box<dyn Stream>, AnyError> {
    let uri = proxy.uri();
    let fail = |what: String| ProxyFailure(format!("the proxy {} (HTTPS_PROXY) {what}", host_and_port(uri)));
    let host = uri.host().unwrap_or_default();
    let (is_encrypted, port) = match uri.scheme_str() {
        Some("http") => (false, 80),
        Some("https") => (true, 443),
        _ => return Err(fail("is no HTTP proxy: use an http:// or https:// URL".to_owned()).into()),
    };
    let connected = connect(host, uri.port_u16().unwrap_or(port)).await;
    let mut stream: Box<dyn Stream> = match connected {
        Ok(stream) => Box::new(stream),
        Err(error) if error.is::<LocalFailure>() => return Err(error),
        Err(error) => return Err(fail(format!("did not accept a connection: {error}")).into()),
    };
    if is_encrypted {
        stream = encrypt(stream, host, tls).await.map_err(|error| fail(format!("failed in TLS: {error}")))?;
    }
    let mut request = Request::connect(endpoint).header(header::HOST, endpoint);
    if let Some(auth) = proxy.basic_auth() {
        request = request.header(header::PROXY_AUTHORIZATION, auth);
    }
    let broken = |error: &dyn std::error::Error| fail(format!("did not answer CONNECT: {error}"));
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
    tokio::spawn(connection.with_upgrades());
    let answer =
        sender.send_request(request.body(SdkBody::empty())?).await.map_err(|error| broken(&error))?;
    if !answer.status().is_success() {
        let what = format!("answered CONNECT to {endpoint} with HTTP status {}", answer.status().as_u16());
        return Err(fail(what).into());
    }
    Ok(Box::new(TokioIo::new(hyper::upgrade::on(answer).await?)))
}

/// Loopback, link-local, and the IPv6 addresses of instance metadata and Pod Identity (`fd00:ec2::/32`; EC2 User Guide,
/// "Instance metadata"; EKS User Guide, "Pod Identity").
fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unicast_link_local() || ip.segments()[..2] == [0xfd00, 0x0ec2]
        }
    }
}

async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<SdkBody>,
) -> Result<Response<Incoming>, AnyError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or("the endpoint has no host")?.as_str().parse()?;
    parts.headers.entry(header::HOST).or_insert(authority);
    parts.uri = parts.uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    Ok(sender.send_request(Request::from_parts(parts, body)).await?)
}

#[expect(clippy::disallowed_methods, reason = "a measurement of our clock against AWS's")]
fn note_date(response: &Response<Incoming>, clock: &SharedClock) {
    let date = response.headers().get(header::DATE).and_then(|value| value.to_str().ok());
    let theirs = date.and_then(|d| aws_smithy_types::DateTime::from_str(d, Format::HttpDate).ok());
    let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    if let (Some(theirs), Ok(ours), Ok(mut clock)) = (theirs, ours, clock.lock()) {
        *clock = Some(theirs.secs() - ours.as_secs() as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_answer_is_named_without_its_content() {
        for (body, kind) in [
            ("<!DOCTYPE HTML><title>secret</title>", "an HTML page"),
            ("\u{feff} <?xml version=\"1.0\"?><!-- x --><html>secret", "an HTML page"),
            ("{\"message\":\"secret\"}", "JSON"),
            (
                "<?xml version=\"1.0\"?>\n<Response><Errors>",
                "XML that is not a complete answer of the service (<Response>)",
            ),
            ("<a\u{1b}[2J>", "XML that is not a complete answer of the service (<a>)"),
            (" ", "no content"),
            ("secret", "text"),
            ("<?xml", "XML that is not a complete answer of the service (<>)"),
        ] {
            assert_eq!(content_kind(Some(body.as_bytes())), kind, "{body}");
        }
    }

    #[test]
    fn plain_http_is_for_this_host_and_the_services_beside_it() {
        for (address, local) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("169.254.169.254", true),
            ("169.254.170.23", true),
            ("fe80::1", true),
            ("fd00:ec2::23", true),
            ("fd00:ec3::23", false),
            ("10.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_local(address.parse().unwrap()), local, "{address}");
        }
    }
}

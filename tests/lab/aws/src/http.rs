//! HTTP/1.1 over whatever was accepted, with bounds on size and time.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Largest body that is read.
const MOST: usize = 1024 * 1024;
/// For a request's head, and again for its body.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves what `accept` gives until it is dropped, each connection apart from the others.
///
/// `answer` gets whole requests; with `None` the client waits until it gives up.
pub(crate) async fn serve<S, P, A>(accept: impl AsyncAccept<S, P>, keep_alive: bool, answer: A)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    P: Copy + Send + Sync + 'static,
    A: Fn(&Request<Vec<u8>>, P) -> Option<Response<String>> + Send + Sync + 'static,
{
    let answer = Arc::new(answer);
    let mut connections = JoinSet::new();
    loop {
        match accept.accept().await {
            Ok((stream, peer)) => {
                let answer = Arc::clone(&answer);
                connections.spawn(connection(stream, keep_alive, move |request: &_| answer(request, peer)));
            }
            // Out of file descriptors, most likely: some connection has to end first.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// A listener, with what it knows of the other side.
pub(crate) trait AsyncAccept<S, P>: Send {
    fn accept(&self) -> impl Future<Output = io::Result<(S, P)>> + Send;
}

async fn connection<S, A>(stream: S, keep_alive: bool, answer: A)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A: Fn(&Request<Vec<u8>>) -> Option<Response<String>> + Send + Sync,
{
    let answer = &answer;
    let service = service_fn(async move |request: Request<Incoming>| {
        let answered = match whole(request).await {
            Ok(request) => match answer(&request) {
                Some(response) => response,
                None => pending().await,
            },
            Err(status) => refusal(status),
        };
        Ok::<_, Infallible>(answered)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(keep_alive);
    // A client that went away is its own business.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn whole(request: Request<Incoming>) -> Result<Request<Vec<u8>>, StatusCode> {
    let (head, body) = request.into_parts();
    let body = timeout(PATIENCE, Limited::new(body, MOST).collect());
    let body = body.await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?;
    let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    Ok(Request::from_parts(head, body.to_bytes().to_vec()))
}

fn refusal(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response
}

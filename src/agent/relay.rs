//! Copies bytes between a client and a server, until both sides have closed or a request must not reach the server.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use super::client::{self, Client};

/// For each direction: the size of a TLS record.
pub(super) const BUFFER: usize = 16 * 1024;

/// How long one direction may continue after the other has ended.
const LINGER: Duration = Duration::from_secs(30);

/// Bytes that were copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) to_server: u64,
    pub(super) to_client: u64,
}

/// What may be sent of bytes that were read. What is left over is the start of the next ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    pub(super) length: usize,
    /// Nothing may be sent after these bytes.
    pub(super) stops: bool,
}

impl Pass {
    pub(super) fn all(bytes: &[u8]) -> Self {
        Self { length: bytes.len(), stops: false }
    }
}

/// One session. It can be interrupted by a request, and continued.
#[derive(Default)]
pub(super) struct Relay {
    requests: Direction,
    responses: Direction,
}

impl Relay {
    pub(super) fn totals(&self) -> Totals {
        Totals { to_server: self.requests.total, to_client: self.responses.total }
    }

    /// Returns the start of the request at which `requests` stops. `None` if the session has ended. Both closures see the bytes before they are
    /// sent.
    pub(super) async fn run<S>(
        &mut self,
        client: &mut Client,
        server: &mut S,
        requests: impl FnMut(&[u8]) -> Pass,
        mut responses: impl FnMut(&[u8]),
    ) -> Option<Vec<u8>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut from_server, mut to_server) = split(server);
        let (mut from_client, mut to_client) = client::split(client);
        let Self { requests: up, responses: down } = self;
        let requests = async {
            if matches!(up.copy(&mut from_client, &mut to_server, requests).await, Ok(true)) {
                return Ended::Stopped;
            }
            let _ = to_server.shutdown().await;
            // A client that has gone reads no more answers.
            if client::is_gone(&from_client).await { Ended::Gone } else { Ended::Closed }
        };
        let responses = async {
            let inspect = |bytes: &[u8]| {
                responses(bytes);
                Pass::all(bytes)
            };
            let _ = down.copy(&mut from_server, &mut to_client, inspect).await;
            let _ = to_client.shutdown().await;
        };
        let has_stopped = {
            let (mut requests, mut responses) = (pin!(requests), pin!(responses));
            tokio::select! {
                ended = &mut requests => {
                    if ended == Ended::Closed {
                        linger(responses).await;
                    }
                    ended == Ended::Stopped
                }
                () = &mut responses => {
                    linger(async { let _ = requests.await; }).await;
                    false
                }
            }
        };
        has_stopped.then(|| self.requests.take_rest())
    }

    /// Sends what is left of the server's answers to earlier requests.
    pub(super) async fn finish_responses(&mut self, client: &mut Client) -> io::Result<()> {
        client.write_all(&self.responses.take_rest()).await
    }
}

/// How the direction to the server ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Stopped,
    /// The client sends no more, and may read.
    Closed,
    Gone,
}

/// Waits for one direction after the other has ended.
async fn linger(direction: impl Future<Output = ()>) {
    let _ = tokio::time::timeout(LINGER, direction).await;
}

/// One direction of a session.
#[derive(Default)]
struct Direction {
    /// Read and not sent.
    buffer: Vec<u8>,
    /// How many of these bytes may be sent.
    passed: usize,
    total: u64,
}

impl Direction {
    /// Copies until the end, or until `pass` stops (true). It can be dropped at any await and continued.
    async fn copy(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        mut pass: impl FnMut(&[u8]) -> Pass,
    ) -> io::Result<bool> {
        let mut stops = false;
        loop {
            while self.passed > 0 {
                let written = to.write(&self.buffer[..self.passed]).await?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                self.buffer.drain(..written);
                self.passed -= written;
                self.total += written as u64;
            }
            // TLS keeps what is not flushed.
            to.flush().await?;
            if stops {
                return Ok(true);
            }
            // A session that waits has no buffer.
            let read = poll_fn(|context| {
                self.buffer.reserve_exact(BUFFER);
                let read = pin!(from.read_buf(&mut self.buffer)).poll(context);
                if read.is_pending() && self.buffer.is_empty() {
                    self.buffer = Vec::new();
                }
                read
            });
            if read.await? == 0 {
                return Ok(false);
            }
            Pass { length: self.passed, stops } = pass(&self.buffer);
        }
    }

    fn take_rest(&mut self) -> Vec<u8> {
        self.passed = 0;
        std::mem::take(&mut self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::duplex, net::UnixStream};
    use tokio_util::either::Either;

    use super::*;

    #[tokio::test]
    async fn both_directions_are_copied_and_a_half_close_waits_for_the_answer() {
        let ((mut near, client), (mut server, mut far)) = (UnixStream::pair().unwrap(), duplex(64));
        let (mut seen, mut relay, mut client) = (Vec::new(), Relay::default(), Either::Left(client));
        let copying = async {
            let inspect = |bytes: &[u8]| seen.extend_from_slice(bytes);
            let stopped = relay.run(&mut client, &mut server, Pass::all, inspect).await;
            drop((client, server));
            stopped
        };
        let ends = async {
            near.write_all(b"question").await.unwrap();
            near.shutdown().await.unwrap();
            let mut question = String::new();
            far.read_to_string(&mut question).await.unwrap();
            far.write_all(&[b'a'; 1000]).await.unwrap();
            far.shutdown().await.unwrap();
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await.unwrap();
            (question, answer)
        };
        let (stopped, (question, answer)) = tokio::join!(copying, ends);
        assert_eq!((question.as_str(), answer.len(), stopped), ("question", 1000, None));
        assert_eq!(relay.totals(), Totals { to_server: 8, to_client: 1000 });
        assert_eq!(seen, answer);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_closes_is_left_after_the_linger_and_at_once_if_the_client_has_gone() {
        for (is_gone, expected) in [(false, LINGER), (true, Duration::ZERO)] {
            let ((mut near, client), (mut server, _far)) = (UnixStream::pair().unwrap(), duplex(64));
            near.shutdown().await.unwrap();
            let near = (!is_gone).then_some(near);
            let start = tokio::time::Instant::now();
            Relay::default().run(&mut Either::Left(client), &mut server, Pass::all, |_| {}).await;
            assert_eq!(start.elapsed().as_secs(), expected.as_secs(), "gone: {is_gone}");
            drop(near);
        }
    }

    #[tokio::test]
    async fn bytes_after_a_stop_are_returned_and_the_session_goes_on() {
        let ((mut near, client), (mut server, mut far)) = (UnixStream::pair().unwrap(), duplex(64));
        let (mut relay, mut client) = (Relay::default(), Either::Left(client));
        near.write_all(b"one|two").await.unwrap();
        let stop = |bytes: &[u8]| match bytes.iter().position(|byte| *byte == b'|') {
            Some(length) => Pass { length, stops: true },
            None => Pass::all(bytes),
        };
        let rest = relay.run(&mut client, &mut server, stop, |_| {}).await;
        assert_eq!(rest.as_deref(), Some(&b"|two"[..]));
        let more = async {
            near.write_all(b"three").await.unwrap();
            drop(near);
            let mut sent = String::new();
            far.read_to_string(&mut sent).await.unwrap();
            sent
        };
        let going_on = async {
            let ended = relay.run(&mut client, &mut server, Pass::all, |_| {}).await;
            drop(server);
            ended
        };
        let (ended, sent) = tokio::join!(going_on, more);
        assert_eq!((ended, sent.as_str()), (None, "onethree"));
        assert_eq!(relay.totals().to_server, 8);
    }
}

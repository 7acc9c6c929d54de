//! Copies bytes between a client and a server, until both sides have closed.

use std::{future::Future, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, Ready, split},
    net::UnixStream,
};

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

/// Runs until both directions have ended. `inspect` sees what the server sends, before the client gets it.
pub(super) async fn splice<S: AsyncRead + AsyncWrite>(
    mut client: UnixStream,
    server: S,
    mut inspect: impl FnMut(&[u8]),
) -> Totals {
    let (mut from_server, mut to_server) = split(server);
    let (mut from_client, mut to_client) = client.split();
    let mut totals = Totals::default();
    let Totals { to_server: up, to_client: down } = &mut totals;
    let requests = async {
        let _ = copy(&mut from_client, &mut to_server, up, |_| {}).await;
        let _ = to_server.shutdown().await;
        // A client that has closed its socket, and not only its sending half, reads no more answers.
        from_client.as_ref().ready(Interest::WRITABLE).await.is_ok_and(Ready::is_write_closed)
    };
    let responses = async {
        let _ = copy(&mut from_server, &mut to_client, down, &mut inspect).await;
        let _ = to_client.shutdown().await;
    };
    {
        let (mut requests, mut responses) = (std::pin::pin!(requests), std::pin::pin!(responses));
        tokio::select! {
            is_gone = &mut requests => if !is_gone { linger(responses).await },
            () = &mut responses => linger(async { let _ = requests.await; }).await,
        }
    }
    totals
}

/// Waits for one direction after the other has ended.
pub(super) async fn linger(direction: impl Future<Output = ()>) {
    let _ = tokio::time::timeout(LINGER, direction).await;
}

/// Copies until the end, and flushes what was read at once: TLS keeps what is not flushed.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    total: &mut u64,
    mut inspect: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        inspect(&buffer[..read]);
        to.write_all(&buffer[..read]).await?;
        to.flush().await?;
        *total += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn both_directions_are_copied_and_a_half_close_waits_for_the_answer() {
        let ((mut near, client), (server, mut far)) = (UnixStream::pair().unwrap(), duplex(64));
        let mut seen = Vec::new();
        let copying = splice(client, server, |bytes| seen.extend_from_slice(bytes));
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
        let (totals, (question, answer)) = tokio::join!(copying, ends);
        assert_eq!((question.as_str(), answer.len()), ("question", 1000));
        assert_eq!(totals, Totals { to_server: 8, to_client: 1000 });
        assert_eq!(seen, answer);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_closes_is_left_after_the_linger_and_at_once_if_the_client_has_gone() {
        for (is_gone, expected) in [(false, LINGER), (true, Duration::ZERO)] {
            let ((mut near, client), (server, _far)) = (UnixStream::pair().unwrap(), duplex(64));
            near.shutdown().await.unwrap();
            let near = (!is_gone).then_some(near);
            let start = tokio::time::Instant::now();
            splice(client, server, |_| {}).await;
            assert_eq!(start.elapsed().as_secs(), expected.as_secs(), "gone: {is_gone}");
            drop(near);
        }
    }
}

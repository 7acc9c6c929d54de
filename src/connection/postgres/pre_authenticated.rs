//! A stream on which tokio-postgres finds a session that is already authenticated.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the driver reads first: the end of an authentication it did not take part in.
pub(super) const AUTHENTICATION_OK: [u8; 9] = [b'R', 0, 0, 0, 8, 0, 0, 0, 0];

/// Swallows the driver's own StartupMessage (ours has been sent), and gives it AuthenticationOk and
/// whatever had been read beyond; then it is the stream itself.
pub(super) struct PreAuthenticated<S> {
    stream: S,
    replay: Bytes,
    /// What has come of the driver's StartupMessage; `None` once it is swallowed whole.
    startup: Option<BytesMut>,
}

impl<S> PreAuthenticated<S> {
    pub(super) fn new(stream: S, read_beyond: &[u8]) -> Self {
        let replay = [&AUTHENTICATION_OK, read_beyond].concat().into();
        Self { stream, replay, startup: Some(BytesMut::new()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PreAuthenticated<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.replay.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let n = self.replay.len().min(buf.remaining());
        buf.put_slice(&self.replay[..n]);
        self.replay.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PreAuthenticated<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Some(startup) = &mut self.startup else {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        };
        let before = startup.len();
        startup.extend_from_slice(buf);
        // A StartupMessage begins with its own length, these four bytes included.
        let length = startup.first_chunk().map(|length| u32::from_be_bytes(*length) as usize);
        let swallowed = match length {
            Some(complete) if startup.len() >= complete => {
                self.startup = None;
                complete.saturating_sub(before)
            }
            _ => buf.len(),
        };
        Poll::Ready(Ok(swallowed))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn the_drivers_startup_is_swallowed_however_it_is_cut() {
        for cut in 1..14 {
            let (near, mut far) = duplex(64);
            let mut pre_authenticated = PreAuthenticated::new(near, b"Zrest");
            let message = [&[0, 0, 0, 8, 0, 3, 0, 0][..], b"Qnext"].concat();
            for part in message.chunks(cut) {
                pre_authenticated.write_all(part).await.unwrap();
            }
            let mut sent = [0; 5];
            far.read_exact(&mut sent).await.unwrap();
            assert_eq!(&sent, b"Qnext", "cut {cut}");
            far.write_all(b"live").await.unwrap();
            let mut read = [0; 9 + 5 + 4];
            pre_authenticated.read_exact(&mut read).await.unwrap();
            assert_eq!(&read[..], [&AUTHENTICATION_OK[..], b"Zrestlive"].concat());
        }
    }
}

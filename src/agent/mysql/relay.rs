//! Copies bytes between a client and a server, until both sides have closed or the client sends COM_CHANGE_USER.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, Ready, split},
    net::UnixStream,
};

use crate::{
    agent::splice::{BUFFER, Totals, linger},
    connection::COM_CHANGE_USER,
};

use super::packet::LONGEST;

/// A packet of this length is continued by the next one.
const LONGEST_PAYLOAD: usize = 0xFF_FFFF;

/// One session. It can be interrupted by [`Relay::run`] and continued.
#[derive(Default)]
pub(super) struct Relay {
    pub(super) totals: Totals,
    headers: Headers,
    /// What the server has sent and the client has not received.
    responses: Vec<u8>,
}

impl Relay {
    /// Returns the payload of COM_CHANGE_USER, which the server has not received. `None` if the session has ended.
    pub(super) async fn run<S>(&mut self, client: &mut UnixStream, server: &mut S) -> Option<Vec<u8>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut from_server, mut to_server) = split(server);
        let (mut from_client, mut to_client) = client.split();
        let Self { totals: Totals { to_server: up, to_client: down }, headers, responses } = self;
        let requests = async {
            let change = requests(&mut from_client, &mut to_server, headers, up).await.unwrap_or_default();
            if change.is_some() {
                return (change, false);
            }
            let _ = to_server.shutdown().await;
            // A client that has closed its socket, and not only its sending half, reads no more answers.
            let is_gone = from_client.as_ref().ready(Interest::WRITABLE).await;
            (None, is_gone.is_ok_and(Ready::is_write_closed))
        };
        let responses = async {
            let _ = copy(&mut from_server, &mut to_client, responses, down).await;
            let _ = to_client.shutdown().await;
        };
        let (mut requests, mut responses) = (std::pin::pin!(requests), std::pin::pin!(responses));
        tokio::select! {
            (change, is_gone) = &mut requests => {
                if change.is_none() && !is_gone {
                    linger(responses).await;
                }
                change
            }
            () = &mut responses => {
                linger(async { let _ = requests.await; }).await;
                None
            }
        }
    }

    /// Sends what is left of the server's answers to earlier requests.
    pub(super) async fn finish_responses(&mut self, client: &mut UnixStream) -> io::Result<()> {
        let left = std::mem::take(&mut self.responses);
        client.write_all(&left).await
    }
}

/// Copies until the end. It can be dropped at any await: `pending` has what was read and not written.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    pending: &mut Vec<u8>,
    total: &mut u64,
) -> io::Result<()> {
    loop {
        while !pending.is_empty() {
            let written = to.write(pending).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            pending.drain(..written);
            *total += written as u64;
        }
        pending.reserve(BUFFER);
        if from.read_buf(pending).await? == 0 {
            return Ok(());
        }
    }
}

/// Copies requests until the end (`None`) or COM_CHANGE_USER.
async fn requests(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    headers: &mut Headers,
    total: &mut u64,
) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        let read = from.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(None);
        }
        filled += read;
        let (forward, is_change) = headers.scan(&buffer[..filled]);
        to.write_all(&buffer[..forward]).await?;
        // TLS keeps what is not flushed.
        to.flush().await?;
        *total += forward as u64;
        buffer.copy_within(forward..filled, 0);
        filled -= forward;
        if is_change {
            return change_user(from, &buffer[..filled]).await.map(Some);
        }
    }
}

/// The rest of a packet that starts with these bytes. A client waits for the answer before it sends more.
async fn change_user(from: &mut (impl AsyncRead + Unpin), start: &[u8]) -> io::Result<Vec<u8>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let Some(([a, b, c, _], payload)) = start.split_first_chunk::<4>() else {
        return Err(invalid("no header"));
    };
    let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
    if length > LONGEST || payload.len() > length {
        return Err(invalid("COM_CHANGE_USER is too long or is not the last request"));
    }
    let mut packet = payload.to_vec();
    packet.resize(length, 0);
    from.read_exact(&mut packet[payload.len()..]).await?;
    Ok(packet)
}

/// Where the packets of a client begin.
#[derive(Debug, Default)]
struct Headers {
    /// Of the present packet.
    left: usize,
    /// Of the last header: length and sequence number.
    last: (usize, u8),
}

impl Headers {
    /// How many of these bytes the server may get, and whether COM_CHANGE_USER follows them. What is left over is the start of
    /// the next call.
    fn scan(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        loop {
            let skipped = self.left.min(bytes.len() - at);
            at += skipped;
            self.left -= skipped;
            let Some([a, b, c, sequence]) = bytes[at..].first_chunk::<4>() else {
                // Within a packet nothing is left over.
                return (at, false);
            };
            let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
            // The number of a packet that continues a request, or a local file, returns to 0 after 255. A file ends with an
            // empty packet.
            let (last_length, last_sequence) = self.last;
            let continues = last_length == LONGEST_PAYLOAD || (last_sequence == 255 && last_length > 0);
            if *sequence == 0 && !continues && length > 0 {
                match bytes.get(at + 4) {
                    None => return (at, false),
                    Some(&COM_CHANGE_USER) => return (at, true),
                    Some(_) => {}
                }
            }
            self.last = (length, *sequence);
            self.left = length;
            at += 4;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
        let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
        [&[a, b, c, sequence], payload].concat()
    }

    /// What the server gets, and COM_CHANGE_USER, if the client's bytes arrive in pieces of this size.
    async fn relayed(sent: &[u8], piece: usize) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut near, mut far) = tokio::io::duplex(piece);
        let mut server = Vec::new();
        let (mut headers, mut total) = (Headers::default(), 0);
        let send = async {
            near.write_all(sent).await.unwrap();
            near.shutdown().await.unwrap();
        };
        let copy = requests(&mut far, &mut server, &mut headers, &mut total);
        let (change, ()) = tokio::join!(copy, send);
        assert_eq!(total, server.len() as u64);
        (server, change.unwrap())
    }

    #[tokio::test]
    async fn change_user_is_found_at_the_start_of_a_request_only() {
        let before = [
            packet(0, b"\x03select '\x11'"),
            packet(0, &[&[3][..], &[0x11; 40_000]].concat()),
            packet(2, b"\x11a local file"),
            packet(3, b""),
        ]
        .concat();
        let change = packet(0, b"\x11user\0");
        for piece in [1, 3, 4, 5, 7, 16 * 1024, 1 << 20] {
            let (server, found) = relayed(&[&before[..], &change].concat(), piece).await;
            assert!(server == before, "{piece}");
            assert_eq!(found.as_deref(), Some(&b"\x11user\0"[..]), "{piece}");
            let (server, found) = relayed(&before, piece).await;
            assert!(server == before && found.is_none(), "{piece}");
        }
    }

    #[tokio::test]
    async fn a_sequence_number_that_returns_to_0_starts_no_request() {
        let mut sent = packet(0, b"\x03load data local");
        for sequence in 2..=255 {
            sent.extend(packet(sequence, b"\x11"));
        }
        sent.extend(packet(0, b"\x11"));
        sent.extend(packet(1, b""));
        let (server, found) = relayed(&sent, 1000).await;
        assert!(server == sent && found.is_none());

        // A file that ends with number 255: the next packet is a request.
        let mut file = packet(0, b"\x03load data local");
        for sequence in 2..255 {
            file.extend(packet(sequence, b"\x11"));
        }
        file.extend(packet(255, b""));
        let (server, found) = relayed(&[&file[..], &packet(0, b"\x11u\0")].concat(), 1000).await;
        assert!(server == file && found.is_some());

        // A request of more than 16 MiB.
        let long = [packet(0, &vec![3; LONGEST_PAYLOAD]), packet(0, b"\x11")].concat();
        let (server, found) = relayed(&long, 1 << 16).await;
        assert!(server == long && found.is_none());
    }
}

//! Finds COM_CHANGE_USER among the requests of a client.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{agent::relay::Pass, connection::COM_CHANGE_USER};

use super::packet::LONGEST;

/// A packet of this length is continued by the next one.
const LONGEST_PAYLOAD: usize = 0xFF_FFFF;

/// The rest of a packet that starts with these bytes. A client waits for the answer before it sends more.
pub(super) async fn change_user(from: &mut (impl AsyncRead + Unpin), start: &[u8]) -> io::Result<Vec<u8>> {
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
pub(in crate::agent) struct Headers {
    /// Of the present packet.
    left: usize,
    /// Of the last header: length and sequence number.
    last: (usize, u8),
}

impl Headers {
    /// What the server may get. It stops before COM_CHANGE_USER.
    pub(in crate::agent) fn scan(&mut self, bytes: &[u8]) -> Pass {
        let mut at = 0;
        loop {
            let skipped = self.left.min(bytes.len() - at);
            at += skipped;
            self.left -= skipped;
            let Some([a, b, c, sequence]) = bytes[at..].first_chunk::<4>() else {
                // Within a packet nothing is left over.
                return Pass { length: at, stops: false };
            };
            let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
            // The number of a packet that continues a request, or a local file, returns to 0 after 255. A file ends with an
            // empty packet.
            let (last_length, last_sequence) = self.last;
            let continues = last_length == LONGEST_PAYLOAD || (last_sequence == 255 && last_length > 0);
            if *sequence == 0 && !continues && length > 0 {
                match bytes.get(at + 4) {
                    None => return Pass { length: at, stops: false },
                    Some(&COM_CHANGE_USER) => return Pass { length: at, stops: true },
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
        let (mut headers, mut server, mut pending) = (Headers::default(), Vec::new(), Vec::new());
        let mut pieces = sent.chunks(piece);
        for bytes in &mut pieces {
            pending.extend_from_slice(bytes);
            let Pass { length, stops } = headers.scan(&pending);
            server.extend(pending.drain(..length));
            if stops {
                let mut rest = &pieces.collect::<Vec<_>>().concat()[..];
                return (server, Some(change_user(&mut rest, &pending).await.unwrap()));
            }
        }
        server.extend(pending); // the session ends
        (server, None)
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

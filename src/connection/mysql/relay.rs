//! Relays between the driver and the server: requests unchanged, responses packet by packet.
//!
//! mysql_async allocates what a packet announces before it checks that the packet holds that much: a billion
//! columns, an event of 4 GB, a compressed transaction of 1 TB. If that memory is not available, the whole process
//! aborts, with the results of all other targets. Such packets are therefore not forwarded.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter},
    net::UnixStream,
};

/// How much of a packet is inspected. The size field of a binary log event ends here.
const INSPECTED_BYTES: usize = 14;
/// Header of a binary log event, after the status byte 0x00.
const EVENT_HEADER: usize = 1 + 19;
const TRANSACTION_PAYLOAD_EVENT: u8 = 40;
/// The end of a binary log: EOF, no warnings, autocommit.
const END_OF_LOG: [u8; 5] = [0xfe, 0, 0, 2, 0];

/// Set when the binary log is requested: from then on, responses are events.
pub(super) type BinlogMode = Arc<AtomicBool>;

/// Runs until one side closes, then closes the other.
pub(super) async fn relay<S>(driver: UnixStream, session: S, binlog_mode: BinlogMode)
where
    S: AsyncRead + AsyncWrite + Send,
{
    let (mut from_driver, to_driver) = driver.into_split();
    let (from_server, mut to_server) = tokio::io::split(session);
    let (mut from_server, mut to_driver) = (BufReader::new(from_server), BufWriter::new(to_driver));
    let requests = async {
        let _ = tokio::io::copy(&mut from_driver, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let responses = async {
        // Whatever ends this loop, the driver sees a closed connection.
        while let Ok(true) = forward(&mut from_server, &mut to_driver, &binlog_mode).await {}
        let _ = to_driver.shutdown().await;
    };
    tokio::join!(requests, responses);
}

/// One packet. False if no more may follow.
async fn forward<R>(
    from: &mut BufReader<R>,
    to: &mut (impl AsyncWrite + Unpin),
    binlog_mode: &AtomicBool,
) -> std::io::Result<bool>
where
    R: AsyncRead + Unpin,
{
    if from.buffer().is_empty() {
        to.flush().await?;
    }
    let mut head = [0; 4];
    from.read_exact(&mut head).await?;
    let [a, b, c, sequence] = head;
    let length = u32::from_le_bytes([a, b, c, 0]) as usize;
    let mut start = [0; INSPECTED_BYTES];
    let start = &mut start[..length.min(INSPECTED_BYTES)];
    from.read_exact(start).await?;
    match inspect(length, start, binlog_mode.load(Ordering::Relaxed)) {
        Action::Forward => {
            to.write_all(&head).await?;
            to.write_all(start).await?;
            let rest = (length - start.len()) as u64;
            Ok(tokio::io::copy(&mut from.take(rest), to).await? == rest)
        }
        Action::EndLog => {
            to.write_all(&[END_OF_LOG.len() as u8, 0, 0, sequence]).await?;
            to.write_all(&END_OF_LOG).await?;
            Ok(false)
        }
        Action::Close => Ok(false),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Forward,
    /// A compressed transaction. It proves that the log is streamed, so the stream can end here.
    EndLog,
    Close,
}

/// `start` is at most the first [`INSPECTED_BYTES`] bytes of a packet of this length.
fn inspect(length: usize, start: &[u8], binlog_mode: bool) -> Action {
    match start {
        // More than 65535 columns, or a first column of that many bytes. An EOF packet has less than 8 bytes.
        [0xfd, ..] => Action::Close,
        [0xfe, ..] if length >= 8 => Action::Close,
        [0x00, _, _, _, _, kind, _, _, _, _, size @ ..] if binlog_mode && length >= EVENT_HEADER => {
            match size {
                [a, b, c, d] if u32::from_le_bytes([*a, *b, *c, *d]) as usize != length - 1 => Action::Close,
                _ if *kind == TRANSACTION_PAYLOAD_EVENT => Action::EndLog,
                _ => Action::Forward,
            }
        }
        _ => Action::Forward,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_announces_more_than_it_holds_closes_the_relay() {
        let event = |kind: u8, size: u8| [0, 0, 0, 0, 0, kind, 1, 0, 0, 0, size, 0, 0, 0];
        for (length, start, binlog_mode, expected) in [
            (7, &[0, 0, 0, 2, 0, 0, 0][..], false, Action::Forward), // OK
            (7, &[0, 0, 0, 2, 0, 0, 0], true, Action::Forward),
            (5, &END_OF_LOG, true, Action::Forward),
            (1, &[0x02], false, Action::Forward),
            (3, &[0xfc, 0xff, 0xff], false, Action::Forward),
            (4, &[0xfd, 0, 0, 1], false, Action::Close),
            (9, &[0xfe, 0, 0, 0, 0, 0, 1, 0, 0], false, Action::Close),
            (300, &[0xfe, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], false, Action::Close),
            (31, &event(27, 30), true, Action::Forward),
            (31, &event(40, 30), true, Action::EndLog),
            (31, &event(40, 30), false, Action::Forward), // a row that looks like one
            (31, &event(27, 200), true, Action::Close),
            (31, &event(27, 3), true, Action::Close),
            (0, &[], true, Action::Forward),
        ] {
            assert_eq!(inspect(length, start, binlog_mode), expected, "{length} {start:?} {binlog_mode}");
        }
    }
}

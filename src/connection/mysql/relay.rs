//! Between the driver and the server: questions pass as they are, answers a packet at a time.
//!
//! mysql_async allocates what a packet announces, before the packet has shown that it holds it: a
//! billion columns, an event of four gigabytes, a compressed transaction of a terabyte. Where that much
//! memory cannot be had the process ends, and what other targets have found with it. So such packets
//! do not reach it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter},
    net::UnixStream,
};

/// As much of a packet as is looked at: a binary log event's size ends here.
const LOOKED_AT: usize = 14;
/// A binary log event's header, behind the byte that says that one follows.
const EVENT_HEADER: usize = 1 + 19;
const TRANSACTION_PAYLOAD_EVENT: u8 = 40;
/// The end of a binary log: EOF, no warnings, autocommit.
const END_OF_LOG: [u8; 5] = [0xfe, 0, 0, 2, 0];

/// Set when the binary log is asked for: from then on answers are events.
pub(super) type BinlogMode = Arc<AtomicBool>;

/// Until either has gone, and the other has been told.
pub(super) async fn relay<S>(driver: UnixStream, session: S, dumping: BinlogMode)
where
    S: AsyncRead + AsyncWrite + Send,
{
    let (mut from_driver, to_driver) = driver.into_split();
    let (from_server, mut to_server) = tokio::io::split(session);
    let (mut from_server, mut to_driver) = (BufReader::new(from_server), BufWriter::new(to_driver));
    let questions = async {
        let _ = tokio::io::copy(&mut from_driver, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let answers = async {
        // Whatever ended them, the driver sees a connection that has closed.
        while let Ok(true) = answer(&mut from_server, &mut to_driver, &dumping).await {}
        let _ = to_driver.shutdown().await;
    };
    tokio::join!(questions, answers);
}

/// One packet; false where no more may follow.
async fn answer<R>(
    from: &mut BufReader<R>,
    to: &mut (impl AsyncWrite + Unpin),
    dumping: &AtomicBool,
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
    let mut begin = [0; LOOKED_AT];
    let begin = &mut begin[..length.min(LOOKED_AT)];
    from.read_exact(begin).await?;
    match look(length, begin, dumping.load(Ordering::Relaxed)) {
        AwsRecords::Harmless => {
            to.write_all(&head).await?;
            to.write_all(begin).await?;
            let rest = (length - begin.len()) as u64;
            Ok(tokio::io::copy(&mut from.take(rest), to).await? == rest)
        }
        AwsRecords::Enough => {
            to.write_all(&[END_OF_LOG.len() as u8, 0, 0, sequence]).await?;
            to.write_all(&END_OF_LOG).await?;
            Ok(false)
        }
        AwsRecords::Harmful => Ok(false),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum AwsRecords {
    Harmless,
    /// Compressed events. That the log is streamed they prove as others do, so this is the end of it.
    Enough,
    Harmful,
}

/// `begin` is at most the first [`LOOKED_AT`] bytes of a packet of this length.
fn look(length: usize, begin: &[u8], dumping: bool) -> AwsRecords {
    match begin {
        // More than 65535 columns, or a first column of that many bytes. An EOF packet has less than 8.
        [0xfd, ..] => AwsRecords::Harmful,
        [0xfe, ..] if length >= 8 => AwsRecords::Harmful,
        [0x00, _, _, _, _, kind, _, _, _, _, size @ ..] if dumping && length >= EVENT_HEADER => match size {
            [a, b, c, d] if u32::from_le_bytes([*a, *b, *c, *d]) as usize != length - 1 => {
                AwsRecords::Harmful
            }
            _ if *kind == TRANSACTION_PAYLOAD_EVENT => AwsRecords::Enough,
            _ => AwsRecords::Harmless,
        },
        _ => AwsRecords::Harmless,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_announces_more_than_it_holds_is_harmful() {
        let event = |kind: u8, size: u8| [0, 0, 0, 0, 0, kind, 1, 0, 0, 0, size, 0, 0, 0];
        for (length, begin, dumping, expected) in [
            (7, &[0, 0, 0, 2, 0, 0, 0][..], false, AwsRecords::Harmless), // OK
            (7, &[0, 0, 0, 2, 0, 0, 0], true, AwsRecords::Harmless),
            (5, &END_OF_LOG, true, AwsRecords::Harmless),
            (1, &[0x02], false, AwsRecords::Harmless),
            (3, &[0xfc, 0xff, 0xff], false, AwsRecords::Harmless),
            (4, &[0xfd, 0, 0, 1], false, AwsRecords::Harmful),
            (9, &[0xfe, 0, 0, 0, 0, 0, 1, 0, 0], false, AwsRecords::Harmful),
            (300, &[0xfe, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], false, AwsRecords::Harmful),
            (31, &event(27, 30), true, AwsRecords::Harmless),
            (31, &event(40, 30), true, AwsRecords::Enough),
            (31, &event(40, 30), false, AwsRecords::Harmless), // a row that looks like one
            (31, &event(27, 200), true, AwsRecords::Harmful),
            (31, &event(27, 3), true, AwsRecords::Harmful),
            (0, &[], true, AwsRecords::Harmless),
        ] {
            assert_eq!(look(length, begin, dumping), expected, "{length} {begin:?} {dumping}");
        }
    }
}

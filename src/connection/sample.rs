//! A limited read of rows, to measure how fast they arrive.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt};

use super::Refusal;

/// When a sample ends.
#[derive(Clone, Copy, Debug)]
pub struct SampleLimits {
    pub bytes: u64,
    pub until: Instant,
}

/// Rows that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct Sample {
    pub rows: u64,
    /// Of the values as text.
    pub bytes: u64,
    /// From the query to the last row.
    pub duration: Duration,
    /// There are no more rows.
    pub complete: bool,
}

/// Reads rows, given by their sizes, until a limit.
pub(super) async fn read(
    start: Instant,
    rows: impl Stream<Item = Result<usize, Refusal>>,
    limits: SampleLimits,
) -> Result<Sample, Refusal> {
    let (mut rows, mut sample) = (pin!(rows), Sample::default());
    while sample.bytes < limits.bytes {
        match tokio::time::timeout_at(limits.until.into(), rows.next()).await {
            Ok(Some(size)) => {
                sample.rows += 1;
                sample.bytes += size? as u64;
            }
            Ok(None) => {
                sample.complete = true;
                break;
            }
            Err(_) if sample.rows == 0 => return Err(Refusal::silence()),
            Err(_) => break,
        }
    }
    sample.duration = start.elapsed();
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn sample(rows: impl Stream<Item = Result<usize, Refusal>>) -> Result<Sample, Refusal> {
        let start = Instant::now();
        read(start, rows, SampleLimits { bytes: 100, until: start + Duration::from_millis(50) }).await
    }

    #[tokio::test]
    async fn it_ends_at_the_first_limit() {
        let rows = |count: usize| stream::repeat_with(|| Ok(30)).take(count);
        let sizes = |sample: Sample| (sample.rows, sample.bytes, sample.complete);
        assert_eq!(sizes(sample(rows(3)).await.unwrap()), (3, 90, true));
        assert_eq!(sizes(sample(rows(100)).await.unwrap()), (4, 120, false));
        assert_eq!(sizes(sample(rows(0)).await.unwrap()), (0, 0, true));
        // The server stops sending: what has arrived counts.
        assert_eq!(sizes(sample(rows(2).chain(stream::pending())).await.unwrap()), (2, 60, false));
        assert_eq!(sample(stream::pending()).await, Err(Refusal::silence()));
        let broken = rows(2).chain(stream::iter([Err(Refusal::default())]));
        assert_eq!(sample(broken).await, Err(Refusal::default()));
    }
}

//! Sends HTTP requests as fast as they are answered, and measures the cost of the server.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::cli::http;
use crate::cli::process::usage;

/// The result of one measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) per_second: f64,
    /// CPU time of the server process per request.
    pub(crate) cpu: Duration,
}

/// Requests `path` repeatedly, `at_once` in parallel. Every response must contain `wanted`.
pub(crate) fn ask(
    (address, path, wanted): (SocketAddr, &str, &str),
    pid: u32,
    at_once: usize,
    long: Duration,
) -> io::Result<Load> {
    let (before, start) = (usage(pid)?, Instant::now());
    let ask = || -> io::Result<u32> {
        let mut answers = 0;
        while start.elapsed() < long {
            let text = http::get(address, path)?.ok()?;
            if !text.contains(wanted) {
                return Err(io::Error::other(format!("{path}: no `{wanted}` in the answer\n{text}")));
            }
            answers += 1;
        }
        Ok(answers)
    };
    let answers = std::thread::scope(|threads| {
        let asking: Vec<_> = (0..at_once).map(|_| threads.spawn(ask)).collect();
        let panicked = |_| Err(io::Error::other("asking panicked"));
        asking.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).sum::<io::Result<u32>>()
    })?;
    let (took, after) = (start.elapsed(), usage(pid)?);
    Ok(Load {
        per_second: f64::from(answers) / took.as_secs_f64(),
        cpu: after.cpu.saturating_sub(before.cpu) / answers.max(1),
    })
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

//! Questions asked over HTTP as fast as they are answered, and what answering costs.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::cli::http;
use crate::cli::process::usage;

/// What a while of asking came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) per_second: f64,
    /// Of the process that answers, a question.
    pub(crate) cpu: Duration,
}

/// Asks `path` again and again, `at_once` at a time. Every answer must contain `wanted`.
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

//! Samples the resource usage of `serve` and detects growth.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::cli::process::{Usage, usage};

const EVERY: Duration = Duration::from_secs(3);

/// Samples a process until it is stopped.
#[derive(Debug)]
pub(crate) struct Gauge {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(Duration, Usage)>>,
}

impl Gauge {
    pub(crate) fn start(pid: u32) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let (ending, start) = (Arc::clone(&end), Instant::now());
        let thread = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while !ending.load(Ordering::Relaxed) {
                if let Ok(usage) = usage(pid) {
                    samples.push((start.elapsed(), usage));
                }
                std::thread::park_timeout(EVERY);
            }
            samples
        });
        Self { end, thread }
    }

    pub(crate) fn end(self) -> Vec<(Duration, Usage)> {
        self.end.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or_default()
    }
}

/// All samples: seconds, CPU seconds, bytes, descriptors, threads.
pub(crate) fn table(samples: &[(Duration, Usage)]) -> String {
    let mut text = String::from("seconds\tcpu\tresident\tdescriptors\tthreads\n");
    for (at, Usage { cpu, resident, descriptors, threads }) in samples {
        let (at, cpu) = (at.as_secs_f64(), cpu.as_secs_f64());
        let _ = writeln!(text, "{at:.1}\t{cpu:.2}\t{resident}\t{descriptors}\t{threads}");
    }
    text
}

/// The first and the last third of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Thirds {
    pub(crate) first: Spread,
    pub(crate) last: Spread,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) mean: f64,
    pub(crate) most: f64,
}

impl Thirds {
    /// `None` of fewer than three values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let third = values.len() / 3;
        (third > 0).then(|| Self {
            first: Spread::of(&values[..third]),
            last: Spread::of(&values[values.len() - third..]),
        })
    }

    /// Whether minimum and mean rose by less than a share of their value plus a tolerance for noise.
    pub(crate) fn is_flat(&self, part: f64, noise: f64) -> bool {
        let rose = |from: f64, to: f64| to > from * (1.0 + part) + noise;
        !rose(self.first.least, self.last.least) && !rose(self.first.mean, self.last.mean)
    }

    pub(crate) fn has_flat_floor(&self, noise: f64) -> bool {
        self.last.least <= self.first.least + noise
    }
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        Self {
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_told_from_noise() {
        let noisy: Vec<f64> = (0..90).map(|i| 20.0 + f64::from(i * 7 % 5)).collect();
        assert!(Thirds::of(&noisy).expect("enough").is_flat(0.0, 1.0));
        let leaking: Vec<f64> = noisy.iter().zip(0..).map(|(v, i)| v + f64::from(i) / 20.0).collect();
        assert!(!Thirds::of(&leaking).expect("enough").is_flat(0.05, 1.0));
        assert_eq!(Thirds::of(&[1.0, 2.0]), None);
    }
}

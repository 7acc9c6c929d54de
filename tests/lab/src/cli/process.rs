//! Resource usage of a process, from proc(5).

use std::fs;
use std::io;
use std::time::Duration;

/// Current and accumulated resource usage of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of all its threads, including those that ended, in clock ticks (10 ms).
    pub(crate) cpu: Duration,
    /// Bytes of memory in use (RSS).
    pub(crate) resident: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

pub(crate) fn usage(pid: u32) -> io::Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let number = |name: &str| -> Option<u64> {
        status.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
    };
    let strange = || io::Error::other(format!("/proc/{pid}/status is not as in proc(5)"));
    Ok(Usage {
        cpu: ticks(&fs::read_to_string(format!("/proc/{pid}/stat"))?, 11),
        resident: number("VmRSS:").ok_or_else(strange)? * 1024,
        descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
        threads: number("Threads:").ok_or_else(strange)? as usize,
    })
}

/// Resource usage of all children that were waited for, and their children.
pub(crate) fn ended_children() -> io::Result<Duration> {
    Ok(ticks(&fs::read_to_string("/proc/self/stat")?, 13))
}

/// Two adjacent fields of `stat`, counted after the program's name, which may contain any character.
fn ticks(stat: &str, first: usize) -> Duration {
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 =
        fields.split(' ').skip(first).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_use_something() {
        let usage = usage(std::process::id()).expect("our own");
        assert!(usage.resident > 100_000 && usage.descriptors > 2 && usage.threads >= 1, "{usage:?}");
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 30 20 0";
        assert_eq!(ticks(stat, 11), Duration::from_secs(2));
        assert_eq!(ticks(stat, 13), Duration::from_millis(500));
    }
}

//! Cost by number of targets, up to the limit. All targets are one stand-in under many names.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use lab::Lab;

use super::load::median;
use super::responder::{DOMAIN, Responder};
use crate::cli::process::usage;
use crate::cli::serve::{Serve, by_target, free_address};
use crate::cli::{http, setup};

/// Answered without a password and without limits.
pub(super) const HEALTH: &str = "/-/healthy";

/// The number of checks per second, limited by an interval of one second.
const PER_SECOND: usize = 200;
const READY: Duration = Duration::from_mins(5);

pub(crate) fn run(lab: &Lab, responder: &Responder, most: usize, long: Duration) -> io::Result<()> {
    println!(
        "\n## Many targets: light checks against a responder, {PER_SECOND} checks a second at the most\n"
    );
    println!(
        "| targets | interval s | checks a second | CPU a check, ms | responder's, ms | core, % | memory, MiB | a target, kB | \
         descriptors | ready after, s | health at most, ms | /metrics, ms | MB | /, ms | MB | API, ms | MB | memory then, MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut bare = 0;
    for count in [10, 100, 1_000, 10_000].into_iter().filter(|count| *count <= most) {
        let interval = count.div_ceil(PER_SECOND).max(1);
        let watching = Watching::start(lab, responder, count, interval)?;
        let bench = watching.measure(long.max(Duration::from_secs(interval as u64)))?;
        let Usual { per_second, cpu, theirs, share, resident, descriptors, health, .. } = bench;
        if bare == 0 {
            bare = resident;
        }
        let kilobytes = resident.saturating_sub(bare) as f64 / 1e3 / count as f64;
        let shown = ["/metrics", "/", "/api/v1/targets"].map(|path| watching.shown(path));
        let mut cells = String::new();
        for shown in shown {
            let (took, length) = shown?;
            let _ = write!(cells, " {:.0} | {:.1} |", took.as_secs_f64() * 1e3, length as f64 / 1e6);
        }
        let then = watching.serve.usage()?.resident;
        println!(
            "| {count} | {interval} | {per_second:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {} | {descriptors} | {:.1} | {:.1} |{cells} {:.0} |",
            cpu * 1e3,
            theirs * 1e3,
            share * 100.0,
            mebi(resident),
            if kilobytes > 0.0 { format!("{kilobytes:.0}") } else { "–".to_owned() },
            watching.ready.as_secs_f64(),
            health.as_secs_f64() * 1e3,
            mebi(then),
        );
        watching.serve.stop()?;
    }

    println!("\n## Where it ends: 2,000 targets, more and more often\n");
    println!(
        "| interval s | checks a second | wanted | CPU a check, ms | core, % | a check takes, ms | descriptors | health at most, ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for interval in [8, 4, 2, 1] {
        let count = 2_000.min(most);
        let watching = Watching::start(lab, responder, count, interval)?;
        let Usual { per_second, cpu, share, duration, descriptors, health, .. } = watching.measure(long)?;
        println!(
            "| {interval} | {per_second:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {descriptors} | {:.1} |",
            count as f64 / interval as f64,
            cpu * 1e3,
            share * 100.0,
            duration * 1e3,
            health.as_secs_f64() * 1e3
        );
        watching.serve.stop()?;
    }
    Ok(())
}

pub(super) fn mebi(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

struct Watching {
    serve: Serve,
    /// From the start until every target has been checked.
    ready: Duration,
}

/// The cost of monitoring while nothing changes.
struct Usual {
    per_second: f64,
    /// CPU seconds per check.
    cpu: f64,
    /// CPU of the stand-in and the rest of this process.
    theirs: f64,
    /// Share of one core.
    share: f64,
    /// Seconds.
    duration: f64,
    resident: u64,
    /// The maximum.
    descriptors: usize,
    /// The longest time that the health endpoint took to answer.
    health: Duration,
}

/// A configuration of so many targets, each with a name of its database.
pub(super) fn targets_toml(responder: &Responder, count: usize, interval: usize) -> String {
    let mut text = format!(
        "[defaults]\niam_role = \"{}\"\nregion = \"{}\"\ninterval = \"{interval}s\"\n\
         full_interval = \"24h\"\nca_certificate = \"{}\"\nconnect_to = \"{}\"\n",
        lab::ACCESS_ROLE,
        lab::REGION,
        responder.root.display(),
        responder.address
    );
    for i in 0..count {
        let _ = write!(
            text,
            "[targets.db{i:05}]\ntype = \"rdspostgres\"\nhost = \"db{i:05}.{DOMAIN}\"\ndatabase = \"{}\"\n",
            lab::DATABASE
        );
    }
    text
}

/// The number of checks of all targets since the start.
pub(super) fn checks(metrics: &str) -> f64 {
    by_target(metrics, "pipeprobe_checks_total").map(|(_, n)| n).sum()
}

/// Waits until every target has been checked.
pub(super) fn wait_until_ready(serve: &Serve) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let answer = http::get(serve.address, "/-/ready")?;
        if answer.status == 200 {
            return Ok(());
        }
        if start.elapsed() > READY {
            return Err(io::Error::other(format!("not ready: {}", answer.body.trim())));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

impl Watching {
    fn start(lab: &Lab, responder: &Responder, count: usize, interval: usize) -> io::Result<Self> {
        let (address, config) = (free_address()?, lab.dir().join("growth.toml"));
        let text = format!("[serve]\nlisten = \"{address}\"\n") + &targets_toml(responder, count, interval);
        fs::write(&config, text)?;
        let start = Instant::now();
        let log: &Path = &lab.dir().join("growth.log");
        let serve = Serve::start(setup::ask_pipeprobe(lab)?, &config, address, log, |_| {})?;
        wait_until_ready(&serve)?;
        let ready = start.elapsed();
        let text = serve.get("/metrics")?;
        let ill = by_target(&text, "pipeprobe_healthy").filter(|(_, healthy)| *healthy != 1.0).count();
        if ill > 0 {
            let log = fs::read_to_string(log).unwrap_or_default();
            let last = log.lines().last().unwrap_or_default();
            return Err(io::Error::other(format!("{ill} of {count} targets are not healthy: {last}")));
        }
        // The first targets have been checked twice.
        std::thread::sleep(Duration::from_secs(2));
        Ok(Self { serve, ready })
    }

    fn measure(&self, long: Duration) -> io::Result<Usual> {
        let checks_before = checks(&self.serve.get("/metrics")?);
        let own = std::process::id();
        let (before, ours_before, start) = (self.serve.usage()?, usage(own)?, Instant::now());
        let (mut descriptors, mut resident, mut health) = (0, Vec::new(), Duration::ZERO);
        while start.elapsed() < long {
            std::thread::sleep(Duration::from_millis(200));
            let now = self.serve.usage()?;
            descriptors = descriptors.max(now.descriptors);
            resident.push(now.resident as f64);
            let asked_at = Instant::now();
            self.serve.get(HEALTH)?;
            health = health.max(asked_at.elapsed());
        }
        let (after, ours_after, took) = (self.serve.usage()?, usage(own)?, start.elapsed());
        let text = self.serve.get("/metrics")?;
        let count = checks(&text) - checks_before;
        let used = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        Ok(Usual {
            per_second: count / took.as_secs_f64(),
            cpu: used / count,
            theirs: ours_after.cpu.saturating_sub(ours_before.cpu).as_secs_f64() / count,
            share: used / took.as_secs_f64(),
            duration: median(
                by_target(&text, "pipeprobe_check_duration_seconds").map(|(_, seconds)| seconds),
            ),
            resident: median(resident) as u64,
            descriptors,
            health,
        })
    }

    /// Duration (best of three) and length of a response.
    fn shown(&self, path: &str) -> io::Result<(Duration, usize)> {
        let mut best = (Duration::MAX, 0);
        for _ in 0..3 {
            let start = Instant::now();
            let length = self.serve.get(path)?.len();
            best = best.min((start.elapsed(), length));
        }
        Ok(best)
    }
}

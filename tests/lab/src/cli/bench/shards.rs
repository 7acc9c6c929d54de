//! Several processes share the targets of one file (`serve --shard K/N`); one of them is killed and started again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lab::Lab;
use rustix::process::Signal;

use super::growth::{HEALTH, checks, mebi, targets_toml, wait_until_ready};
use super::load::median;
use super::responder::Responder;
use crate::cli::serve::{Serve, by_target, free_address};
use crate::cli::{http, setup};

const PROCESSES: usize = 3;
/// Checks per second of all processes together.
const PER_SECOND: usize = 250;
/// As Prometheus scrapes.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);

pub(crate) fn run(lab: &Lab, responder: &Responder, each: usize, long: Duration) -> io::Result<()> {
    let count = PROCESSES * each;
    let interval = count.div_ceil(PER_SECOND).max(1);
    let config = lab.dir().join("shards.toml");
    fs::write(&config, targets_toml(responder, count, interval))?;
    println!(
        "\n## {PROCESSES} processes, {count} targets of one file, each checked every {interval} s, and scraped every {} s\n",
        SCRAPE_EVERY.as_secs()
    );
    println!(
        "| | process | targets | checks in {} s | CPU a check, ms | memory, MiB | /metrics, ms | health, ms | at most, ms |",
        long.as_secs()
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let start = Instant::now();
    let mut processes = (0..PROCESSES)
        .map(|k| Process::start(lab, &config, k).map(Some))
        .collect::<io::Result<Vec<Option<Process>>>>()?;
    for process in processes.iter().flatten() {
        wait_until_ready(&process.serve)?;
    }
    let ready = start.elapsed();
    let before = phase("before", &processes, long)?;
    let all: BTreeSet<&String> = before.iter().flatten().collect();
    let shared = before.iter().map(BTreeSet::len).sum::<usize>() - all.len();
    if all.len() != count || shared > 0 {
        return Err(io::Error::other(format!(
            "{} of {count} targets are checked, {shared} of them twice",
            all.len()
        )));
    }

    let killed = PROCESSES / 2;
    if let Some(process) = processes[killed].take() {
        process.serve.signal(Signal::KILL)?;
    }
    let during = phase("one killed", &processes, long)?;
    let unchanged = during.iter().zip(&before).enumerate().all(|(k, (now, then))| match k == killed {
        true => now.is_empty(),
        false => now == then,
    });
    if !unchanged {
        return Err(io::Error::other("the other processes check other targets than before"));
    }

    let start = Instant::now();
    processes[killed] = Some(Process::start(lab, &config, killed)?);
    for process in processes.iter().flatten() {
        wait_until_ready(&process.serve)?;
    }
    let again = start.elapsed();
    if phase("started again", &processes, long)? != before {
        return Err(io::Error::other("a process checks other targets than before"));
    }
    println!(
        "\nEvery target has exactly one process, before and after. All targets were checked {:.0} s after the start, and those of \
         process {killed} {:.0} s after its new start. While it was down, nothing checked its {} targets.",
        ready.as_secs_f64(),
        again.as_secs_f64(),
        before[killed].len()
    );
    for process in processes.into_iter().flatten() {
        process.serve.stop()?;
    }
    Ok(())
}

struct Process {
    serve: Serve,
}

impl Process {
    fn start(lab: &Lab, config: &Path, k: usize) -> io::Result<Self> {
        let address = free_address()?;
        let mut command = setup::ask_pipeprobe(lab)?;
        command.env("PIPEPROBE_LISTEN", address.to_string());
        command.env("PIPEPROBE_SHARD", format!("{k}/{PROCESSES}"));
        let log = lab.dir().join(format!("shard{k}.log"));
        Ok(Self { serve: Serve::start(command, config, address, &log, |_| {})? })
    }
}

/// Measures all processes at the same time, and prints a row for each. Returns the targets that each has.
fn phase(name: &str, processes: &[Option<Process>], long: Duration) -> io::Result<Vec<BTreeSet<String>>> {
    std::thread::scope(|threads| {
        let measure = |process: &Option<Process>| {
            process.as_ref().map(|process| measure(&process.serve, long)).transpose()
        };
        let measuring: Vec<_> =
            processes.iter().map(|process| threads.spawn(move || measure(process))).collect();
        let mut targets = Vec::new();
        for (k, thread) in measuring.into_iter().enumerate() {
            let measured = thread.join().unwrap_or_else(|_| Err(io::Error::other("measuring panicked")))?;
            targets.push(match measured {
                Some(measured) => {
                    measured.print(name, k);
                    measured.targets
                }
                None => {
                    println!("| {name} | {k} | – | 0 | | | | | |");
                    BTreeSet::new()
                }
            });
        }
        Ok(targets)
    })
}

struct Measured {
    targets: BTreeSet<String>,
    checks: f64,
    /// CPU seconds.
    cpu: f64,
    resident: u64,
    /// Of every scrape.
    scrapes: Vec<Duration>,
    /// Of every request of the health endpoint.
    health: Vec<Duration>,
}

fn measure(serve: &Serve, long: Duration) -> io::Result<Measured> {
    let first = serve.get("/metrics")?;
    let (before, start, is_over) = (serve.usage()?, Instant::now(), AtomicBool::new(false));
    let (health, scrapes) = std::thread::scope(|threads| {
        let health = threads.spawn(|| {
            let mut health = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let asked_at = Instant::now();
                http::get(serve.address, HEALTH)?.ok()?;
                health.push(asked_at.elapsed());
                std::thread::sleep(Duration::from_millis(50));
            }
            io::Result::Ok(health)
        });
        let mut scrapes = Vec::new();
        let scraped = loop {
            let Some(left) = long.checked_sub(start.elapsed()) else { break Ok(()) };
            std::thread::sleep(left.min(SCRAPE_EVERY));
            let asked_at = Instant::now();
            if let Err(error) = serve.get("/metrics") {
                break Err(error);
            }
            scrapes.push(asked_at.elapsed());
        };
        is_over.store(true, Ordering::Relaxed);
        let health = health.join().unwrap_or_else(|_| Err(io::Error::other("asking panicked")));
        scraped.and_then(|()| Ok((health?, scrapes)))
    })?;
    let after = serve.usage()?;
    let last = serve.get("/metrics")?;
    Ok(Measured {
        targets: by_target(&last, "pipeprobe_healthy").map(|(target, _)| target.to_owned()).collect(),
        checks: checks(&last) - checks(&first),
        cpu: after.cpu.saturating_sub(before.cpu).as_secs_f64(),
        resident: after.resident,
        scrapes,
        health,
    })
}

impl Measured {
    fn print(&self, phase: &str, k: usize) {
        let milliseconds = |times: &[Duration]| median(times.iter().map(|time| time.as_secs_f64() * 1e3));
        println!(
            "| {phase} | {k} | {} | {:.0} | {:.2} | {:.0} | {:.0} | {:.1} | {:.1} |",
            self.targets.len(),
            self.checks,
            self.cpu * 1e3 / self.checks,
            mebi(self.resident),
            milliseconds(&self.scrapes),
            milliseconds(&self.health),
            self.health.iter().max().copied().unwrap_or_default().as_secs_f64() * 1e3,
        );
    }
}

//! `cargo lab soak`: `pipeprobe serve` monitors many targets on real servers while servers, certificates, AWS and
//! the configuration change. Its results are compared with the changes: none may be missed, none
//! invented, and its resource usage must not grow.

mod fleet;
mod journal;
mod level;
mod pipes;
mod scenes;
mod script;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lab::{Lab, ServerVersion};

use super::serve::{Serve, by_target, free_address};
use super::{http, process, setup};
use fleet::{Rhythm, Target};
use journal::Journal;
use level::{Gauge, Thirds};
use scenes::{SCENES, Stage};
use script::{Event, Expected, Seen};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Duration; the current scene is finished
    #[arg(long, default_value_t = 16.0)]
    minutes: f64,
    #[arg(long, default_value_t = 200)]
    targets: usize,
    /// Seconds from one check of a target to the next
    #[arg(long, default_value_t = 8)]
    interval: u64,
    /// Seconds from one full check of a target to the next
    #[arg(long, default_value_t = 60)]
    full_interval: u64,
    /// Instead: one pipe on each server, with consumers that hold its position; what happens to pipes is noticed
    #[arg(long)]
    pipes: bool,
}

pub(crate) fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let outcomes = setup::prepare(false)?;
    if arguments.pipes {
        return pipes::run(Duration::from_secs_f64(arguments.minutes * 60.0));
    }
    let server_versions: Vec<ServerVersion> = ServerVersion::all()
        .into_iter()
        .filter(|server_version| lab::obtain(*server_version).is_ok())
        .collect();
    let lab = Lab::start(&server_versions)?;
    fleet::make_roles(&lab);
    let rhythm = Rhythm {
        interval: Duration::from_secs(arguments.interval),
        full_interval: Duration::from_secs(arguments.full_interval),
    };
    let count = arguments.targets.max(server_versions.len());
    let all = fleet::targets(lab.instances(), count + count.div_ceil(20));
    let (targets, more) = all.split_at(count);

    let address = free_address()?;
    let config = lab.dir().join("pipeprobe.toml");
    fs::write(&config, fleet::config(&lab, address, rhythm, targets))?;
    let log = lab::setup::target_folder()?.join("soak.log");
    let journal = Journal::default();
    let mut command = setup::ask_pipeprobe(&lab)?;
    // At debug level, so that the search for secrets covers more output.
    command.args(["--log-format", "json", "--log-level", "debug"]);
    let noting = journal.clone();
    let serve = Serve::start(command, &config, address, &log, move |line| noting.note(line, Instant::now()))?;
    println!(
        "# {count} targets on {} servers, every {} s and in full every {} s; at least {} minutes",
        server_versions.len(),
        arguments.interval,
        arguments.full_interval,
        arguments.minutes
    );

    let stage = Stage { lab: &lab, serve: &serve, config: &config, rhythm, targets, more };
    let mut failures = Failures::default();
    begin(&stage, &journal, &mut failures)?;
    let (gauge, readers) = (Gauge::start(serve.pid()), Readers::start(address));
    play(&stage, &journal, Duration::from_secs_f64(arguments.minutes * 60.0), &mut failures)?;

    let scrape = serve.get("/metrics")?;
    let shown = [&scrape, &serve.get("/")?, &serve.get("/api/v1/targets")?].map(String::clone);
    readers.end(&mut failures);
    let samples = gauge.end();
    let levels = log.with_extension("tsv");
    fs::write(&levels, level::table(&samples))?;
    report_levels(&samples, &mut failures);
    compare_with_metrics(&scrape, &journal, targets, &mut failures);
    let (took, succeeded) = serve.stop()?;
    println!("stop     SIGTERM: gone after {:.1} s", took.as_secs_f64());
    failures.unless(succeeded, || "it did not end in order after SIGTERM".to_owned());
    look_for_secrets(&lab, &log, &shown, &journal, &mut failures)?;

    setup::announce(&outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>());
    println!("kept     {}, and what it used in {}", log.display(), levels.display());
    drop(lab);
    Ok(failures.end())
}

/// Failed assertions.
#[derive(Debug, Default)]
struct Failures(Vec<String>);

impl Failures {
    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
            println!("FAILED   {}", self.0[self.0.len() - 1]);
        }
    }

    fn end(self) -> ExitCode {
        match self.0.len() {
            0 => {
                println!("soak: everything was noticed, nothing invented, and nothing grew");
                ExitCode::SUCCESS
            }
            n => {
                println!("soak: {n} expectations failed");
                ExitCode::FAILURE
            }
        }
    }
}

/// Waits until every target is healthy.
fn begin(stage: &Stage<'_>, journal: &Journal, failures: &mut Failures) -> io::Result<()> {
    let event = Event {
        what: "pipeprobe starts".to_owned(),
        touched: fleet::names(stage.targets, |_| true),
        expected: Expected::Healthy,
        within: stage.rhythm.interval + Duration::from_secs(30),
        act: Box::new(|| Ok(())),
        proof: None,
    };
    println!(
        "{:>6}  {:<62} {:>7} {:>7}  {:>6} {:>6} {:>6} {:>6}  causes",
        "at s", "what happens", "touched", "noticed", "first", "median", "last", "limit"
    );
    happen(&event, 0, stage.rhythm.interval, journal, Instant::now(), failures)
}

fn play(stage: &Stage<'_>, journal: &Journal, long: Duration, failures: &mut Failures) -> io::Result<()> {
    let start = Instant::now();
    let mut number = 0;
    while start.elapsed() < long {
        for event in stage.scene(number) {
            let position = journal.position();
            happen(&event, position, stage.rhythm.interval, journal, start, failures)?;
        }
        number += 1;
    }
    println!(
        "played   {number} scenes ({SCENES} different ones) in {:.1} minutes",
        start.elapsed().as_secs_f64() / 60.0
    );
    Ok(())
}

/// Runs an event, waits until it is noticed and a little longer, and compares.
fn happen(
    event: &Event<'_>,
    position: usize,
    settle: Duration,
    journal: &Journal,
    start: Instant,
    failures: &mut Failures,
) -> io::Result<()> {
    let at = start.elapsed();
    (event.act)()?;
    let acted = Instant::now();
    let judge = || Seen::of(event.expected, &event.touched, acted, &journal.since(position));
    let waits = matches!(event.expected, Expected::Unchanged | Expected::HealthyAgain);
    let mut proven = event.proof.is_none();
    loop {
        std::thread::sleep(Duration::from_millis(250));
        if let (false, Some(proof)) = (proven, &event.proof) {
            proven = proof()?;
        }
        let is_over = acted.elapsed() >= event.within;
        if is_over || (!waits && proven && judge().missing.is_empty()) {
            break;
        }
    }
    // Long enough to notice late and unstable results.
    std::thread::sleep(settle);
    let seen = judge();
    let seconds = |latency: Option<&Duration>| match latency {
        Some(latency) => format!("{:.1}", latency.as_secs_f64()),
        None => "-".to_owned(),
    };
    let causes: Vec<String> = seen.causes.iter().map(|(cause, n)| format!("{cause} {n}")).collect();
    println!(
        "{:>6.0}  {:<62} {:>7} {:>7}  {:>6} {:>6} {:>6} {:>6.1}  {}",
        at.as_secs_f64(),
        event.what,
        event.touched.len(),
        seen.latencies.len(),
        seconds(seen.latencies.first()),
        seconds(seen.latencies.get(seen.latencies.len() / 2)),
        seconds(seen.latencies.last()),
        event.within.as_secs_f64(),
        causes.join(", ")
    );
    let late = seen.latencies.last().filter(|last| **last > event.within);
    failures.unless(proven, || format!("{}: its effect was not seen", event.what));
    failures.unless(seen.missing.is_empty(), || {
        format!("{}: not noticed of {}", event.what, seen.missing.join(", "))
    });
    failures.unless(late.is_none(), || format!("{}: noticed late", event.what));
    for change in &seen.invented {
        let health = if change.healthy { "healthy" } else { "unhealthy" };
        failures.unless(false, || {
            format!("{}: {} became {health} ({})", event.what, change.target, change.cause)
        });
    }
    Ok(())
}

/// Sends the requests of Prometheus and browsers during the whole run.
struct Readers {
    end: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<io::Result<Vec<Duration>>>,
}

impl Readers {
    fn start(address: SocketAddr) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let mut scrapes = Vec::new();
            while !ending.load(Ordering::Relaxed) {
                let start = Instant::now();
                http::get(address, "/metrics")?.ok()?;
                scrapes.push(start.elapsed());
                for path in ["/", "/api/v1/targets"].iter().filter(|_| scrapes.len().is_multiple_of(3)) {
                    http::get(address, path)?.ok()?;
                }
                std::thread::park_timeout(Duration::from_secs(5));
            }
            Ok(scrapes)
        });
        Self { end, thread }
    }

    fn end(self, failures: &mut Failures) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        match self.thread.join().unwrap_or_else(|_| Err(io::Error::other("a reader panicked"))) {
            Ok(mut scrapes) => {
                scrapes.sort();
                let at = |part: usize| {
                    scrapes.get((scrapes.len() - 1) * part / 100).map_or(0.0, Duration::as_secs_f64)
                };
                println!(
                    "scrapes  {}: median {:.0} ms, longest {:.0} ms",
                    scrapes.len(),
                    at(50) * 1e3,
                    at(100) * 1e3
                );
            }
            Err(error) => failures.unless(false, || format!("a question over HTTP went unanswered: {error}")),
        }
    }
}

fn report_levels(samples: &[(Duration, process::Usage)], failures: &mut Failures) {
    // The history of every target is filled first.
    let filling = samples.len() / 10;
    let samples = &samples[filling..];
    let cpu = match (samples.first(), samples.last()) {
        (Some((t0, first)), Some((t1, last))) if t1 > t0 => {
            last.cpu.saturating_sub(first.cpu).as_secs_f64() / (*t1).checked_sub(*t0).unwrap().as_secs_f64()
        }
        _ => 0.0,
    };
    println!("cpu      {:.1} % of a core", cpu * 100.0);
    println!(
        "{:<12} {:>30} {:>30}",
        "uses", "first third: least, mean, most", "last third: least, mean, most"
    );
    // Sockets and resolver threads vary with the checks, so only their minimum must not rise.
    type Value = fn(&process::Usage) -> f64;
    type Flat = fn(&Thirds) -> bool;
    let series: [(&str, Value, Flat); 3] = [
        ("memory MiB", |usage| usage.resident as f64 / (1024.0 * 1024.0), |t| t.is_flat(0.05, 1.0)),
        ("descriptors", |usage| usage.descriptors as f64, |t| t.has_flat_floor(5.0)),
        ("threads", |usage| usage.threads as f64, |t| t.has_flat_floor(1.0)),
    ];
    for (name, value, is_flat) in series {
        let values: Vec<f64> = samples.iter().map(|(_, usage)| value(usage)).collect();
        let Some(thirds) = Thirds::of(&values) else {
            failures.unless(false, || "too short for a trend".to_owned());
            return;
        };
        let spread = |s: level::Spread| format!("{:.1} {:.1} {:.1}", s.least, s.mean, s.most);
        println!("{name:<12} {:>30} {:>30}", spread(thirds.first), spread(thirds.last));
        failures.unless(is_flat(&thirds), || format!("{name}: it grew"));
    }
}

/// The counters agree with the log.
fn compare_with_metrics(scrape: &str, journal: &Journal, targets: &[Target], failures: &mut Failures) {
    let checks: f64 = by_target(scrape, "pipeprobe_checks_total").map(|(_, n)| n).sum();
    let pages = journal.pages();
    println!(
        "checks   {checks} of the targets that are watched now, {} changes of health",
        pages.changes.len()
    );
    drop(pages);
    let health = journal.health();
    for (name, value) in by_target(scrape, "pipeprobe_healthy") {
        failures.unless(health.get(name) == Some(&(value == 1.0)), || {
            format!("{name}: the log and the metrics tell of another health")
        });
    }
    // A first result is not a change. Targets that a reload removed and added start again.
    let counted = |target: &Target| {
        let changes = journal.pages().changes.iter().filter(|change| change.target == target.name).count();
        changes as f64 - 1.0
    };
    let totals = by_target(scrape, "pipeprobe_health_changes_total").collect::<Vec<_>>();
    for target in &targets[targets.len() / 20..] {
        let total = totals.iter().find(|(name, _)| *name == target.name).map(|(_, total)| *total);
        failures.unless(total == Some(counted(target)), || {
            format!("{}: {total:?} changes by the metrics, {} by the log", target.name, counted(target))
        });
    }
}

/// No output or log contains a key, session token or signature.
fn look_for_secrets(
    lab: &Lab,
    log: &Path,
    shown: &[String],
    journal: &Journal,
    failures: &mut Failures,
) -> io::Result<()> {
    let issued = lab.aws().issued();
    let mut needles = vec![lab.secret_access_key().to_owned()];
    for credentials in &issued {
        needles.push(credentials.secret_access_key.clone());
        // Parts of a secret must not appear either.
        needles.push(credentials.session_token[..40].to_owned());
    }
    needles.extend(["X-Amz-Signature", "X-Amz-Security-Token", "Action=connect"].map(str::to_owned));
    let text = fs::read_to_string(log)?;
    for needle in &needles {
        let is_there = text.contains(needle) || shown.iter().any(|shown| shown.contains(needle));
        failures.unless(!is_there, || format!("a secret was shown: {}…", &needle[..6]));
    }
    let pages = journal.pages();
    println!(
        "secrets  looked for {} in {} lines of log ({} MB), metrics, page and API",
        needles.len(),
        pages.lines,
        text.len() / 1_000_000
    );
    // The only expected error is the invalid configuration file.
    for error in pages.errors.iter().filter(|error| !error.contains("configuration not reloaded")) {
        failures.unless(false, || format!("an error was logged: {error}"));
    }
    Ok(())
}

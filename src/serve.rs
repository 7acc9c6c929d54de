//! Many targets, for ever: each checked at its own pace, what is known of them kept and answered over HTTP.
//!
//! ```text
//! Serve ─▶ Fleet ─ a task a target ─▶ verify::observe ─▶ Report ─▶ Board ◀─ http: /metrics, pages, JSON
//!                                                          ▲ /probe: a check of its own
//! ```
//!
//! Sessions, trust anchors and the pace of logins are shared; facts stay with the task of their target. The
//! state is all in memory: a restart begins with a full check of everything.

mod auth;
mod status_store;
mod descriptors;
mod scheduler;
mod http;
mod metrics;
mod notify;
mod page;
mod probe;
mod schedule;
mod shared;
mod concurrency;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use metrics::Metrics;
use scheduler::Scheduler;
use shared::Shared;
use status_store::{Health, StatusStore};

use crate::{
    config::{MonitoredTarget, Serve},
    connection::task::Task,
    report::Report,
    target::{ConfigErrors, Invalid},
    verify::{self, Budget, CachedFacts, Clock, RunContext, RunResult},
};

/// Reads the configuration once more.
pub type Reread = Arc<dyn Fn() -> Result<Serve, ConfigErrors> + Send + Sync>;

/// Probes that are answered at once; each is a check of its own.
const PROBES_AT_ONCE: usize = 64;

/// Why the daemon did not start, or how it ended.
#[derive(Debug)]
pub enum ServeError {
    Invalid(ConfigErrors),
    Io(io::Error),
}

/// What its tasks share.
struct Monitor {
    clock: Clock,
    started_at: Timestamp,
    status_store: Mutex<StatusStore>,
    /// Of this configuration; a reload puts another in its place.
    shared: RwLock<Arc<Shared>>,
    metrics: Metrics,
    probes: Semaphore,
    reloads: mpsc::Sender<oneshot::Sender<Result<(), ConfigErrors>>>,
}

/// Whether the server can use its certificate and private key.
///
/// # Errors
/// PEM text that cannot be read, or a key that does not belong to the certificate.
pub fn check_tls(config: &Serve) -> Result<(), Invalid> {
    http::acceptor(&config.web).map(drop)
}

/// Serves until SIGTERM or SIGINT. Checks that are in flight then end, or are cut at their deadline.
///
/// # Errors
/// If the address cannot be listened on or the certificate cannot be used; nothing has been dialled then.
pub async fn serve(config: Serve, reread: Reread, clock: Clock) -> Result<(), ServeError> {
    let listen = config.web.listen;
    let listener = TcpListener::bind(listen).await.map_err(|e| {
        let found = format!("`{listen}`: {e}");
        ServeError::Invalid(Invalid::new("listen", "an address and a port to listen on", found).into())
    })?;
    let shared = Arc::new(Shared::new(&config).map_err(|invalid| ServeError::Invalid(invalid.into()))?);
    descriptors::raise_limit();
    let (reloads, mut expected) = mpsc::channel(1);
    let serve = Arc::new(Monitor {
        clock,
        started_at: clock(),
        status_store: Mutex::default(),
        shared: RwLock::new(shared),
        metrics: Metrics::new(clock()),
        probes: Semaphore::new(PROBES_AT_ONCE),
        reloads,
    });
    let mut scheduler = Scheduler::default();
    scheduler.apply(&serve, config.targets);
    let mut hangup = signal(SignalKind::hangup()).map_err(ServeError::Io)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Io)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Io)?;

    let address = listener.local_addr().map_err(ServeError::Io)?;
    let stop = CancellationToken::new();
    let answering = tokio::spawn(http::serve(listener, Arc::clone(&serve), stop.clone()));
    tracing::info!(%address, targets = scheduler.len(), version = env!("CARGO_PKG_VERSION"), "serving");
    notify::ready(scheduler.len());
    let mut watchdog = notify::watchdog();
    let mut reading: Option<Reading> = None;
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            () = watchdog.tick() => {}
            _ = hangup.recv(), if reading.is_none() => reading = Some(Reading::start(&reread, None)),
            Some(answer) = expected.recv(), if reading.is_none() => {
                reading = Some(Reading::start(&reread, Some(answer)));
            }
            read = Reading::finish(&mut reading), if reading.is_some() => {
                let answer = reading.take().and_then(|reading| reading.answer);
                let result = reload(&serve, &mut scheduler, read, listen);
                // The client may have disconnected.
                drop(answer.map(|answer| answer.send(result)));
            }
        }
    }
    tracing::info!("stopping");
    notify::stopping();
    let timeout = serve.shared().timeout;
    scheduler.stop(timeout).await;
    stop.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(5), answering).await;
    Ok(())
}

/// A configuration that is read again on another thread: a file that hangs does not stop the monitor.
struct Reading {
    task: tokio::task::JoinHandle<Result<Serve, ConfigErrors>>,
    /// The client that asked for it.
    answer: Option<oneshot::Sender<Result<(), ConfigErrors>>>,
}

impl Reading {
    fn start(reread: &Reread, answer: Option<oneshot::Sender<Result<(), ConfigErrors>>>) -> Self {
        notify::reloading();
        let reread = Arc::clone(reread);
        Self { task: tokio::task::spawn_blocking(move || reread()), answer }
    }

    /// Waits for the result; forever if nothing is being read.
    async fn finish(reading: &mut Option<Self>) -> Result<Serve, ConfigErrors> {
        let Some(reading) = reading else { return std::future::pending().await };
        (&mut reading.task).await.unwrap_or_else(|error| {
            Err(Invalid::new("config_file", "a configuration", format!("an internal error: {error}")).into())
        })
    }
}

/// A file that cannot be used changes nothing.
fn reload(
    serve: &Arc<Monitor>,
    scheduler: &mut Scheduler,
    read: Result<Serve, ConfigErrors>,
    listen: std::net::SocketAddr,
) -> Result<(), ConfigErrors> {
    let result = read.and_then(|config| {
        let shared = Shared::new(&config)?;
        Ok((config, shared))
    });
    let result = match result {
        Ok((config, shared)) => {
            *serve.shared.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shared);
            if config.web.listen != listen {
                tracing::warn!(%listen, expected = %config.web.listen, "a new address needs a restart");
            }
            scheduler.apply(serve, config.targets);
            tracing::info!(targets = scheduler.len(), "configuration reloaded");
            Ok(())
        }
        Err(invalid) => {
            tracing::error!(%invalid, "configuration not reloaded: the old one stays");
            Err(invalid)
        }
    };
    serve.metrics.reloaded(result.is_ok(), (serve.clock)());
    notify::ready(scheduler.len());
    result
}

impl Monitor {
    fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn status_store(&self) -> MutexGuard<'_, StatusStore> {
        // Whoever panicked, an entry is noted whole or not at all.
        self.status_store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a target, and notes what came of it.
    async fn check(
        &self,
        watched: &Arc<MonitoredTarget>,
        known: Option<CachedFacts>,
        timeout: Duration,
    ) -> (Arc<Report>, Option<CachedFacts>) {
        let shared = self.shared();
        let budget = Budget { timeout, retry: true };
        let (clock, target) = (self.clock, Arc::clone(watched));
        let rate_limit = shared.rate_limit(watched);
        // Apart, so that what breaks one check breaks no other.
        let looked = Task::spawn(async move {
            let given = RunContext {
                sessions: Some((&shared.sessions, target.schedule.full_interval)),
                roots: shared.roots(&target.target),
                rate_limit: rate_limit.as_deref(),
                facts: known,
            };
            verify::observe(&target.target, budget, given, clock).await
        })
        .await;
        let (target, requirement) = (&watched.target, watched.requirement);
        let (report, known) = match looked {
            Ok(RunResult { seen, timing }) => {
                let report = Report::new(target, &seen, requirement, timing);
                let known = seen.facts.zip(timing.facts_as_of);
                (report, known.map(|(facts, as_of)| CachedFacts { facts, as_of }))
            }
            Err(_) => {
                tracing::error!(name = target.name, "a check broke pipeprobe itself; please report it");
                (verify::unreached(target, requirement, clock()), None)
            }
        };
        let report = Arc::new(report);
        self.note(watched, &report);
        (report, known)
    }

    fn note(&self, watched: &Arc<MonitoredTarget>, report: &Arc<Report>) {
        let shared = self.shared();
        let now = (self.clock)();
        let name = &watched.target.name;
        let change = {
            let mut status_store = self.status_store();
            if status_store.entry(name).is_none_or(|entry| entry.watched != *watched) {
                return; // a reload took it away, or made it another target, while this check was in flight
            }
            status_store.note(watched, Arc::clone(report), shared.thresholds, shared.history, now)
        };
        self.metrics.note(report, change);
        let capability = report.verdict.capability.name();
        let took = report.duration.as_secs_f64() * 1e3;
        match change.map(|change| change.to) {
            Some(Health::Healthy) => tracing::info!(name, capability, took, "healthy"),
            Some(_) => {
                let (cause, why) = (report.cause().unwrap_or_default(), &report.verdict.reason);
                tracing::warn!(name, capability, took, cause, why, "unhealthy");
            }
            None => tracing::debug!(name, capability, took, cause = report.cause(), "checked"),
        }
    }
}

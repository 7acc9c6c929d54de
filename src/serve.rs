//! Continuous monitoring: checks each target on its own schedule, keeps the results and serves them over HTTP.
//!
//! ```text
//! serve ─▶ Scheduler ─ one task per target ─▶ verify::observe ─▶ Report ─▶ StatusStore ◀─ http: /metrics, pages, JSON
//!                                             ▲               └─▶ /probe: answers its caller, records nothing
//! ```
//!
//! Tasks share sessions, trust anchors and limits; each task keeps the facts of its target. State is
//! kept in memory only: after a restart every target gets a full check.

mod auth;
mod bodies;
mod check;
mod status_store;
mod guesses;
mod history;
mod scheduler;
mod http;
mod log_limit;
mod metrics;
mod page;
mod probe;
mod schedule;
mod selection;
mod shared;
mod single_flight;
mod concurrency;

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use bodies::Bodies;
use check::Checked;
use concurrency::ConcurrencyLimit;
use guesses::Guesses;
use http::SharedBodies;
use log_limit::LogLimit;
use metrics::Metrics;
use scheduler::Scheduler;
use shared::Shared;
use single_flight::SingleFlight;
use status_store::{Health, StatusStore};

use crate::{
    agent,
    config::{Agent, MonitoredTarget, Serve},
    diagnostic::Requirement,
    facts::Position,
    report::{Report, SharedResults},
    service::{
        descriptors,
        http::{self as http_server, Limits},
        notify,
        stop_signal::StopSignal,
    },
    target::{ConfigErrors, Invalid},
    verify::Clock,
};

/// Reads the configuration again.
pub type Reread = Arc<dyn Fn() -> Result<Serve, ConfigErrors> + Send + Sync>;

/// Maximum number of concurrent checks that probes have started.
const PROBES_AT_ONCE: usize = 64;

/// Why the server did not start, or why it stopped.
#[derive(Debug)]
pub enum ServeError {
    Invalid(ConfigErrors),
    Io(io::Error),
}

/// State that all tasks share.
struct Monitor {
    clock: Clock,
    started_at: Timestamp,
    status_store: Mutex<StatusStore>,
    /// Belongs to the current configuration; a reload replaces it.
    shared: RwLock<Arc<Shared>>,
    metrics: Metrics,
    results: Mutex<SharedResults>,
    bodies: Bodies,
    shared_bodies: SharedBodies,
    guesses: Guesses,
    full_checks: SingleFlight<Arc<Checked>>,
    concurrency: ConcurrencyLimit,
    local_failures: LogLimit,
    probes: Arc<Semaphore>,
    /// Cancelled when the process stops: no more checks start.
    stopping: CancellationToken,
    reloads: mpsc::Sender<oneshot::Sender<Result<(), ReloadError>>>,
    /// Of the agent in this process.
    agent_metrics: Option<Arc<agent::Metrics>>,
}

/// Why a configuration was not reloaded.
#[derive(Debug)]
enum ReloadError {
    /// The earlier configuration stays active.
    Invalid(ConfigErrors),
    /// The new configuration is active, but the agent does not serve these targets.
    Agent(ConfigErrors),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(errors) => {
                write!(f, "not reloaded, the previous configuration stays active\n{errors}")
            }
            Self::Agent(errors) => write!(f, "reloaded, but the agent does not serve every target\n{errors}"),
        }
    }
}

/// Whether the server can use its certificate and private key.
///
/// # Errors
/// If the PEM text cannot be read, or the key does not belong to the certificate.
pub fn check_tls(config: &Serve) -> Result<(), Invalid> {
    http::acceptor(&config.web).map(drop)
}

/// Serves until SIGTERM or SIGINT. Running checks then finish, or are aborted at their deadline.
///
/// # Errors
/// If the address cannot be listened on or the certificate cannot be used; no database was contacted.
pub async fn serve(config: Serve, reread: Reread, clock: Clock) -> Result<(), ServeError> {
    let listen = config.web.listen;
    let listener = http_server::bind(listen).map_err(|invalid| ServeError::Invalid(invalid.into()))?;
    let shared = Arc::new(Shared::new(&config, None).map_err(|invalid| ServeError::Invalid(invalid.into()))?);
    let limits = Limits::new(descriptors::raise_limit());
    let agent = match &config.agent {
        Some(agent) => {
            let (sessions, rate_limits) = (Arc::clone(&shared.sessions), Arc::clone(&shared.rate_limits));
            let shared = agent::Shared { sessions, rate_limits, metrics: Arc::default(), clock };
            let metrics = Arc::clone(&shared.metrics);
            let supervisor = agent::Supervisor::start(agent, shared).await.map_err(ServeError::Invalid)?;
            Some((supervisor, metrics))
        }
        None => None,
    };
    let (mut agent, agent_metrics) = agent.unzip();
    let mut drain = config.agent.map(|agent| agent.drain).unwrap_or_default();
    let (reloads, mut expected) = mpsc::channel(1);
    let monitor = Arc::new(Monitor {
        clock,
        started_at: clock(),
        status_store: Mutex::default(),
        shared: RwLock::new(shared),
        metrics: Metrics::new(clock()),
        results: Mutex::default(),
        bodies: Bodies::default(),
        shared_bodies: SharedBodies::default(),
        guesses: Guesses::default(),
        full_checks: SingleFlight::default(),
        concurrency: ConcurrencyLimit::default(),
        local_failures: LogLimit::default(),
        probes: Arc::new(Semaphore::new(PROBES_AT_ONCE)),
        stopping: CancellationToken::new(),
        reloads,
        agent_metrics,
    });
    let mut scheduler = Scheduler::default();
    warn_of_undeclared(&config.targets);
    scheduler.apply(&monitor, config.targets);
    let mut hangup = signal(SignalKind::hangup()).map_err(ServeError::Io)?;
    let mut stop_signal = StopSignal::new().map_err(ServeError::Io)?;

    let address = listener.local_addr().map_err(ServeError::Io)?;
    let stop = CancellationToken::new();
    let answering = tokio::spawn(http_server::serve(listener, Arc::clone(&monitor), limits, stop.clone()));
    tracing::info!(%address, targets = scheduler.len(), version = env!("CARGO_PKG_VERSION"), "serving");
    notify::ready(&format!("watching {} targets", scheduler.len()));
    let mut watchdog = notify::watchdog();
    let mut reading: Option<Reading> = None;
    loop {
        tokio::select! {
            () = stop_signal.received() => break,
            () = watchdog.tick() => {}
            _ = hangup.recv(), if reading.is_none() => reading = Some(Reading::start(&reread, None)),
            Some(answer) = expected.recv(), if reading.is_none() => {
                reading = Some(Reading::start(&reread, Some(answer)));
            }
            read = Reading::finish(&mut reading), if reading.is_some() => {
                let answer = reading.take().and_then(|reading| reading.answer);
                let result = match reload(&monitor, &mut scheduler, read, listen) {
                    Ok(config) => {
                        drain = config.as_ref().map_or(drain, |config| config.drain);
                        reload_agent(agent.as_mut(), config.as_ref()).await
                    }
                    Err(invalid) => {
                        tracing::error!(%invalid, "configuration not reloaded: the previous one stays active");
                        Err(ReloadError::Invalid(invalid))
                    }
                };
                monitor.metrics.reloaded(result.is_ok(), (monitor.clock)());
                notify::ready(&format!("watching {} targets", scheduler.len()));
                // The client may have disconnected.
                drop(answer.map(|answer| answer.send(result)));
            }
        }
    }
    tracing::info!("stopping");
    notify::stopping();
    monitor.stopping.cancel();
    let stop_agent = async {
        if let Some(agent) = agent {
            agent.stop(drain, stop_signal.received()).await;
        }
    };
    tokio::join!(scheduler.stop(monitor.shared().timeout), stop_agent);
    stop.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(5), answering).await;
    Ok(())
}

/// Reads the configuration on another thread, so that a file that hangs does not block monitoring.
struct Reading {
    task: tokio::task::JoinHandle<Result<Serve, ConfigErrors>>,
    /// The client that requested the reload.
    answer: Option<oneshot::Sender<Result<(), ReloadError>>>,
}

impl Reading {
    fn start(reread: &Reread, answer: Option<oneshot::Sender<Result<(), ReloadError>>>) -> Self {
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

/// Returns what the agent is to do. If the file is invalid, the current configuration stays active.
fn reload(
    monitor: &Arc<Monitor>,
    scheduler: &mut Scheduler,
    read: Result<Serve, ConfigErrors>,
    listen: std::net::SocketAddr,
) -> Result<Option<Agent>, ConfigErrors> {
    let config = read?;
    let shared = Shared::new(&config, Some(&monitor.shared()))?;
    *monitor.shared.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shared);
    if config.web.listen != listen {
        tracing::warn!(%listen, expected = %config.web.listen, "restart to change the listen address");
    }
    warn_of_undeclared(&config.targets);
    scheduler.apply(monitor, config.targets);
    tracing::info!(targets = scheduler.len(), "configuration reloaded");
    Ok(config.agent)
}

async fn reload_agent(
    supervisor: Option<&mut agent::Supervisor>,
    config: Option<&Agent>,
) -> Result<(), ReloadError> {
    let Some((supervisor, config)) = supervisor.zip(config) else { return Ok(()) };
    supervisor.apply(config).await.map_err(|errors| {
        tracing::error!(%errors, "the agent does not serve every target");
        ReloadError::Agent(errors)
    })
}

/// Most targets that a warning names.
const NAMED: usize = 20;

/// Says which targets are held to the best capability that they have had.
fn warn_of_undeclared(targets: &[MonitoredTarget]) {
    let undeclared = targets.iter().filter(|monitored| monitored.requirement.required_by.is_undeclared());
    let names: Vec<&str> = undeclared.map(|monitored| monitored.target.name.as_str()).collect();
    if !names.is_empty() {
        let named = names[..names.len().min(NAMED)].join(", ");
        tracing::warn!(
            targets = names.len(),
            names = named,
            remedy = "set replication_mode for each target, or require for all",
            "held to the best capability that their checks find, because neither replication_mode nor require is set; a \
             restart forgets it"
        );
    }
}

impl Monitor {
    fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn status_store(&self) -> MutexGuard<'_, StatusStore> {
        // A panic cannot leave a partial entry: each entry is written in one step.
        self.status_store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parts that equal those of other reports are stored once.
    fn sharing(&self, mut report: Report) -> Arc<Report> {
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        results.share(&mut report);
        Arc::new(report)
    }

    /// What the next check of a target is judged by.
    fn requirement(&self, monitored: &Arc<MonitoredTarget>) -> Requirement {
        let status_store = self.status_store();
        let entry = status_store.entry_of(monitored);
        entry.map_or(monitored.requirement, status_store::Entry::requirement)
    }

    fn position_before(&self, monitored: &Arc<MonitoredTarget>, at: Timestamp) -> Option<Position> {
        let status_store = self.status_store();
        let entry = status_store.entry_of(monitored);
        entry.and_then(|entry| entry.position_before(at)).cloned()
    }

    /// Records the result of a scheduled check. A failure of this machine changes no state.
    fn note(&self, monitored: &Arc<MonitoredTarget>, checked: &Checked) {
        let shared = self.shared();
        let now = (self.clock)();
        let (name, report) = (&monitored.target.name, &checked.report);
        if let Some(failure) = &checked.local_failure {
            if let Some(entry) = self.status_store().entry_of(monitored) {
                self.metrics.failed_locally(entry.into());
            }
            if self.local_failures.allows() {
                let remedy = failure.remedy;
                tracing::error!(name, why = %failure, remedy, "not checked: a failure of this machine");
            }
            return;
        }
        let last_check = metrics::series_of(report);
        let (change, before, after) = {
            let mut status_store = self.status_store();
            let Some(entry) = status_store.entry_of(monitored) else {
                return; // a reload removed or changed the target during this check
            };
            let before = entry.requirement();
            if let Some(known) = &checked.facts {
                let position = Position::of(&known.facts, &monitored.target.pipe, known.as_of);
                status_store.observe(monitored, position);
            }
            let change =
                status_store.note(monitored, Arc::clone(report), shared.thresholds, shared.history, now);
            let after = status_store.entry(name).map(|entry| {
                self.metrics.note(entry.into(), report, last_check, change);
                entry.requirement()
            });
            (change, before, after.unwrap_or(before))
        };
        if after.required.max(after.of_server) > before.required.max(before.of_server) {
            let held_to = after.required.max(after.of_server).name();
            tracing::info!(name, held_to, "held to the best capability so far");
        }
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

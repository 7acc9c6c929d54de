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
mod board;
mod descriptors;
mod fleet;
mod http;
mod meters;
mod notify;
mod page;
mod probe;
mod schedule;
mod served;
mod shared;
mod turns;

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

use board::{Board, Health};
use fleet::Fleet;
use meters::Meters;
use shared::Shared;

use crate::{
    config::{Serve, Watched},
    connection::task::Task,
    report::Report,
    target::Invalid,
    verify::{self, Clock, Given, Known, Limits, Observed},
};

/// Reads the configuration once more.
pub type Reread = Box<dyn Fn() -> Result<Serve, Invalid> + Send>;

/// Probes that are answered at once; each is a check of its own.
const PROBES_AT_ONCE: usize = 64;

/// Why the daemon did not start, or how it ended.
#[derive(Debug)]
pub enum DaemonError {
    Invalid(Invalid),
    Io(io::Error),
}

/// What its tasks share.
struct Daemon {
    clock: Clock,
    started_at: Timestamp,
    board: Mutex<Board>,
    /// Of this configuration; a reload puts another in its place.
    shared: RwLock<Arc<Shared>>,
    meters: Meters,
    probes: Semaphore,
    reloads: mpsc::Sender<oneshot::Sender<Result<(), Invalid>>>,
}

/// Serves until SIGTERM or SIGINT. Checks that are in flight then end, or are cut at their deadline.
///
/// # Errors
/// If the address cannot be listened on or the certificate cannot be used; nothing has been dialled then.
pub async fn serve(config: Serve, reread: Reread, clock: Clock) -> Result<(), DaemonError> {
    let listen = config.web.listen;
    let listener = TcpListener::bind(listen).await.map_err(|e| {
        DaemonError::Invalid(Invalid::new(
            "listen",
            "an address and a port to listen on",
            format!("`{listen}`: {e}"),
        ))
    })?;
    let shared = Arc::new(Shared::new(&config).map_err(DaemonError::Invalid)?);
    descriptors::raise_limit();
    let (reloads, mut wanted) = mpsc::channel(1);
    let daemon = Arc::new(Daemon {
        clock,
        started_at: clock(),
        board: Mutex::default(),
        shared: RwLock::new(shared),
        meters: Meters::new(clock()),
        probes: Semaphore::new(PROBES_AT_ONCE),
        reloads,
    });
    let mut fleet = Fleet::default();
    fleet.adopt(&daemon, config.targets);
    let mut hangup = signal(SignalKind::hangup()).map_err(DaemonError::Io)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Io)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Io)?;

    let address = listener.local_addr().map_err(DaemonError::Io)?;
    let stop = CancellationToken::new();
    let answering = tokio::spawn(http::serve(listener, Arc::clone(&daemon), stop.clone()));
    tracing::info!(%address, targets = fleet.len(), version = env!("CARGO_PKG_VERSION"), "serving");
    notify::ready(fleet.len());
    let mut watchdog = notify::watchdog();
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            () = watchdog.tick() => {}
            _ = hangup.recv() => drop(reload(&daemon, &mut fleet, &reread, listen)),
            Some(answer) = wanted.recv() => {
                // Who asked may have gone.
                let _ = answer.send(reload(&daemon, &mut fleet, &reread, listen));
            }
        }
    }
    tracing::info!("stopping");
    notify::stopping();
    let timeout = daemon.shared().timeout;
    fleet.stop(timeout).await;
    stop.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(5), answering).await;
    Ok(())
}

/// A file that cannot be used changes nothing.
fn reload(
    daemon: &Arc<Daemon>,
    fleet: &mut Fleet,
    reread: &Reread,
    listen: std::net::SocketAddr,
) -> Result<(), Invalid> {
    notify::reloading();
    let result = reread().and_then(|config| {
        let shared = Shared::new(&config)?;
        Ok((config, shared))
    });
    let result = match result {
        Ok((config, shared)) => {
            *daemon.shared.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shared);
            if config.web.listen != listen {
                tracing::warn!(%listen, wanted = %config.web.listen, "a new address needs a restart");
            }
            fleet.adopt(daemon, config.targets);
            tracing::info!(targets = fleet.len(), "configuration reloaded");
            Ok(())
        }
        Err(invalid) => {
            tracing::error!(%invalid, "configuration not reloaded: the old one stays");
            Err(invalid)
        }
    };
    daemon.meters.reloaded(result.is_ok(), (daemon.clock)());
    notify::ready(fleet.len());
    result
}

impl Daemon {
    fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // Whoever panicked, an entry is noted whole or not at all.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a target, and notes what came of it.
    async fn check(
        &self,
        watched: &Arc<Watched>,
        known: Option<Known>,
        timeout: Duration,
    ) -> (Arc<Report>, Option<Known>) {
        let shared = self.shared();
        let limits = Limits { timeout, second_look: true };
        let (clock, target) = (self.clock, Arc::clone(watched));
        let pace = shared.pace(watched);
        // Apart, so that what breaks one check breaks no other.
        let looked = Task::spawn(async move {
            let given = Given {
                sessions: Some((&shared.sessions, target.rhythm.full_interval)),
                roots: shared.roots(&target.target),
                pace: pace.as_deref(),
                facts: known,
            };
            verify::observe(&target.target, limits, given, clock).await
        })
        .await;
        let (target, terms) = (&watched.target, watched.terms);
        let (report, known) = match looked {
            Ok(Observed { seen, clocked }) => {
                let report = Report::new(target, &seen, terms, clocked);
                let known = seen.facts.zip(clocked.facts_as_of);
                (report, known.map(|(facts, as_of)| Known { facts, as_of }))
            }
            Err(_) => {
                tracing::error!(name = target.name, "a check broke pipeprobe itself; please report it");
                (verify::unreached(target, terms, clock()), None)
            }
        };
        let report = Arc::new(report);
        self.note(watched, &report);
        (report, known)
    }

    fn note(&self, watched: &Arc<Watched>, report: &Arc<Report>) {
        let shared = self.shared();
        let now = (self.clock)();
        let name = &watched.target.name;
        let change = {
            let mut board = self.board();
            if board.entry(name).is_none_or(|entry| entry.watched != *watched) {
                return; // a reload took it away, or made it another target, while this check was in flight
            }
            board.note(watched, Arc::clone(report), shared.thresholds, shared.history, now)
        };
        self.meters.note(report, change);
        let capability = report.verdict.capability.name();
        let took = report.duration_ms;
        match change.map(|change| change.to) {
            Some(Health::Healthy) => tracing::info!(name, capability, took, "healthy"),
            Some(_) => {
                let (cause, why) = (report.cause().unwrap_or_default(), &report.verdict.why);
                tracing::warn!(name, capability, took, cause, why, "unhealthy");
            }
            None => tracing::debug!(name, capability, took, cause = report.cause(), "checked"),
        }
    }
}

//! The endpoints of a configuration, until a signal stops them.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Endpoint, Shared,
    http::Status,
    listener::{Inherited, Listener, create_parent},
    metrics::Page,
    token_file, token_socket,
};
use crate::{
    config::{Agent, AgentTarget, LOGINS_PER_SECOND},
    service::{
        descriptors,
        http::{self, Limits},
        notify, shared_logins,
        stop_signal::StopSignal,
    },
    target::{ConfigErrors, ErrorList, Invalid},
    verify::Clock,
};

/// For HTTP responses that are being sent at the end.
const ANSWERS: Duration = Duration::from_secs(1);

/// Reads the configuration again.
pub type Reread = Arc<dyn Fn() -> Result<Agent, ConfigErrors> + Send + Sync>;

/// Serves every target until SIGTERM or SIGINT. Open sessions then have the time that the configuration gives; a second signal
/// ends them at once.
///
/// # Errors
/// If an endpoint cannot be created at the start, or the system's error.
pub async fn run(config: Agent, reread: Reread, clock: Clock) -> Result<(), RunError> {
    let limits = Limits::new(descriptors::raise_limit());
    let listener = config.listen.map(http::bind).transpose();
    let listener = listener.map_err(|invalid| RunError::Invalid(invalid.into()))?;
    let mut drain = config.drain;
    let shared = Shared::new(clock);
    let mut supervisor = Supervisor::start(&config, shared.clone()).await.map_err(RunError::Invalid)?;
    let metrics = Page::new(Arc::clone(&shared.metrics));
    let status = Arc::new(Status { metrics, is_stopping: AtomicBool::default() });
    let stop_answering = CancellationToken::new();
    let answering = listener.map(|listener| {
        tokio::spawn(http::serve(listener, Arc::clone(&status), limits, stop_answering.clone()))
    });
    let io = RunError::Io;
    let mut hangup = signal(SignalKind::hangup()).map_err(io)?;
    let mut stop_signal = StopSignal::new().map_err(io)?;
    tracing::info!(targets = supervisor.running.len(), version = env!("CARGO_PKG_VERSION"), "serving");
    supervisor.say_ready();
    let mut watchdog = notify::watchdog();
    let mut reading: Option<JoinHandle<Result<Agent, ConfigErrors>>> = None;
    loop {
        tokio::select! {
            () = stop_signal.received() => break,
            () = watchdog.tick() => {}
            _ = hangup.recv(), if reading.is_none() => {
                notify::reloading();
                let reread = Arc::clone(&reread);
                // On another thread, so that a file that hangs blocks no client.
                reading = Some(tokio::task::spawn_blocking(move || reread()));
            }
            read = finish(&mut reading), if reading.is_some() => {
                reading = None;
                match read {
                    Ok(config) => {
                        drain = config.drain;
                        let applied = supervisor.apply(&config).await;
                        let targets = config.targets.iter().map(|wanted| &wanted.target);
                        let Shared { sessions, rate_limits, .. } = &shared;
                        shared_logins::retain(sessions, rate_limits, LOGINS_PER_SECOND, targets);
                        match applied {
                            Ok(()) => tracing::info!(targets = supervisor.running.len(), "configuration reloaded"),
                            Err(errors) => tracing::error!(%errors, "not every target is served"),
                        }
                    }
                    Err(errors) => tracing::error!(%errors, "configuration not reloaded: the previous one stays active"),
                }
                supervisor.say_ready();
            }
        }
    }
    tracing::info!(sessions = supervisor.sessions.len(), "stopping");
    notify::stopping();
    status.is_stopping.store(true, Ordering::Relaxed);
    supervisor.stop(drain, stop_signal.received()).await;
    stop_answering.cancel();
    if let Some(answering) = answering {
        let _ = tokio::time::timeout(ANSWERS, answering).await;
    }
    Ok(())
}

/// Why the agent did not start, or stopped.
#[derive(Debug)]
pub enum RunError {
    Invalid(ConfigErrors),
    Io(io::Error),
}

/// Waits for the configuration; forever if none is being read.
async fn finish(
    reading: &mut Option<JoinHandle<Result<Agent, ConfigErrors>>>,
) -> Result<Agent, ConfigErrors> {
    let Some(reading) = reading else { return std::future::pending().await };
    reading.await.unwrap_or_else(|error| {
        Err(Invalid::new("config_file", "a configuration", format!("an internal error: {error}")).into())
    })
}

/// The endpoints of a process.
pub(crate) struct Supervisor {
    shared: Shared,
    inherited: Inherited,
    /// By name of the target.
    running: BTreeMap<String, Running>,
    /// The sessions of all clients, also of targets that a reload has removed.
    sessions: TaskTracker,
    end: CancellationToken,
}

/// A target that is served.
struct Running {
    config: AgentTarget,
    endpoint: Arc<Endpoint>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Supervisor {
    /// Serves every target of a configuration.
    ///
    /// # Errors
    /// If an endpoint cannot be created.
    pub(crate) async fn start(config: &Agent, shared: Shared) -> Result<Self, ConfigErrors> {
        let mut supervisor = Self {
            shared,
            inherited: Inherited::take()?,
            running: BTreeMap::new(),
            sessions: TaskTracker::new(),
            end: CancellationToken::new(),
        };
        supervisor.apply(config).await.map(|()| supervisor)
    }

    fn say_ready(&self) {
        notify::ready(&format!("serving {} targets", self.running.len()));
    }

    /// Serves these targets and no others. A target that did not change is left alone, and open sessions stay.
    ///
    /// # Errors
    /// Of the targets that cannot be served; the others are.
    pub(crate) async fn apply(&mut self, config: &Agent) -> Result<(), ConfigErrors> {
        create_parent(&config.directory, config.targets.iter().any(|wanted| wanted.group.is_some()))?;
        self.inherited.check(config.targets.iter().map(|wanted| wanted.target.name.as_str()))?;
        let is_same = |running: &Running| config.targets.contains(&running.config);
        let stale: Vec<String> =
            self.running.iter().filter(|(_, r)| !is_same(r)).map(|(name, _)| name.clone()).collect();
        let mut before = HashMap::new();
        for name in stale {
            if let Some(running) = self.running.remove(&name) {
                before.insert(name, running.stop().await);
            }
        }
        let mut errors = ErrorList::default();
        for wanted in &config.targets {
            let name = &wanted.target.name;
            if !self.running.contains_key(name) {
                let before = before.get(name).map(Arc::as_ref);
                if let Some(running) = errors.take(self.start_target(wanted, &config.directory, before)) {
                    self.running.insert(name.clone(), running);
                }
            }
        }
        errors.check()
    }

    fn start_target(
        &mut self,
        wanted: &AgentTarget,
        directory: &Path,
        before: Option<&Endpoint>,
    ) -> Result<Running, Invalid> {
        let target = &wanted.target;
        let endpoint = Arc::new(Endpoint::new(target.clone(), &self.shared)?.after(before));
        let listeners = Listener::all(wanted, directory, endpoint.socket_name(), &self.inherited)?;
        let token_socket = wanted.token_socket.then(|| token_socket::bind(wanted, directory)).transpose()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        for listener in listeners {
            tracing::info!(target = target.name, socket = %listener, "listening");
            let endpoint = Arc::clone(&endpoint);
            tasks.spawn(endpoint.serve(listener, self.sessions.clone(), stop.clone(), self.end.clone()));
        }
        if let Some(socket) = token_socket {
            tracing::info!(target = target.name, socket = %socket.path().display(), "listening for requests of tokens");
            tasks.spawn(token_socket::serve(Arc::clone(&endpoint), socket, stop.clone()));
        }
        if let Some(file) = wanted.token_file.clone() {
            let (endpoint, stop) = (Arc::clone(&endpoint), stop.clone());
            tasks.spawn(async move { token_file::keep(&endpoint, &file, stop).await });
        }
        tasks.close();
        Ok(Running { config: wanted.clone(), endpoint, stop, tasks })
    }

    /// Accepts no more clients, and waits until open sessions have ended: at most for this time, and not after `at_once` has completed.
    pub(crate) async fn stop(mut self, drain: Duration, at_once: impl Future<Output = ()>) {
        while let Some((_, running)) = self.running.pop_first() {
            running.stop().await;
        }
        self.sessions.close();
        tokio::select! {
            () = self.sessions.wait() => {}
            () = tokio::time::sleep(drain) => {
                tracing::warn!(sessions = self.sessions.len(), "ending sessions that are still open");
            }
            () = at_once => {}
        }
        self.end.cancel();
        self.sessions.wait().await;
    }
}

impl Running {
    /// Removes the socket and the token file.
    async fn stop(self) -> Arc<Endpoint> {
        self.stop.cancel();
        self.tasks.wait().await;
        self.endpoint
    }
}

//! The endpoints of a configuration, until a signal stops them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
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
    Endpoint,
    http::Status,
    listener::{Inherited, Listener, create_parent},
    metrics::Metrics,
    token_file,
};
use crate::{
    config::{Agent, AgentTarget, LOGINS_PER_SECOND},
    connection::RateLimit,
    identity::Sessions,
    service::{
        descriptors,
        http::{self, Limits},
        notify,
    },
    target::{self, ConfigErrors, ErrorList, Invalid},
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
    let inherited = Inherited::take().map_err(|invalid| RunError::Invalid(invalid.into()))?;
    let mut supervisor = Supervisor::new(clock, inherited);
    supervisor.apply(&config).await.map_err(RunError::Invalid)?;
    let status =
        Arc::new(Status { metrics: Arc::clone(&supervisor.metrics), is_stopping: AtomicBool::default() });
    let stop_answering = CancellationToken::new();
    let answering = listener.map(|listener| {
        tokio::spawn(http::serve(listener, Arc::clone(&status), limits, stop_answering.clone()))
    });
    let io = RunError::Io;
    let mut hangup = signal(SignalKind::hangup()).map_err(io)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(io)?;
    tracing::info!(targets = supervisor.running.len(), version = env!("CARGO_PKG_VERSION"), "serving");
    supervisor.say_ready();
    let mut watchdog = notify::watchdog();
    let mut reading: Option<JoinHandle<Result<Agent, ConfigErrors>>> = None;
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
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
                        match supervisor.apply(&config).await {
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
    supervisor.stop_all().await;
    supervisor.sessions.close();
    tokio::select! {
        () = supervisor.sessions.wait() => {}
        () = tokio::time::sleep(drain) => {
            tracing::warn!(sessions = supervisor.sessions.len(), "ending sessions that are still open");
        }
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    supervisor.end.cancel();
    supervisor.sessions.wait().await;
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

struct Supervisor {
    clock: Clock,
    inherited: Inherited,
    /// By name of the target.
    running: BTreeMap<String, Running>,
    access: Arc<Sessions>,
    metrics: Arc<Metrics>,
    rate_limits: HashMap<target::Endpoint, Arc<RateLimit>>,
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
    fn new(clock: Clock, inherited: Inherited) -> Self {
        Self {
            clock,
            inherited,
            running: BTreeMap::new(),
            access: Arc::default(),
            metrics: Arc::default(),
            rate_limits: HashMap::new(),
            sessions: TaskTracker::new(),
            end: CancellationToken::new(),
        }
    }

    fn say_ready(&self) {
        notify::ready(&format!("serving {} targets", self.running.len()));
    }

    /// Serves these targets and no others. A target that did not change is left alone, and open sessions stay.
    ///
    /// # Errors
    /// Of the targets that cannot be served; the others are.
    async fn apply(&mut self, config: &Agent) -> Result<(), ConfigErrors> {
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
                if let Some(running) = errors.take(self.start(wanted, &config.directory, before)) {
                    self.running.insert(name.clone(), running);
                }
            }
        }
        let roles: HashSet<_> = config
            .targets
            .iter()
            .map(|AgentTarget { target, .. }| (&target.access, &target.region))
            .collect();
        self.access.retain(|access, region| roles.contains(&(access, region)));
        let databases: HashSet<_> = config.targets.iter().map(|wanted| &wanted.target.sign).collect();
        self.rate_limits.retain(|database, _| databases.contains(database));
        errors.check()
    }

    fn start(
        &mut self,
        wanted: &AgentTarget,
        directory: &Path,
        before: Option<&Endpoint>,
    ) -> Result<Running, Invalid> {
        let target = &wanted.target;
        let rate_limit = self.rate_limits.entry(target.sign.clone());
        let rate_limit =
            Arc::clone(rate_limit.or_insert_with(|| Arc::new(RateLimit::new(LOGINS_PER_SECOND))));
        let endpoint = Endpoint::new(
            target.clone(),
            Arc::clone(&self.access),
            rate_limit,
            Arc::clone(&self.metrics),
            self.clock,
        )?;
        let endpoint = Arc::new(endpoint.after(before));
        let listeners = Listener::all(wanted, directory, endpoint.socket_name(), &self.inherited)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        for listener in listeners {
            tracing::info!(target = target.name, socket = %listener, "listening");
            let endpoint = Arc::clone(&endpoint);
            tasks.spawn(endpoint.serve(listener, self.sessions.clone(), stop.clone(), self.end.clone()));
        }
        if let Some(file) = wanted.token_file.clone() {
            let (endpoint, stop) = (Arc::clone(&endpoint), stop.clone());
            tasks.spawn(async move { token_file::keep(&endpoint, &file, stop).await });
        }
        tasks.close();
        Ok(Running { config: wanted.clone(), endpoint, stop, tasks })
    }

    /// Accepts no more clients.
    async fn stop_all(&mut self) {
        while let Some((_, running)) = self.running.pop_first() {
            running.stop().await;
        }
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

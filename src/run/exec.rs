//! `pipeprobe exec`: one program with a private endpoint, until it ends.

use std::{
    env, ffi::OsString, fs, io, os::unix::process::ExitStatusExt, path::PathBuf, process::ExitStatus,
    sync::Arc,
};

use nix::{
    sys::wait::{Id, WaitPidFlag, waitid, waitpid},
    unistd::{Pid, Uid, User, getpgrp, tcgetpgrp},
};
use rustix::process::{Signal, kill_process};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Exit, refuse};
use crate::{
    agent::{Endpoint, Listener, Password, PrivateDirectory, Reach, Shared, TcpSocket, UnixSocket},
    cli::Format,
    config::Exec,
    service::descriptors,
    target::{ConfigErrors, Invalid},
    verify::Clock,
};

/// Runs the program in this environment, with the endpoint added, until it ends.
///
/// # Errors
/// The system's.
pub async fn exec(config: Exec, environment: Vec<(OsString, OsString)>, clock: Clock) -> io::Result<Exit> {
    let Exec { target, program, tcp, keep_aws } = config;
    let prepared = prepare(target, tcp, &environment, clock);
    let (endpoint, directory, listener, variables) = match prepared {
        Ok(prepared) => prepared,
        Err(invalid) => return refuse(&invalid, Format::Text, &mut io::sink()),
    };
    // Registered before the program starts, so that no signal ends only this process. A program inherits no handler.
    let mut signals = Signals::register()?;
    let mut children = signal(SignalKind::child())?;
    let Some((name, arguments)) = program.split_first() else { return Ok(Exit::Usage) };
    let mut command = Command::new(name);
    command.args(arguments).env_clear().envs(kept(environment, keep_aws));
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("error: cannot run `{}`: {error}", name.display());
            // As in env(1).
            let found = error.kind() != io::ErrorKind::NotFound;
            return Ok(Exit::Program(if found { 126 } else { 127 }));
        }
    };
    // A session needs two. The program has inherited the earlier limit: some programs cannot handle a higher one (select(2)).
    descriptors::raise_limit();
    let (sessions, stop, end) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
    let serving = tokio::spawn(endpoint.serve(listener, sessions, stop.clone(), end.clone()));
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            caught = signals.next() => if let Some(id) = child.id() { pass_on(caught, id) },
            _ = children.recv() => if let Some(id) = child.id() { reap_orphans(id) },
        }
    };
    stop.cancel();
    end.cancel();
    let _ = serving.await; // removes the socket
    drop(directory);
    Ok(Exit::Program(code(status)))
}

type Prepared = (Arc<Endpoint>, PrivateDirectory, Listener, Vec<(&'static str, Option<String>)>);

fn prepare(
    target: crate::target::Target,
    tcp: bool,
    environment: &[(OsString, OsString)],
    clock: Clock,
) -> Result<Prepared, ConfigErrors> {
    let endpoint = Endpoint::new(target, &Shared::new(clock))?;
    let directory = PrivateDirectory::create(&places(environment))?;
    let (listener, variables) = if tcp {
        let password = Password::generate()
            .map_err(|error| Invalid::new("tcp", "a password that can be generated", error))?;
        let password = Arc::new(password);
        let socket = TcpSocket::bind_anywhere(Arc::clone(&password))?;
        let variables = endpoint.environment(directory.path(), Reach::Tcp(socket.address(), &password))?;
        (Listener::Tcp(socket), variables)
    } else {
        let mut variables = endpoint.environment(directory.path(), Reach::Socket)?;
        variables.extend(require_peer());
        let socket = UnixSocket::bind(directory.path(), endpoint.socket_name(), None)?;
        (Listener::Unix(socket), variables)
    };
    Ok((Arc::new(endpoint), directory, listener, variables))
}

/// Where the socket may be: the directory of this user that is removed at logout, otherwise that of temporary files.
fn places(environment: &[(OsString, OsString)]) -> Vec<PathBuf> {
    let runtime = environment.iter().find(|(name, value)| name == "XDG_RUNTIME_DIR" && !value.is_empty());
    let runtime = runtime.map(|(_, value)| PathBuf::from(value)).filter(|path| path.is_absolute());
    let runtime = runtime.filter(|path| fs::metadata(path).is_ok_and(|found| found.is_dir()));
    runtime.into_iter().chain([env::temp_dir()]).collect()
}

/// libpq then refuses a socket that another user has put in this place. It looks up the name of the user, which in a container
/// may not exist.
fn require_peer() -> Option<(&'static str, Option<String>)> {
    let user = User::from_uid(Uid::effective()).ok().flatten()?;
    Some(("PGREQUIREPEER", Some(user.name)))
}

/// The environment without what gives access to AWS.
fn kept(
    environment: Vec<(OsString, OsString)>,
    keep_aws: bool,
) -> impl Iterator<Item = (OsString, OsString)> {
    environment.into_iter().filter(move |(name, _)| keep_aws || !name.as_encoded_bytes().starts_with(b"AWS_"))
}

/// As a shell says it.
fn code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code as u8,
        (None, Some(signal)) => 128 + signal as u8,
        (None, None) => 1,
    }
}

/// As PID 1 of a container, this process becomes the parent of those that the program leaves behind. The program itself is left to
/// its owner.
fn reap_orphans(program: u32) {
    if std::process::id() != 1 {
        return;
    }
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(status) = waitid(Id::All, ended) {
        match status.pid() {
            Some(orphan) if orphan.as_raw() as u32 != program => {
                let _ = waitpid(orphan, Some(WaitPidFlag::WNOHANG));
            }
            _ => return,
        }
    }
}

/// Signals that would end this process before the program.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    user1: tokio::signal::unix::Signal,
    user2: tokio::signal::unix::Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.user1.recv() => Signal::USR1,
            _ = self.user2.recv() => Signal::USR2,
        }
    }
}

/// Sends a signal to the program, unless the terminal has sent it to the whole process group.
fn pass_on(caught: Signal, program: u32) {
    if matches!(caught, Signal::INT | Signal::QUIT) && is_in_foreground() {
        return;
    }
    let program = i32::try_from(program).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(program) = program {
        let _ = kill_process(program, caught); // it may have ended
    }
}

/// Whether the keys of a terminal send signals to this process and to the program.
fn is_in_foreground() -> bool {
    let foreground = || -> Option<Pid> { tcgetpgrp(fs::File::open("/dev/tty").ok()?).ok() };
    foreground() == Some(getpgrp())
}

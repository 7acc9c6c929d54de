//! One server on this machine: its folder, port and certificate, and how it is started.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::account::ServerUser;
use crate::certificates::ServerFiles;
use crate::plugins::Plugins;
use crate::programs::Programs;
use crate::server_version::Engine;
use crate::supervisor::PID_FILE;
use crate::{files, mysql, postgres};

/// Limit for the start of a server. Only a machine under load comes near it.
const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(20);

/// One server on this machine: programs, user, folder, port and certificate.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) programs: Programs,
    pub(crate) user: ServerUser,
    pub(crate) plugins: Plugins,
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) tls: ServerFiles,
    pub(crate) trust_root: PathBuf,
    /// Of a standby.
    pub(crate) primary: Option<Primary>,
    pub(crate) around: Around,
}

/// Where a server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Around {
    /// Alone in a container: it accepts connections from outside, logs to the container's log, and stops with the container.
    Container,
    /// On a shared machine: it uses only loopback and its folder, and a supervisor stops it.
    Machine,
}

/// The primary of a standby.
#[derive(Clone, Debug)]
pub(crate) struct Primary {
    /// The folder of its Unix socket.
    pub(crate) scratch: PathBuf,
    pub(crate) port: u16,
}

/// The reason why a server did not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// Another process took the port before the server bound it. Try another port.
    PortTaken,
    Other(io::Error),
}

impl Deployment {
    /// The Unix socket through which this server's plugin verifies tokens.
    pub(crate) fn verifier(&self) -> PathBuf {
        self.folder.join("verify.sock")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// For temporary files and the server's Unix socket.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// Value of `listen_addresses` or `bind_address`.
    pub(crate) fn listens_on(&self) -> Ipv4Addr {
        match self.around {
            Around::Container => Ipv4Addr::UNSPECIFIED,
            Around::Machine => Ipv4Addr::LOCALHOST,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn start(&self, settings: &[(String, String)]) -> Result<Child, StartError> {
        self.start_until(
            settings,
            match self.programs.engine {
                Engine::Postgres => postgres::is_ready,
                Engine::Mysql | Engine::MariaDb => mysql::is_ready,
            },
        )
    }

    /// Starts the server and waits until it reaches that state.
    pub(crate) fn start_until(
        &self,
        settings: &[(String, String)],
        is_there: fn(&Self) -> bool,
    ) -> Result<Child, StartError> {
        let engine = self.programs.engine;
        let log_before = fs::metadata(self.log()).map_or(0, |m| m.len());
        let mut child = self.command(settings).and_then(|mut c| c.spawn()).map_err(StartError::Other)?;
        let deadline = Instant::now() + START;
        loop {
            if is_there(self) {
                return Ok(child);
            }
            let ended = child.try_wait().map_err(StartError::Other)?;
            if ended.is_some() || Instant::now() > deadline {
                end(&mut child, Signal::KILL);
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                let said = log.get(log_before as usize..).unwrap_or(&log);
                if said.contains("Address already in use") {
                    return Err(StartError::PortTaken);
                }
                return Err(StartError::Other(io::Error::other(format!(
                    "{} did not start; it said:\n{said}",
                    engine.server()
                ))));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The server's command. On a shared machine it runs in a new session without a terminal or our pipes, and is recorded for the
    /// supervisor before it executes the server.
    fn command(&self, settings: &[(String, String)]) -> io::Result<Command> {
        let engine = self.programs.engine;
        let mut command = match self.around {
            Around::Container => Command::new(self.programs.program(engine.server())),
            Around::Machine => self.recorded(),
        };
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &self.folder)
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        match engine {
            Engine::Postgres => postgres::arguments(self, settings, &mut command),
            Engine::Mysql | Engine::MariaDb => mysql::arguments(self, settings, &mut command),
        }
        if self.around == Around::Machine {
            let log = File::options().create(true).append(true).open(self.log())?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        command.current_dir(&self.folder).stdin(Stdio::null());
        self.user.runs(&mut command);
        Ok(command)
    }

    /// The prefix of a command that registers itself with the supervisor first.
    fn recorded(&self) -> Command {
        let signal = match self.programs.engine {
            Engine::Postgres => "QUIT",
            Engine::Mysql | Engine::MariaDb => "KILL",
        };
        let mut command = Command::new("setsid");
        command
            .args(["/bin/sh", "-c"])
            .arg(r#"echo "$$ $2" > "$1"; shift 2; exec "$@""#)
            .arg("pipeprobe-lab")
            .arg(self.folder.join(PID_FILE))
            .arg(signal)
            .arg(self.programs.program(self.programs.engine.server()));
        command
    }

    /// Starts a shutdown that waits for the last session, and returns when no new sessions are accepted.
    pub(crate) fn ask_to_stop(&self, child: &Child) -> io::Result<()> {
        kill_process(Pid::from_child(child), Signal::TERM)?;
        let deadline = Instant::now() + STOP;
        while self.sql(None, "SELECT 1").is_ok() {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not begin to stop"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Stops the server cleanly, so that it can be started again.
    pub(crate) fn shut_down(&self, child: &mut Child) {
        let gently = match self.programs.engine {
            Engine::Postgres => Signal::INT, // fast shutdown
            Engine::Mysql | Engine::MariaDb => Signal::TERM,
        };
        end(child, gently);
    }

    /// Stops the server immediately, because its data will be deleted.
    pub(crate) fn abandon(&self, child: &mut Child) {
        let quickly = match self.programs.engine {
            Engine::Postgres => Signal::QUIT, // it must still end its own children
            Engine::Mysql | Engine::MariaDb => Signal::KILL,
        };
        end(child, quickly);
    }

    /// Runs SQL as the server's superuser over its Unix socket.
    pub(crate) fn sql(&self, database: Option<&str>, script: &str) -> io::Result<String> {
        use io::Write;
        let mut client = match self.programs.engine {
            Engine::Postgres => postgres::client(self, database),
            Engine::Mysql | Engine::MariaDb => mysql::client(self, database),
        };
        let program = client.get_program().to_string_lossy().into_owned();
        let mut client = client
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| io::Error::other(format!("{program}: {e}")))?;
        let mut input = client.stdin.take();
        let output = std::thread::scope(|threads| {
            threads.spawn(move || {
                if let Some(input) = &mut input {
                    // A client that stops at an error closes its input. Its own message is the relevant error.
                    let _ = input.write_all(script.as_bytes());
                }
            });
            client.wait_with_output()
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(said.trim().to_owned()))
    }
}

/// A loopback port that is free at this moment.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A folder that the servers' user can write to.
pub(crate) fn make_folder(folder: &Path, user: &ServerUser) -> io::Result<()> {
    files::create(folder)?;
    user.owns(folder)
}

fn end(child: &mut Child, signal: Signal) {
    // The child has not been waited for, so its process id cannot have been reused.
    if let Ok(None) = child.try_wait() {
        let _ = kill_process(Pid::from_child(child), signal);
    }
    let deadline = Instant::now() + STOP;
    while let Ok(None) = child.try_wait() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

//! `pipeprobe serve` as a child process.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::http;
use super::process::{Usage, usage};

/// Limit for its start and for its stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// Stopped when the value is dropped.
#[derive(Debug)]
pub(crate) struct Serve {
    child: Child,
    reader: Option<JoinHandle<()>>,
    pub(crate) address: SocketAddr,
}

impl Serve {
    /// Starts `command` (`pipeprobe` with the caller's environment), with a configuration file that has
    /// [`listen`] of `address` in it. Its log is written to `log`, and each line is passed to `read`.
    ///
    /// # Errors
    /// If it does not answer, with the last lines of its log.
    pub(crate) fn start(
        mut command: Command,
        config: &Path,
        address: SocketAddr,
        log: &Path,
        mut read: impl FnMut(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let mut kept = File::create(log)?;
        command.arg("serve").arg("--config-file").arg(config);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?).lines();
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Even if a line cannot be stored, the pipe must be read.
                let _ = writeln!(kept, "{line}");
                read(&line);
            }
        });
        let mut serve = Self { child, reader: Some(reader), address };
        let deadline = Instant::now() + PATIENCE;
        while !http::get(address, "/-/healthy").is_ok_and(|answer| answer.status == 200) {
            if serve.child.try_wait()?.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                return Err(io::Error::other(format!("pipeprobe does not serve: {}", last.join("\n"))));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(serve)
    }

    pub(crate) fn get(&self, path: &str) -> io::Result<String> {
        http::get(self.address, path)?.ok()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn usage(&self) -> io::Result<Usage> {
        usage(self.pid())
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Stops it cleanly. Returns the duration and whether it exited with status 0.
    pub(crate) fn stop(mut self) -> io::Result<(Duration, bool)> {
        let start = Instant::now();
        self.signal(Signal::TERM)?;
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok((start.elapsed(), status.success()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok((start.elapsed(), false))
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// An address that is free at this moment.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// The value of a metric with exactly these labels, as they are written between the braces.
pub(crate) fn metric(text: &str, name: &str, labels: &str) -> Option<f64> {
    let wanted = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") };
    text.lines()
        .find_map(|line| line.strip_prefix(&wanted)?.strip_prefix(' ')?.split(' ').next()?.parse().ok())
}

/// All values of a metric, by the value of its label `target`.
pub(crate) fn by_target<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?.strip_prefix('{')?;
        let (labels, value) = rest.split_once("} ")?;
        let target = labels.split("target=\"").nth(1)?.split('"').next()?;
        Some((target, value.split(' ').next()?.parse().ok()?))
    })
}

//! Finds the server versions that can run on this machine.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::cache;
use crate::programs::Programs;
use crate::server_version::{ServerVersion, Source};

/// The programs of one server version, ready to run.
#[derive(Clone, Debug)]
pub struct Installed {
    pub server_version: ServerVersion,
    /// The version number from the server's `--version`, such as `15.18`.
    pub version: String,
    pub(crate) programs: Programs,
}

/// The reason why a server version cannot run here, for a person.
#[derive(Clone, Debug)]
pub struct Skipped {
    pub server_version: ServerVersion,
    pub reason: String,
}

/// Finds the programs of a server version. Never downloads anything; `cargo lab setup` does that.
pub fn obtain(server_version: ServerVersion) -> Result<Installed, Skipped> {
    let skipped = |reason| Skipped { server_version, reason };
    let root = match server_version.source() {
        Source::System => PathBuf::from("/"),
        Source::Fetched { .. } => tree(server_version),
    };
    if matches!(server_version.source(), Source::Fetched { .. }) && !root.is_dir() {
        let why = cache::excuse(server_version.name())
            .unwrap_or_else(|| "not fetched yet: run `cargo lab setup`".to_owned());
        return Err(skipped(why));
    }
    let mut installed = Installed {
        server_version,
        version: String::new(),
        programs: Programs::of_lane(server_version, &root),
    };
    if let Some(program) = installed.programs.missing() {
        return Err(skipped(format!("{program} is missing: run `cargo lab setup`")));
    }
    installed.version = installed.ask_version().map_err(skipped)?;
    Ok(installed)
}

/// The folder of a downloaded server version.
pub(crate) fn tree(server_version: ServerVersion) -> PathBuf {
    cache::folder().join("lanes").join(server_version.name())
}

impl Installed {
    /// The path of a program, such as `psql`. Programs of downloaded servers are small scripts that start the real program with its
    /// own libraries, and keep the process id.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.program(name)
    }

    fn ask_version(&self) -> Result<String, String> {
        let server = self.program(self.server_version.engine().server());
        let output = Command::new(&server)
            .arg("--version")
            .env("LC_ALL", "C")
            .output()
            .map_err(|e| format!("{}: {e}", server.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let mark = self.server_version.version_mark();
        if !said.contains(mark) {
            return Err(format!(
                "{} is not the wanted version: {}{}",
                server.display(),
                said.trim(),
                String::from_utf8_lossy(&output.stderr).trim()
            ));
        }
        let word =
            said.split_whitespace().find(|w| w.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(mark);
        Ok(word.to_owned())
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.server_version, self.reason)
    }
}

impl From<Skipped> for io::Error {
    fn from(skipped: Skipped) -> Self {
        Self::new(io::ErrorKind::NotFound, skipped.to_string())
    }
}

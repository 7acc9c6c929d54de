//! Python, for what others wrote and the lab is glad not to write: AWS's own library as a second opinion on tokens, the
//! database clients that the [consumers](crate::Consumer) are made of, and the schemas of Kubernetes. Virtual environments in
//! the cache; only the tests that ask for them need them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::setup::step;
use crate::{cache, files};

/// A virtual environment, and what is in it. Fixed versions, so that a new release cannot turn a green tree red by itself. An
/// environment made of others is made anew.
pub(crate) struct Environment {
    /// Of its folder in the cache.
    pub(crate) name: &'static str,
    /// For whom it is, in words.
    what: &'static str,
    packages: &'static [&'static str],
}

/// What the lab's consumers and the second opinion on tokens need.
pub(crate) const CLIENTS: Environment = Environment {
    name: "python",
    what: "botocore and Python's database clients",
    packages: &["botocore==1.44.8", "psycopg2-binary==2.9.13", "PyMySQL==1.2.4", "mysql-replication==1.0.17"],
};

/// Kubernetes' own schemas, of its last releases, and who compares with them.
pub(crate) const KUBERNETES: Environment = Environment {
    name: "kubernetes-validate",
    what: "Kubernetes' schemas",
    packages: &["kubernetes-validate==1.37.0", "PyYAML==6.0.4"],
};

/// The Python interpreter that can `import botocore, psycopg2, pymysql, pymysqlreplication`, if `cargo lab setup` could make
/// one.
pub fn python() -> Option<PathBuf> {
    CLIENTS.python()
}

/// A virtual environment knows its own path, so it is made in place; this file in it says of what, once it is complete.
const COMPLETE: &str = "complete";

impl Environment {
    /// Its interpreter, if it could be made.
    pub(crate) fn python(&self) -> Option<PathBuf> {
        self.is_there().then(|| self.folder().join("bin/python3"))
    }

    pub(crate) fn is_there(&self) -> bool {
        let complete = fs::read_to_string(self.folder().join(COMPLETE));
        complete.is_ok_and(|packages| packages == self.packages.join(" "))
    }

    /// Makes the environment, unless it is there.
    pub(crate) fn make(&self) -> io::Result<()> {
        let _lock = cache::lock(self.name)?;
        if self.is_there() {
            return Ok(());
        }
        let folder = self.folder();
        let made = step(&format!("fetching {}", self.what), || {
            files::remove(&folder)?;
            files::create(&folder)?;
            // pyenv and its like put their own python first; the system's is the one that stays.
            run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&folder))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            run(Command::new(folder.join("bin/python3")).args(pip).args(self.packages))?;
            files::write(&folder.join(COMPLETE), &self.packages.join(" "))
        });
        cache::remember(self.name, &made);
        made
    }

    fn folder(&self) -> PathBuf {
        cache::folder().join(self.name)
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().map_err(|e| io::Error::other(format!("{program}: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or("failed");
    Err(io::Error::other(format!("{program}: {last}")))
}

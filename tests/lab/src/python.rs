//! Python, for what others wrote and the lab is glad not to write: AWS's own library as a second opinion on tokens, and the
//! database clients that the [consumers](crate::Consumer) are made of. A virtual environment in the cache; only the tests that
//! ask for it need it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::setup::step;
use crate::{cache, files};

pub(crate) const NAME: &str = "python";

/// Fixed, so that a new release cannot turn a green tree red by itself. An environment made of others is made anew.
const PACKAGES: [&str; 4] =
    ["botocore==1.44.8", "psycopg2-binary==2.9.13", "PyMySQL==1.2.4", "mysql-replication==1.0.17"];

/// The Python interpreter that can `import botocore, psycopg2, pymysql, pymysqlreplication`, if `cargo lab setup` could make
/// one.
pub fn python() -> Option<PathBuf> {
    is_there().then(|| folder().join("bin/python3"))
}

pub(crate) fn is_there() -> bool {
    fs::read_to_string(folder().join(COMPLETE)).is_ok_and(|packages| packages == PACKAGES.join(" "))
}

/// A virtual environment knows its own path, so it is made in place; this file in it says of what, once it is complete.
const COMPLETE: &str = "complete";

/// Makes the environment, unless it is there.
pub(crate) fn make() -> io::Result<()> {
    let _lock = cache::lock(NAME)?;
    if is_there() {
        return Ok(());
    }
    let made = step("fetching botocore and Python's database clients", || {
        files::remove(&folder())?;
        files::create(&folder())?;
        // pyenv and its like put their own python first; the system's is the one that stays.
        run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(folder()))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(folder().join("bin/python3")).args(pip).args(PACKAGES))?;
        files::write(&folder().join(COMPLETE), &PACKAGES.join(" "))
    });
    cache::remember(NAME, &made);
    made
}

fn folder() -> PathBuf {
    cache::folder().join(NAME)
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

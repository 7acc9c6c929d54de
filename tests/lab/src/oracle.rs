//! A second opinion on tokens: botocore, AWS's own Python library, in a virtual environment in the cache. Only tests that
//! compare with it need it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::setup::step;
use crate::{cache, files};

pub(crate) const NAME: &str = "oracle";

/// The Python interpreter that can `import botocore`, if `cargo lab setup` could make one.
pub fn python() -> Option<PathBuf> {
    is_there().then(|| folder().join("bin/python3"))
}

pub(crate) fn is_there() -> bool {
    folder().join(COMPLETE).is_file()
}

/// A virtual environment knows its own path, so it is made in place; this file in it says that it is complete.
const COMPLETE: &str = "complete";

/// Makes the environment, unless it is there.
pub(crate) fn make() -> io::Result<()> {
    let _lock = cache::lock(NAME)?;
    if is_there() {
        return Ok(());
    }
    let made = step("fetching botocore, for a second opinion on tokens", || {
        files::remove(&folder())?;
        files::create(&folder())?;
        // pyenv and its like put their own python first; the system's is the one that stays.
        run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(folder()))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "botocore"];
        run(Command::new(folder().join("bin/python3")).args(pip))?;
        files::write(&folder().join(COMPLETE), "")
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

//! The cache folder. Slow work is done once, under a lock, in a temporary folder that is renamed when it is complete.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::account::ServerUser;
use crate::files;

/// Where fetched servers and data-directory templates are kept: `$PIPEPROBE_LAB_CACHE`, else `/var/cache/pipeprobe-lab` for
/// root, else `pipeprobe-lab` in the user's cache folder.
pub fn folder() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty());
    if let Some(folder) = set("PIPEPROBE_LAB_CACHE") {
        // Absolute, because programs run in other working directories.
        return std::path::absolute(&folder).unwrap_or_else(|_| folder.into());
    }
    if ServerUser::we_are_root() {
        return "/var/cache/pipeprobe-lab".into();
    }
    let home = || PathBuf::from(set("HOME").unwrap_or_else(|| "/tmp".into())).join(".cache");
    set("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("pipeprobe-lab")
}

/// Takes the lock of that name, across processes. It is held until the value is dropped or the process ends.
pub(crate) fn lock(name: &str) -> io::Result<File> {
    let locks = folder().join("locks");
    files::create(&locks)?;
    let file = File::options().create(true).truncate(false).write(true).open(locks.join(name))?;
    file.lock()?;
    Ok(file)
}

/// Creates `folder().join(path)` with `build`, unless it exists. `build` fills a temporary folder that is renamed when
/// it is complete. If two processes want the same folder, one waits for the other.
pub(crate) fn publish(path: &str, build: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    let wanted = folder().join(path);
    if wanted.is_dir() {
        return Ok(wanted);
    }
    let name = path.replace('/', "-");
    let _lock = lock(&name)?;
    if wanted.is_dir() {
        return Ok(wanted);
    }
    let aside = folder().join("aside").join(&name);
    // Removes what a killed process left behind. This is safe because this process holds the lock.
    files::remove(&aside)?;
    files::create(&aside)?;
    let built = build(&aside).and_then(|()| {
        files::create(wanted.parent().unwrap_or(&wanted))?;
        fs::rename(&aside, &wanted)
    });
    if built.is_err() {
        let _ = files::remove(&aside);
    }
    built.map(|()| wanted)
}

/// The reason why the last attempt failed, if it failed.
pub(crate) fn excuse(what: &str) -> Option<String> {
    fs::read_to_string(excuse_file(what)).ok()
}

/// Whether an attempt failed within the last hour. It is then not repeated unless requested.
pub(crate) fn failed_lately(what: &str) -> bool {
    let written = fs::metadata(excuse_file(what)).and_then(|file| file.modified());
    written.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < Duration::from_hours(1)))
}

/// Stores the reason of a failure. A success removes the stored reason.
pub(crate) fn remember<T>(what: &str, tried: &io::Result<T>) {
    // The reason is only informational, so an error here is ignored.
    let _ = match tried {
        Ok(_) => fs::remove_file(excuse_file(what)),
        Err(e) => fs::write(excuse_file(what), e.to_string()),
    };
}

fn excuse_file(what: &str) -> PathBuf {
    folder().join(format!("{what}.unobtainable"))
}

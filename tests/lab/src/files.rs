//! Files and folders that the servers' user can read regardless of the umask, and errors that name the file.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Creates a folder and its missing parents.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        create(above)?;
    }
    match fs::create_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| allow(folder, 0o755)).map_err(|e| named(folder, &e)),
    }
}

/// Writes a file.
pub(crate) fn write(path: &Path, content: &str) -> io::Result<()> {
    fs::write(path, content).and_then(|()| allow(path, 0o644)).map_err(|e| named(path, &e))
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, content: &str) -> io::Result<()> {
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).map_err(|e| named(path, &e))?;
    // An existing file keeps its mode when it is opened.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content.as_bytes())
}

/// Writes a script.
pub(crate) fn write_script(path: &Path, content: &str) -> io::Result<()> {
    write(path, content)?;
    allow(path, 0o755)
}

/// Copies a library.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to).map_err(|e| named(from, &e))?;
    allow(to, 0o755)
}

/// Removes a folder and its content. Succeeds if it does not exist.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(named(folder, &e)),
        _ => Ok(()),
    }
}

/// Sets the permissions, an octal mode as for chmod.
pub(crate) fn allow(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Adds the path to an error.
pub(crate) fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

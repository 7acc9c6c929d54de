//! The four shared objects that the servers load. They are found next to the running program, or built.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::files;

const PACKAGES: [&str; 4] = ["aws_auth_plugin", "pam_rds_iam", "pam_confdir_shim", "no_names_shim"];

/// A folder that holds all of them.
#[derive(Clone, Debug)]
pub(crate) struct Plugins {
    /// `AWSAuthenticationPlugin.so`, for MySQL and MariaDB.
    pub(crate) aws_auth: PathBuf,
    /// The PAM module, for PostgreSQL.
    pub(crate) pam_module: PathBuf,
    /// Preloaded into PostgreSQL, so that PAM reads a private folder.
    pub(crate) pam_shim: PathBuf,
    /// Preloaded into MySQL and MariaDB, so that they make no reverse DNS lookups.
    pub(crate) names_shim: PathBuf,
}

/// Finds the plugins in the target folder of the running program. Builds them if they are missing or older
/// than their sources.
pub(crate) fn find_or_build() -> io::Result<Plugins> {
    let folder = target_folder()?;
    if !is_fresh(&folder) {
        build(&folder)?;
    }
    Ok(within(&folder))
}

/// Copies the plugins into `folder`, where the servers' user can read them.
pub(crate) fn copy_to(folder: &Path) -> io::Result<Plugins> {
    let from = find_or_build()?;
    let copy = |source: &Path, name: &str| -> io::Result<PathBuf> {
        let copy = folder.join(name);
        files::copy(source, &copy)?;
        Ok(copy)
    };
    Ok(Plugins {
        aws_auth: copy(&from.aws_auth, "AWSAuthenticationPlugin.so")?,
        pam_module: copy(&from.pam_module, "pam_rds_iam.so")?,
        pam_shim: copy(&from.pam_shim, "pam_confdir_shim.so")?,
        names_shim: copy(&from.names_shim, "no_names_shim.so")?,
    })
}

/// The folder of the running program, such as `target/debug`, without `deps` or `examples`.
pub(crate) fn target_folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program
        .ancestors()
        .skip(1)
        .find(|f| !f.ends_with("deps") && !f.ends_with("examples"))
        .unwrap_or(&program);
    Ok(folder.to_owned())
}

/// The plugins in `folder`, under cargo's file names.
pub(crate) fn within(folder: &Path) -> Plugins {
    let [aws_auth, pam_module, pam_shim, names_shim] =
        PACKAGES.map(|package| folder.join(format!("lib{package}.so")));
    Plugins { aws_auth, pam_module, pam_shim, names_shim }
}

/// Whether each plugin is newer than its sources and the sources of its dependencies.
fn is_fresh(folder: &Path) -> bool {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    let shared = newest(&sources.join("ask"));
    PACKAGES.iter().all(|package| {
        let built = fs::metadata(folder.join(format!("lib{package}.so"))).and_then(|file| file.modified());
        let shared = shared.filter(|_| !package.ends_with("_shim"));
        built.is_ok_and(|built| Some(built) >= newest(&sources.join(package)).max(shared))
    })
}

/// Time of the newest source. `None` if there are no sources here (a copied test binary).
fn newest(folder: &Path) -> Option<SystemTime> {
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => newest(&entry.path()),
            _ if entry.path().extension()? == "rs" => entry.metadata().ok()?.modified().ok(),
            _ => None,
        })
        .max()
}

fn build(folder: &Path) -> io::Result<()> {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => return Err(io::Error::other("no target folder to build plugins into")),
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--profile", profile, "--target-dir"])
        .arg(folder.parent().unwrap_or(folder));
    for package in PACKAGES {
        cargo.args(["--package", package]);
    }
    let output =
        cargo.output().map_err(|e| io::Error::other(format!("cargo, to build the server plugins: {e}")))?;
    if output.status.success() && is_there(folder) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the server plugins are not in {} and could not be built:\n{}",
        folder.display(),
        String::from_utf8_lossy(&output.stderr)
    )))
}

fn is_there(folder: &Path) -> bool {
    let Plugins { aws_auth, pam_module, pam_shim, names_shim } = within(folder);
    [aws_auth, pam_module, pam_shim, names_shim].iter().all(|file| file.is_file())
}

//! Exporters of the Prometheus project, to compare with: the distribution's packages, unpacked into the cache, so that none of
//! them is started as a service.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::account::ServerUser;
use crate::setup::step;
use crate::{apt, cache};

/// The program of that name from a package of the same name.
///
/// # Errors
/// If it cannot be had, with apt's words.
pub fn exporter(name: &str) -> io::Result<PathBuf> {
    let folder = cache::publish(&format!("exporters/{name}"), |folder| {
        step(&format!("fetching {name}"), || {
            download(name, folder).or_else(|e| match ServerUser::we_are_root() {
                true => apt::apt(&["update"]).and_then(|()| download(name, folder)),
                false => Err(e),
            })?;
            for entry in fs::read_dir(folder)? {
                let file = entry?.path();
                if file.extension().is_some_and(|extension| extension == "deb") {
                    run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(folder))?;
                    fs::remove_file(file)?;
                }
            }
            Ok(())
        })
    })?;
    Ok(folder.join("usr/bin").join(name))
}

fn download(package: &str, folder: &Path) -> io::Result<()> {
    // Its own user for downloads may not write here.
    let download = ["-qq", "-o", "APT::Sandbox::User=root", "download", package];
    run(Command::new("apt-get").args(download).current_dir(folder))
}

fn run(command: &mut Command) -> io::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|e| io::Error::other(format!("{program}: {e}")))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(io::Error::other(format!("{program}: {said}")))
        }
    }
}

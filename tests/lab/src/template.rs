//! Initialized data directories, kept per server version and user, and copied for every instance: copying
//! takes milliseconds, initializing takes seconds.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::account::ServerUser;
use crate::installed::Installed;
use crate::server_version::Engine;
use crate::{cache, mysql, postgres};

/// Increase this if the initialization of data directories changes.
const FORMAT: u32 = 1;

/// The template of that server's data directory. Creates it if it is missing.
pub(crate) fn template(installed: &Installed, user: &ServerUser) -> io::Result<PathBuf> {
    let name = format!("templates/{}-{}-{}-{FORMAT}", installed.server_version, installed.version, user.name);
    cache::publish(&name, |aside| {
        user.owns(aside)?;
        match installed.server_version.engine() {
            Engine::Postgres => postgres::initialise(&installed.programs, user, aside),
            Engine::Mysql | Engine::MariaDb => mysql::initialise(&installed.programs, user, aside),
        }
    })
}

/// Copies a template to `folder/data`, as the user that runs the server.
pub(crate) fn copy(template: &Path, user: &ServerUser, folder: &Path) -> io::Result<()> {
    let mut cp = Command::new("cp");
    cp.args(["-a", "--reflink=auto"]).arg(template.join("data")).arg(folder.join("data"));
    run(cp, user, folder, None)
}

/// Runs a preparing program as the servers' user in `folder`. The error contains its output.
pub(crate) fn run(
    mut command: Command,
    user: &ServerUser,
    folder: &Path,
    input: Option<&Path>,
) -> io::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    user.runs(&mut command);
    let input = match input {
        Some(file) => File::open(file)?.into(),
        None => Stdio::null(),
    };
    let output = command
        .current_dir(folder)
        .stdin(input)
        .output()
        .map_err(|e| io::Error::other(format!("{program}: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{program}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )))
}

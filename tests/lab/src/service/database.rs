//! The database container: the server of its image, configured like the lab's servers.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, ExitStatus};

use super::Member;
use crate::account::ServerUser;
use crate::certificates::ServerFiles;
use crate::deployment::{Around, Deployment, StartError, make_folder};
use crate::programs::Programs;
use crate::server_version::Engine;
use crate::{files, mysql, plugins, postgres};

/// A folder in the container. Its path is short, because it contains a Unix socket.
const HOME: &str = "/var/lib/pipeprobe-lab";

/// This file exists once the database has its users and tables. Without it, the next start begins from scratch.
const FURNISHED: &str = "furnished";

/// A running server.
#[derive(Debug)]
pub struct Running {
    deployment: Deployment,
    server: Child,
}

/// Starts `member` with these settings, such as `("wal_level", "replica")`, and returns when its users and tables exist. The image's
/// entry point is not used, only its programs, so that any base image works.
///
/// # Errors
/// If the image has no such server, `aws` has not prepared `shared`, or the server does not start; the container's log has the
/// server's message.
pub fn start(shared: &Path, member: &Member, settings: &[(String, String)]) -> io::Result<Running> {
    let programs = Programs::on_path(member.engine);
    if let Some(program) = programs.missing() {
        return Err(io::Error::other(format!("this image has no {program}; it was built on the wrong base")));
    }
    let user = ServerUser::find()?;
    let home = Path::new(HOME);
    make_folder(home, &user)?;
    // A copy of the key, because the server refuses a key that another user owns.
    let (made, tls) = (member.files(shared), ServerFiles::within(home));
    for (from, to) in [(&made.certificate, &tls.certificate), (&made.key, &tls.key)] {
        fs::copy(from, to).map_err(|e| files::named(from, &e))?;
        user.owns(to)?;
    }
    let deployment = Deployment {
        programs,
        user,
        plugins: plugins::within(&plugins::target_folder()?),
        folder: home.to_owned(),
        port: member.port(),
        tls,
        trust_root: shared.join("root.pem"),
        primary: None,
        around: Around::Container,
    };
    link(&member.verifier(shared), &deployment.verifier())?;
    make_folder(&deployment.scratch(), &deployment.user)?;

    let furnished = home.join(FURNISHED);
    if !furnished.is_file() {
        files::remove(&deployment.data())?;
        match member.engine {
            Engine::Postgres => postgres::initialise(&deployment.programs, &deployment.user, home)?,
            Engine::Mysql | Engine::MariaDb => {
                mysql::initialise(&deployment.programs, &deployment.user, home)?;
            }
        }
    }
    match member.engine {
        Engine::Postgres => {
            // Left by a killed container. Another process may have that process id now.
            match fs::remove_file(deployment.data().join("postmaster.pid")) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => postgres::configure(&deployment)?,
            }
        }
        Engine::Mysql | Engine::MariaDb => mysql::configure(&deployment)?,
    }
    let server = deployment.start(settings).map_err(|e| match e {
        StartError::PortTaken => io::Error::other(format!("port {} is taken", deployment.port)),
        StartError::Other(e) => e,
    })?;
    let running = Running { deployment, server };
    if !furnished.is_file() {
        match member.engine {
            Engine::Postgres => postgres::prepare(&running.deployment)?,
            Engine::Mysql | Engine::MariaDb => mysql::prepare(&running.deployment)?,
        }
        files::write(&furnished, "")?;
    }
    Ok(running)
}

/// Replaces `at` by a symbolic link to `to`.
fn link(to: &Path, at: &Path) -> io::Result<()> {
    match fs::remove_file(at) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(files::named(at, &e)),
        _ => symlink(to, at).map_err(|e| files::named(at, &e)),
    }
}

impl Running {
    /// The exit status of the server, if it has exited.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.server.try_wait()
    }

    /// Shuts the server down cleanly.
    pub fn stop(mut self) {
        self.deployment.shut_down(&mut self.server);
    }
}

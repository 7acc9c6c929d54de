//! Replacements for the official images, made without a registry. They are kept as a cache.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::docker::{Docker, text};
use crate::account::ServerUser;
use crate::installed::{obtain, tree};
use crate::mirror::Mirror;
use crate::server_version::ServerVersion;
use crate::setup::step;
use crate::{apt, cache, files, plugins};

/// Increase this if the content of the images changes.
const TAG: &str = "1";
/// The Debian release on which the programs of this machine were built, or an older one.
const RELEASE: &str = "bookworm";

/// One image for each official image.
#[derive(Clone, Debug)]
pub struct Bases {
    /// `debian:bookworm-slim`: a minimal Debian.
    pub debian: String,
    /// `postgres` and `mariadb`: Debian's packages, both in one image.
    pub databases: String,
    /// `mysql`, from the downloaded server, or the reason why it is not available.
    pub mysql: Result<String, String>,
}

impl Bases {
    /// Finds or creates the images. Downloaded packages are kept below `target`.
    ///
    /// # Errors
    /// Names what is missing to create them.
    pub fn obtain(docker: &Docker) -> io::Result<Self> {
        let _lock = cache::lock("docker-bases")?;
        let (debian, databases) = (name("debian"), name("databases"));
        debootstrap(docker, &debian, &[])?;
        debootstrap(docker, &databases, &["postgresql-15", "mariadb-server-core", "mariadb-client-core"])?;
        let mysql = match obtain(ServerVersion::Mysql9_7) {
            Ok(installed) => {
                // Tagged with the version, because the downloaded server gets updates.
                let image = format!("pipeprobe-lab/mysql:{TAG}-{}", installed.version);
                mysql(docker, &debian, &image)?;
                Ok(image)
            }
            Err(skipped) => Err(skipped.reason.trim().to_owned()),
        };
        Ok(Self { debian, databases, mysql })
    }
}

/// Removes the images of all versions, if a Docker engine runs.
pub fn remove() -> io::Result<()> {
    let Ok(docker) = Docker::find() else { return Ok(()) };
    let ours =
        ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=pipeprobe-lab/*"];
    for image in docker.run(&ours)?.lines() {
        docker.run(&["image", "rm", image])?;
    }
    Ok(())
}

fn name(of: &str) -> String {
    format!("pipeprobe-lab/{of}:{TAG}")
}

/// `target/docker`: packages, and the files of a run.
pub(crate) fn folder() -> io::Result<PathBuf> {
    let programs = plugins::target_folder()?;
    let folder = programs.parent().unwrap_or(&programs).join("docker");
    files::create(&folder)?;
    Ok(folder)
}

/// A minimal Debian with these packages from this machine's mirror. This machine's configuration files are
/// not copied; the containers have no outside network.
fn debootstrap(docker: &Docker, image: &str, packages: &[&str]) -> io::Result<()> {
    if docker.has_image(image) {
        return Ok(());
    }
    if !ServerUser::we_are_root() {
        return Err(io::Error::other("making base images takes root"));
    }
    apt::need("/usr/sbin/debootstrap", "debootstrap")?;
    let mirror = Mirror::of_this_machine().map_err(io::Error::other)?;
    let folder = folder()?;
    let (root, kept) = (folder.join("root"), folder.join("packages"));
    files::create(&kept)?;
    files::remove(&root)?;
    let made = step(&format!("making the image {image} with debootstrap"), || {
        let mut debootstrap = Command::new("/usr/sbin/debootstrap");
        debootstrap
            .args(["--variant=minbase", &format!("--keyring={}", mirror.keyring())])
            .arg(format!("--cache-dir={}", kept.display()))
            .args((!packages.is_empty()).then(|| format!("--include={}", packages.join(","))))
            .arg(RELEASE)
            .arg(&root)
            .arg(mirror.uri())
            .envs(mirror.proxies())
            .stdin(Stdio::null());
        text(&mut debootstrap)?;
        import(docker, &root, image)
    });
    files::remove(&root)?;
    made
}

/// Leaves out what the official images leave out: package archives and indexes, documentation.
fn import(docker: &Docker, root: &Path, image: &str) -> io::Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(root).args(["--create", "--exclude=./usr/share/doc/*", "--exclude=./usr/share/man/*"]);
    tar.args(["--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*", "."]);
    let mut tar = tar.stdout(Stdio::piped()).spawn()?;
    let archive = tar.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let imported = docker.feed(&["import", "-", image], archive);
    match tar.wait()?.success() {
        true => imported.map(drop),
        false => Err(io::Error::other("tar could not read the image's files")),
    }
}

/// The folder of a downloaded server, which has its own libraries, on a minimal Debian.
fn mysql(docker: &Docker, debian: &str, image: &str) -> io::Result<()> {
    if docker.has_image(image) {
        return Ok(());
    }
    let recipe = folder()?.join("mysql.Dockerfile");
    let path =
        "/opt/mysql/usr/sbin:/opt/mysql/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    files::write(&recipe, &format!("FROM {debian}\nCOPY . /opt/mysql\nENV PATH={path}\n"))?;
    step(&format!("making the image {image} from the lane {}", ServerVersion::Mysql9_7), || {
        let context = tree(ServerVersion::Mysql9_7).display().to_string();
        // From stdin, because the Dockerfile does not belong in the server's folder.
        let arguments = ["build", "--quiet", "--tag", image, "--file", "-", &context];
        docker.feed(&arguments, File::open(&recipe)?).map(drop)
    })
}

//! One run of docker-compose.yml: a folder with copies of all files, a unique project name, and a clean-up that
//! always runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::bases::{self, Bases};
use super::docker::{Docker, failed, finish, text};
use super::sbom;
use crate::{files, plugins, random};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Limit until all services are healthy. Only a machine under load comes near it.
const HEALTHY: Duration = Duration::from_mins(5);

/// The pipeprobe program in the project's folder.
const PROGRAM: &str = "out/pipeprobe/usr/local/bin/pipeprobe";

const LABEL: &str = "pipeprobe-lab.project";

/// The end of the Dockerfile's first stage.
const SECOND_STAGE: &str = "\nFROM ${BASE} AS lab\n";

/// A Compose project. Dropping it removes its containers, networks, volumes and images.
#[derive(Debug)]
pub(crate) struct Project {
    docker: Docker,
    pub(crate) name: String,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    supervisor: Child,
    pipe: Option<ChildStdin>,
}

/// The programs for the images, built on this machine.
#[derive(Clone, Debug)]
pub struct Programs {
    pub(crate) pipeprobe: PathBuf,
    pub(crate) lab: PathBuf,
    /// A CycloneDX document.
    pub(crate) sbom: String,
}

impl Programs {
    /// The running program for the lab, a built `pipeprobe`, and a new SBOM.
    pub fn built(pipeprobe: PathBuf, cargo: impl FnOnce() -> Command) -> io::Result<Self> {
        let sbom = sbom::sbom(cargo, &bases::folder()?)?;
        // Not by path: a concurrent cargo run may have replaced the file.
        let lab = format!("/proc/{}/exe", std::process::id()).into();
        Ok(Self { pipeprobe, lab, sbom })
    }
}

impl Project {
    pub(crate) fn new(docker: &Docker, bases: &Bases, programs: &Programs) -> io::Result<Self> {
        let name = format!("pipeprobe-lab-{:08x}", random::number() as u32);
        let folder = bases::folder()?.join(&name);
        stage(&folder, &name, programs)?;
        let environment = vec![
            // Any free port, because two runs may be in progress.
            ("PIPEPROBE_PORT", "0".to_owned()),
            ("RUST_IMAGE", bases.debian.clone()),
            ("DEBIAN_IMAGE", bases.debian.clone()),
            ("POSTGRES_IMAGE", bases.databases.clone()),
            ("MARIADB_IMAGE", bases.databases.clone()),
            ("MYSQL_IMAGE", bases.mysql.clone().unwrap_or_else(|_| bases.debian.clone())),
        ];
        // The pipe closes when its owner exits. No other process may hold it open.
        let mut down = docker.compose(&folder, &name);
        down.args(["down", "--volumes", "--remove-orphans", "--rmi", "local"]);
        down.args(["--timeout", "10"]);
        let mut supervisor = Command::new("setsid");
        supervisor
            .args(["/bin/sh", "-c", SUPERVISOR, "pipeprobe-lab-supervisor"])
            .arg(&folder)
            .arg(format!("label={LABEL}={name}"))
            .arg(down.get_program())
            .args(down.get_args())
            .envs(environment.iter().cloned())
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut supervisor = supervisor.spawn()?;
        let pipe = supervisor.stdin.take();
        Ok(Self { docker: docker.clone(), name, folder, environment, supervisor, pipe })
    }

    /// A Compose command in this project.
    pub(crate) fn compose(&self, arguments: &[&str]) -> Command {
        let mut command = self.docker.compose(&self.folder, &self.name);
        command.args(arguments).envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> io::Result<String> {
        text(&mut self.compose(arguments))
    }

    /// Runs the service `pipeprobe` once, next to the one that runs `serve`.
    pub(crate) fn pipeprobe(&self, arguments: &[&str]) -> io::Result<Output> {
        finish(&mut self.compose(&[&["run", "--rm", "-T", "pipeprobe"], arguments].concat()))
    }

    /// Starts services and waits until each is healthy.
    pub(crate) fn up(&self, services: &[&str]) -> io::Result<()> {
        let mut up = self.compose(&[&["up", "--detach"], services].concat());
        let output = finish(&mut up)?;
        if !output.status.success() {
            return Err(self.with_log(&failed(&up, &output)));
        }
        // `up --wait` does not exist in older versions of Compose.
        let deadline = Instant::now() + HEALTHY;
        loop {
            let states = self.states()?;
            let of = |service: &&str| states.iter().find(|(name, _)| name == service);
            if services.iter().all(|service| of(service).is_some_and(|(_, state)| state == "running healthy"))
            {
                return Ok(());
            }
            let lost = states.iter().any(|(_, s)| s.ends_with("unhealthy") || s.starts_with("exited"));
            if lost || Instant::now() > deadline {
                return Err(self.with_log(&io::Error::other(format!("not healthy: {states:?}"))));
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// Service and state of each container, such as `running healthy`.
    fn states(&self) -> io::Result<Vec<(String, String)>> {
        let format = "{{index .Config.Labels \"com.docker.compose.service\"}} {{.State.Status}}\
                      {{if .State.Health}} {{.State.Health.Status}}{{end}}";
        let states = self.inspect(format)?;
        let lines = states.lines().filter_map(|line| line.split_once(' '));
        Ok(lines.map(|(service, state)| (service.to_owned(), state.trim().to_owned())).collect())
    }

    /// `docker inspect` of every container of the project, one line each.
    pub(crate) fn inspect(&self, format: &str) -> io::Result<String> {
        let ids = self.run(&["ps", "--quiet"])?;
        let arguments = [&["inspect", "--format", format], &ids.lines().collect::<Vec<_>>()[..]].concat();
        self.docker.run(&arguments)
    }

    /// Bytes of pipeprobe's program in its image.
    pub(crate) fn program_size(&self) -> io::Result<u64> {
        Ok(fs::metadata(self.folder.join(PROGRAM))?.len())
    }

    /// The image that was built for a service.
    pub(crate) fn image_of(&self, service: &str) -> io::Result<String> {
        // Older versions of Compose join the two with `_` instead of `-`.
        let names = ['-', '_'].map(|joint| format!("{}{joint}{service}", self.name));
        let found = names.into_iter().find(|name| self.docker.has_image(name));
        found.ok_or_else(|| io::Error::other(format!("no image was built for {service}")))
    }

    fn with_log(&self, error: &io::Error) -> io::Error {
        let log = self.run(&["logs", "--no-color", "--tail", "20"]).unwrap_or_default();
        let health = self
            .inspect("{{.Name}} {{if .State.Health}}{{range .State.Health.Log}}{{.Output}}{{end}}{{end}}");
        io::Error::other(format!("{error}\n{log}\n{}", health.unwrap_or_default()))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.supervisor.wait();
    }
}

/// Runs `down` twice, because a container that was starting may appear after the first run.
const SUPERVISOR: &str = r#"
while read -r _; do :; done
folder=$1
label=$2
shift 2
"$@" || { sleep 2; "$@"; }
docker image prune --force --filter "$label"
rm -rf "$folder"
"#;

/// Copies the compose file and the Dockerfile, with its first stage replaced by the programs.
fn stage(folder: &Path, project: &str, programs: &Programs) -> io::Result<()> {
    let recipes = folder.join("tests/lab/docker");
    files::create(&recipes)?;
    files::copy(&Path::new(SOURCE).join("docker-compose.yml"), &folder.join("docker-compose.yml"))?;
    let dockerfile = Path::new(SOURCE).join("tests/lab/docker/Dockerfile");
    let text = fs::read_to_string(&dockerfile).map_err(|e| files::named(&dockerfile, &e))?;
    files::write(&recipes.join("Dockerfile"), &without_compiling(&text, project)?)?;

    let (out, lab) = (folder.join("out/pipeprobe"), folder.join("out/lab"));
    for folder in [&out.join("usr/local/bin"), &out.join("usr/share/sbom"), &lab] {
        files::create(folder)?;
    }
    strip(&programs.pipeprobe, &folder.join(PROGRAM))?;
    files::write(&out.join("usr/share/sbom/pipeprobe.cdx.json"), &programs.sbom)?;
    strip(&programs.lab, &lab.join("lab"))?;
    let built = plugins::find_or_build()?;
    for plugin in [&built.aws_auth, &built.pam_module, &built.pam_shim, &built.names_shim] {
        strip(plugin, &lab.join(plugin.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

/// The first stage has a label, so that its image can be found and removed.
fn without_compiling(dockerfile: &str, project: &str) -> io::Result<String> {
    let (first, second) = dockerfile
        .split_once(SECOND_STAGE)
        .ok_or_else(|| io::Error::other("the Dockerfile has another first stage than is known"))?;
    let arguments = first.lines().filter(|line| line.starts_with("ARG RUST") || line.starts_with("ARG BASE"));
    let arguments: String = arguments.flat_map(|line| [line, "\n"]).collect();
    let builder = format!("FROM ${{RUST}} AS builder\nLABEL {LABEL}={project}\nCOPY out /out\n");
    Ok(format!("{arguments}\n{builder}{SECOND_STAGE}{second}"))
}

fn strip(from: &Path, to: &Path) -> io::Result<()> {
    text(Command::new("strip").arg("-o").arg(to).arg(from))?;
    files::allow(to, 0o755)
}

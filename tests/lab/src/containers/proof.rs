//! Assertions about docker-compose.yml, on running containers.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use super::bases::Bases;
use super::docker::Docker;
use super::project::{Programs, Project};
use crate::setup::step;

/// The maximum size that pipeprobe's image may add to its base image besides the program: the SBOM.
const BESIDE: u64 = 1 << 20;

/// The check has a shorter timeout.
const PROBE: Duration = Duration::from_mins(1);

/// Each database with its expected capability, with `--basis server`.
const EXPECTED: [(&str, &str); 6] = [
    ("postgres", "cdc"),
    ("mysql", "cdc"),
    ("mariadb", "cdc"),
    ("postgres-snapshot", "initial_load_only"),
    ("mariadb-snapshot", "initial_load_only"),
    ("wrong-resource", "blocked"),
];

/// Runs docker-compose.yml with these base images and programs, and removes everything. Without an image for MySQL, that service is
/// left out.
///
/// # Errors
/// Names the assertion that failed.
pub fn prove(docker: &Docker, bases: &Bases, programs: &Programs) -> io::Result<()> {
    let project = Project::new(docker, bases, programs)?;
    let here: Vec<(&str, &str)> =
        EXPECTED.into_iter().filter(|(name, _)| *name != "mysql" || bases.mysql.is_ok()).collect();
    let names: Vec<&str> = here.iter().map(|(name, _)| *name).collect();
    let services: Vec<&str> =
        here.iter().map(|(name, _)| *name).filter(|name| *name != "wrong-resource").collect();

    is_clean(&project)?;
    step("building images", || {
        project.run(&[&["build", "aws", "pipeprobe"], &services[..]].concat()).map(drop)
    })?;
    is_small_and_labelled(docker, &project, bases)?;
    let all = [&["aws", "pipeprobe"], &services[..]].concat();
    step("starting containers until all are healthy", || project.up(&all))?;
    step("asking pipeprobe inside the network", || {
        let output = project.pipeprobe(&[&CHECK, &names[..]].concat())?;
        has_verdicts(&output, 3, &here)?;
        probe(&project, "mariadb", true)
    })?;
    nothing_leaks(&project)?;
    step("stopping a database", || {
        project.run(&["stop", "mariadb"])?;
        let output = project.pipeprobe(&[&CHECK[..], &["mariadb", "postgres"]].concat())?;
        has_verdicts(&output, 3, &[("mariadb", "blocked"), ("postgres", "cdc")])?;
        probe(&project, "mariadb", false)
    })?;
    step("restarting everything", || {
        // Keys, users and settings must be the same after a restart.
        project.run(&[&["restart"], &all[..]].concat())?;
        project.up(&all)?;
        let output = project.pipeprobe(&[&CHECK, &names[..]].concat())?;
        has_verdicts(&output, 3, &here)
    })?;
    step("taking everything down", || {
        let name = project.name.clone();
        drop(project);
        is_gone(docker, &name)
    })
}

const CHECK: [&str; 5] = ["check", "-o", "json", "--basis", "server"];

/// `config` prints the normalized file, and warnings on stderr.
fn is_clean(project: &Project) -> io::Result<()> {
    let mut config = project.compose(&["config"]);
    let output = super::docker::finish(&mut config)?;
    match output.status.success() && output.stderr.is_empty() {
        true => Ok(()),
        false => Err(super::docker::failed(&config, &output)),
    }
}

fn is_small_and_labelled(docker: &Docker, project: &Project, bases: &Bases) -> io::Result<()> {
    let image = project.image_of("pipeprobe")?;
    let look = |image: &str, what: &str| docker.run(&["image", "inspect", "--format", what, image]);
    let size =
        |image: &str| -> io::Result<u64> { look(image, "{{.Size}}")?.parse().map_err(io::Error::other) };
    let added = size(&image)?.saturating_sub(size(&bases.debian)?);
    // A debug build is larger than a release build, so the limit is for everything besides the program.
    let program = project.program_size()?;
    holds(added >= program && added < program + BESIDE, || {
        format!("{image} adds {added} bytes to its base, of which the program is {program}")
    })?;

    let user = look(&image, "{{.Config.User}}")?;
    holds(user == "65532:65532", || format!("{image} runs as {user}"))?;
    let version = look(&image, "{{index .Config.Labels \"org.opencontainers.image.version\"}}")?;
    let said = docker.run(&["run", "--rm", "--network", "none", "--read-only", &image, "-V"])?;
    holds(said == format!("pipeprobe {version}"), || format!("labelled {version}, but it is {said}"))
}

fn has_verdicts(output: &Output, code: i32, expected: &[(&str, &str)]) -> io::Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| io::Error::other(format!("no JSON document: {e}: {}\n{said}", output.status)))?;
    let reports = document["targets"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<(String, String)> =
        reports.iter().map(|r| (text(&r["target"]), text(&r["verdict"]["capability"]))).collect();
    let mut wanted: Vec<(String, String)> =
        expected.iter().map(|&(name, verdict)| (name.to_owned(), verdict.to_owned())).collect();
    found.sort();
    wanted.sort();
    holds(found == wanted && output.status.code() == Some(code), || {
        let why: Vec<&Value> = reports.iter().map(|report| &report["verdict"]["reason"]).collect();
        format!(
            "wanted {wanted:?} and exit code {code}, found {found:?} and {}: {why:?}\n{said}",
            output.status
        )
    })
}

/// The result of a new check of one database by the `serve` container, requested as Prometheus does.
fn probe(project: &Project, target: &str, success: bool) -> io::Result<()> {
    let address = project.run(&["port", "pipeprobe", "9719"])?;
    let mut stream = TcpStream::connect(&address)?;
    stream.set_read_timeout(Some(PROBE))?;
    write!(stream, "GET /probe?target={target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let line = format!("\nprobe_success {}", u8::from(success));
    holds(answer.starts_with("HTTP/1.1 200") && answer.contains(&line), || format!("wanted{line}: {answer}"))
}

/// Ports are published on loopback only. The caller's secret, which is in the volume, is in no log, no description of a
/// container and no health check's output.
fn nothing_leaks(project: &Project) -> io::Result<()> {
    let ports = project.inspect("{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}} {{end}}{{end}}")?;
    holds(ports.split_whitespace().all(|address| address.starts_with("127.")), || {
        format!("published on {ports}")
    })?;
    let credentials = project.run(&["exec", "-T", "postgres", "cat", "/lab/credentials"])?;
    let secret = credentials.lines().find_map(|line| line.strip_prefix("aws_secret_access_key = "));
    let secret =
        secret.filter(|s| s.len() == 40).ok_or_else(|| io::Error::other("no secret in the volume"))?;
    for said in [project.run(&["logs", "--no-color"])?, project.inspect("{{json .}}")?] {
        holds(said.len() > 1000, || format!("too little to be everything: {said}"))?;
        holds(!said.contains(secret), || "the caller's secret is in a log or a description".to_owned())?;
        holds(!said.contains("X-Amz-Signature"), || "a token is in a log or a description".to_owned())?;
    }
    Ok(())
}

fn is_gone(docker: &Docker, project: &str) -> io::Result<()> {
    let label = format!("label=com.docker.compose.project={project}");
    for what in [&["ps", "--all"][..], &["network", "ls"], &["volume", "ls"]] {
        let left = docker.run(&[what, &["--quiet", "--filter", &label]].concat())?;
        holds(left.is_empty(), || format!("left behind: docker {}: {left}", what[0]))?;
    }
    let images = docker.run(&["image", "ls", "--quiet", "--filter", &format!("reference={project}*")])?;
    holds(images.is_empty(), || format!("left behind: images {images}"))
}

fn holds(condition: bool, otherwise: impl FnOnce() -> String) -> io::Result<()> {
    match condition {
        true => Ok(()),
        false => Err(io::Error::other(otherwise())),
    }
}

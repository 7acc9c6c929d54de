//! Packages of this machine's distribution: finds missing ones and installs them.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::account::ServerUser;
use crate::installed::obtain;
use crate::server_version::ServerVersion;
use crate::setup::step;

/// Installs the packages that this distribution's servers and Python need. Returns at once if nothing is missing.
///
/// # Errors
/// If this process is not root, the command to type. If apt fails, its message.
pub(crate) fn install_missing() -> io::Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !ServerUser::we_are_root() {
        return Err(please_install(&packages));
    }
    step("refreshing the package index", || apt(&["update"]))?;
    if missing.contains(&"postgresql-15") && !Path::new(CLUSTERS).exists() {
        // The server package creates and starts a cluster, unless it is configured not to before it is installed.
        step("installing postgresql-common", || install(&["postgresql-common"]))?;
        make_no_cluster()?;
    }
    step(&format!("installing {packages}"), || install(&missing))
}

/// Installs a package that only some commands need, unless its program exists.
///
/// # Errors
/// As [`install_missing`].
pub(crate) fn need(program: &str, package: &str) -> io::Result<()> {
    if Path::new(program).is_file() {
        return Ok(());
    }
    if !ServerUser::we_are_root() {
        return Err(please_install(package));
    }
    step("refreshing the package index", || apt(&["update"]))?;
    step(&format!("installing {package}"), || install(&[package]))
}

fn please_install(packages: &str) -> io::Error {
    io::Error::other(format!("please install, as root: apt-get install --no-install-recommends {packages}"))
}

const CLUSTERS: &str = "/etc/postgresql-common/createcluster.conf";

fn missing() -> Vec<&'static str> {
    let mut packages = Vec::new();
    if obtain(ServerVersion::Postgres15).is_err() {
        packages.extend(["postgresql-15", "postgresql-client-15"]);
    }
    if obtain(ServerVersion::MariaDb10_11).is_err() {
        packages.extend(["mariadb-server-core", "mariadb-client-core"]);
    }
    if !Path::new("/usr/bin/cc").exists() {
        packages.push("build-essential");
    }
    // Without ensurepip a venv has no pip.
    let ensurepip = Command::new("/usr/bin/python3")
        .args(["-c", "import ensurepip, venv"])
        .stderr(Stdio::null())
        .status();
    if !crate::python::CLIENTS.is_there() && !ensurepip.is_ok_and(|status| status.success()) {
        packages.push("python3-venv");
    }
    packages
}

/// Installs packages that only some tests need.
pub(crate) fn install_wanted(packages: &[&str]) -> io::Result<()> {
    if !ServerUser::we_are_root() {
        let packages = packages.join(" ");
        return Err(io::Error::other(format!(
            "to be installed, as root: apt-get install --no-install-recommends {packages}"
        )));
    }
    install(packages).or_else(|_| {
        // The package index may be missing or old.
        apt(&["update"])?;
        install(packages)
    })
}

fn make_no_cluster() -> io::Result<()> {
    let text = fs::read_to_string(CLUSTERS)?;
    let kept = text.lines().filter(|line| !line.contains("create_main_cluster"));
    let text: String = kept.chain(["create_main_cluster = false"]).flat_map(|line| [line, "\n"]).collect();
    fs::write(CLUSTERS, text)
}

fn install(packages: &[&str]) -> io::Result<()> {
    let options = ["install", "--yes", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"];
    apt(&[&options[..], packages].concat())
}

fn apt(arguments: &[&str]) -> io::Result<()> {
    let output = Command::new("apt-get")
        .arg("-qq")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| io::Error::other(format!("apt-get: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("apt-get {} failed:\n{}", arguments.join(" "), said.trim())))
}

//! Servers of newer distribution releases, without changes to the system: a private apt state downloads the packages, dpkg-deb
//! unpacks them into a folder, and every program is started with the loader and libraries of that folder. No root, no
//! chroot, no maintainer scripts.
//!
//! Signatures are verified. Only the age of the unstable release's index is not checked, because a mirror may have an
//! old one. That is acceptable for servers that listen on loopback only.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::mirror::Mirror;
use crate::server_version::{ServerVersion, Source};
use crate::{cache, files};

/// Downloads a server into the cache, unless it exists. The error says why it is not available; it is also stored for
/// [`crate::obtain`].
pub(crate) fn fetch(server_version: ServerVersion) -> io::Result<PathBuf> {
    let Source::Fetched { release, packages } = server_version.source() else {
        return Ok("/".into());
    };
    let fetched = cache::publish(&format!("lanes/{server_version}"), |aside| {
        with_apt(server_version.name(), release, |apt| {
            unpack(&apt.download(packages)?, aside)?;
            wrap_programs(server_version.engine().programs(), &server_version.program_folders(), aside)
        })
    });
    cache::remember(server_version.name(), &fetched);
    fetched
}

/// Unpacks exactly these packages into `root`, without dependencies, for programs that this machine can run directly.
pub(crate) fn unpack_alone(name: &str, release: &str, packages: &[&str], root: &Path) -> io::Result<()> {
    with_apt(name, release, |apt| unpack(&apt.download_alone(packages)?, root))
}

/// Unpacks these packages and the libraries they need into `root`. Each program is started with the loader and the libraries of
/// that folder.
pub(crate) fn unpack_programs(
    name: &str,
    release: &str,
    packages: &[&str],
    programs: &[&str],
    root: &Path,
) -> io::Result<()> {
    with_apt(name, release, |apt| {
        unpack(&apt.download(packages)?, root)?;
        wrap_programs(programs, &["usr/bin", "usr/sbin"], root)
    })
}

/// Runs `work` with a private apt state for that release, and removes the state afterwards.
fn with_apt(name: &str, release: &str, work: impl FnOnce(&State) -> io::Result<()>) -> io::Result<()> {
    let folder = cache::folder().join("aside").join(format!("apt-{name}"));
    files::remove(&folder)?;
    let done = Mirror::of_this_machine()
        .map_err(io::Error::other)
        .and_then(|mirror| State::new(&folder, &mirror, release))
        .and_then(|state| work(&state));
    files::remove(&folder)?;
    done
}

/// A private apt state: one release, nothing installed, all files in one folder.
struct State {
    folder: PathBuf,
    config: PathBuf,
}

impl State {
    fn new(folder: &Path, mirror: &Mirror, release: &str) -> io::Result<Self> {
        for part in
            ["etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial", "debs"]
        {
            files::create(&folder.join(part))?;
        }
        // Empty, so that every library is downloaded regardless of what the machine has.
        File::create(folder.join("status"))?;
        fs::write(folder.join("sources.list"), mirror.line(release))?;
        let config = folder.join("apt.conf");
        let root = folder.display();
        fs::write(
            &config,
            format!(
                r#"Dir "{root}";
Dir::Etc "{root}/etc";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::netrc "/etc/apt/auth.conf";
Dir::Etc::netrcparts "/etc/apt/auth.conf.d";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
{}"#,
                mirror.how_to_reach()
            ),
        )?;
        let state = Self { folder: folder.to_owned(), config };
        state.run("apt-get", &["update", "-qq", "--error-on=any"], &[])?;
        Ok(state)
    }

    /// Downloads the packages and the libraries they need.
    fn download(&self, packages: &[&str]) -> io::Result<Vec<PathBuf>> {
        let plan = self.run("apt-get", &["install", "--simulate", "--no-install-recommends"], packages)?;
        let wanted: Vec<&str> = plan
            .lines()
            .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
            .filter(|name| packages.contains(name) || is_needed(name))
            .collect();
        self.download_alone(&wanted)
    }

    fn download_alone(&self, wanted: &[&str]) -> io::Result<Vec<PathBuf>> {
        self.run("apt-get", &["download", "-qq"], wanted)?;
        let files = fs::read_dir(self.folder.join("debs"))?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        if files.len() < wanted.len() {
            return Err(io::Error::other("apt did not download every package"));
        }
        Ok(files)
    }

    fn run(&self, program: &str, options: &[&str], packages: &[&str]) -> io::Result<String> {
        let output = Command::new(program)
            .args(options)
            .args(packages)
            .current_dir(self.folder.join("debs"))
            .env("APT_CONFIG", &self.config)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(|e| io::Error::other(format!("{program}: {e}")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().filter(|l| l.starts_with("E:")).collect();
        Err(io::Error::other(format!("{program} {}: {}", options.first().unwrap_or(&""), lines.join(" "))))
    }
}

/// Keeps libraries and drops packages that only scripts or optional parts need. This halves the download.
fn is_needed(package: &str) -> bool {
    let unneeded =
        ["libperl", "libllvm", "libz3", "libc-", "libgdbm", "libdb5", "libsemanage", "libsystemd-shared"];
    package.starts_with("lib")
        && !package.ends_with("-perl")
        && !package.ends_with("-common")
        && !unneeded.iter().any(|prefix| package.starts_with(prefix))
}

fn unpack(files: &[PathBuf], root: &Path) -> io::Result<()> {
    for file in files {
        let output = Command::new("dpkg-deb").arg("-x").arg(file).arg(root).output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!(
                "dpkg-deb {}: {}",
                file.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
    }
    files::allow(root, 0o755)?;
    for part in ["doc", "man", "locale", "lintian", "bug", "info", "gcc", "gdb"] {
        files::remove(&root.join("usr/share").join(part))?;
    }
    files::remove(&root.join("etc"))?;
    files::remove(&root.join("var"))
}

/// Replaces each program by a script that starts it with the loader of the folder. The path is relative to the script, so the
/// folder can be renamed. Scripts are needed because programs start each other (initdb starts postgres).
fn wrap_programs(programs: &[&str], folders: &[&str], root: &Path) -> io::Result<()> {
    let (loader, libraries) = match std::env::consts::ARCH {
        "x86_64" => ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"),
        "aarch64" => ("usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu"),
        other => return Err(io::Error::other(format!("not tried on {other}"))),
    };
    for program in programs {
        let (folder, path) = folders
            .iter()
            .map(|folder| (folder, root.join(folder).join(program)))
            .find(|(_, path)| path.is_file())
            .ok_or_else(|| io::Error::other(format!("no {program} in the packages")))?;
        // A link to another name (mysql → mariadb) must not become a script that starts itself.
        let real = path.with_extension("elf");
        fs::rename(fs::canonicalize(&path)?, &real)?;
        if path.is_symlink() {
            // The script would be written to the name that the link leads to.
            fs::remove_file(&path)?;
        }
        let up = folder.split('/').map(|_| "..").collect::<Vec<_>>().join("/");
        let script = format!(
            r#"#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/{up}")
exec "$root/{loader}" --inhibit-cache --argv0 "$here/{program}" --library-path "$root/{libraries}" ${{PIPEPROBE_LAB_PRELOAD:+--preload "$PIPEPROBE_LAB_PRELOAD"}} "$here/{program}.elf" "$@"
"#
        );
        files::write_script(&path, &script)?;
    }
    // The other programs cannot run without such a script, and some are large.
    for folder in ["usr/bin", "usr/sbin"] {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten() {
            let path = entry?.path();
            let name = path.file_stem().unwrap_or_default();
            if !programs.iter().any(|program| name == *program) {
                fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

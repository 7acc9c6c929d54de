//! `cargo lab package`: builds the Debian package of pipeprobe, installs it into an empty folder and runs the program there.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use super::setup;

#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// Package the debug build, for a quick test
    #[arg(long)]
    debug: bool,
}

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

pub(crate) fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let debug = lab::setup::target_folder()?;
    let target = debug.parent().unwrap_or(&debug).to_owned();
    let profile = if arguments.debug { "dev" } else { "dist" };
    let built = target.join(if arguments.debug { "debug" } else { "dist" });
    let mut build = setup::cargo();
    build.args(["build", "--package", "pipeprobe", "--profile", profile, "--target-dir"]).arg(&target);
    finished(build.current_dir(REPOSITORY))?;
    let program = built.join("pipeprobe");
    // cargo-deb reads the files of a release build, so it gets a target folder with these files.
    let folder = built.join("deb");
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    write_files(&program, &folder.join("release/dist"))?;
    fs::copy(&program, folder.join("release/pipeprobe"))?;

    let package = built.join("pipeprobe.deb");
    let mut deb = Command::new(lab::policy::cargo_deb(setup::cargo)?);
    deb.args(["deb", "--no-build", "--no-strip", "--output"]).arg(&package);
    finished(deb.env("CARGO_TARGET_DIR", &folder).current_dir(REPOSITORY))?;
    try_package(&package, &program)?;
    println!("{} ({} bytes)", package.display(), fs::metadata(&package)?.len());
    Ok(ExitCode::SUCCESS)
}

/// What the program generates for the package.
fn write_files(program: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    finished(Command::new(program).args(["man", "--output-dir"]).arg(folder.join("man")))?;
    for shell in ["bash", "zsh", "fish"] {
        fs::write(folder.join(format!("pipeprobe.{shell}")), printed(program, &["completions", shell])?)?;
    }
    fs::write(folder.join("pipeprobe.toml"), printed(program, &["config", "example", "config"])?)?;
    // The example is for a program that was installed by hand.
    let unit = printed(program, &["config", "example", "systemd"])?;
    fs::write(folder.join("pipeprobe.service"), unit.replace("/usr/local/bin/", "/usr/bin/"))
}

/// Installs the package and runs its program.
fn try_package(package: &Path, program: &Path) -> io::Result<()> {
    let root = package.with_extension("installed");
    if root.is_dir() {
        fs::remove_dir_all(&root)?;
    }
    install(package, &root)?;
    for file in [
        "usr/share/man/man1/pipeprobe.1",
        "usr/share/man/man1/pipeprobe-check.1",
        "usr/share/bash-completion/completions/pipeprobe",
        "usr/share/zsh/vendor-completions/_pipeprobe",
        "usr/share/fish/vendor_completions.d/pipeprobe.fish",
        "usr/lib/systemd/system/pipeprobe.service",
        "usr/share/doc/pipeprobe/examples/pipeprobe.toml",
        "usr/share/doc/pipeprobe/copyright",
    ] {
        // cargo-deb compresses man pages of release builds.
        if !root.join(file).is_file() && !root.join(format!("{file}.gz")).is_file() {
            return Err(io::Error::other(format!("the package has no {file}")));
        }
    }
    let unit = fs::read_to_string(root.join("usr/lib/systemd/system/pipeprobe.service"))?;
    if unit.contains("/usr/local/") {
        return Err(io::Error::other("the unit of the package starts a program in /usr/local"));
    }
    let installed = root.join("usr/bin/pipeprobe");
    let [expected, found] = [program, &installed].map(|program| printed(program, &["--version"]));
    match (expected?, found?) {
        (expected, found) if expected == found => fs::remove_dir_all(root),
        (_, found) => Err(io::Error::other(format!("the program of the package is another one: {found}"))),
    }
}

/// As dpkg installs it, with an empty database in that folder. Only root can give files to root; for others it is unpacked.
fn install(package: &Path, root: &Path) -> io::Result<()> {
    let database = root.join("var/lib/dpkg");
    for folder in ["info", "updates"] {
        fs::create_dir_all(database.join(folder))?;
    }
    fs::write(database.join("status"), "")?;
    if fs::metadata(root)?.uid() != 0 {
        eprintln!("lab: SKIPPED dpkg --install: only root can do it; the package is unpacked");
        return finished(Command::new("dpkg-deb").arg("--extract").arg(package).arg(root));
    }
    let mut dpkg = Command::new("dpkg");
    // The libraries of this machine are not in that folder.
    dpkg.arg("--root").arg(root).args(["--force-depends", "--log=/dev/null", "--install"]).arg(package);
    finished(&mut dpkg)?;
    let mut query = Command::new("dpkg-query");
    query.arg("--admindir").arg(&database).args(["--show", "--showformat=${db:Status-Status}", "pipeprobe"]);
    let output = query.output()?;
    match output.stdout == b"installed" {
        true => finished(Command::new("dpkg").arg("--root").arg(root).args(["--verify", "pipeprobe"])),
        false => Err(io::Error::other(format!("dpkg-query: {output:?}"))),
    }
}

fn finished(command: &mut Command) -> io::Result<()> {
    let status = command.status().map_err(|e| io::Error::other(format!("{command:?}: {e}")))?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?}: {status}"))) }
}

fn printed(program: &Path, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    match output.status.success() {
        true => String::from_utf8(output.stdout).map_err(io::Error::other),
        false => Err(io::Error::other(format!("{} {arguments:?}: {}", program.display(), output.status))),
    }
}

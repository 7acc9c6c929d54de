//! Docker and Compose of this machine, through their command lines.

use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A running Docker engine with Compose.
#[derive(Clone, Debug)]
pub struct Docker {
    compose: &'static [&'static str],
    /// Names and versions, for a person.
    pub versions: String,
}

impl Docker {
    /// Finds Docker and Compose, or says why they are not available.
    pub fn find() -> Result<Self, String> {
        let engine = ask("docker", &["version", "--format", "{{.Server.Version}}"])
            .map_err(|why| format!("no Docker engine answers: {why}"))?;
        // First the plugin, then the older stand-alone program.
        let composes: [&'static [&'static str]; 2] = [&["docker", "compose"], &["docker-compose"]];
        for compose in composes {
            if let Ok(version) = ask(compose[0], &[&compose[1..], &["version", "--short"]].concat()) {
                return Ok(Self { compose, versions: format!("Docker {engine}, Compose {version}") });
            }
        }
        Err(format!("Docker {engine} answers, but there is no Compose"))
    }

    /// Runs `docker` and returns what it prints.
    pub(crate) fn run(&self, arguments: &[&str]) -> io::Result<String> {
        text(Command::new("docker").args(arguments))
    }

    /// Runs `docker` with `input` for its stdin.
    pub(crate) fn feed(&self, arguments: &[&str], input: impl Into<Stdio>) -> io::Result<String> {
        text(Command::new("docker").args(arguments).stdin(input))
    }

    /// A Compose command for the project of that name in `folder`.
    pub(crate) fn compose(&self, folder: &Path, project: &str) -> Command {
        let mut command = Command::new(self.compose[0]);
        command.args(&self.compose[1..]).args(["--project-name", project]).arg("--file");
        command.arg(folder.join("docker-compose.yml")).current_dir(folder);
        command
    }

    pub(crate) fn has_image(&self, image: &str) -> bool {
        self.run(&["image", "inspect", "--format", "{{.Id}}", image]).is_ok()
    }
}

/// The output of a command, or an error with its message.
pub(crate) fn text(command: &mut Command) -> io::Result<String> {
    let output = finish(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(failed(command, &output))
}

/// Runs a command until it exits, with any status.
pub(crate) fn finish(command: &mut Command) -> io::Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().map_err(|e| io::Error::other(format!("{program}: {e}")))
}

/// The last lines of a command's output.
pub(crate) fn failed(command: &Command, output: &Output) -> io::Error {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.trim().lines().collect();
    let tail = lines[lines.len().saturating_sub(40)..].join("\n");
    let program = command.get_program().to_string_lossy();
    io::Error::other(format!("{program} {}: {}\n{tail}", words.join(" "), output.status))
}

fn ask(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.success() && !said.trim().is_empty() {
        true => Ok(said.trim().to_owned()),
        false => Err(complaint.trim().lines().next_back().unwrap_or("it says nothing").to_owned()),
    }
}

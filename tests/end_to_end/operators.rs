//! What operators put around `serve`, judged by the programs that it is for: Prometheus and promtool, a browser,
//! systemd, Kubernetes' schemas.

#[path = "operators/browser.rs"]
mod browser;
#[path = "operators/documented.rs"]
mod documented;
#[path = "operators/kubernetes.rs"]
mod kubernetes;
#[path = "operators/prometheus.rs"]
mod prometheus;
#[path = "operators/shipped.rs"]
mod shipped;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use lab::Tool;

use crate::support::skipped;

/// The program, or nothing, and that is said.
fn find(tool: Tool) -> Option<PathBuf> {
    tool.find().map_err(|why| skipped(format!("{}: {why}", tool.name()))).ok()
}

/// What `pipeprobe config example NAME` prints.
fn example(name: &str) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_pipeprobe")).args(["config", "example", name]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every name that `pipeprobe config example` lists.
fn examples() -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_pipeprobe")).args(["config", "example"]).output().unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// Runs it to its end in that folder, and gives its words if it is content.
#[track_caller]
fn content(program: &Path, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let words =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} {arguments:?}: {}\n{words}", program.display(), output.status);
    words
}

//! Build script: gives the program its commit and its features, for `pipeprobe --version`.

#![expect(clippy::disallowed_methods, reason = "cargo passes the input of a build script in variables")]

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    println!("cargo::rerun-if-env-changed=PIPEPROBE_COMMIT");
    let commit = match (std::env::var("PIPEPROBE_COMMIT"), std::env::var("PROFILE").as_deref()) {
        // A package or an image is built without the repository.
        (Ok(commit), _) if !commit.is_empty() => commit,
        // Otherwise every commit would compile the program again.
        (_, Ok("debug")) => "debug build".to_owned(),
        _ => {
            if let Some(head) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
                println!("cargo::rerun-if-changed={head}");
            }
            git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
                .unwrap_or_else(|| "unknown".to_owned())
        }
    };
    println!("cargo::rustc-env=PIPEPROBE_COMMIT={commit}");
    println!("cargo::rustc-env=PIPEPROBE_FEATURES={}", features());
}

/// The features of Cargo.toml that are on, which cargo passes as `CARGO_FEATURE_NAME`.
fn features() -> String {
    let mut features: Vec<String> = std::env::vars()
        .filter_map(|(variable, _)| Some(variable.strip_prefix("CARGO_FEATURE_")?.to_owned()))
        .filter(|feature| feature != "DEFAULT")
        .map(|feature| feature.to_lowercase().replace('_', "-"))
        .collect();
    features.sort();
    if features.is_empty() { "none".to_owned() } else { features.join(", ") }
}

/// One line of git's output; `None` without git or outside of a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()).filter(|line| !line.is_empty())
}

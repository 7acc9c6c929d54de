//! The SBOM of pipeprobe's image: CycloneDX, made from cargo's metadata.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::docker::text;
use crate::cargo_tool::cargo_tool;
use crate::{cache, files};

/// The line of the Dockerfile that pins the version.
const VERSION: &str = "ARG CARGO_CYCLONEDX=";
/// The Dockerfile's line that runs it.
const RUN: &str = "RUN cargo cyclonedx ";

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The document, made in `folder` as the Dockerfile does. The tool writes next to manifests, so it gets copies.
pub(crate) fn sbom(cargo: impl FnOnce() -> Command, folder: &Path) -> io::Result<String> {
    let _lock = cache::lock("docker-sbom")?;
    let source = Path::new(SOURCE);
    let dockerfile = fs::read_to_string(source.join("tests/lab/docker/Dockerfile"))?;
    let line = |start: &str| dockerfile.lines().find_map(|line| line.strip_prefix(start));
    let (Some(version), Some(options)) = (line(VERSION), line(RUN)) else {
        return Err(io::Error::other("the Dockerfile makes its SBOM in another way than is known"));
    };
    let program = cargo_tool("cargo-cyclonedx", version, "the SBOM", cargo())?;
    let copy = folder.join("sbom");
    files::remove(&copy)?;
    files::create(&copy)?;
    for name in ["Cargo.toml", "Cargo.lock"] {
        files::copy(&source.join(name), &copy.join(name))?;
    }
    for name in ["src", "tests/lab"] {
        let to = copy.join(name);
        files::create(to.parent().unwrap_or(&copy))?;
        text(Command::new("cp").arg("-r").arg(source.join(name)).arg(&to))?;
    }
    text(Command::new(program).arg("cyclonedx").args(options.split_whitespace()).current_dir(&copy))?;
    let made = copy.join("pipeprobe.cdx.json");
    let document = fs::read_to_string(&made).map_err(|e| files::named(&made, &e))?;
    is_whole(&document)?;
    files::remove(&copy)?;
    Ok(document)
}

/// Whether it describes pipeprobe with the right version of a library.
fn is_whole(document: &str) -> io::Result<()> {
    let document: Value = serde_json::from_str(document)?;
    let components = document["components"].as_array().map_or(&[][..], Vec::as_slice);
    let has = |name: &str| components.iter().any(|part| part["name"] == name && part["version"].is_string());
    let is_ours = document["metadata"]["component"]["name"] == "pipeprobe";
    // It must list a direct and an indirect dependency, and no development dependency.
    match is_ours && has("rustls") && has("ring") && !has("trycmd") {
        true => Ok(()),
        false => Err(io::Error::other("the SBOM does not list what pipeprobe is made of")),
    }
}

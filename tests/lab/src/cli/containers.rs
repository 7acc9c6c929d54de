//! `cargo lab containers`, also a part of `cargo lab test`.

use std::io;
use std::process::ExitCode;

use lab::containers::{self, Bases, Docker, Programs};

use super::setup;

pub(crate) fn run() -> io::Result<ExitCode> {
    setup::prepare(false)?;
    prove(&mut |line| eprintln!("{line}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Tests docker-compose.yml if a Docker engine runs. `skipped` receives the name of every part that could not be tested.
///
/// # Errors
/// Names the assertion that failed.
pub(crate) fn prove(skipped: &mut impl FnMut(String)) -> io::Result<()> {
    let docker = match Docker::find() {
        Ok(docker) => docker,
        Err(reason) => {
            skipped(format!("lab: SKIPPED containers: {reason}"));
            return Ok(());
        }
    };
    println!("lab: docker-compose.yml on {}", docker.versions);
    let bases = match Bases::obtain(&docker) {
        Ok(bases) => bases,
        Err(e) => {
            skipped(format!("lab: SKIPPED containers: no base images: {e}"));
            return Ok(());
        }
    };
    if let Err(reason) = &bases.mysql {
        skipped(format!("lab: SKIPPED containers/mysql: {reason}"));
    }
    let programs = Programs::built(setup::pipeprobe()?, setup::cargo)?;
    containers::prove(&docker, &bases, &programs)?;
    println!("lab: docker-compose.yml holds");
    Ok(())
}

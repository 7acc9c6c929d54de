//! `agent`, until a signal stops it.

use std::io;

use super::{Exit, refuse};
use crate::{
    agent::{self, Reread, RunError},
    cli::Format,
    config::Agent,
    verify::Clock,
};

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// The system's.
pub async fn agent(config: Agent, reread: Reread, clock: Clock) -> io::Result<Exit> {
    match agent::run(config, reread, clock).await {
        Ok(()) => Ok(Exit::Met),
        Err(RunError::Invalid(invalid)) => refuse(&invalid, Format::Text, &mut io::sink()),
        Err(RunError::Io(error)) => Err(error),
    }
}

//! Everything that a lab needs: system packages, downloaded servers, templates, plugins, Python libraries.
//! Each part does nothing if it exists already.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use crate::account::ServerUser;
use crate::installed::{Installed, Skipped, obtain};
use crate::server_version::ServerVersion;
use crate::tool::Tool;
use crate::{apt, cache, fetch, plugins, python, readers, template};

/// The result for one server version.
pub type Outcome = Result<Installed, Skipped>;

/// Downloads everything that is missing. `again` also retries recent failures. Progress goes to stderr.
///
/// # Errors
/// If a part that is never optional is missing: system packages, plugins, a template.
pub fn run(again: bool) -> io::Result<Vec<Outcome>> {
    apt::install_missing()?;
    let mut outcomes = Vec::new();
    for server_version in ServerVersion::all() {
        let known = server_version.is_always_there() || obtain(server_version).is_ok();
        if !known && (again || !cache::failed_lately(server_version.name())) {
            // The reason is stored for `obtain`.
            let _ = step(&format!("fetching {server_version} from the distribution's newer release"), || {
                fetch::fetch(server_version)
            });
        }
        outcomes.push(obtain(server_version));
    }
    if let Some(Err(skipped)) =
        outcomes.iter().find(|o| matches!(o, Err(s) if s.server_version.is_always_there()))
    {
        return Err(skipped.clone().into());
    }
    let user = ServerUser::find()?;
    for installed in outcomes.iter().flatten() {
        template::template(installed, &user)?;
    }
    plugins::find_or_build()?;
    let python = python::CLIENTS;
    if !python.is_there() && (again || !cache::failed_lately(python.name)) {
        // Tests that need it are then reported as skipped.
        let _ = python.make();
    }
    if !readers::is_there() && (again || !cache::failed_lately(readers::NAME)) {
        let _ = readers::fetch();
    }
    Ok(outcomes)
}

/// Downloads the tools that only some tests need, and returns the reason for each that is not available. `again` as for [`run`].
pub fn tools(again: bool) -> Vec<(Tool, Result<(), String>)> {
    let get = |tool: Tool| {
        if tool.find().is_err() && (again || !tool.failed_lately()) {
            // The reason is stored for `find`.
            let _ = tool.get();
        }
        (tool, tool.find().map(drop))
    };
    Tool::ALL.into_iter().map(get).collect()
}

/// The folder that cargo builds programs of this profile into, such as `target/debug`.
pub fn target_folder() -> io::Result<PathBuf> {
    plugins::target_folder()
}

/// Prints the name of a slow step, and then its duration.
pub fn step<T>(what: &str, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    eprintln!("lab: {what} …");
    let start = Instant::now();
    let done = work();
    let seconds = start.elapsed().as_secs_f32();
    match &done {
        Ok(_) => eprintln!("lab: … done in {seconds:.1} s"),
        Err(e) => eprintln!("lab: … failed after {seconds:.1} s: {e}"),
    }
    done
}

//! Everything that must be there before a lab starts: system packages, fetched lanes, templates, plugins, Python's libraries.
//! Each part does nothing when it is there already.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use crate::account::ServerUser;
use crate::installed::{Installed, Skipped, obtain};
use crate::server_version::ServerVersion;
use crate::tool::Tool;
use crate::{apt, cache, fetch, plugins, python, readers, template};

/// What a lane turned out to be.
pub type Outcome = Result<Installed, Skipped>;

/// Gets everything that is missing; `again` also retries at once what could not be had lately. Progress goes to stderr.
///
/// # Errors
/// If a part that is never optional is missing: system packages, plugins, a template.
pub fn run(again: bool) -> io::Result<Vec<Outcome>> {
    apt::install_missing()?;
    let mut outcomes = Vec::new();
    for server_version in ServerVersion::all() {
        let known = server_version.is_always_there() || obtain(server_version).is_ok();
        if !known && (again || !cache::failed_lately(server_version.name())) {
            // Why it failed is kept for `obtain`.
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
        // Some tests go without it, and say so.
        let _ = python.make();
    }
    if !readers::is_there() && (again || !cache::failed_lately(readers::NAME)) {
        let _ = readers::fetch();
    }
    Ok(outcomes)
}

/// Gets the tools that only some tests want, and says of each why it cannot be had, if it cannot; `again` as for [`run`].
pub fn tools(again: bool) -> Vec<(Tool, Result<(), String>)> {
    let get = |tool: Tool| {
        if tool.find().is_err() && (again || !tool.failed_lately()) {
            // Why it failed is kept for `find`.
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

/// Says what takes long, and then how long it took.
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

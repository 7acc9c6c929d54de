//! `cargo lab up`.

use std::io::{self, Write};
use std::process::ExitCode;

use lab::{Lab, ServerVersion};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::setup;

pub(crate) fn run(mut server_versions: Vec<ServerVersion>, no_setup: bool) -> io::Result<ExitCode> {
    if !no_setup {
        let outcomes = setup::prepare(false)?;
        setup::announce(&outcomes.into_iter().filter_map(Result::err).collect::<Vec<_>>());
    }
    if server_versions.is_empty() {
        server_versions = setup::one_of_each();
    }
    // Before anything is started. Until here a signal simply ends the process.
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let lab = Lab::start(&server_versions)?;
    let config = lab.write_config()?;
    print(&lab, &config.display().to_string())?;

    signals.forever().next();
    eprintln!("lab: taking everything away");
    drop(lab);
    Ok(ExitCode::SUCCESS)
}

fn print(lab: &Lab, config: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "# The lab is up. Its keys are pretend: they open nothing but this lab.")?;
    for (name, value) in lab.environment() {
        writeln!(out, "export {name}={value}")?;
    }
    writeln!(out, "\n# A configuration file with a table for each server")?;
    writeln!(out, "{config}")?;

    writeln!(out, "\n# Ask pipeprobe")?;
    let pipeprobe = setup::pipeprobe()?;
    for instance in lab.instances() {
        writeln!(out, "{} check --config-file {config} {}", pipeprobe.display(), instance.name)?;
    }

    writeln!(out, "\n# Be the database's administrator")?;
    for instance in lab.instances() {
        writeln!(out, "{}", instance.superuser_shell())?;
    }
    writeln!(out, "\n# Read a server's log")?;
    for instance in lab.instances() {
        writeln!(out, "less {}", lab.dir().join(&instance.name).join("server.log").display())?;
    }
    writeln!(out, "\n# Ctrl-C ends it and leaves nothing behind.")?;
    out.flush()
}

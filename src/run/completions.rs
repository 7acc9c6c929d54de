//! Shell completions. The script of a shell calls pipeprobe with [`VARIABLE`] set, so that codes and the targets of the
//! configuration file are completed too.

use std::{
    ffi::OsString,
    io::{self, Write},
};

use clap::Command;
use clap_complete::{
    CompleteEnv, Shell,
    engine::{ArgValueCandidates, CompletionCandidate},
    env::Shells,
};

use super::{Exit, explain};
use crate::{cli::Cli, config};

/// The scripts set it to the name of the shell.
const VARIABLE: &str = "PIPEPROBE_COMPLETE";
const PROGRAM: &str = "pipeprobe";

/// Prints the script of a shell.
///
/// # Errors
/// `out` fails.
pub fn completions(shell: Shell, out: &mut impl Write) -> io::Result<Exit> {
    let name = shell.to_string();
    let shells = Shells::builtins();
    let script =
        shells.completer(&name).ok_or_else(|| io::Error::other(format!("no completions for {name}")))?;
    script.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, out)?;
    Ok(Exit::Met)
}

/// Answers the request of a shell, if this is one.
///
/// # Errors
/// The shell is not known, or stdout cannot be written.
pub fn answer_completion(
    arguments: Vec<OsString>,
    environment: fn(&str) -> Option<String>,
) -> Result<bool, clap::Error> {
    let typed: Vec<String> =
        arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let command = move || command(typed.clone(), environment);
    CompleteEnv::with_factory(command).var(VARIABLE).try_complete(arguments, None)
}

/// The commands with candidates for their values.
fn command(typed: Vec<String>, environment: fn(&str) -> Option<String>) -> Command {
    let codes = ArgValueCandidates::new(|| {
        explain::names()
            .map(|(code, means)| CompletionCandidate::new(code).help(Some(means.into())))
            .collect()
    });
    let targets = ArgValueCandidates::new(move || {
        config::target_names(&typed, &environment).into_iter().map(CompletionCandidate::new).collect()
    });
    let with_targets = |name: &'static str| {
        let targets = targets.clone();
        move |command: Command| command.mut_arg(name, |arg| arg.add(targets))
    };
    Cli::full_command(false)
        .mut_subcommand("explain", |command| command.mut_arg("code", |arg| arg.add(codes)))
        .mut_subcommand("check", with_targets("names"))
        .mut_subcommand("token", with_targets("name"))
        .mut_subcommand("setup", with_targets("name"))
        .mut_subcommand("lint", with_targets("name"))
}

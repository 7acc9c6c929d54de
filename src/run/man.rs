//! Man pages, from the declarations that the help is made from.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use clap::Command;
use clap_mangen::Man;

use super::Exit;
use crate::cli::Cli;

/// Prints the page of `pipeprobe`, or writes the page of every command to a folder.
///
/// # Errors
/// `out` or a file cannot be written.
pub fn man(folder: Option<&Path>, out: &mut impl Write) -> io::Result<Exit> {
    let mut command = complete(Cli::full_command(false)).disable_help_subcommand(true);
    command.build();
    match folder {
        None => page(command).render(out)?,
        Some(folder) => {
            fs::create_dir_all(folder)?;
            write_all(command, folder)?;
        }
    }
    Ok(Exit::Met)
}

/// With the help of the options that `-h` does not show: clap_mangen would leave it out.
fn complete(command: Command) -> Command {
    command.mut_args(|arg| arg.hide_short_help(false)).mut_subcommands(complete)
}

fn write_all(command: Command, folder: &Path) -> io::Result<()> {
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        write_all(subcommand.clone(), folder)?;
    }
    page(command).generate_to(folder).map(drop)
}

fn page(command: Command) -> Man {
    Man::new(command).source(concat!("pipeprobe ", env!("CARGO_PKG_VERSION"))).manual("pipeprobe")
}

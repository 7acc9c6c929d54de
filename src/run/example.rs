//! `config example`: the files to start from.

use std::io::{self, Write};

use clap::ValueEnum;

use super::Exit;
use crate::{cli::Example, ship};

/// Prints one as it is, or says which there are.
///
/// # Errors
/// `out`'s.
pub fn example(example: Option<Example>, out: &mut impl Write) -> io::Result<Exit> {
    match example {
        Some(example) => out.write_all(ship::text(example).as_bytes())?,
        None => {
            writeln!(out, "Files to start from. To print one: pipeprobe config example NAME > FILE\n")?;
            for example in Example::value_variants() {
                let Some(value) = example.to_possible_value() else { continue };
                let help = value.get_help().map(ToString::to_string).unwrap_or_default();
                writeln!(out, "  {:<20}  {help}", value.get_name())?;
            }
            writeln!(out, "\nFor example: pipeprobe config example alerts > pipeprobe-alerts.yml")?;
        }
    }
    Ok(Exit::Met)
}

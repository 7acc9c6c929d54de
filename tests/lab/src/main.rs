//! `cargo lab`: the lab from a shell. The library documents the lab.

#![allow(clippy::float_cmp, reason = "values that were assigned are compared, not computed ones")]

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Arguments::parse().run() {
        Ok(code) => code,
        Err(e) => {
            eprintln!("lab: {e}");
            ExitCode::FAILURE
        }
    }
}

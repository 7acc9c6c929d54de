//! `lint -o json`: one document on stdout. Its schema is `run/schema/lint.json` (`pipeprobe schema lint`), generated from
//! these types.

use std::io::{self, Write};

use serde::Serialize;

use crate::{lint::Lint, report::json::SCHEMA_VERSION};

/// What `lint -o json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::run) struct Document<'a> {
    schema_version: u32,
    /// Version of pipeprobe.
    pipeprobe: &'a str,
    /// No answer is no, and no document has an error.
    success: bool,
    #[serde(flatten)]
    lint: &'a Lint,
}

/// # Errors
/// The writer fails.
pub(super) fn write(out: &mut impl Write, lint: &Lint) -> io::Result<()> {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        pipeprobe: env!("CARGO_PKG_VERSION"),
        success: !lint.fails(),
        lint,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

//! JSON: one document on stdout, also where nothing could be checked. Its schema is
//! `report/schema.json`, generated from these types.

use std::io::{self, Write};

use serde::Serialize;

use super::Report;
use crate::target::Invalid;

/// Raised when a field changes its meaning or goes away; new fields do not raise it.
pub const SCHEMA_VERSION: u32 = 2;

/// The JSON Schema of [`Document`].
pub const SCHEMA: &str = include_str!("schema.json");

/// What `check -o json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    pub schema_version: u32,
    /// Version of pipeprobe.
    pub pipeprobe: &'a str,
    /// Every target met what was required of it.
    pub success: bool,
    pub targets: &'a [Report],
    /// Why nothing was checked: bad usage or configuration.
    pub error: Option<Error<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Error<'a> {
    pub field: &'a str,
    pub expected: &'a str,
    pub found: &'a str,
}

impl<'a> Document<'a> {
    pub fn of(targets: &'a [Report]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            pipeprobe: env!("CARGO_PKG_VERSION"),
            success: targets.iter().all(|report| report.verdict.met),
            targets,
            error: None,
        }
    }

    pub fn of_error(invalid: &'a Invalid) -> Self {
        let Invalid { field, expected, found } = invalid;
        let error = Some(Error { field, expected, found });
        Self { error, success: false, ..Self::of(&[]) }
    }

    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }
}

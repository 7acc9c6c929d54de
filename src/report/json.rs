//! JSON: one document on stdout, also where nothing could be checked. Its schema is
//! `report/schema.json`, generated from these types.

use std::io::{self, Write};

use serde::Serialize;

use super::Report;
use crate::target::{ConfigErrors, Invalid, Skipped};

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
    /// A signal ended the run before every target was checked; `targets` has those that were.
    pub interrupted: bool,
    pub targets: &'a [Report],
    /// Pipes of a Terraform plan, a Terraform state or a service that do not log in with IAM. They are not checked.
    pub skipped: &'a [Skipped],
    /// Why nothing was checked: bad usage or configuration. Empty if targets were checked.
    pub errors: Vec<Error<'a>>,
}

/// Input that cannot be used.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Error<'a> {
    /// The field, such as `host`, or `targets.orders.host` if it comes from a file.
    pub field: &'a str,
    /// The flag, environment variable or line of a file that it comes from; null if it is missing.
    pub source: Option<String>,
    pub expected: &'a str,
    pub found: &'a str,
    /// What was probably meant, or what to type.
    pub help: Option<&'a str>,
}

impl<'a> Document<'a> {
    pub fn of(targets: &'a [Report], skipped: &'a [Skipped]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            pipeprobe: env!("CARGO_PKG_VERSION"),
            success: targets.iter().all(|report| report.verdict.met),
            interrupted: false,
            targets,
            skipped,
            errors: Vec::new(),
        }
    }

    /// The targets that were checked before a signal ended the run. It is no success, whatever their verdicts.
    pub fn of_interrupted(targets: &'a [Report], skipped: &'a [Skipped]) -> Self {
        Self { success: false, interrupted: true, ..Self::of(targets, skipped) }
    }

    pub fn of_errors(errors: &'a ConfigErrors) -> Self {
        let error = |invalid: &'a Invalid| Error {
            field: &invalid.field,
            source: invalid.origin.as_ref().map(ToString::to_string),
            expected: &invalid.expected,
            found: &invalid.found,
            help: invalid.remedy.as_deref(),
        };
        Self { errors: errors.all().iter().map(error).collect(), success: false, ..Self::of(&[], &[]) }
    }

    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }
}

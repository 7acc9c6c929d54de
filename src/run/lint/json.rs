//! `lint -o json`: one document on stdout.
//!
//! ```json
//! {
//!   "schema_version": 1,
//!   "pipeprobe": "0.1.0",
//!   "success": false,
//!   "answers": [
//!     { "question": "assume_role", "sentence": "…", "answer": "yes | no | unknown | not_asked",
//!       "why": "…", "provided": ["what a yes depends on"] }
//!   ],
//!   "documents": [
//!     { "file": "trust.json", "path": null, "kind": "trust policy", "statements": 1,
//!       "findings": [
//!         { "code": "POLICY_…", "description": "…", "severity": "error | warning | unknown",
//!           "line": 1, "column": 1, "path": "Statement[0]…", "wanted": "…", "found": "…", "remedy": "…" }
//!       ] }
//!   ]
//! }
//! ```
//!
//! Bad usage prints what `check` prints for it, with `error` filled in. `wanted`, `found`, `remedy` and a
//! document's `path` and `kind` may be null.

use std::io::{self, Write};

use serde::Serialize;

use crate::{lint::Lint, report::json::SCHEMA_VERSION};

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    pipeprobe: &'a str,
    success: bool,
    #[serde(flatten)]
    lint: &'a Lint,
}

/// # Errors
/// The writer's.
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

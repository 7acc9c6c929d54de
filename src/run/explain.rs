//! `pipeprobe explain`: what a code of a report stands for. Says what the page of checks says.

use std::io::{self, Write};

use serde::Serialize;
use textwrap::{Options, wrap};

use super::Exit;
use crate::{
    checks::{self, CAUSES, CHECKS},
    cli::Format,
    report::json::SCHEMA_VERSION,
    target::{Invalid, quoted},
};

/// What `explain --list -o json` prints.
#[derive(Serialize)]
struct Codes {
    schema_version: u32,
    codes: Vec<Code>,
}

#[derive(Serialize)]
struct Code {
    code: &'static str,
    /// `check` or `cause`.
    kind: &'static str,
    /// The check it is, or belongs to.
    check: &'static str,
    /// Of a check, the sentence it finishes; of a cause, what it means.
    means: String,
}

#[derive(Serialize)]
struct Explanation<'a> {
    schema_version: u32,
    code: &'a str,
    /// Markdown.
    explanation: &'a str,
}

/// Every code there is.
///
/// # Errors
/// `out`'s.
pub fn list(format: Format, out: &mut impl Write) -> io::Result<Exit> {
    let rows = CHECKS.iter().map(|row| Code {
        code: row.code,
        kind: "check",
        check: row.code,
        means: format!(
            "This database {}",
            row.phrase.replace("{user}", "<user>").replace("{engine}", "<engine>")
        ),
    });
    let causes = CAUSES.iter().map(|cause| Code {
        code: cause.code,
        kind: "cause",
        check: checks::check(cause.check).code,
        means: cause.means.to_owned(),
    });
    match format {
        Format::Json => {
            let codes = Codes { schema_version: SCHEMA_VERSION, codes: rows.chain(causes).collect() };
            serde_json::to_writer_pretty(&mut *out, &codes)?;
            writeln!(out)?;
        }
        Format::Text => {
            for (title, codes) in [("Checks", rows.collect::<Vec<_>>()), ("Causes", causes.collect())] {
                writeln!(out, "{title}\n")?;
                for code in codes {
                    writeln!(out, "  {:<31}{}", code.code, code.means)?;
                }
                writeln!(out)?;
            }
            writeln!(out, "pipeprobe explain CODE says more about one.")?;
        }
    }
    Ok(Exit::Met)
}

/// One code, in whatever case it was typed.
///
/// # Errors
/// `out`'s.
pub fn explain(code: &str, format: Format, out: &mut impl Write) -> io::Result<Exit> {
    let code = code.to_ascii_uppercase();
    let Some(explanation) = checks::explanation(&code) else {
        return super::refuse(&unknown(&code), format, out);
    };
    match format {
        Format::Json => {
            let answer =
                Explanation { schema_version: SCHEMA_VERSION, code: &code, explanation: &explanation };
            serde_json::to_writer_pretty(&mut *out, &answer)?;
            writeln!(out)?;
        }
        Format::Text => {
            for line in explanation.lines() {
                let line = line.trim_start_matches("### ");
                let indent = if line.starts_with("- ") { "  " } else { "" };
                let options = Options::new(80)
                    .subsequent_indent(indent)
                    .break_words(false)
                    .word_splitter(textwrap::WordSplitter::NoHyphenation);
                for wrapped in wrap(line, options) {
                    writeln!(out, "{wrapped}")?;
                }
            }
        }
    }
    Ok(Exit::Met)
}

/// Codes that begin alike are the likeliest to have been meant.
fn unknown(code: &str) -> Invalid {
    let codes = CHECKS.iter().map(|row| row.code).chain(CAUSES.iter().map(|cause| cause.code));
    let alike = |other: &str| other.chars().zip(code.chars()).take_while(|(a, b)| a == b).count();
    let nearest = codes.max_by_key(|other| alike(other)).filter(|other| alike(other) > 3);
    let wanted = match nearest {
        Some(nearest) => format!("a code of a report, such as {nearest} (all: pipeprobe explain --list)"),
        None => "a code of a report (all: pipeprobe explain --list)".to_owned(),
    };
    Invalid::new("CODE", wanted, quoted(code))
}

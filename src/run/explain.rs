//! `pipeprobe explain`: the meaning of a code of a report, as on the page of checks.

use std::io::{self, Write};

use serde::Serialize;
use textwrap::{Options, wrap};

use super::Exit;
use crate::{
    checks::{self, CAUSES, CHECKS},
    cli::Format,
    lint::Rule,
    report::json::SCHEMA_VERSION,
    target::{Invalid, quoted},
};

/// What `explain --list -o json` prints.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Codes {
    schema_version: u32,
    codes: Vec<Code>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Code {
    code: &'static str,
    /// `check`, `cause` or `policy` (a rule of `lint`).
    kind: &'static str,
    /// The check that the code is or belongs to; for a policy the code itself.
    check: &'static str,
    /// The title of a check or a policy rule, or the meaning of a cause.
    means: String,
}

/// What `explain CODE -o json` prints.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Explanation<'a> {
    schema_version: u32,
    code: &'a str,
    /// Markdown.
    explanation: &'a str,
}

/// All codes.
///
/// # Errors
/// `out` fails.
pub fn list(format: Format, out: &mut impl Write) -> io::Result<Exit> {
    let rows = CHECKS.iter().map(|row| Code {
        code: row.code,
        kind: "check",
        check: row.code,
        means: row.title.replace("{user}", "<user>").replace("{engine}", "<engine>").clone(),
    });
    let causes = CAUSES.iter().map(|cause| Code {
        code: cause.code,
        kind: "cause",
        check: checks::check(cause.check).code,
        means: cause.means.to_owned(),
    });
    let policies = Rule::ALL.iter().map(|rule| Code {
        code: rule.code(),
        kind: "policy",
        check: rule.code(),
        means: rule.title().to_owned(),
    });
    match format {
        Format::Json => {
            let codes = rows.chain(causes).chain(policies).collect();
            let codes = Codes { schema_version: SCHEMA_VERSION, codes };
            serde_json::to_writer_pretty(&mut *out, &codes)?;
            writeln!(out)?;
        }
        Format::Text => {
            let titles = ["Checks", "Causes", "Policies (pipeprobe lint)"];
            for (title, codes) in
                titles.into_iter().zip([rows.collect::<Vec<_>>(), causes.collect(), policies.collect()])
            {
                writeln!(out, "{title}\n")?;
                for code in codes {
                    writeln!(out, "  {:<33}{}", code.code, code.means)?;
                }
                writeln!(out)?;
            }
            writeln!(out, "pipeprobe explain CODE explains one of them.")?;
        }
    }
    Ok(Exit::Met)
}

/// Explains one code, in any letter case.
///
/// # Errors
/// `out` fails.
pub fn explain(code: &str, format: Format, out: &mut impl Write) -> io::Result<Exit> {
    let code = code.to_ascii_uppercase();
    let Some(explanation) = checks::explanation(&code).or_else(|| of_policy(&code)) else {
        return super::refuse(&unknown(&code).into(), format, out);
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

/// The report of `lint` has the details, which depend on the document.
fn of_policy(code: &str) -> Option<String> {
    let rule = Rule::ALL.iter().find(|rule| rule.code() == code)?;
    Some(format!(
        "### {code}\n\nRule of `pipeprobe lint`: {}.\n\nThe report names the file, line and column, the expected and the \
         found value, and the correct text.\n",
        rule.title()
    ))
}

/// Suggests the code with the longest common beginning.
fn unknown(code: &str) -> Invalid {
    let codes = CHECKS.iter().map(|row| row.code).chain(CAUSES.iter().map(|cause| cause.code));
    let codes = codes.chain(Rule::ALL.iter().map(|rule| rule.code()));
    let alike = |other: &str| other.chars().zip(code.chars()).take_while(|(a, b)| a == b).count();
    let nearest = codes.max_by_key(|other| alike(other)).filter(|other| alike(other) > 3);
    let expected = match nearest {
        Some(nearest) => format!("a code of a report, such as {nearest} (all: pipeprobe explain --list)"),
        None => "a code of a report (all: pipeprobe explain --list)".to_owned(),
    };
    Invalid::new("CODE", expected, quoted(code))
}

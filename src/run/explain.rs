//! `pipeprobe explain`: what a code of a report stands for. Says what the page of checks says.

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
    /// `check`, `cause` or `basis` (of `lint`).
    kind: &'static str,
    /// The check it is, or belongs to; itself for a policy's.
    check: &'static str,
    /// Of a check and a policy, the sentence it finishes; of a cause, what it means.
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

/// Every code there is.
///
/// # Errors
/// `out`'s.
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
        means: format!("This policy {}", rule.phrase()),
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

/// What `lint` says at the place is more than can be said here.
fn of_policy(code: &str) -> Option<String> {
    let rule = Rule::ALL.iter().find(|rule| rule.code() == code)?;
    Some(format!(
        "{code}\n\nThis policy {}.\n\n- told by: `pipeprobe lint`, which names file, line and column, what was wanted \
         and found, and what to write\n",
        rule.phrase()
    ))
}

/// Codes that begin alike are the likeliest to have been meant.
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

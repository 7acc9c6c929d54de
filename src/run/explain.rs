//! `pipeprobe explain`: the meaning of a code of a report, as on the page of checks. Other words are searched for.

use std::io::{self, Write};

use serde::Serialize;
use textwrap::{Options, wrap};

use super::Exit;
use crate::{
    checks::{self, CHECKS},
    cli::Format,
    lint::Rule,
    report::json::SCHEMA_VERSION,
    target::{Invalid, quoted},
};

/// What `explain --list -o json` and a search print.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Codes {
    schema_version: u32,
    codes: Vec<Code>,
}

#[derive(Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Code {
    code: &'static str,
    /// `check`, `cause` or `policy` (a rule of `lint`).
    kind: Kind,
    /// The check that the code is or belongs to; for a policy the code itself.
    check: &'static str,
    /// The title of a check or a policy rule, or the meaning of a cause.
    means: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Kind {
    Check,
    Cause,
    Policy,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Check, Self::Cause, Self::Policy];

    fn heading(self) -> &'static str {
        match self {
            Self::Check => "Checks",
            Self::Cause => "Causes",
            Self::Policy => "Policies (pipeprobe lint)",
        }
    }
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

/// The codes, for completions.
pub(super) fn names() -> impl Iterator<Item = (&'static str, String)> {
    codes().into_iter().map(|code| (code.code, code.means))
}

fn codes() -> Vec<Code> {
    let checks = CHECKS.iter().map(|row| Code {
        code: row.code,
        kind: Kind::Check,
        check: row.code,
        means: row.title.replace("{user}", "<user>").replace("{engine}", "<engine>"),
    });
    let causes = checks::causes().map(|cause| Code {
        code: cause.code,
        kind: Kind::Cause,
        check: checks::check_of(cause).code,
        means: cause.means.to_owned(),
    });
    let policies = Rule::ALL.iter().map(|rule| Code {
        code: rule.code(),
        kind: Kind::Policy,
        check: rule.code(),
        means: rule.title().to_owned(),
    });
    checks.chain(causes).chain(policies).collect()
}

/// All codes.
///
/// # Errors
/// `out` fails.
pub fn list(format: Format, out: &mut impl Write) -> io::Result<Exit> {
    write_codes(codes(), format, out)
}

fn write_codes(codes: Vec<Code>, format: Format, out: &mut impl Write) -> io::Result<Exit> {
    match format {
        Format::Json => {
            let codes = Codes { schema_version: SCHEMA_VERSION, codes };
            serde_json::to_writer_pretty(&mut *out, &codes)?;
            writeln!(out)?;
        }
        Format::Text => {
            for kind in Kind::ALL {
                let mut of_kind = codes.iter().filter(|code| code.kind == kind).peekable();
                if of_kind.peek().is_none() {
                    continue;
                }
                writeln!(out, "{}\n", kind.heading())?;
                for code in of_kind {
                    writeln!(out, "  {:<33}{}", code.code, code.means)?;
                }
                writeln!(out)?;
            }
            writeln!(out, "pipeprobe explain CODE explains one of them.")?;
        }
    }
    Ok(Exit::Met)
}

/// Explains one code, in any letter case. Other words are searched for in codes, titles and explanations.
///
/// # Errors
/// `out` fails.
pub fn explain(words: &str, format: Format, out: &mut impl Write) -> io::Result<Exit> {
    let code = words.trim().to_ascii_uppercase();
    if let Some(explanation) = explanation(&code) {
        return write_explanation(&code, &explanation, format, out);
    }
    let found = search(words);
    match found.first().map(|first| first.code) {
        None => super::refuse(&unknown(words).into(), format, out),
        // A check and its only cause can have the same code.
        Some(code) if found.iter().all(|other| other.code == code) => {
            write_explanation(code, &explanation(code).unwrap_or_default(), format, out)
        }
        Some(_) => write_codes(found, format, out),
    }
}

fn explanation(code: &str) -> Option<String> {
    checks::explanation(code).or_else(|| of_policy(code))
}

fn write_explanation(
    code: &str,
    explanation: &str,
    format: Format,
    out: &mut impl Write,
) -> io::Result<Exit> {
    match format {
        Format::Json => {
            let answer = Explanation { schema_version: SCHEMA_VERSION, code, explanation };
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

/// The codes with all words in the code or the title; if there are none, in the explanation. A word matches the start of a
/// word of the text.
fn search(words: &str) -> Vec<Code> {
    let plain = |text: &str| {
        let letter = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
        format!(" {}", text.chars().map(letter).collect::<String>())
    };
    // `wal_level` is one phrase.
    let starts: Vec<String> = words.split_whitespace().map(plain).collect();
    if starts.iter().all(|start| start.trim().is_empty()) {
        return Vec::new();
    }
    let contains = |text: &str| {
        let text = plain(text);
        starts.iter().all(|start| text.contains(start.as_str()))
    };
    let codes = codes();
    let titled = |code: &&Code| contains(&format!("{} {}", code.code, code.means));
    let found: Vec<Code> = codes.iter().filter(titled).cloned().collect();
    if !found.is_empty() {
        return found;
    }
    let explained = |code: &Code| explanation(code.code).is_some_and(|text| contains(&text));
    codes.into_iter().filter(explained).collect()
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

fn unknown(words: &str) -> Invalid {
    let expected = "a code of a report, or words of its text (all codes: pipeprobe explain --list)";
    Invalid::new("CODE", expected, quoted(words))
        .suggest(&words.to_ascii_uppercase(), codes().iter().map(|code| code.code))
}

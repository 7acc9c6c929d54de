//! The page of checks, made from the checks: `src/checks/checks.md`, which a test keeps current.

use std::{collections::BTreeSet, fmt::Write};

use super::{CHECKS, Cause, Check, Group, Part, cause_of, check_of};
use crate::{
    diagnostic::{Basis, Severity},
    target::Engine,
};

/// The page, in Markdown. Each check and each cause has an anchor: its code in lower case. That of a check is the one that
/// Markdown gives its heading.
pub fn page() -> String {
    let mut page = String::from(
        "# Checks\n\nEvery row of a report, in order. Generated from the files of `src/checks`.\n\
         `<user>` is the database user, in the syntax of the engine.\n",
    );
    let mut anchors = Anchors::Without(CHECKS.iter().map(|check| check.code).collect());
    for group in Group::ALL {
        let _ = writeln!(page, "\n## {}", group.name());
        for check in CHECKS.iter().filter(|check| check.group == group) {
            section(&mut page, check, &mut anchors);
        }
    }
    page
}

/// The meaning of a code: a check with its causes, or a cause. If both have the same code, the check.
pub fn explanation(code: &str) -> Option<String> {
    let mut text = String::new();
    match (CHECKS.iter().find(|row| row.code == code), cause_of(code)) {
        (Some(row), _) => section(&mut text, row, &mut Anchors::None),
        (None, Some(cause)) => one_cause(&mut text, cause),
        (None, None) => return None,
    }
    Some(text.trim().to_owned() + "\n")
}

/// Where causes get anchors.
enum Anchors {
    None,
    /// Everywhere, but for these codes, which have one.
    Without(BTreeSet<&'static str>),
}

impl Anchors {
    fn of(&mut self, code: &'static str) -> String {
        let Self::Without(had) = self else { return String::new() };
        match had.insert(code) {
            true => format!("<a id=\"{}\"></a>", code.to_lowercase()),
            false => String::new(),
        }
    }
}

fn one_cause(page: &mut String, cause: &Cause) {
    let row = check_of(cause);
    let _ = writeln!(page, "### {}\n\n{}.\n", cause.code, sentence(cause.means));
    let fix = plain(if cause.fix.is_empty() { row.fix } else { cause.fix });
    for (name, text) in [
        ("identified by", cause.told_by.to_owned()),
        ("to do", fix),
        ("check", format!("{}: {}", row.code, plain(row.title))),
        ("if it fails", lost(row)),
        ("source", row.source.to_owned()),
    ] {
        if !text.is_empty() {
            let _ = writeln!(page, "- {name}: {text}");
        }
    }
    if !cause.candidates.is_empty() {
        let _ = writeln!(page, "\nPossible causes, which the report ranks:\n");
        causes(page, cause.candidates, &mut Anchors::None);
    }
}

/// The words as a sentence begins. The name of a setting stays as it is typed.
fn sentence(words: &str) -> String {
    if words.split(' ').next().is_some_and(|first| first.contains(['_', '.'])) {
        return words.to_owned();
    }
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn section(page: &mut String, check: &Check, anchors: &mut Anchors) {
    let _ = writeln!(page, "\n### {}\n\n{}.\n", check.code, sentence(&plain(check.title)));
    facts(page, check);
    if !check.causes.is_empty() {
        let _ = writeln!(page, "\nCauses:\n");
        causes(page, check.causes, anchors);
    }
}

fn causes(page: &mut String, causes: &[&Cause], anchors: &mut Anchors) {
    for cause in causes {
        let fix = match cause.fix {
            "" => String::new(),
            fix => format!(" To do: {}.", plain(fix)),
        };
        let (anchor, code) = (anchors.of(cause.code), cause.code);
        let _ = writeln!(page, "- {anchor}`{code}`: {}. Identified by: {}.{fix}", cause.means, cause.told_by);
    }
}

fn facts(page: &mut String, check: &Check) {
    let mut line = |name: &str, text: &str| {
        if !text.is_empty() {
            let _ = writeln!(page, "- {name}: {text}");
        }
    };
    line("concerns", &concerns(check));
    line("expected", check.expected);
    line("if it fails", &lost(check));
    match check.fix_aurora {
        None => line("to do", &plain(check.fix)),
        Some(aurora) => {
            line("to do on RDS", &plain(check.fix));
            line("to do on Aurora", &plain(aurora));
        }
    }
    line("source", check.source);
}

fn concerns(check: &Check) -> String {
    let engines: Vec<&str> = check.engines.iter().map(|engine: &Engine| engine.name()).collect();
    let mut text = match check.engines.len() {
        3 => "every engine".to_owned(),
        _ => engines.join(", "),
    };
    if !check.versions.is_empty() {
        text += &format!(" ({})", check.versions);
    }
    match check.part {
        Part::Both => {}
        Part::Load => text += "; pipes with an initial load",
        Part::Changes => text += "; pipes with CDC",
    }
    if check.basis == Some(Basis::Guide) {
        text += "; counts only on the basis `guide`";
    }
    text
}

fn lost(check: &Check) -> String {
    let lost = |severity| match severity {
        Severity::Advisory => "a warning",
        Severity::BlocksCdc => "Initial Load Only",
        Severity::Blocks => "Blocked",
    };
    let mut text = lost(check.severity).to_owned();
    if check.severity_if_unknown != check.severity {
        let if_unknown = match check.group {
            Group::Pipe => "if it is known only after apply",
            _ => "if the server refuses the query",
        };
        text += &format!("; {if_unknown}, {}", lost(check.severity_if_unknown));
    }
    text
}

/// Placeholders as a reader expects them: `<user>`.
fn plain(text: &str) -> String {
    text.replace("{group}", "DB parameter group (Aurora: DB cluster parameter group)")
        .replace("{engine}", "the engine of its type")
        .replace('{', "<")
        .replace('}', ">")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/checks/checks.md");
        let page = super::page();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let shipped = std::fs::read_to_string(path).unwrap_or_default();
        assert!(shipped == page, "src/checks/checks.md is not current: UPDATE=1 cargo test --lib");
    }

    #[test]
    fn each_code_has_one_anchor() {
        let page = super::page();
        for check in super::CHECKS {
            for cause in check.causes {
                let code = cause.code.to_lowercase();
                let heading = format!("\n### {}\n", cause.code);
                let anchors = page.matches(&format!("<a id=\"{code}\">")).count();
                assert_eq!(anchors + page.matches(&heading).count(), 1, "{code}");
            }
        }
    }
}

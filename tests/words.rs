//! Plain English: texts that a user or a reader of the code sees contain no word from a short list (archaic words, and
//! names that were replaced by standard terms). The list follows the project's writing rules.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// Words and phrases that are not used, in lower case. They match as whole words.
const BANNED: &[&str] = &[
    // Archaic or inverted English.
    "aught",
    "hark",
    "lest",
    "may it",
    "naught",
    "nobody",
    "none that",
    "of its own",
    "ought",
    "shall",
    "so that nobody",
    "thereof",
    "thither",
    "what is more",
    "whence",
    "whither",
    "whoever",
    "whom",
    "is told",
    "as it stands",
    "stands",
    // Replaced by a standard term.
    "board",
    "climb",
    "climbs",
    "dialled",
    "door",
    "doors",
    "fleet",
    "ladder",
    "operator's look",
    "rung",
    "rungs",
    "second look",
    "spoilt",
    "wanted",
    // British spelling: the project writes American English.
    "artefact",
    "artefacts",
    "colour",
    "honoured",
];

struct Text {
    /// The file, relative to the repository; for a screen the command.
    name: String,
    text: String,
}

#[test]
fn texts_use_plain_words() {
    let mut found = Vec::new();
    for Text { name, text } in files().into_iter().chain(screens()) {
        for (line, content) in text.lines().enumerate() {
            let content = if Path::new(&name).extension().is_some_and(|extension| extension == "rs") {
                prose(content)
            } else {
                content.to_owned()
            };
            found.extend(banned(&content).map(|word| format!("{name}:{}: {word}", line + 1)));
        }
    }
    assert!(found.is_empty(), "words that are not used here (tests/words.rs):\n{}", found.join("\n"));
}

#[test]
fn a_banned_word_is_found_as_a_whole_word_only() {
    for (text, expected) in [
        ("The door, opened", vec!["door"]),
        ("indoors", vec![]),
        ("Nobody knows WHENCE", vec!["nobody", "whence"]),
        ("rung_bell", vec![]),
        ("to whom it may concern", vec!["whom"]),
    ] {
        assert_eq!(banned(text).collect::<BTreeSet<_>>(), expected.into_iter().collect(), "{text}");
    }
    assert_eq!(prose(r#"let door = "a door"; // nobody"#), "a door  nobody");
}

/// The banned words of a text.
fn banned(text: &str) -> impl Iterator<Item = &'static str> {
    let text = text.to_lowercase();
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    BANNED.iter().copied().filter(move |word| {
        text.match_indices(word).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            !part_of_word(before.chars().next_back()) && !part_of_word(after.chars().next())
        })
    })
}

/// String literals and comments of a line of Rust.
fn prose(line: &str) -> String {
    if let Some(comment) = line.trim_start().strip_prefix("//") {
        return comment.to_owned();
    }
    let (code, comment) = line.split_once(" //").unwrap_or((line, ""));
    let literals = code.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ");
    // The rest of a literal of several lines has no quote at its start.
    let continued = code.trim_start().starts_with(|c: char| c.is_ascii_lowercase()) && code.ends_with('\\');
    format!("{} {comment}", if continued { code } else { &literals })
}

/// What is shipped, printed or read by users and developers.
fn files() -> Vec<Text> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut paths: Vec<_> = ["README.md", "src", "tests/cli", "tests/screens", "tests/setup", "tests/lint"]
        .map(|path| root.join(path))
        .into();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            found.push(Text { name, text });
        }
    }
    assert!(found.len() > 200, "the source tree was not found");
    found
}

/// The help of every command, and the explanation of every code.
fn screens() -> Vec<Text> {
    let mut screens = Vec::new();
    let commands = [
        "",
        "check",
        "token",
        "explain",
        "setup",
        "lint",
        "serve",
        "health",
        "config",
        "config check",
        "config example",
        "completions",
        "man",
        "schema",
    ];
    for command in commands {
        for help in ["-h", "--help"] {
            screens.push(run(&format!("{command} {help}")));
        }
    }
    let list = run("explain --list");
    let codes: BTreeSet<&str> = list
        .text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| {
            word.contains('_')
                && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
        .collect();
    assert!(codes.len() > 50, "explain --list has no codes");
    screens.extend(codes.iter().map(|code| run(&format!("explain {code}"))));
    screens.push(list);
    screens
}

fn run(arguments: &str) -> Text {
    let output =
        Command::new(env!("CARGO_BIN_EXE_pipeprobe")).args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "pipeprobe {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    Text { name: format!("pipeprobe {}", arguments.trim()), text: String::from_utf8(output.stdout).unwrap() }
}

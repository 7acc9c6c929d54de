//! Patterns of policies: `*`, `?` and `${variables}`.

use super::context::{Context, State};

/// Whether `text` matches a pattern: `*` matches any characters, `?` matches one.
pub fn matches(pattern: &str, text: &str) -> bool {
    // All positions in the pattern that the text read so far can lead to.
    let pattern: Vec<char> = pattern.chars().collect();
    let mut places = vec![false; pattern.len() + 1];
    places[0] = true;
    skip_stars(&pattern, &mut places);
    for c in text.chars() {
        let mut next = vec![false; places.len()];
        for (i, expected) in pattern.iter().enumerate().filter(|(i, _)| places[*i]) {
            match expected {
                '*' => next[i] = true,
                '?' => next[i + 1] = true,
                expected if *expected == c => next[i + 1] = true,
                _ => {}
            }
        }
        skip_stars(&pattern, &mut next);
        places = next;
    }
    places[pattern.len()]
}

/// A `*` also matches the empty string.
fn skip_stars(pattern: &[char], places: &mut [bool]) {
    for (i, c) in pattern.iter().enumerate() {
        if *c == '*' && places[i] {
            places[i + 1] = true;
        }
    }
}

/// As IAM compares actions: letter case is ignored.
pub fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_lowercase(), &text.to_lowercase())
}

/// As IAM compares ARNs in conditions: each of the six parts separately.
pub fn matches_arn(pattern: &str, text: &str) -> bool {
    let (patterns, parts): (Vec<&str>, Vec<&str>) =
        (pattern.splitn(6, ':').collect(), text.splitn(6, ':').collect());
    patterns.len() == parts.len() && patterns.iter().zip(parts).all(|(pattern, part)| matches(pattern, part))
}

pub fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// A pattern with replaced variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expanded {
    Pattern(String),
    /// A variable has no value in the request: the pattern matches nothing.
    Nothing,
    /// The value of a variable is not known.
    Unknown,
}

/// Replaces an escaped `*`, `?` or `$`, which no ARN, tag or account id contains.
const ESCAPED: char = '\u{fffc}';

/// Replaces `${key}` and `${key, 'default'}`. Only policy language 2012-10-17 has variables. For the older one pass no
/// context; `${…}` is then plain text.
pub fn expand(pattern: &str, context: Option<&Context>) -> Expanded {
    let Some(context) = context else { return Expanded::Pattern(pattern.to_owned()) };
    let mut filled = String::new();
    let mut rest = pattern;
    let mut unknown = false;
    while let Some((before, (name, after))) =
        rest.split_once("${").and_then(|(before, inner)| Some((before, inner.split_once('}')?)))
    {
        filled.push_str(before);
        rest = after;
        if matches!(name, "*" | "?" | "$") {
            filled.push(if name == "$" { '$' } else { ESCAPED });
            continue;
        }
        let (key, default) = match name.split_once(',') {
            Some((key, default)) => {
                (key.trim(), default.trim().strip_prefix('\'').and_then(|d| d.strip_suffix('\'')))
            }
            None => (name.trim(), None),
        };
        match (context.state(key), default) {
            (State::Known(values), _) if values.len() == 1 => filled.push_str(&values[0]),
            (State::Absent, Some(default)) => filled.push_str(default),
            (State::Absent | State::Known(_), _) => return Expanded::Nothing,
            (State::Present | State::Foreign | State::Unknown, _) => unknown = true,
        }
    }
    filled.push_str(rest);
    if unknown { Expanded::Unknown } else { Expanded::Pattern(filled) }
}

/// The names between `${` and `}`.
pub fn variables(pattern: &str) -> Vec<&str> {
    pattern.split("${").skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
}

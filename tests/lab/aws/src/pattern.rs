//! The patterns of policies: `*`, `?` and `${variables}`.

use crate::policy::Context;

/// A compiled pattern. What a variable stands for is literal: a `*` in a tag's value matches only itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    /// `?`
    One,
    /// `*`
    Any,
}

impl Pattern {
    /// Compiles `text`, filling in variables from `context` if it is given (only the policy language of 2012 has them).
    ///
    /// `None` if a variable has neither value nor default: such a pattern matches nothing.
    pub(crate) fn new(text: &str, context: Option<&Context>) -> Option<Self> {
        let mut pieces = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let variable = context.zip(rest.strip_prefix("${").and_then(|inner| inner.split_once('}')));
            if let Some((context, (name, after))) = variable {
                pieces.extend(resolve(name, context)?.chars().map(Piece::Char));
                rest = after;
                continue;
            }
            pieces.push(match next {
                '*' => Piece::Any,
                '?' => Piece::One,
                other => Piece::Char(other),
            });
            rest = &rest[next.len_utf8()..];
        }
        Some(Self(pieces))
    }

    /// The same pattern with its wildcards taken as plain characters (`StringEquals`).
    pub(crate) fn literal(self) -> Self {
        let plain = |piece| match piece {
            Piece::Any => Piece::Char('*'),
            Piece::One => Piece::Char('?'),
            char @ Piece::Char(_) => char,
        };
        Self(self.0.into_iter().map(plain).collect())
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        matches(&self.0, &text.chars().collect::<Vec<_>>(), |a, b| a == b)
    }

    pub(crate) fn matches_ignoring_case(&self, text: &str) -> bool {
        let same = |a: char, b: char| a == b || a.to_lowercase().eq(b.to_lowercase());
        matches(&self.0, &text.chars().collect::<Vec<_>>(), same)
    }

    /// As ARNs are compared: each of the six parts for itself, so that a `*` does not reach over a colon.
    pub(crate) fn matches_arn(&self, text: &str) -> bool {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let patterns: Vec<&[Piece]> = self.0.splitn(6, |piece| *piece == Piece::Char(':')).collect();
        parts.len() == patterns.len()
            && patterns
                .iter()
                .zip(parts)
                .all(|(pattern, part)| matches(pattern, &part.chars().collect::<Vec<_>>(), |a, b| a == b))
    }
}

/// `aws:PrincipalTag/Team`, `key, 'default'`, or one of the three escapes `*`, `?`, `$`.
fn resolve(name: &str, context: &Context) -> Option<String> {
    if let "*" | "?" | "$" = name {
        return Some(name.to_owned());
    }
    let (key, default) = match name.split_once(',') {
        Some((key, default)) => {
            (key.trim(), default.trim().strip_prefix('\'').and_then(|d| d.strip_suffix('\'')))
        }
        None => (name, None),
    };
    match context.get(key) {
        [only] => Some(only.clone()),
        _ => default.map(str::to_owned),
    }
}

/// Greedy, going back only to the last `*`: quadratic at worst, whatever the pattern.
fn matches(pattern: &[Piece], text: &[char], same: impl Fn(char, char) -> bool) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut retry = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(Piece::Any) => {
                retry = Some((at, from));
                at += 1;
            }
            Some(Piece::One) => (at, from) = (at + 1, from + 1),
            Some(&Piece::Char(wanted)) if same(wanted, text[from]) => (at, from) = (at + 1, from + 1),
            _ => {
                let Some((star, taken)) = retry else { return false };
                retry = Some((star, taken + 1));
                (at, from) = (star + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|piece| *piece == Piece::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text, None).expect("no variables")
    }

    #[test]
    fn wildcards() {
        for (text, yes, no) in [
            ("*", &["", "a", "a:b/c"][..], &[][..]),
            ("a*c", &["ac", "abc", "abcbc"], &["a", "acb", "bac"]),
            ("a?c", &["abc", "aéc"], &["ac", "abbc"]),
            ("dbuser:*/*", &["dbuser:db-A/u", "dbuser:db-A/u/v"], &["dbuser:db-A"]),
            ("*a*a*a*b", &["aaab", "xaxaxab"], &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]),
        ] {
            for word in yes {
                assert!(pattern(text).matches(word), "{text} {word}");
            }
            for word in no {
                assert!(!pattern(text).matches(word), "{text} {word}");
            }
        }
        assert!(!pattern("a*").literal().matches("ab"));
        assert!(pattern("a*").literal().matches("a*"));
    }

    #[test]
    fn an_arn_is_compared_part_by_part() {
        let one_user = pattern("arn:aws:iam::*:role/click*");
        assert!(one_user.matches_arn("arn:aws:iam::111111111111:role/clickhouse"));
        assert!(!pattern("arn:*:role/x").matches_arn("arn:aws:iam::111111111111:role/x"));
    }

    #[test]
    fn a_variable_is_literal_and_a_missing_one_matches_nothing() {
        let mut context = Context::default();
        context.set("aws:PrincipalTag/Team", "a*");
        let filled = Pattern::new("x/${aws:principaltag/team}/*", Some(&context)).expect("known");
        assert!(filled.matches("x/a*/y"));
        assert!(!filled.matches("x/ab/y"));
        assert_eq!(Pattern::new("${aws:username}", Some(&context)), None);
        let fallback = Pattern::new("${aws:username, 'nobody'}", Some(&context)).expect("has a default");
        assert!(fallback.matches("nobody"));
        assert!(Pattern::new("${*}", Some(&context)).expect("an escape").matches("*"));
        assert!(!Pattern::new("${*}", Some(&context)).expect("an escape").matches("x"));
    }
}

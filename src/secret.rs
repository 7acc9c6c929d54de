//! A secret value: tokens, secret access keys, session tokens.

mod memory;
mod redactor;

use std::fmt;

use zeroize::Zeroizing;

pub use memory::protect_memory;
pub use redactor::{Redactor, without_signed_values};

/// Text that no output, log or panic may carry. `Debug` is silent, there is no `Display`, and the
/// memory is wiped on drop. (The program's allocator wipes everything that is freed; this does so in tests and fuzzers too.) [`Secret::reveal`] is the only way out; its callers are few on purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that must send or print it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Length in bytes. Safe to show, and evidence: drivers that cut a token break authentication.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Values that a document marks as sensitive, such as the user name of a pipe in a Terraform plan. They are used, but no
/// output contains them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sensitive(Vec<Secret>);

impl Sensitive {
    const MARK: &str = "(sensitive value)";

    pub fn push(&mut self, value: &str) {
        if !value.is_empty() && self.0.iter().all(|known| known.reveal() != value) {
            self.0.push(Secret::new(value));
        }
    }

    pub fn contains(&self, value: &str) -> bool {
        self.0.iter().any(|known| known.reveal() == value)
    }

    /// The text without these values. Only whole words are replaced, so that a short value does not change other words.
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, value| replace_words(&text, value.reveal(), Self::MARK))
    }
}

fn replace_words(text: &str, word: &str, mark: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    // A value that does not begin or end with a letter has no boundary there.
    let (first, last) =
        (word.chars().next().is_some_and(is_part), word.chars().next_back().is_some_and(is_part));
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let end = at + word.len();
        let before = rest[..at].chars().next_back().or(result.chars().next_back());
        let after = rest[end..].chars().next();
        let is_inside = first && before.is_some_and(is_part) || last && after.is_some_and(is_part);
        result.push_str(&rest[..at]);
        result.push_str(if is_inside { word } else { mark });
        rest = &rest[end..];
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensitive_value_is_hidden_as_a_word() {
        let mut sensitive = Sensitive::default();
        for value in ["app", "", "o'neil@%", "app"] {
            sensitive.push(value);
        }
        for (text, hidden) in [
            ("GRANT SELECT TO app;", "GRANT SELECT TO (sensitive value);"),
            ("app", "(sensitive value)"),
            ("app,app", "(sensitive value),(sensitive value)"),
            ("mapped the application to app_2", "mapped the application to app_2"),
            ("as 'o'neil@%'", "as '(sensitive value)'"),
        ] {
            assert_eq!(sensitive.hide(text), hidden);
        }
        assert!(sensitive.contains("app") && !sensitive.contains(""));
        assert_eq!(format!("{sensitive:?}"), "Sensitive([Secret, Secret])");
    }

    #[test]
    fn debug_is_silent() {
        let secret = Secret::new("wJalrXUtnFEMI");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret Some(Secret)");
        assert_eq!(secret.reveal(), "wJalrXUtnFEMI");
    }
}

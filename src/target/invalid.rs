//! Input that cannot be used: which field, where it came from, what was expected, what was found, what to type.

use std::fmt;

use clap::ValueEnum;

use crate::evidence::Diagnostic;

/// Input that cannot be used. Never carries a secret: fields that can hold one are not quoted.
pub type Invalid = Diagnostic<InputField>;

/// A field of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputField {
    /// The field, such as `host`; for a value from a file with its table, such as `targets.orders.host`.
    pub field: String,
    /// The flag, variable or line that the value came from, if one did.
    pub origin: Option<Box<Origin>>,
}

impl Invalid {
    pub fn new(field: &str, expected: impl Into<String>, found: impl fmt::Display) -> Self {
        let field = InputField { field: field.to_owned(), origin: None };
        Self::of(field, found.to_string()).expected(expected)
    }

    /// The same for a value that came from here. The first origin wins.
    #[must_use]
    pub fn at(mut self, origin: &Origin) -> Self {
        if self.origin.is_none() {
            if let Origin::File { table: place, .. } | Origin::Resource { address: place, .. } = origin
                && !place.is_empty()
            {
                self.field = match self.field.is_empty() {
                    true => place.clone(),
                    false => format!("{place}.{}", self.field),
                };
            }
            self.origin = Some(Box::new(origin.clone()));
        }
        self
    }

    /// Suggests the candidate that `text` was probably meant to be, or those that contain it.
    #[must_use]
    pub fn suggest<'a>(self, text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        let candidates: Vec<&str> = candidates.into_iter().collect();
        let meant = match nearest(text, candidates.iter().copied()) {
            Some(candidate) => vec![candidate],
            None => containing(text, &candidates),
        };
        match meant.is_empty() {
            true => self,
            false => self.remedy(format!("did you mean `{}`?", meant.join("` or `"))),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        write!(f, ": expected {}, found {}", self.expected, self.found)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, "; {remedy}"))
    }
}

impl std::error::Error for Invalid {}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag, such as `--host`, or a positional argument by its name.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A line of a configuration file, counted from 1, and the table it is in, such as `targets.orders`.
    File { path: String, line: usize, table: String },
    /// A resource of a Terraform plan or state, or a pipe of a ClickHouse service.
    Resource { document: String, address: String },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File { path, line, .. } => write!(f, "{path}:{line}"),
            Self::Resource { document, .. } => f.write_str(document),
        }
    }
}

/// Everything that is wrong with the input of one run; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Invalid>);

impl ConfigErrors {
    pub fn all(&self) -> &[Invalid] {
        &self.0
    }

    /// The first error, for outputs that have room for one.
    pub fn first(&self) -> &Invalid {
        &self.0[0]
    }
}

impl From<Invalid> for ConfigErrors {
    fn from(invalid: Invalid) -> Self {
        Self(vec![invalid])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, invalid) in self.0.iter().enumerate() {
            let separator = if i > 0 { "\n" } else { "" };
            write!(f, "{separator}{invalid}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects errors, so that one run reports all of them.
#[derive(Clone, Debug, Default)]
pub struct ErrorList(Vec<Invalid>);

impl ErrorList {
    pub fn push(&mut self, invalid: Invalid) {
        // A value that several targets share is wrong once.
        if !self.0.contains(&invalid) {
            self.0.push(invalid);
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value, or `None` and one more error.
    pub fn take<T>(&mut self, result: Result<T, Invalid>) -> Option<T> {
        result.map_err(|invalid| self.push(invalid)).ok()
    }

    /// The value, or `None` and more errors.
    pub fn take_all<T>(&mut self, result: Result<T, ConfigErrors>) -> Option<T> {
        result.map_err(|errors| errors.0.into_iter().for_each(|invalid| self.push(invalid))).ok()
    }

    /// # Errors
    /// Everything that was collected.
    pub fn check(&mut self) -> Result<(), ConfigErrors> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(ConfigErrors(std::mem::take(&mut self.0))),
        }
    }
}

/// Reads one of the names of an enum, in any letter case.
///
/// # Errors
/// Lists the names, and suggests the one that was probably meant.
pub fn choice<T: ValueEnum>(field: &str, text: &str) -> Result<T, Invalid> {
    T::from_str(text, true).map_err(|_| {
        let values: Vec<_> = T::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
        let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        let expected = match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => names.join(", "),
        };
        Invalid::new(field, expected, quoted(text)).suggest(text, names)
    })
}

/// The candidate that `text` was probably meant to be: other letter case, `-` for `_`, or a few letters.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let likeness = |candidate: &str| strsim::jaro_winkler(&plain(text), &plain(candidate));
    let scored = candidates.into_iter().map(|candidate| (likeness(candidate), candidate));
    // 0.85: `hots` is `host`; `port` is not `publication`.
    scored
        .filter(|(score, _)| *score > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The candidates of which `text` is a part, such as `postgres` of `rdspostgres`. None if there are more than three.
fn containing<'a>(text: &str, candidates: &[&'a str]) -> Vec<&'a str> {
    let part = text.to_lowercase().replace("postgresql", "postgres");
    let found: Vec<&str> = candidates.iter().copied().filter(|candidate| candidate.contains(&part)).collect();
    if part.len() > 2 && found.len() < 4 { found } else { Vec::new() }
}

/// What was found, between backquotes: without control characters, and at most 80 characters. A text that can contain a
/// token, a key or a password is not quoted.
pub fn quoted(found: impl fmt::Display) -> String {
    let found = found.to_string();
    let length = found.chars().count();
    if can_be_secret(&found) {
        return format!("{length} characters (not shown)");
    }
    let shown: String = found.chars().take(80).flat_map(char::escape_debug).collect();
    if length > 80 { format!("`{shown}…` ({length} characters)") } else { format!("`{shown}`") }
}

/// A presigned URL or token, PEM text, or a URL with a user, which can have a password.
fn can_be_secret(text: &str) -> bool {
    let credential = ["X-Amz-", "-----BEGIN"].iter().any(|mark| text.contains(mark));
    credential || text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
}

/// The placeholders of the ClickPipes guide and of `pipeprobe config example`, and what others call the names.
const PLACEHOLDERS: [&str; 14] = [
    "{ClickHouse_IAM_ARN}",
    "{RDS_ACCESS_IAM_ROLE_ARN}",
    "{RDS_RESOURCE_ID}",
    "{RDS_REGION}",
    "{AWS_ACCOUNT}",
    "{ACCOUNT_ID}",
    "{DB_IDENTIFIER}",
    "{HASH}",
    "{REGION}",
    "{DATABASE}",
    "{SCHEMA}",
    "{USER}",
    "{TABLE}",
    "{PUBLICATION}",
];

/// Refuses a known placeholder in the name of a user, a database, a table or a publication: other braces can be part of it.
///
/// # Errors
/// Names the placeholder.
pub fn no_known_placeholder(field: &str, text: &str) -> Result<(), Invalid> {
    match PLACEHOLDERS.iter().find(|placeholder| text.contains(**placeholder)) {
        Some(placeholder) => {
            Err(Invalid::new(field, format!("a value in place of {placeholder}"), quoted(text)))
        }
        None => Ok(()),
    }
}

/// Refuses any `{PLACEHOLDER}` where braces are never part of a value.
///
/// # Errors
/// Names the placeholder.
pub fn no_placeholder(field: &str, text: &str) -> Result<(), Invalid> {
    match text.find('{').zip(text.find('}')) {
        Some((open, close)) if open < close => {
            Err(Invalid::new(field, format!("a value in place of {}", &text[open..=close]), quoted(text)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_secret_is_not_quoted() {
        for secret in [
            "db.example.com:5432/?Action=connect&X-Amz-Credential=hunter2",
            "postgres://me:hunter2@db/x",
            "-----BEGIN PRIVATE KEY-----\nhunter2",
        ] {
            let shown = quoted(secret);
            assert!(!shown.contains("hunter2") && shown.contains("not shown"), "{shown}");
        }
        assert_eq!(quoted("https://example.com/a"), "`https://example.com/a`");
        assert_eq!(quoted("a\u{1b}[2J\u{202e}b"), "`a\\u{1b}[2J\\u{202e}b`");
    }

    #[test]
    fn braces_can_be_part_of_a_name() {
        for name in ["{user}", "a{b}c", "{", "}{"] {
            assert_eq!(no_known_placeholder("user", name), Ok(()), "{name}");
        }
        for left in PLACEHOLDERS {
            let wrong = no_known_placeholder("user", &format!("x{left}")).unwrap_err();
            assert_eq!(wrong.expected, format!("a value in place of {left}"));
        }
        assert!(no_placeholder("host", "{user}").is_err());
    }

    #[test]
    fn a_misspelled_name_is_suggested() {
        let keys = ["host", "port", "iam_role", "via_roles", "publication", "tls_host"];
        for (text, meant) in [
            ("hots", Some("host")),
            ("iam-role", Some("iam_role")),
            ("IAM_ROLE", Some("iam_role")),
            ("tlshost", Some("tls_host")),
            ("password", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, keys), meant, "{text}");
            let suggested = Invalid::new("a", "b", "c").suggest(text, keys).remedy;
            assert_eq!(suggested, meant.map(|meant| format!("did you mean `{meant}`?")), "{text}");
        }
        let suggested = |text| Invalid::new("a", "b", "c").suggest(text, keys).remedy;
        assert_eq!(suggested("role").as_deref(), Some("did you mean `iam_role` or `via_roles`?"));
        assert_eq!(suggested("o"), None, "too short");
    }
}

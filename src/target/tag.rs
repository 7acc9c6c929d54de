//! Parameters of AssumeRole, with the limits of its API reference.

use std::{fmt, str::FromStr};

use super::{Invalid, no_placeholder, quoted};

/// One session tag. Key 1 to 128 characters, value 0 to 256, of `[\p{L}\p{Z}\p{N}_.:/=+\-@]`;
/// the prefix `aws:` is reserved. Source: STS `Tag`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionTag {
    pub key: String,
    pub value: String,
}

fn legal(c: char) -> bool {
    // \p{L}, \p{N} and \p{Z} of the STS pattern; `is_whitespace` adds control characters, so they go first.
    !c.is_control() && (c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c))
}

impl SessionTag {
    /// # Errors
    /// Names `session_tags` and the limit that is broken.
    pub fn new(key: &str, value: &str) -> Result<Self, Invalid> {
        no_placeholder("session_tags", key)?;
        no_placeholder("session_tags", value)?;
        let wrong =
            |expected: &str| Err(Invalid::new("session_tags", expected, quoted(format!("{key}={value}"))));
        if !(1..=128).contains(&key.chars().count()) {
            return wrong("a key of 1 to 128 characters");
        }
        if value.chars().count() > 256 {
            return wrong("a value of at most 256 characters");
        }
        if !key.chars().chain(value.chars()).all(legal) {
            return wrong("letters, digits, spaces and _.:/=+-@ only");
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return wrong("a key that does not begin with aws: (reserved)");
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

impl FromStr for SessionTag {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (key, value) =
            text.split_once('=').ok_or_else(|| Invalid::new("session_tags", "KEY=VALUE", quoted(text)))?;
        Self::new(key.trim(), value.trim())
    }
}

/// The tags of a session, and which of them are transitive (carried on through a chain of roles).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionTags {
    pub tags: Vec<SessionTag>,
    pub transitive: Vec<String>,
}

impl SessionTags {
    /// # Errors
    /// More than 50 tags, a key given twice (keys ignore case), a transitive key that is not the key of a tag.
    pub fn new(tags: Vec<SessionTag>, transitive: Vec<String>) -> Result<Self, Invalid> {
        if tags.len() > 50 {
            return Err(Invalid::new("session_tags", "at most 50 tags", tags.len()));
        }
        for (i, tag) in tags.iter().enumerate() {
            if tags[..i].iter().any(|other| same_key(&other.key, &tag.key)) {
                return Err(Invalid::new(
                    "session_tags",
                    "each key once (keys ignore case)",
                    format!("`{}` twice", tag.key),
                ));
            }
        }
        for key in &transitive {
            if !tags.iter().any(|tag| same_key(&tag.key, key)) {
                return Err(Invalid::new("transitive_tags", "keys that are among session_tags", quoted(key)));
            }
        }
        Ok(Self { tags, transitive })
    }

    pub fn is_transitive(&self, tag: &SessionTag) -> bool {
        self.transitive.iter().any(|key| same_key(key, &tag.key))
    }
}

impl Default for SessionTags {
    /// One small tag. ClickPipes tags its sessions; without a tag, a trust policy without `sts:TagSession` would not be
    /// noticed.
    fn default() -> Self {
        Self { tags: vec![SessionTag { key: "pipeprobe".into(), value: "1".into() }], transitive: Vec::new() }
    }
}

fn same_key(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// Text of allowed characters and length.
fn limited(
    field: &str,
    text: &str,
    lengths: std::ops::RangeInclusive<usize>,
    extra: &str,
) -> Result<String, Invalid> {
    no_placeholder(field, text)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
    if lengths.contains(&text.chars().count()) && text.chars().all(legal) {
        Ok(text.to_owned())
    } else {
        let expected = format!("{} to {} characters of A-Z a-z 0-9 {extra}", lengths.start(), lengths.end());
        Err(Invalid::new(field, expected, quoted(text)))
    }
}

/// `RoleSessionName`: 2 to 64 characters of `[\w+=,.@-]`. It shows in the ARN and in CloudTrail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionName(String);

impl SessionName {
    pub const DEFAULT: &'static str = "pipeprobe";

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionName {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        limited("session_name", text, 2..=64, "_+=,.@-").map(Self)
    }
}

/// `ExternalId`: 2 to 1224 characters of `[\w+=,.@:/-]`. Not a secret (IAM guide, "The confused deputy problem").
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalId(String);

impl ExternalId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExternalId {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        limited("external_id", text, 2..=1224, "_+=,.@:/-").map(Self)
    }
}

impl fmt::Display for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

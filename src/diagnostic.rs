//! The vocabulary of results: what ClickPipes can do with a database, and how a check ends.

use std::{fmt, str::FromStr, time::Duration};

use clap::ValueEnum;
use jiff::SignedDuration;
use serde::{Serialize, Serializer};

use crate::{
    secret::without_signed_values,
    target::{Invalid, ReplicationMode, choice},
};

/// Words from outside (a server, AWS, a program), without what could drive a terminal and without the values of signed
/// requests, and not endless.
pub fn printable(words: &str) -> String {
    let text: String = words.chars().take(1000).collect();
    without_signed_values(&text.replace(is_unprintable, " ")).trim().to_owned()
}

/// Serializes a duration as milliseconds, rounded to microseconds.
///
/// # Errors
/// The serializer's.
pub fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}

/// A duration for people, rounded down: `45 s`, `12 min`, `3 h 20 min`.
pub(crate) fn in_words(duration: SignedDuration) -> String {
    match duration.as_secs().max(0) {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3600 => format!("{} min", s / 60),
        s @ 3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        s => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}

/// Control characters, and those that make a text look like another one.
pub fn is_unprintable(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Characters that have no width or change the direction of a line.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What ClickPipes can do with the database. Ordered: each includes the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// No pipe can be created.
    Blocked,
    /// A pipe can copy the tables once (`replication_mode = "snapshot"`).
    InitialLoadOnly,
    /// A pipe can copy the tables and follow their changes (`replication_mode = "cdc"`).
    Cdc,
}

impl Capability {
    /// The name ClickPipes' documentation uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blocked => "Blocked",
            Self::InitialLoadOnly => "Initial Load Only",
            Self::Cdc => "CDC",
        }
    }

    /// The value in JSON, in metrics and in the properties of test reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::InitialLoadOnly => "initial_load_only",
            Self::Cdc => "cdc",
        }
    }

    /// `settings.replication_mode` of ClickHouse's Terraform provider.
    pub fn replication_mode(self) -> Option<ReplicationMode> {
        match self {
            Self::Blocked => None,
            Self::InitialLoadOnly => Some(ReplicationMode::Snapshot),
            Self::Cdc => Some(ReplicationMode::Cdc),
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which answer is the verdict. Every report carries both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The rule of the ClickPipes guide: Postgres with IAM is Initial Load Only.
    #[value(alias = "documented")]
    Guide,
    /// What the server allowed: newer RDS accepts IAM on Postgres replication connections
    /// when `rds.iam_auth_for_replication` is on.
    #[value(alias = "observed")]
    Server,
}

impl Basis {
    pub fn name(self) -> &'static str {
        match self {
            Self::Guide => "guide",
            Self::Server => "server",
        }
    }
}

impl FromStr for Basis {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        choice("basis", text)
    }
}

/// By what a run is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub basis: Basis,
    /// What the verdict must reach to be met.
    pub required: Capability,
    pub required_by: RequiredBy,
    /// What the server must allow, whatever the basis. More than `required` only if `serve` has seen more.
    pub of_server: Capability,
}

impl Requirement {
    /// A requirement that does not depend on earlier checks.
    pub fn new(basis: Basis, required: Capability, required_by: RequiredBy) -> Self {
        Self { basis, required, required_by, of_server: Capability::Blocked }
    }
}

/// Where a requirement comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequiredBy {
    /// `--require`, or `require` in the configuration.
    Require,
    /// The target's `replication_mode`.
    ReplicationMode,
    /// Neither is set: Initial Load Only is enough.
    Default,
    /// Neither is set, and `serve` holds the target to the best that its checks have found.
    BestSoFar,
}

impl RequiredBy {
    /// The value in JSON and in metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::ReplicationMode => "replication_mode",
            Self::Default => "default",
            Self::BestSoFar => "best_so_far",
        }
    }

    /// Whether the configuration does not say what the target is for.
    pub fn is_undeclared(self) -> bool {
        matches!(self, Self::Default | Self::BestSoFar)
    }
}

/// What a check that did not pass takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Advisory,
    BlocksCdc,
    Blocks,
}

/// How a check ended. `Unknown` and `NotReached` are answers, and deny as a failure does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Pass,
    /// It holds, but something beside it deserves attention.
    Warn,
    Fail,
    /// The server would not say.
    Unknown,
    /// An earlier step failed, so this one was not tried.
    NotReached,
    /// A choice about the pipe makes it pointless.
    NotApplicable,
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn words_from_outside_cannot_drive_or_deceive_a_terminal() {
        assert_eq!(printable("\u{1b}[31mred\r\nline"), "[31mred  line");
        assert_eq!(printable("a\u{202e}b\u{200b}c\u{feff}"), "a b c");
        assert_eq!(printable("東京, é"), "東京, é");
        assert_eq!(printable(&"x".repeat(2000)).len(), 1000);
    }
}

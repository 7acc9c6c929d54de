//! The vocabulary of results: what a check found, what that denies, and what to do next.

use std::{fmt, str::FromStr, time::Duration};

use clap::ValueEnum;
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

/// One row of the table of checks, by identity; its words and weight are in [`crate::checks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckId {
    PipeSettings,
    PipeAuthentication,
    PipeRegion,
    PipeTls,
    PipeTargetTables,
    Credentials,
    AccessRole,
    TokenLife,
    Resolve,
    Dial,
    Tls,
    IamAsked,
    LogIn,
    ClickPipesRole,
    ClickPipesToken,
    Engine,
    Version,
    Tables,
    Endpoint,
    PostgresRowSecurity,
    PostgresDocumentedRule,
    PostgresStandby,
    PostgresHotStandbyFeedback,
    PostgresWalLevel,
    PostgresWalSenders,
    PostgresIamReplication,
    PostgresReplicationRight,
    PostgresLogicalReplication,
    PostgresReplicationSlots,
    PostgresPublication,
    PostgresReplicaIdentity,
    PostgresUnlogged,
    PostgresPartitioned,
    PostgresParentAndPart,
    PostgresGenerated,
    PostgresToast,
    PostgresIdleSlotTimeout,
    PostgresPipeSlot,
    PostgresTransactionAge,
    PostgresOpenTransactions,
    PostgresSlotWalKeep,
    MysqlAccountLimits,
    MysqlHourlyLimits,
    MysqlTableKinds,
    MysqlBinlogFilters,
    MysqlForeignKeys,
    MysqlVitess,
    MysqlBinaryLog,
    MysqlBinlogStatus,
    MysqlBinlogFormat,
    MysqlBinlogRowImage,
    MysqlBinlogRowMetadata,
    MysqlBinlogRowValueOptions,
    MysqlBinlogExpiry,
    MysqlBinlogRetention,
    MysqlGtid,
    MysqlReplicaStatus,
    MysqlReplicaUpdates,
    MysqlServerId,
    MysqlBinlogStream,
    MariadbCompressedColumns,
    MariadbGenerated,
    MysqlMaxAllowedPacket,
}

/// One of several causes that the evidence leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Candidate {
    pub cause: &'static str,
    /// The evidence for this cause, or against it.
    #[serde(rename = "evidence")]
    pub because: String,
    pub remedy: String,
}

impl Candidate {
    pub fn new(cause: &'static str, because: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause, because: because.into(), remedy: remedy.into() }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub check: CheckId,
    pub outcome: Outcome,
    /// Stable code of the cause, where the check did not simply pass: `STS_TAG_SESSION_DENIED`.
    pub cause: Option<&'static str>,
    /// The expected state. Empty if the title says it.
    pub expected: String,
    /// What was found: the evidence, the server's own words included.
    pub found: String,
    /// What to type or change next.
    pub remedy: Option<String>,
    /// Where the evidence leaves several causes: the likeliest first.
    pub candidates: Vec<Candidate>,
}

impl Diagnostic {
    pub fn pass(check: CheckId, found: impl Into<String>) -> Self {
        Self {
            check,
            outcome: Outcome::Pass,
            cause: None,
            expected: String::new(),
            found: found.into(),
            remedy: None,
            candidates: Vec::new(),
        }
    }

    pub fn warn(check: CheckId, cause: &'static str, found: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warn, cause: Some(cause), ..Self::pass(check, found) }
    }

    pub fn fail(check: CheckId, cause: &'static str, found: impl Into<String>) -> Self {
        Self { outcome: Outcome::Fail, cause: Some(cause), ..Self::pass(check, found) }
    }

    pub fn unknown(check: CheckId, cause: &'static str, found: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown, cause: Some(cause), ..Self::pass(check, found) }
    }

    pub fn unreached(check: CheckId) -> Self {
        Self { outcome: Outcome::NotReached, ..Self::pass(check, "") }
    }

    /// What another row found made it impossible to try.
    pub fn skipped(check: CheckId, why: impl Into<String>) -> Self {
        Self { outcome: Outcome::NotReached, ..Self::pass(check, why) }
    }

    /// A choice about the pipe makes it pointless.
    pub fn not_applicable(check: CheckId, why: impl Into<String>) -> Self {
        Self { outcome: Outcome::NotApplicable, ..Self::pass(check, why) }
    }

    #[must_use]
    pub fn expected(self, expected: impl Into<String>) -> Self {
        Self { expected: expected.into(), ..self }
    }

    /// Any of these, the likeliest first; its remedy is the finding's.
    #[must_use]
    pub fn with_candidates(self, candidates: Vec<Candidate>) -> Self {
        let remedy = candidates.first().map(|first| first.remedy.clone());
        Self { remedy: remedy.or(self.remedy), candidates, ..self }
    }

    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
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

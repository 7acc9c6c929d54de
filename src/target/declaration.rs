//! How a pipe is declared in a document such as a Terraform plan, and the problems that its declaration alone shows.

use serde::Serialize;

use super::{Invalid, ReplicationMode, SourceType};
use crate::secret::Sensitive;

/// The declaration of a pipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declaration {
    /// `name` of the pipe.
    pub pipe_name: Option<String>,
    /// `state` of the pipe in ClickHouse Cloud, such as `Running` or `Failed`.
    pub pipe_state: Option<String>,
    pub problems: Vec<Problem>,
    /// Values that no output contains.
    pub sensitive: Sensitive,
}

/// A problem that needs no connection to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    /// The field of a target that is affected. If it is given elsewhere, the problem does not exist.
    pub key: Option<&'static str>,
    /// The attribute of the pipe, what was expected, what was found, what to do.
    pub invalid: Invalid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Terraform knows the value only after apply.
    KnownAfterApply,
    /// The value cannot be used.
    Invalid,
    /// The document does not contain the database user.
    UserMissing,
    /// `authentication` is `IAM_ROLE`, without `iam_role`.
    RoleMissing,
    /// `authentication` is `basic`, with `iam_role`.
    BasicWithRole,
    /// `authentication` is `IAM_ROLE`, with a password.
    PasswordWithRole,
    TlsDisabled,
    TlsUnverified,
    /// Two tables are copied into one.
    DuplicateTargetTable,
    /// ClickPipes reads the Region from the host name.
    RegionUnreadable,
}

/// A pipe that cannot be checked: its declaration does not contain what a connection needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// The name of the target.
    pub name: String,
    /// `None` if it depends on values that are not known.
    pub source_type: Option<SourceType>,
    pub mode: Option<ReplicationMode>,
    pub declaration: Declaration,
}

/// A pipe that does not log in with IAM, and is not checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Skipped {
    pub target: String,
    pub reason: String,
}

impl Declaration {
    pub fn has(&self, kind: ProblemKind) -> bool {
        self.problems.iter().any(|problem| problem.kind == kind)
    }
}

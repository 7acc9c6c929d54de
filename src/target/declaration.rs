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
    /// The AWS resources of the same document that were judged.
    pub planned: Vec<Planned>,
    /// Values that no output contains.
    pub sensitive: Sensitive,
}

/// An AWS resource that a part of the pipe was judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub part: PlannedPart,
    /// Its address.
    pub resource: String,
}

/// What AWS resources of a plan or state decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedPart {
    AccessRole,
    DatabaseIam,
    /// The parameter group, and backups.
    Parameters,
    /// Security groups, and whether the database is public.
    Route,
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
    /// An AWS resource cannot be judged before apply.
    PlannedUnknown(PlannedPart),
    /// The trust policy does not let ClickPipes assume the role with session tags.
    RoleNotTrusted,
    /// A policy of the role denies `rds-db:connect`, or IAM rejects it.
    RoleConnectDenied,
    /// No policy in the document allows `rds-db:connect`.
    RoleConnectMissing,
    IamOff,
    /// A parameter is not as CDC needs it.
    ParameterWrong,
    BackupsOff,
    /// The security groups do not allow all addresses of ClickPipes.
    AddressesBlocked,
    NotPublic,
}

impl ProblemKind {
    /// The part of AWS that it is about, if it is not about the pipe itself.
    pub fn planned(self) -> Option<PlannedPart> {
        match self {
            Self::PlannedUnknown(part) => Some(part),
            Self::RoleNotTrusted | Self::RoleConnectDenied | Self::RoleConnectMissing => {
                Some(PlannedPart::AccessRole)
            }
            Self::IamOff => Some(PlannedPart::DatabaseIam),
            Self::ParameterWrong | Self::BackupsOff => Some(PlannedPart::Parameters),
            Self::AddressesBlocked | Self::NotPublic => Some(PlannedPart::Route),
            Self::KnownAfterApply
            | Self::Invalid
            | Self::UserMissing
            | Self::RoleMissing
            | Self::BasicWithRole
            | Self::PasswordWithRole
            | Self::TlsDisabled
            | Self::TlsUnverified
            | Self::DuplicateTargetTable
            | Self::RegionUnreadable => None,
        }
    }
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

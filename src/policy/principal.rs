//! The entries of a `Principal` element: who they name, and which of them IAM rejects.
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Principal"; "IAM identifiers", unique ids; AWS re:Post,
//! "Failed to update trust policy. Invalid principal in policy".

use super::Truth;
use crate::target::RoleArn;

/// The caller that wants to assume the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// Any session of a role.
    Role(&'a RoleArn),
    /// An IAM user, by its ARN.
    User(&'a str),
}

impl<'a> Caller<'a> {
    pub fn arn(self) -> &'a str {
        match self {
            Self::Role(role) => role.as_str(),
            Self::User(arn) => arn,
        }
    }

    fn part(self, n: usize) -> &'a str {
        self.arn().split(':').nth(n).unwrap_or_default()
    }
}

/// One entry of a `Principal` element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal<'a> {
    Anyone,
    /// A whole account, by the ARN of its root or by its id. The account's own policies decide who can use it.
    Account {
        partition: Option<&'a str>,
        id: &'a str,
    },
    Role {
        arn: &'a str,
    },
    /// One session of a role, by name.
    Session {
        arn: &'a str,
        account: &'a str,
        role: &'a str,
    },
    User {
        arn: &'a str,
    },
    /// A unique id (`AROA…`, `AIDA…`). IAM shows it after the role or user was deleted.
    Id,
    /// `Service`, `Federated`, `CanonicalUser`: never a role.
    OtherKind,
    /// IAM rejects it, and the whole document with it.
    Malformed,
}

impl<'a> Principal<'a> {
    /// `kind` is the key of the entry: `AWS`, `Service`, …; none for a bare `"*"`.
    pub fn read(kind: Option<&str>, text: &'a str) -> Self {
        match kind {
            Some("AWS") => {}
            Some("Service") if !is_service(text) => return Self::Malformed,
            Some(_) => return Self::OtherKind,
            None if text == "*" => return Self::Anyone,
            None => return Self::Malformed,
        }
        if text == "*" {
            return Self::Anyone;
        }
        if is_account(text) {
            return Self::Account { partition: None, id: text };
        }
        if ["AROA", "AIDA"].iter().any(|prefix| text.starts_with(prefix)) && !text.contains(':') {
            return Self::Id;
        }
        Self::of_arn(text)
    }

    fn of_arn(arn: &'a str) -> Self {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = parts[..] else { return Self::Malformed };
        if !partition.starts_with("aws") || !is_account(account) {
            return Self::Malformed;
        }
        match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => Self::Account { partition: Some(partition), id: account },
            ("iam", Some(("role", name))) if is_path_and_name(name) => Self::Role { arn },
            ("iam", Some(("user", name))) if is_path_and_name(name) => Self::User { arn },
            ("sts", Some(("federated-user", name))) if is_name(name) => Self::User { arn },
            ("sts", Some(("assumed-role", rest))) => match rest.split_once('/') {
                Some((role, session)) if is_name(role) && is_name(session) => {
                    Self::Session { arn, account, role }
                }
                _ => Self::Malformed,
            },
            _ => Self::Malformed,
        }
    }

    /// The partition, if the entry names one.
    pub fn partition(self) -> Option<&'a str> {
        match self {
            Self::Account { partition, .. } => partition,
            Self::Role { arn } | Self::User { arn } | Self::Session { arn, .. } => arn.split(':').nth(1),
            Self::Anyone | Self::Id | Self::OtherKind | Self::Malformed => None,
        }
    }

    /// Whether the caller is named. A role is named for all of its sessions.
    pub fn names(self, caller: Option<Caller<'_>>) -> Truth {
        match (self, caller) {
            (Self::Anyone, _) => Truth::Yes,
            (Self::User { arn }, Some(Caller::User(caller))) => (arn == caller).into(),
            (Self::User { .. } | Self::Id | Self::OtherKind | Self::Malformed, _) => Truth::No,
            (Self::Account { .. } | Self::Role { .. } | Self::Session { .. }, None) => Truth::Unknown,
            (Self::Account { partition, id }, Some(caller)) => {
                let same = partition.is_none_or(|partition| partition == caller.part(1));
                (same && id == caller.part(4)).into()
            }
            (Self::Role { arn }, Some(Caller::Role(caller))) => (arn == caller.as_str()).into(),
            // ClickHouse chooses the name of the session.
            (Self::Session { arn, account, role }, Some(Caller::Role(caller))) => {
                let partition = arn.split(':').nth(1) == Some(caller.partition());
                let same = partition && account == caller.account() && role == name(caller);
                if same { Truth::Unknown } else { Truth::No }
            }
            (Self::Role { .. } | Self::Session { .. }, Some(Caller::User(_))) => Truth::No,
        }
    }
}

/// The name of a role without its path, as in the ARN of a session.
pub fn name(role: &RoleArn) -> &str {
    role.as_str().rsplit('/').next().unwrap_or_default()
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// `rds.amazonaws.com`. Not complete: IAM also rejects the names of services that do not exist.
fn is_service(text: &str) -> bool {
    text == "*" || text.contains('.') && !text.contains(|c: char| c.is_whitespace() || "*?:/".contains(c))
}

/// The path of a role or user can have any printable character, its name only a few.
fn is_path_and_name(text: &str) -> bool {
    let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
    path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '*' | '?')) && is_name(name)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}

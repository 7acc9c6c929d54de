//! Whom a `Principal` element names.
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Principal"; "IAM identifiers", unique ids.

use super::Truth;
use crate::target::RoleArn;

/// Who asks to assume the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// A session of a role, whatever its name.
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
    /// A whole account, by its root's ARN or its id: its own policies decide who.
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
    /// A unique id (`AROA…`, `AIDA…`): what IAM shows once whom it stood for is gone.
    Id,
    /// `Service`, `Federated`, `CanonicalUser`: never a role.
    OtherKind,
    /// Nothing IAM would take.
    Malformed,
}

impl<'a> Principal<'a> {
    /// `kind` is the key it stands under: `AWS`, `Service`, …; none for a bare `"*"`.
    pub fn read(kind: Option<&str>, text: &'a str) -> Self {
        if kind.is_some_and(|kind| kind != "AWS") {
            return Self::OtherKind;
        }
        if text == "*" {
            return Self::Anyone;
        }
        if kind.is_none() {
            return Self::Malformed;
        }
        if is_account(text) {
            return Self::Account { partition: None, id: text };
        }
        if ["AROA", "AIDA"].iter().any(|prefix| text.starts_with(prefix)) && !text.contains(':') {
            return Self::Id;
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = parts[..] else { return Self::Malformed };
        match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" && is_account(account) => {
                Self::Account { partition: Some(partition), id: account }
            }
            ("iam", Some(("role", _))) => Self::Role { arn: text },
            ("iam", Some(("user", _))) | ("sts", Some(("federated-user", _))) => Self::User { arn: text },
            ("sts", Some(("assumed-role", rest))) => {
                let role = rest.split('/').next().unwrap_or_default();
                Self::Session { arn: text, account, role }
            }
            _ => Self::Malformed,
        }
    }

    /// Whether the caller is named: for a role, a session of it, whatever its name.
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
            // The session's name is ClickHouse's to choose.
            (Self::Session { arn, account, role }, Some(Caller::Role(caller))) => {
                let partition = arn.split(':').nth(1) == Some(caller.partition());
                let same = partition && account == caller.account() && role == name(caller);
                if same && !arn.contains(['*', '?']) { Truth::Unknown } else { Truth::No }
            }
            (Self::Role { .. } | Self::Session { .. }, Some(Caller::User(_))) => Truth::No,
        }
    }
}

/// A role's name without its path, as session ARNs carry it.
pub fn name(role: &RoleArn) -> &str {
    role.as_str().rsplit('/').next().unwrap_or_default()
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

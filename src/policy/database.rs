//! The resource of `rds-db:connect`, and how the patterns of a policy match it.
//!
//! `arn:<partition>:rds-db:<region>:<account>:dbuser:<resource id>/<user>`. Source: RDS User Guide, "Creating
//! and using an IAM policy for IAM database access".

use super::{
    Truth,
    pattern::{has_wildcard, matches},
    subject::Subject,
};
use crate::target::{Region, ResourceKind};

/// The resource of the request, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    partition: Option<String>,
    region: Option<String>,
    account: Option<String>,
    id: Option<String>,
    kinds: &'static [ResourceKind],
    user: String,
}

/// A part of the ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is not an ARN, or has a wrong form.
    Form,
    Partition,
    Service,
    Region,
    Account,
    /// `dbuser:`
    Type,
    Id,
    /// A Resource ID of another kind: of an instance instead of a cluster.
    IdKind,
    User,
}

/// How a pattern matches the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    Yes,
    /// Yes, if the parts that are not known have the values of the pattern.
    If(Vec<Part>),
    No(Vec<Part>),
    /// The documentation of IAM does not say whether `*` matches a colon.
    Unsure,
}

impl Match {
    /// For Allow, unknown parts are assumed to have the values of the pattern; not for Deny.
    pub fn truth(&self, allows: bool) -> Truth {
        match self {
            Self::Yes => Truth::Yes,
            Self::If(_) if allows => Truth::Yes,
            Self::If(_) | Self::Unsure => Truth::Unknown,
            Self::No(_) => Truth::No,
        }
    }
}

impl Database {
    pub fn of(subject: &Subject) -> Self {
        Self {
            partition: subject.partition().map(str::to_owned),
            region: subject.region.as_ref().map(Region::to_string),
            account: subject.account().map(str::to_owned),
            id: subject.resource_id.as_ref().map(ToString::to_string),
            kinds: subject.id_kinds(),
            user: subject.user.to_string(),
        }
    }

    /// The ARN, with `<…>` for unknown parts.
    pub fn arn(&self) -> String {
        let part =
            |known: &Option<String>, unknown: &str| known.clone().unwrap_or_else(|| unknown.to_owned());
        let id = match (&self.id, self.kinds) {
            (Some(id), _) => id.clone(),
            (None, [only]) => format!("<{}…>", only.prefix()),
            (None, _) => "<resource id>".to_owned(),
        };
        format!(
            "arn:{}:rds-db:{}:{}:dbuser:{id}/{}",
            part(&self.partition, "aws"),
            part(&self.region, "<region>"),
            part(&self.account, "<account>"),
            self.user
        )
    }

    pub fn kinds(&self) -> &'static [ResourceKind] {
        self.kinds
    }

    /// How a resource pattern with replaced variables matches this database.
    pub fn fit(&self, pattern: &str) -> Match {
        if pattern == "*" {
            return Match::Yes;
        }
        let mut parts: Vec<&str> = pattern.splitn(6, ':').collect();
        if !matches(parts[0], "arn") {
            return Match::No(vec![Part::Form]);
        }
        parts.resize(6, "*"); // IAM completes an ARN with missing parts
        let (mut wrong, mut assumed) = (Vec::new(), Vec::new());
        let fields = [
            (Part::Partition, parts[1], self.partition.as_deref()),
            (Part::Service, parts[2], Some("rds-db")),
            (Part::Region, parts[3], self.region.as_deref()),
            (Part::Account, parts[4], self.account.as_deref()),
        ];
        for (part, pattern, known) in fields {
            match known {
                Some(known) if !matches(pattern, known) => wrong.push(part),
                // It follows from the Region, which is compared or assumed itself.
                None if part == Part::Partition => {}
                None if pattern != "*" => assumed.push(part),
                _ => {}
            }
        }
        match self.id.as_deref() {
            Some(id) if matches(parts[5], &format!("dbuser:{id}/{}", self.user)) => {}
            Some(id) => wrong.extend(self.mismatches(parts[5], |pattern| matches(pattern, id))),
            None => match self.whatever_its_id(parts[5]) {
                Truth::Yes => {}
                Truth::Unknown => assumed.push(Part::Id),
                Truth::No => {
                    let wrongs = self.mismatches(parts[5], |pattern| self.may_be_its_id(pattern));
                    if wrongs.is_empty() { assumed.push(Part::Id) } else { wrong.extend(wrongs) }
                }
            },
        }
        match (wrong.is_empty(), assumed.is_empty()) {
            (true, true) => Match::Yes,
            (true, false) => Match::If(assumed),
            (false, _) if matches(pattern, &self.arn()) => Match::Unsure,
            (false, _) => Match::No(wrong),
        }
    }

    /// Whether a pattern matches every id that the database can have, some of them, or none.
    fn whatever_its_id(&self, pattern: &str) -> Truth {
        // No policy contains this id, so only wildcards match it.
        let met = |kind: &ResourceKind| {
            matches(pattern, &format!("dbuser:{}\u{1}\u{2}/{}", kind.prefix(), self.user))
        };
        match self.kinds.iter().filter(|kind| met(kind)).count() {
            0 => Truth::No,
            all if all == self.kinds.len() => Truth::Yes,
            _ => Truth::Unknown,
        }
    }

    fn may_be_its_id(&self, pattern: &str) -> bool {
        let shaped = |kind: &ResourceKind| {
            let rest = pattern.strip_prefix(kind.prefix());
            rest.is_some_and(|rest| rest.chars().any(|c| c != '*' && c != '?'))
        };
        self.kinds.iter().any(shaped)
    }

    fn mismatches(&self, resource: &str, is_its_id: impl Fn(&str) -> bool) -> Vec<Part> {
        let Some(rest) = resource.strip_prefix("dbuser:") else {
            return vec![if resource.starts_with("dbuser") { Part::Form } else { Part::Type }];
        };
        let Some((id, user)) = rest.split_once('/') else { return vec![Part::Form] };
        let mut wrong = Vec::new();
        if !is_its_id(id) {
            let other_kind = ResourceKind::of(id).is_some_and(|kind| !self.kinds.contains(&kind));
            wrong.push(if other_kind { Part::IdKind } else { Part::Id });
        }
        if !matches(user, &self.user) {
            wrong.push(Part::User);
        }
        // A wildcard matches across the slash.
        if wrong.is_empty() && has_wildcard(rest) && self.id.is_some() {
            wrong.push(Part::Form);
        }
        wrong
    }
}

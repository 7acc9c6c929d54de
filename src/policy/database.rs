//! The resource of `rds-db:connect`, and how the patterns of a policy meet it.
//!
//! `arn:<partition>:rds-db:<region>:<account>:dbuser:<resource id>/<user>`. Source: RDS User Guide, "Creating
//! and using an IAM policy for IAM database access".

use super::{
    Truth,
    pattern::{fits, has_wildcard},
    subject::Subject,
};
use crate::target::{Region, ResourceKind};

/// The database user to connect as, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    partition: Option<String>,
    region: Option<String>,
    account: Option<String>,
    id: Option<String>,
    kinds: &'static [ResourceKind],
    user: String,
}

/// The parts of the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is no ARN, or not in the form of one.
    Form,
    Partition,
    Service,
    Region,
    Account,
    /// `dbuser:`
    Type,
    Id,
    /// An id of another kind: an instance's for a cluster's.
    IdKind,
    User,
}

/// How a pattern meets the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    Yes,
    /// Where the parts that are not known here are what the pattern says.
    If(Vec<Part>),
    No(Vec<Part>),
    /// IAM's words leave it open whether `*` reaches over a colon.
    Unsure,
}

impl Fit {
    /// For a statement that allows, what it names may be taken for what was meant; not for one that denies.
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

    /// Its ARN, with `<…>` for what is not known.
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

    /// How a resource pattern, its variables filled in, meets this database.
    pub fn fit(&self, pattern: &str) -> Fit {
        if pattern == "*" {
            return Fit::Yes;
        }
        let mut parts: Vec<&str> = pattern.splitn(6, ':').collect();
        if !fits(parts[0], "arn") {
            return Fit::No(vec![Part::Form]);
        }
        parts.resize(6, "*"); // IAM completes an ARN that ends early
        let (mut wrong, mut assumed) = (Vec::new(), Vec::new());
        let fields = [
            (Part::Partition, parts[1], self.partition.as_deref()),
            (Part::Service, parts[2], Some("rds-db")),
            (Part::Region, parts[3], self.region.as_deref()),
            (Part::Account, parts[4], self.account.as_deref()),
        ];
        for (part, pattern, known) in fields {
            match known {
                Some(known) if !fits(pattern, known) => wrong.push(part),
                // The Region says it, and is compared or assumed itself.
                None if part == Part::Partition => {}
                None if pattern != "*" => assumed.push(part),
                _ => {}
            }
        }
        match self.id.as_deref() {
            Some(id) if fits(parts[5], &format!("dbuser:{id}/{}", self.user)) => {}
            Some(id) => wrong.extend(self.mismatches(parts[5], |pattern| fits(pattern, id))),
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
            (true, true) => Fit::Yes,
            (true, false) => Fit::If(assumed),
            (false, _) if fits(pattern, &self.arn()) => Fit::Unsure,
            (false, _) => Fit::No(wrong),
        }
    }

    /// Whether a pattern takes every id the database may have, some, or none that can be told in advance.
    fn whatever_its_id(&self, pattern: &str) -> Truth {
        // No policy names this id, so only wildcards can meet it.
        let met =
            |kind: &ResourceKind| fits(pattern, &format!("dbuser:{}\u{1}\u{2}/{}", kind.prefix(), self.user));
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
        if !fits(user, &self.user) {
            wrong.push(Part::User);
        }
        // A wildcard that reaches over the slash.
        if wrong.is_empty() && has_wildcard(rest) && self.id.is_some() {
            wrong.push(Part::Form);
        }
        wrong
    }
}

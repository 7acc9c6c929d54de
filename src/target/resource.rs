//! The resource of `rds-db:connect`: the resource ID of an instance, a cluster or a proxy, never its name.

use std::{fmt, str::FromStr};

use super::{DbUser, Invalid, RdsName, RdsNameKind, Target, no_placeholder, quoted};

/// The kind of RDS resource that a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    Instance,
    /// Aurora, and Multi-AZ DB clusters (which are not Aurora).
    Cluster,
    Proxy,
}

impl ResourceKind {
    const ALL: [Self; 3] = [Self::Instance, Self::Cluster, Self::Proxy];

    /// The kind that a resource ID has according to its prefix.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| id.starts_with(kind.prefix()))
    }

    /// The prefix of its resource IDs.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Instance => "db-",
            Self::Cluster => "cluster-",
            Self::Proxy => "prx-",
        }
    }

    /// The kind of parameter group that has its settings.
    pub fn parameter_group(self) -> &'static str {
        match self {
            Self::Cluster => "DB cluster parameter group",
            Self::Instance | Self::Proxy => "DB parameter group",
        }
    }

    /// Placeholder for an unknown resource ID. IAM does not accept it.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Instance => "<db-…>",
            Self::Cluster => "<cluster-…>",
            Self::Proxy => "<prx-…>",
        }
    }
}

/// A resource ID, such as `db-ABCDEFGHIJKL01234`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceId(String);

impl ResourceId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn kind(&self) -> ResourceKind {
        ResourceKind::of(&self.0).unwrap_or(ResourceKind::Instance)
    }
}

impl FromStr for ResourceId {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        no_placeholder("resource_id", text)?;
        let rest = ResourceKind::of(text).and_then(|kind| text.strip_prefix(kind.prefix()));
        match rest {
            Some(rest)
                if (1..=64).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric()) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Invalid::new(
                "resource_id",
                "a resource ID: db-… of an instance, cluster-… of a cluster, prx-… of a proxy (not its name)",
                quoted(text),
            )),
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Target {
    /// The kind of resource, from the source type and the name that the token is signed for.
    pub fn resource_kind(&self) -> ResourceKind {
        match RdsName::parse(&self.sign.host).map(|name| name.kind) {
            Some(RdsNameKind::Proxy) => ResourceKind::Proxy,
            Some(name) if name.is_of_cluster() => ResourceKind::Cluster,
            _ if self.source_type.is_aurora() => ResourceKind::Cluster,
            _ => ResourceKind::Instance,
        }
    }

    /// The resource ARN on which an identity policy must allow `rds-db:connect`, for this resource ID.
    pub fn connect_resource(&self, id: &str) -> String {
        let account = self.access.roles.last().map_or("<account>", |role| role.account());
        let (region, user) = (&self.region, self.user.in_policy());
        format!("arn:{}:rds-db:{region}:{account}:dbuser:{id}/{user}", region.partition())
    }
}

impl DbUser {
    /// The name as it is written in a policy: `*`, `?` and `$` are escaped (IAM guide, "Policy variables", special
    /// characters).
    fn in_policy(&self) -> String {
        let literal = |c| match c {
            '*' | '?' | '$' => format!("${{{c}}}"),
            other => other.to_string(),
        };
        self.as_str().chars().map(literal).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_id_says_what_it_is_of() {
        for (text, kind) in [
            ("db-ABCDEFGHIJKL01234", ResourceKind::Instance),
            ("cluster-ABCDEFGHIJKL01234", ResourceKind::Cluster),
            ("prx-0123456789abcdef0", ResourceKind::Proxy),
        ] {
            assert_eq!(text.parse::<ResourceId>().unwrap().kind(), kind);
        }
        for wrong in ["mydb", "db-", "db-*", "db-a/b", "<db-…>", "{RDS_RESOURCE_ID}", "vpc-1"] {
            assert_eq!(wrong.parse::<ResourceId>().unwrap_err().field, "resource_id", "{wrong}");
        }
    }

    #[test]
    fn a_user_is_no_pattern_of_a_policy() {
        let user: DbUser = "a*b?c$d".parse().unwrap();
        assert_eq!(user.in_policy(), "a${*}b${?}c${$}d");
    }
}

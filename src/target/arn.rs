use std::{fmt, str::FromStr};

use super::{Invalid, no_placeholder, quoted};

/// The ARN of an IAM role: `arn:<partition>:iam::<account>:role/<path><name>`.
/// Source: IAM identifiers reference; length 20 to 2048 from the STS model of `AssumeRole`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleArn(String);

impl RoleArn {
    /// # Errors
    /// Names `field` and the part that is wrong.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        no_placeholder(field, text)?;
        let expected = |what: &str| Invalid::new(field, what, quoted(text));
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [arn, partition, service, region, account, resource] = parts[..] else {
            return Err(expected("a role ARN, such as arn:aws:iam::123456789012:role/name"));
        };
        if arn != "arn" || !(partition == "aws" || partition.starts_with("aws-")) {
            return Err(expected("an ARN that begins with arn:aws, arn:aws-cn or arn:aws-us-gov"));
        }
        if service != "iam" || !region.is_empty() {
            return Err(expected("an IAM ARN (arn:<partition>:iam::<account>:role/<name>)"));
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(expected("an ARN with a 12-digit account id"));
        }
        let Some(name) = resource.strip_prefix("role/") else {
            return Err(expected("the ARN of a role (…:role/<name>), not of a user, group or policy"));
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c);
        if name.is_empty() || name.ends_with('/') || !name.chars().all(legal) || text.len() > 2048 {
            return Err(expected("a role name of letters, digits and _+=,.@- (after an optional path)"));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }

    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }

    /// The role's name, without its path.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The path before its name; `/` if it has none.
    pub fn path(&self) -> &str {
        let resource = self.0.split_once("role").map_or("/", |(_, rest)| rest);
        resource.strip_suffix(self.name()).unwrap_or("/")
    }
}

impl FromStr for RoleArn {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse("iam_role", text)
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ARN of a principal in a trust policy: a role, a user, or an account (`…:root`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalArn(String);

impl PrincipalArn {
    /// # Errors
    /// Names `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        no_placeholder(field, text)?;
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c);
        match parts[..] {
            ["arn", partition, "iam", "", account, resource]
                if (partition == "aws" || partition.starts_with("aws-"))
                    && account.len() == 12
                    && account.bytes().all(|b| b.is_ascii_digit())
                    && (resource == "root"
                        || ["user/", "role/"].iter().any(|kind| {
                            resource.strip_prefix(kind).is_some_and(|name| {
                                !name.is_empty() && !name.ends_with('/') && name.chars().all(legal)
                            })
                        })) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Invalid::new(
                field,
                "the ARN of a role, a user or an account, such as arn:aws:iam::123456789012:role/name or …:root",
                quoted(text),
            )),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_a_name_and_a_path() {
        for (arn, path, name) in [
            ("arn:aws:iam::123456789012:role/r", "/", "r"),
            ("arn:aws-cn:iam::123456789012:role/team/role/r", "/team/role/", "r"),
        ] {
            let role: RoleArn = arn.parse().unwrap();
            assert_eq!((role.path(), role.name()), (path, name));
        }
    }

    #[test]
    fn a_principal_is_a_role_a_user_or_an_account() {
        for arn in ["role/a/b", "user/u", "root"] {
            PrincipalArn::parse("caller", &format!("arn:aws:iam::123456789012:{arn}")).unwrap();
        }
        for wrong in
            ["*", "123456789012", "arn:aws:sts::123456789012:assumed-role/r/s", "arn:aws:iam::1:root"]
        {
            assert_eq!(PrincipalArn::parse("caller", wrong).unwrap_err().field, "caller");
        }
    }
}

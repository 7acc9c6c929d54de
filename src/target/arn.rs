use std::{fmt, str::FromStr};

use super::{Invalid, no_placeholder, quoted};

/// The ARN of an IAM role: `arn:<partition>:iam::<account>:role/<path><name>`.
/// Source: IAM identifiers reference; length 20 to 2048 from the STS model of `AssumeRole`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleArn(String);

impl RoleArn {
    /// # Errors
    /// Names `field` and the part that is wrong.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        no_placeholder(field, text)?;
        let wanted = |what: &str| Invalid::new(field, what, quoted(text));
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [arn, partition, service, region, account, resource] = parts[..] else {
            return Err(wanted("a role ARN, such as arn:aws:iam::123456789012:role/name"));
        };
        if arn != "arn" || !(partition == "aws" || partition.starts_with("aws-")) {
            return Err(wanted("an ARN that begins with arn:aws, arn:aws-cn or arn:aws-us-gov"));
        }
        if service != "iam" || !region.is_empty() {
            return Err(wanted("an IAM ARN (arn:<partition>:iam::<account>:role/<name>)"));
        }
        if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wanted("an ARN with a 12-digit account id"));
        }
        let Some(name) = resource.strip_prefix("role/") else {
            return Err(wanted("the ARN of a role (…:role/<name>), not of a user, group or policy"));
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c);
        if name.is_empty() || name.ends_with('/') || !name.chars().all(legal) || text.len() > 2048 {
            return Err(wanted("a role name of letters, digits and _+=,.@- (a path may stand before it)"));
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

//! The nouns: what is to be verified, parsed once. A `Target` that exists is well formed; nothing
//! downstream checks again.

mod arn;
mod invalid;
mod pipe;
mod rds_name;
mod resource;
mod tag;

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc, time::Duration};

use clap::ValueEnum;
use serde::Serialize;

pub use arn::{PrincipalArn, RoleArn};
pub use invalid::{ConfigErrors, ErrorList, Invalid, Origin, choice, no_placeholder, quoted};
pub use pipe::{Pipe, ReplicationMechanism, ReplicationMode, TablePattern, like};
pub use rds_name::{RdsName, RdsNameKind};
pub use resource::{ResourceId, ResourceKind};
pub use tag::{ExternalId, SessionName, SessionTag, SessionTags};

/// A ClickPipes source type, named as in ClickHouse's Terraform provider (`source.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum SourceType {
    /// RDS for PostgreSQL
    RdsPostgres,
    /// Aurora PostgreSQL
    AuroraPostgres,
    /// RDS for MySQL
    RdsMysql,
    /// Aurora MySQL
    AuroraMysql,
    /// RDS for MariaDB
    RdsMariadb,
}

impl SourceType {
    pub fn name(self) -> &'static str {
        match self {
            Self::RdsPostgres => "rdspostgres",
            Self::AuroraPostgres => "aurorapostgres",
            Self::RdsMysql => "rdsmysql",
            Self::AuroraMysql => "auroramysql",
            Self::RdsMariadb => "rdsmariadb",
        }
    }

    pub fn engine(self) -> Engine {
        match self {
            Self::RdsPostgres | Self::AuroraPostgres => Engine::Postgres,
            Self::RdsMysql | Self::AuroraMysql => Engine::Mysql,
            Self::RdsMariadb => Engine::Mariadb,
        }
    }

    /// Aurora keeps its settings in a cluster parameter group and its resource id is `cluster-…`.
    pub fn is_aurora(self) -> bool {
        matches!(self, Self::AuroraPostgres | Self::AuroraMysql)
    }
}

impl FromStr for SourceType {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        choice("type", text)
    }
}

/// The protocol and rules a server follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Mysql,
    Mariadb,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
        }
    }

    pub fn default_port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Mysql | Self::Mariadb => 3306,
        }
    }
}

/// A host name or IP address, without scheme, port or path. Case is kept as typed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Host(String);

impl Host {
    /// # Errors
    /// Names `field` when the text has a scheme, a port, a path, white space or bad characters.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        no_placeholder(field, text)?;
        let wrong = |expected: &str| Err(Invalid::new(field, expected, quoted_host(text)));
        if text.is_empty() {
            return wrong("a host name, such as mydb.abc123.us-east-1.rds.amazonaws.com");
        }
        if text.contains("://") {
            return wrong("a host name without a scheme");
        }
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        if text.contains(':') {
            return wrong("a host name without a port (use the field `port`)");
        }
        if text.ends_with('.') {
            return wrong("a host name without a trailing dot (the token is signed for the exact name)");
        }
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        if text.len() > 253 || !text.split('.').all(label) {
            return wrong("a host name (letters, digits, `-` and `.`; labels of 1 to 63 characters)");
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Quotes a host name that cannot be used, unless it can be a URL or a connection string with a password in it.
fn quoted_host(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/[]{}".contains(c);
    match text.chars().find(|c| !plain(*c)) {
        None => quoted(text),
        Some(c) => format!("{} characters with {} (not shown)", text.chars().count(), quoted(c)),
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Endpoint {
    pub host: Host,
    pub port: u16,
}

impl Endpoint {
    /// Reads `host:port`, `[v6]:port` or a host alone (then `default_port`).
    ///
    /// # Errors
    /// Names `field` when either part is malformed.
    pub fn parse(field: &str, text: &str, default_port: u16) -> Result<Self, Invalid> {
        if let Ok(address) = text.parse::<std::net::SocketAddr>()
            && address.port() != 0
        {
            return Ok(Self { host: Host(address.ip().to_string()), port: address.port() });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if text.parse::<IpAddr>().is_err() && !text.contains("://") => (
                host,
                port.parse().ok().filter(|p| *p != 0).ok_or_else(|| {
                    Invalid::new(field, "host:port with a port from 1 to 65535", quoted_host(text))
                })?,
            ),
            _ => (text, default_port),
        };
        Ok(Self { host: Host::parse(field, host)?, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.ip() {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// An AWS Region code, such as `eu-central-1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Region(String);

impl Region {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition a Region belongs to (botocore `partitions.json`, region prefixes).
    pub fn partition(&self) -> &'static str {
        let prefix = |p: &str| self.0.starts_with(p);
        match () {
            () if prefix("cn-") => "aws-cn",
            () if prefix("us-gov-") => "aws-us-gov",
            () if prefix("us-isob-") => "aws-iso-b",
            () if prefix("us-isof-") => "aws-iso-f",
            () if prefix("us-iso-") => "aws-iso",
            () if prefix("eu-isoe-") => "aws-iso-e",
            () if prefix("eusc-") => "aws-eusc",
            () => "aws",
        }
    }
}

impl FromStr for Region {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        no_placeholder("region", text)?;
        // `<area>-<direction>-<number>`, with `us-gov-…`, `us-iso?-…` and `eusc-de-…` in the middle.
        let parts: Vec<&str> = text.split('-').collect();
        let words = |w: &&str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase());
        let well_formed = (3..=4).contains(&parts.len())
            && parts[..parts.len() - 1].iter().all(words)
            && parts[parts.len() - 1].parse::<u8>().is_ok_and(|n| n > 0);
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new("region", "an AWS Region code, such as eu-central-1", quoted(text)))
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The database user the token is for. Its case must match the database's (AWS, "Creating a
/// database account using IAM authentication").
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DbUser(String);

impl DbUser {
    /// The user of the ClickPipes guide.
    pub const DEFAULT: &'static str = "clickpipes_iam_user";

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DbUser {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        no_placeholder("user", text)?;
        // 63 bytes in Postgres, 32 characters in MySQL, 80 in MariaDB: only what none accepts is refused here.
        if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
            return Err(Invalid::new("user", "a database user name", quoted(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for DbUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A trust anchor file's content: one or more certificates in PEM, checked when the configuration is read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CaCertificate {
    /// Shared by all targets that name the same file.
    pub pem: Arc<str>,
}

impl fmt::Debug for CaCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaCertificate({} bytes)", self.pem.len())
    }
}

/// How the access role is reached: which roles in turn, and what is passed to STS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// Roles to assume in order; the last is the access role (`iam_role`). Empty only for
    /// `pipeprobe token` without a role, which signs with the source credentials themselves.
    pub roles: Vec<RoleArn>,
    pub external_id: Option<ExternalId>,
    pub session_name: SessionName,
    pub tags: SessionTags,
    /// `DurationSeconds` of the sessions; 900 s to 12 h, at most 1 h where roles are chained.
    pub duration: Duration,
    /// Named profile of the shared AWS files; `AWS_PROFILE` otherwise.
    pub profile: Option<String>,
    /// More trust anchors for AWS's endpoints: `AWS_CA_BUNDLE`, for networks that inspect TLS.
    pub ca_bundle: Option<CaCertificate>,
}

/// Whose credentials may look, beside a check, at what RDS and IAM have on record: a profile's, or a role's that
/// is assumed from it, or from the source credentials. One of the two is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Named profile of the shared AWS files.
    pub profile: Option<String>,
    pub role: Option<RoleArn>,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.role, &self.profile) {
            (Some(role), Some(profile)) => write!(f, "role {role} from profile {profile}"),
            (Some(role), None) => write!(f, "role {role}"),
            (None, Some(profile)) => write!(f, "profile {profile}"),
            (None, None) => f.write_str("the source credentials"),
        }
    }
}

/// One database to verify, and everything needed to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What reports call it: the table's name in the file, else the host.
    pub name: String,
    pub source_type: SourceType,
    /// Where we dial: `connect_to`, else `host:port`.
    pub dial: Endpoint,
    /// Whom TLS verifies: `tls_host`, else `host`.
    pub tls_host: Host,
    /// What the token is signed for: `sign_host:sign_port`, else `tls_host:port`.
    pub sign: Endpoint,
    /// The Region the token is signed in: `region`, else read from the RDS name it is signed for.
    pub region: Region,
    /// The database to open; MySQL and MariaDB need none.
    pub database: Option<String>,
    pub user: DbUser,
    pub access: Access,
    pub ca_certificate: Option<CaCertificate>,
    /// Whom to ask why, where that was chosen.
    pub operator: Option<Operator>,
    /// What the pipe is to do with it.
    pub pipe: Pipe,
}

impl Target {
    pub fn engine(&self) -> Engine {
        self.source_type.engine()
    }
}

#[cfg(test)]
mod tests;

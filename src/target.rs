//! The types of the input, parsed once: a `Target` is always well formed, so that nothing checks it again.

mod access;
mod arn;
mod declaration;
mod invalid;
mod parameter;
mod pipe;
mod rds_name;
mod resource;
mod tag;

use std::{fmt, net::IpAddr, str::FromStr};

use clap::ValueEnum;
use serde::Serialize;

pub use access::{Access, AwsDiagnosticsCredentials, CaCertificate};
pub use arn::{PrincipalArn, RoleArn};
pub use declaration::{Declaration, Planned, PlannedPart, Problem, ProblemKind, Skipped, Unchecked};
pub use invalid::{
    ConfigErrors, ErrorList, InputField, Invalid, Origin, choice, nearest, no_known_placeholder,
    no_placeholder, quoted,
};
pub use parameter::{Parameter, Unset};
pub use pipe::{
    ClickHouseEngine, Pipe, ReplicationMechanism, ReplicationMode, TableColumn, TableEngine, TablePattern,
    like,
};
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

    /// The type of a database whose engine is named `postgres`, `mysql` or `mariadb`: an Aurora type for an endpoint of a
    /// cluster, otherwise an RDS type. `None` for another engine.
    pub fn of_engine(engine: &str, host: Option<&Host>) -> Option<Self> {
        let name = host.and_then(RdsName::parse);
        let cluster =
            name.is_some_and(|name| name.kind.is_of_cluster() || name.kind == RdsNameKind::GlobalWriter);
        Some(match (engine, cluster) {
            ("postgres", false) => Self::RdsPostgres,
            ("postgres", true) => Self::AuroraPostgres,
            ("mysql", false) => Self::RdsMysql,
            ("mysql", true) => Self::AuroraMysql,
            ("mariadb", _) => Self::RdsMariadb,
            _ => return None,
        })
    }

    pub fn engine(self) -> Engine {
        match self {
            Self::RdsPostgres | Self::AuroraPostgres => Engine::Postgres,
            Self::RdsMysql | Self::AuroraMysql => Engine::Mysql,
            Self::RdsMariadb => Engine::Mariadb,
        }
    }

    /// Aurora has a DB cluster parameter group, and its resource ID is `cluster-…`.
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

/// The protocol and rules that a server follows.
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
    /// Names `field` if the text has a scheme, a port, a path, white space or bad characters.
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

/// The database user that the token is for. Its case must match the case in the database (AWS, "Creating a database
/// account using IAM authentication").
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
        no_known_placeholder("user", text)?;
        // The limits are 63 bytes (PostgreSQL), 32 characters (MySQL) and 80 characters (MariaDB). This refuses only names
        // that no engine accepts.
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

/// One database to verify, and everything needed to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name in reports: the name of the table in the file, otherwise the host.
    pub name: String,
    pub source_type: SourceType,
    /// The host as configured, which `port` belongs to: the RDS endpoint, or a tunnel or load balancer to it.
    pub host: Host,
    /// The address to connect to: `connect_to`, otherwise `host:port`.
    pub dial: Endpoint,
    /// The port of the pipe, which ClickPipes connects to and signs for: `port`.
    pub port: u16,
    /// The name that TLS verifies: `tls_host`, otherwise `host`.
    pub tls_host: Host,
    /// What the token is signed for: `sign_host:sign_port`, otherwise `tls_host:port`.
    pub sign: Endpoint,
    /// The Region that the token is signed in: `region`, otherwise the Region in the RDS name that it is signed for.
    pub region: Region,
    /// The database to connect to; MySQL and MariaDB do not need one.
    pub database: Option<String>,
    pub user: DbUser,
    pub access: Access,
    pub ca_certificate: Option<CaCertificate>,
    /// Credentials for AWS diagnostics, if they are turned on.
    pub aws_diagnostics: Option<AwsDiagnosticsCredentials>,
    /// What the pipe does with it.
    pub pipe: Pipe,
    /// The declaration of the pipe, if it comes from a Terraform plan or state.
    pub declaration: Option<Declaration>,
}

impl Target {
    pub fn engine(&self) -> Engine {
        self.source_type.engine()
    }
}

#[cfg(test)]
mod tests;

//! The table: every check in order, what it denies, and how what was seen is judged. Pure.
//!
//! A report begins with every row of its engine unreached; the judges below answer them.

mod credentials;
mod mysql;
mod postgres;
mod reach;

use crate::{
    connection::{ConnectError, Evidence},
    facts::{Fact, Facts},
    finding::{CheckId, Denies, Finding, Policy},
    identity::{IdentityError, IdentityEvidence},
    target::{Engine, RdsName, RdsNameKind, Target},
    token::AuthToken,
};

/// One row of the table.
#[derive(Debug)]
pub struct Check {
    pub id: CheckId,
    /// Stable name; the anchor of `explain`.
    pub code: &'static str,
    pub group: Group,
    /// Finishes the sentence "This database …"; `{user}` and `{engine}` are filled in.
    pub phrase: &'static str,
    /// What is lost unless it passes.
    pub denies: Denies,
    /// `None` where it counts under both policies.
    pub policy: Option<Policy>,
    pub engines: &'static [Engine],
}

/// Sections of a report, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Identity,
    Connection,
    Capability,
}

impl Group {
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Connection => "connection",
            Self::Capability => "capability",
        }
    }
}

const ALL: &[Engine] = &[Engine::Postgres, Engine::Mysql, Engine::Mariadb];
const POSTGRES: &[Engine] = &[Engine::Postgres];
const MYSQL: &[Engine] = &[Engine::Mysql, Engine::Mariadb];

const fn row(
    id: CheckId,
    code: &'static str,
    group: Group,
    phrase: &'static str,
    denies: Denies,
    engines: &'static [Engine],
) -> Check {
    Check { id, code, group, phrase, denies, policy: None, engines }
}

use CheckId as Id;
use Denies::{Cdc, Everything, Nothing};
use Group::{Capability, Connection, Identity};

#[rustfmt::skip]
pub static CHECKS: &[Check] = &[
    row(Id::Credentials, "AWS_CREDENTIALS", Identity, "is asked by a caller with AWS credentials", Everything, ALL),
    row(Id::AccessRole, "STS_ACCESS_ROLE", Identity, "has an access role that lets a tagged session in", Everything, ALL),
    row(Id::TokenLife, "TOKEN_LIFE", Identity, "is sent a token with its full life ahead", Nothing, ALL),
    row(Id::Resolve, "DNS_RESOLVE", Connection, "has a name that resolves", Everything, ALL),
    row(Id::Dial, "NET_DIAL", Connection, "accepts connections", Everything, ALL),
    row(Id::Tls, "TLS_VERIFY", Connection, "proves its name over TLS", Everything, ALL),
    row(Id::IamAsked, "AUTH_IAM_ASKED", Connection, "asks {user} for an IAM token", Everything, ALL),
    row(Id::LogIn, "AUTH_LOG_IN", Connection, "accepts the token as {user}", Everything, ALL),
    row(Id::Engine, "DB_ENGINE", Capability, "runs {engine}", Everything, ALL),
    row(Id::Version, "DB_VERSION", Capability, "runs a version that ClickPipes reads", Everything, ALL),
    row(Id::Endpoint, "DB_ENDPOINT", Capability, "is reached where changes can be streamed", Cdc, ALL),
    Check { policy: Some(Policy::Documented), ..row(Id::PostgresDocumentedRule, "PG_DOCUMENTED_RULE", Capability,
        "is documented to allow CDC with IAM", Cdc, POSTGRES) },
    row(Id::PostgresIamReplication, "PG_IAM_REPLICATION", Capability, "accepts the token for replication", Cdc, POSTGRES),
    row(Id::PostgresWalLevel, "PG_WAL_LEVEL", Capability, "writes its WAL for logical decoding", Cdc, POSTGRES),
    row(Id::PostgresStandby, "PG_STANDBY", Capability, "can hold a replication slot where it stands", Cdc, POSTGRES),
    row(Id::MysqlBinaryLog, "MYSQL_BINARY_LOG", Capability, "writes a binary log", Cdc, MYSQL),
];

/// The rows that concern an engine, in order.
pub fn of(engine: Engine) -> impl Iterator<Item = &'static Check> {
    CHECKS.iter().filter(move |check| check.engines.contains(&engine))
}

/// The row of a finding.
///
/// # Panics
/// Never: a test holds the table complete.
pub fn check(id: CheckId) -> &'static Check {
    CHECKS.iter().find(|check| check.id == id).expect("every CheckId has a row")
}

impl Check {
    pub fn phrase_for(&self, target: &Target) -> String {
        self.phrase.replace("{user}", target.user.as_str()).replace("{engine}", target.engine().name())
    }
}

/// Everything a run saw, uninterpreted. `None` where it was not reached.
#[derive(Debug, Default)]
pub struct Observations {
    pub identity: Option<Result<(), IdentityError>>,
    pub identity_evidence: IdentityEvidence,
    pub token: Option<Result<AuthToken, String>>,
    /// Up to the door: everything before the token.
    pub climb: Option<Result<(), ConnectError>>,
    pub login: Option<Result<(), ConnectError>>,
    pub connection: Evidence,
    pub facts: Option<Facts>,
}

/// What was seen → one finding a row, in the table's order.
pub fn judge(target: &Target, seen: &Observations) -> Vec<Finding> {
    let mut answers = credentials::judge(target, seen);
    answers.extend(reach::judge(target, seen));
    match &seen.facts {
        Some(Facts::Postgres(facts)) => answers.extend(postgres::judge(target, facts)),
        Some(Facts::Mysql(facts)) => answers.extend(mysql::judge(target, facts)),
        None => {}
    }
    if seen.facts.is_some() {
        answers.push(reach::endpoint(target));
    }
    of(target.engine())
        .map(|check| {
            answers
                .iter()
                .find(|f| f.check == check.id)
                .cloned()
                .unwrap_or_else(|| Finding::unreached(check.id))
        })
        .collect()
}

/// The resource an identity policy must allow `rds-db:connect` on, as far as it can be known from here.
fn policy_resource(target: &Target) -> String {
    let id = match RdsName::parse(&target.sign.host).map(|name| name.kind) {
        Some(RdsNameKind::Proxy) => "<prx-…>",
        // A Multi-AZ DB cluster has cluster endpoints too, and is no Aurora.
        Some(RdsNameKind::ClusterWriter | RdsNameKind::ClusterReader | RdsNameKind::ClusterCustom) => {
            "<cluster-…>"
        }
        _ if target.source_type.is_aurora() => "<cluster-…>",
        _ => "<db-…>",
    };
    let account = target.access.roles.last().map_or("<account>", |role| role.account());
    let (region, user) = (&target.region, &target.user);
    format!("arn:{}:rds-db:{region}:{account}:dbuser:{id}/{user}", region.partition())
}

/// A name as PostgreSQL reads it: unquoted only where folding to lower case changes nothing.
fn identifier(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A text as MySQL and MariaDB read it, between single quotes.
fn string(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A question without an answer is unknown, with the server's words.
fn unanswered<T>(check: CheckId, cause: &'static str, fact: &Fact<T>) -> Finding {
    match fact {
        Fact::Refused(refusal) => {
            Finding::unknown(check, cause, format!("the server would not say: {refusal}"))
        }
        Fact::Absent | Fact::Read(_) => Finding::unknown(check, cause, "the server gave no answer"),
    }
}

#[cfg(test)]
mod tests;

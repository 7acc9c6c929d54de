//! What a MySQL or MariaDB server allows.

pub(super) mod account_limits;
pub(super) mod hourly_limits;
pub(super) mod table_kinds;
pub(super) mod foreign_keys;
pub(super) mod vitess;
pub(super) mod binary_log;
pub(super) mod binlog_status;
pub(super) mod binlog_filters;
pub(super) mod binlog_format;
pub(super) mod binlog_row_image;
pub(super) mod binlog_row_metadata;
pub(super) mod binlog_row_value_options;
pub(super) mod binlog_expiry;
pub(super) mod binlog_retention;
pub(super) mod gtid;
pub(super) mod replica_status;
pub(super) mod replica_updates;
pub(super) mod server_id;
pub(super) mod binlog_stream;
pub(super) mod compressed_columns;
pub(super) mod generated;
pub(super) mod max_allowed_packet;
pub(super) mod pipe_reader;

use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge},
        database::tables::{DB_NO_TABLES, DB_TABLES_MISSING, DB_TABLES_UNREADABLE},
        database::{engine, row_key, table_engine, tables, version},
        tables::Candidates,
    },
    connection::Refusal,
    facts::{AccountLimits, Fact, MysqlFacts, Position, Settings, Table, Version},
    target::{Engine, Target},
};

/// Default settings of a pipe: 4 connections for the initial copy (initial_load_parallelism), 1 for the changes.
const PIPE_CONNECTIONS: u32 = 5;

/// A table that fails one of these is no candidate for the next.
static ELIMINATION: [&Check; 5] = [
    &row_key::CHECK,
    &table_kinds::CHECK,
    &compressed_columns::CHECK,
    &binlog_filters::CHECK,
    &foreign_keys::CHECK,
];

/// These do not depend on the settings of the server.
static WITHOUT_SETTINGS: [&Check; 5] =
    [&tables::CHECK, &row_key::CHECK, &table_engine::CHECK, &table_kinds::CHECK, &compressed_columns::CHECK];

/// These say that the settings were not read. The others are then not reached.
static UNANSWERED: [&Check; 3] = [&engine::CHECK, &version::CHECK, &binary_log::CHECK];

/// `account` is the user as in GRANT: `'name'` or `'name'@'host'`.
pub(super) fn judge(
    target: &Target,
    facts: &MysqlFacts,
    account: &str,
    earlier: Option<&Position>,
) -> Vec<Diagnostic> {
    let none = Settings::new();
    let settings = facts.settings.read();
    let server = Server {
        target,
        facts,
        settings: settings.unwrap_or(&none),
        version: settings.and_then(crate::facts::version_of),
        account,
        earlier,
        candidates: Candidates::of(target, seen(facts).iter()),
    };
    super::in_order(&ELIMINATION, |check| match check.judge {
        Judge::Mysql(judge) | Judge::Engines { mysql: judge, .. } => {
            if settings.is_some() || WITHOUT_SETTINGS.contains(&check) {
                return Some(with_inactive_roles(judge(&server), &server));
            }
            UNANSWERED.contains(&check).then(|| unanswered(check, &facts.settings))
        }
        Judge::Pipe(_)
        | Judge::Planned(..)
        | Judge::Run(_)
        | Judge::Postgres(_)
        | Judge::PostgresTables(_) => None,
    })
}

pub(super) fn seen(facts: &MysqlFacts) -> &[Table] {
    facts.tables.read().map(|tables| tables.seen.as_slice()).unwrap_or_default()
}

/// A missing privilege may be in a role that is granted to the account but not active after login.
fn with_inactive_roles(diagnostic: Diagnostic, server: &Server<'_>) -> Diagnostic {
    let about_privileges = [
        &DB_TABLES_UNREADABLE,
        &DB_TABLES_MISSING,
        &DB_NO_TABLES,
        &binlog_status::MYSQL_NO_REPLICATION_CLIENT,
        &replica_status::MYSQL_NO_REPLICA_MONITOR,
        &binlog_stream::MYSQL_NO_REPLICATION_SLAVE,
    ];
    let is_about_privileges = diagnostic.cause.is_some_and(|cause| about_privileges.contains(&cause));
    let roles = server.facts.inactive_roles.read().map(Vec::as_slice).unwrap_or_default();
    let Some(first) = roles.first().filter(|_| is_about_privileges) else { return diagnostic };
    let set = match server.target.engine() {
        // MariaDB has one default role per account.
        Engine::Mariadb => {
            format!("SET DEFAULT ROLE {} FOR {};", crate::sql::mysql::identifier(first), server.account)
        }
        _ => format!("SET DEFAULT ROLE ALL TO {};", server.account),
    };
    let found = diagnostic.found().text("; granted roles that are not active after login: ").list(roles);
    let remedy = match &diagnostic.remedy {
        Some(remedy) => format!("if a role has the privilege: {set} Otherwise: {remedy}"),
        None => format!("if a role has the privilege: {set}"),
    };
    diagnostic.with_found(found).remedy(remedy)
}

/// What the checks of a server share.
pub(super) struct Server<'a> {
    pub(super) target: &'a Target,
    pub(super) facts: &'a MysqlFacts,
    settings: &'a Settings,
    pub(super) version: Option<Version>,
    account: &'a str,
    earlier: Option<&'a Position>,
    pub(super) candidates: Candidates<'a>,
}

impl Server<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    pub(super) fn is_mariadb(&self) -> bool {
        crate::facts::is_mariadb(self.settings)
    }

    /// Whether the version is at least this one. A version that cannot be read counts as new, so that every check applies.
    pub(super) fn since(&self, mysql: Version, mariadb: Version) -> bool {
        let first = if self.is_mariadb() { mariadb } else { mysql };
        self.version.is_none_or(|version| version >= first)
    }

    fn has_binary_log(&self) -> bool {
        matches!(self.get("log_bin"), Some("ON" | "1"))
    }

    /// A setting that must have one value.
    fn must_be(
        &self,
        check: &'static Check,
        cause: &'static Cause,
        name: &str,
        expected: &str,
    ) -> Diagnostic {
        let found = |value: &str| format!("{name} = {}", if value.is_empty() { "''" } else { value });
        match self.get(name) {
            Some(value) if value == expected => check.pass(found(value)),
            Some(value) => check.fail(cause, found(value)),
            None => check.unknown(&binary_log::MYSQL_UNANSWERED, format!("the server has no {name}")),
        }
    }

    fn not_supported_yet(&self, check: &'static Check, name: &str) -> Diagnostic {
        let version = self.get("version").unwrap_or_default();
        check.pass(format!("{version} is older than {name}"))
    }

    /// # Errors
    /// The result of the check, if there are no limits to judge.
    fn limits_of_account(&self, check: &'static Check) -> Result<&AccountLimits, Box<Diagnostic>> {
        match &self.facts.account_limits {
            Fact::Read(limits) => Ok(limits),
            Fact::Absent => Err(Box::new(check.pass("this version has no limits in SHOW CREATE USER"))),
            other @ Fact::Refused(_) => Err(Box::new(unanswered(check, other))),
        }
    }
}

/// Errors for a missing privilege. Only 1227 names it.
fn is_denial(refusal: &Refusal) -> bool {
    matches!(refusal.code.as_str(), "1044" | "1045" | "1142" | "1143" | "1227")
}

pub(super) fn unanswered<T>(check: &'static Check, fact: &Fact<T>) -> Diagnostic {
    super::unanswered(check, &binary_log::MYSQL_UNANSWERED, fact)
}

fn without_binary_log(check: &'static Check) -> Diagnostic {
    check.skipped("there is no binary log")
}

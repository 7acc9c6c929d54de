//! Judges the facts about a MySQL or MariaDB server.

use super::tables::{self, Candidates, Failing, counted, some_of};
use crate::{
    connection::Refusal,
    diagnostic::{CheckId, Diagnostic},
    facts::{self, AccountLimits, BinlogFilters, Fact, MysqlFacts, Settings, Table, TableKind, Version},
    sql::{self, ServerText},
    target::{Engine, ReplicationMechanism, SourceType, Target},
};

/// Since this version of MariaDB, REPLICATION CLIENT no longer allows SHOW REPLICA STATUS.
const REPLICA_MONITOR: Version = Version(10, 5, 9);
const CASCADES_LOGGED: Version = Version(9, 6, 0);
const DAY_SECONDS: u64 = 86_400;
/// ClickPipes requires the first and recommends the second (ClickPipes documentation).
const SHORTEST_RETENTION_HOURS: u64 = 24;
const ADVISED_RETENTION_HOURS: u64 = 72;
const ADVISED_PACKET_BYTES: u64 = 16 << 20;
/// Default settings of a pipe: 4 connections for the initial copy (initial_load_parallelism), 1 for the changes.
const PIPE_CONNECTIONS: u32 = 5;
/// A pipe reconnects after errors; this leaves room for it.
const PIPE_CONNECTIONS_PER_HOUR: u32 = 100;

/// `account` is the user as in GRANT: `'name'` or `'name'@'host'`.
pub(super) fn judge(target: &Target, facts: &MysqlFacts, account: &str) -> Vec<Diagnostic> {
    let seen = facts.tables.read().map(|tables| tables.seen.as_slice()).unwrap_or_default();
    let mut candidates = Candidates::of(target, seen.iter());
    let mut diagnostics = vec![
        tables::read(target, &facts.tables, seen.iter(), &[]),
        table_kinds(facts, &mut candidates),
        compressed_columns(facts, &mut candidates),
    ];
    let Fact::Read(settings) = &facts.settings else {
        let unanswered = |check| unanswered(check, &facts.settings);
        diagnostics.extend([CheckId::Engine, CheckId::Version, CheckId::MysqlBinaryLog].map(unanswered));
        return diagnostics;
    };
    let server = Server { target, facts, settings, version: facts::version_of(settings), account };
    diagnostics.extend([
        server.engine(),
        server.version(),
        server.account_limits(),
        server.hourly_limits(),
        server.binlog_filters(&mut candidates),
        server.foreign_keys(&mut candidates),
        server.vitess(),
        server.binary_log(),
        server.binlog_status(),
        server.binlog_format(),
        server.row_image(),
        server.row_metadata(),
        server.row_value_options(),
        server.expiry(),
        server.retention(),
        server.gtid(),
        server.replica_status(),
        server.replica_updates(),
        server.server_id(),
        server.stream(),
        generated_columns(facts),
        server.max_allowed_packet(),
    ]);
    diagnostics
        .into_iter()
        .map(|diagnostic| with_inactive_roles(diagnostic, target, facts, account))
        .collect()
}

/// A missing privilege may be in a role that is granted to the account but not active after login.
fn with_inactive_roles(
    diagnostic: Diagnostic,
    target: &Target,
    facts: &MysqlFacts,
    account: &str,
) -> Diagnostic {
    let is_about_privileges = matches!(
        diagnostic.cause,
        Some(
            "DB_TABLES_UNREADABLE"
                | "DB_TABLES_MISSING"
                | "DB_NO_TABLES"
                | "MYSQL_NO_REPLICATION_CLIENT"
                | "MYSQL_NO_REPLICA_MONITOR"
                | "MYSQL_NO_REPLICATION_SLAVE"
        )
    );
    let roles = facts.inactive_roles.read().map(Vec::as_slice).unwrap_or_default();
    let Some(first) = roles.first().filter(|_| is_about_privileges) else { return diagnostic };
    let set = match target.engine() {
        // MariaDB has one default role per account.
        Engine::Mariadb => format!("SET DEFAULT ROLE {} FOR {account};", sql::mysql::identifier(first)),
        _ => format!("SET DEFAULT ROLE ALL TO {account};"),
    };
    let found =
        format!("{}; granted roles that are not active after login: {}", diagnostic.found, some_of(roles));
    let remedy = match &diagnostic.remedy {
        Some(remedy) => format!("if a role has the privilege: {set} Otherwise: {remedy}"),
        None => format!("if a role has the privilege: {set}"),
    };
    Diagnostic { found, remedy: Some(remedy), ..diagnostic }
}

/// Views and sequences were named: patterns leave them out.
fn table_kinds(facts: &MysqlFacts, candidates: &mut Candidates<'_>) -> Diagnostic {
    let check = CheckId::MysqlTableKinds;
    let Fact::Read(tables) = &facts.tables else {
        return Diagnostic::skipped(check, "there is no table to check");
    };
    let of_kind = |kinds: &[TableKind]| -> Vec<String> {
        tables.seen.iter().filter(|table| kinds.contains(&table.kind)).map(Table::full_name).collect()
    };
    let others = of_kind(&[TableKind::View, TableKind::Sequence]);
    if !others.is_empty() {
        return Diagnostic::fail(
            check,
            "MYSQL_NOT_A_TABLE",
            format!("views or sequences: {}", some_of(&others)),
        )
        .remedy("name the tables behind the view (--table), or use --replication-mode snapshot");
    }
    let failing = Failing { names: of_kind(&[TableKind::RowsElsewhere]), all: tables.total };
    if !failing.names.is_empty() {
        let engines =
            "their storage engine (BLACKHOLE, FEDERATED, MERGE, SPIDER or CONNECT) does not store rows";
        return candidates.judge((check, "MYSQL_ROWS_ELSEWHERE"), &failing, engines).remedy(
            "leave these tables out (--table), use --replication-mode snapshot, or ALTER TABLE … ENGINE = InnoDB",
        );
    }
    let failing = Failing { names: of_kind(&[TableKind::SystemVersioned]), all: tables.total };
    let diagnostic = candidates.judge((check, "MARIADB_SYSTEM_VERSIONED"), &failing, "system-versioned");
    match failing.names.is_empty() {
        true => diagnostic,
        false => diagnostic.remedy(
            "leave these tables out (--table), use --replication-mode snapshot, or ALTER TABLE … DROP SYSTEM VERSIONING, which \
             deletes their history",
        ),
    }
}

/// `binlog_do_db (app), binlog_ignore_db (audit)`.
fn described(filters: &BinlogFilters) -> String {
    let list = |name: &str, names: &[ServerText]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        (!names.is_empty()).then(|| format!("{name} ({})", some_of(&names)))
    };
    let parts = [list("binlog_do_db", &filters.only), list("binlog_ignore_db", &filters.ignored)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

struct Server<'a> {
    target: &'a Target,
    facts: &'a MysqlFacts,
    settings: &'a Settings,
    version: Option<Version>,
    account: &'a str,
}

impl Server<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    fn is_mariadb(&self) -> bool {
        facts::is_mariadb(self.settings)
    }

    /// Whether the version is at least this one. A version that cannot be read counts as new, so that every check applies.
    fn since(&self, mysql: Version, mariadb: Version) -> bool {
        let first = if self.is_mariadb() { mariadb } else { mysql };
        self.version.is_none_or(|version| version >= first)
    }

    fn engine(&self) -> Diagnostic {
        let check = CheckId::Engine;
        let Some(version) = self.get("version") else {
            return Diagnostic::unknown(check, "MYSQL_UNANSWERED", "the server gave no version");
        };
        let comment = self.get("version_comment").map(|c| format!(" ({})", c.trim_matches(['(', ')'])));
        let comment = comment.unwrap_or_default();
        let found = format!("{version}{comment}");
        let runs = if self.is_mariadb() { Engine::Mariadb } else { Engine::Mysql };
        if runs != self.target.engine() {
            let right =
                if runs == Engine::Mariadb { "\"rdsmariadb\"" } else { "\"rdsmysql\" or \"auroramysql\"" };
            return Diagnostic::fail(check, "DB_WRONG_ENGINE", found)
                .expected(self.target.engine().name())
                .remedy(format!("set type = {right}: ClickPipes rejects a pipe with the wrong engine"));
        }
        match (self.get("aurora_version"), self.target.source_type) {
            (None, SourceType::AuroraMysql) => {
                Diagnostic::warn(check, "DB_NOT_AURORA", format!("{found}, without aurora_version"))
                    .remedy("if this is RDS and not Aurora, set type = \"rdsmysql\"")
            }
            (Some(aurora), SourceType::RdsMysql) => {
                Diagnostic::warn(check, "DB_IS_AURORA", format!("{found}, Aurora {aurora}")).remedy(
                    "set type = \"auroramysql\": Aurora's settings live in the DB cluster parameter group",
                )
            }
            _ => Diagnostic::pass(check, found),
        }
    }

    /// RDS has IAM logins since MySQL 5.7 and MariaDB 10.6 (RDS User Guide, "IAM database authentication"). An older server
    /// that accepted the token is a warning, not a failure.
    fn version(&self) -> Diagnostic {
        let check = CheckId::Version;
        let text = self.get("version").unwrap_or_default();
        let Some(version) = self.version else {
            return Diagnostic::unknown(check, "DB_VERSION_UNREADABLE", format!("`{text}`"));
        };
        let oldest = if self.is_mariadb() { Version(10, 6, 0) } else { Version(5, 7, 0) };
        if version < oldest {
            return Diagnostic::warn(check, "DB_VERSION_OLD", text)
                .expected(format!(
                    "{} {}.{} or newer",
                    if self.is_mariadb() { Engine::Mariadb.name() } else { Engine::Mysql.name() },
                    oldest.0,
                    oldest.1
                ))
                .remedy("RDS offers IAM authentication from that version on; upgrade before relying on it");
        }
        if self.is_mariadb() && version >= Version(12, 3, 0) && self.target.pipe.follows_changes() {
            return Diagnostic::warn(check, "MARIADB_PARTIAL_ROW_EVENTS", text)
                .expected("MariaDB before 12.3, or rows that are too short to be split into several events")
                .remedy("ClickPipes does not read the partial row events of MariaDB 12.3 and newer");
        }
        Diagnostic::pass(check, text)
    }

    fn vitess(&self) -> Diagnostic {
        let check = CheckId::MysqlVitess;
        let version = self.get("version").unwrap_or_default();
        match &self.facts.is_vitess {
            Fact::Read(true) => Diagnostic::fail(check, "MYSQL_VITESS", version),
            _ if version.to_ascii_lowercase().contains("vitess") => {
                Diagnostic::fail(check, "MYSQL_VITESS", version)
            }
            Fact::Read(false) => Diagnostic::pass(check, "SHOW VITESS_TABLETS is not a known statement"),
            other => unanswered(check, other),
        }
    }

    fn has_binary_log(&self) -> bool {
        matches!(self.get("log_bin"), Some("ON" | "1"))
    }

    fn binary_log(&self) -> Diagnostic {
        let check = CheckId::MysqlBinaryLog;
        match self.get("log_bin") {
            Some("ON" | "1") => Diagnostic::pass(check, "log_bin is ON"),
            Some(value) => Diagnostic::fail(check, "MYSQL_BINARY_LOG_OFF", format!("log_bin is {value}")),
            None => Diagnostic::unknown(check, "MYSQL_UNANSWERED", "the server has no log_bin"),
        }
    }

    fn without_binary_log(check: CheckId) -> Diagnostic {
        Diagnostic::skipped(check, "there is no binary log")
    }

    fn binlog_status(&self) -> Diagnostic {
        let check = CheckId::MysqlBinlogStatus;
        match &self.facts.position {
            // The protocol has four bytes for the position.
            Fact::Read(at) if at.position == 0 || at.position > u64::from(u32::MAX) => Diagnostic::fail(
                check,
                "MYSQL_NO_BINLOG_POSITION",
                format!("{}, position {}", at.file, at.position),
            )
            .remedy("as the master user: FLUSH BINARY LOGS; (it starts a new file)"),
            Fact::Read(at) => Diagnostic::pass(check, format!("{}, position {}", at.file, at.position)),
            Fact::Refused(refusal) if is_denial(refusal) => {
                Diagnostic::fail(check, "MYSQL_NO_REPLICATION_CLIENT", refusal.to_string())
            }
            Fact::Absent if !self.has_binary_log() => Self::without_binary_log(check),
            Fact::Absent => {
                Diagnostic::fail(check, "MYSQL_NO_BINLOG_POSITION", "the server reports no position")
                    .remedy("wait a few minutes after turning the binary log on, then check again")
            }
            other @ Fact::Refused(_) => unanswered(check, other),
        }
    }

    /// A setting that must have one value.
    fn must_be(&self, check: CheckId, cause: &'static str, name: &str, expected: &str) -> Diagnostic {
        let found = |value: &str| format!("{name} = {}", if value.is_empty() { "''" } else { value });
        match self.get(name) {
            Some(value) if value == expected => Diagnostic::pass(check, found(value)),
            Some(value) => Diagnostic::fail(check, cause, found(value)),
            None => Diagnostic::unknown(check, "MYSQL_UNANSWERED", format!("the server has no {name}")),
        }
    }

    fn not_supported_yet(&self, check: CheckId, name: &str) -> Diagnostic {
        let version = self.get("version").unwrap_or_default();
        Diagnostic::pass(check, format!("{version} is older than {name}"))
    }

    fn binlog_format(&self) -> Diagnostic {
        let (check, name) = (CheckId::MysqlBinlogFormat, "binlog_format");
        // On Aurora, OFF means that there is no binary log.
        match self.get(name) {
            Some("OFF") if !self.has_binary_log() => Self::without_binary_log(check),
            _ => self.must_be(check, "MYSQL_BINLOG_FORMAT", name, "ROW"),
        }
    }

    fn row_image(&self) -> Diagnostic {
        let (check, name) = (CheckId::MysqlBinlogRowImage, "binlog_row_image");
        match self.since(Version(5, 6, 2), Version(10, 1, 6)) {
            true => self.must_be(check, "MYSQL_BINLOG_ROW_IMAGE", name, "FULL"),
            false => self.not_supported_yet(check, name),
        }
    }

    fn row_metadata(&self) -> Diagnostic {
        let (check, name) = (CheckId::MysqlBinlogRowMetadata, "binlog_row_metadata");
        match self.since(Version(8, 0, 1), Version(10, 5, 0)) {
            true => self.must_be(check, "MYSQL_BINLOG_ROW_METADATA", name, "FULL"),
            false => self.not_supported_yet(check, name),
        }
    }

    fn row_value_options(&self) -> Diagnostic {
        let (check, name) = (CheckId::MysqlBinlogRowValueOptions, "binlog_row_value_options");
        match self.since(Version(8, 0, 3), Version(u32::MAX, 0, 0)) {
            true => self.must_be(check, "MYSQL_PARTIAL_JSON", name, ""),
            false => self.not_supported_yet(check, name),
        }
    }

    fn expiry(&self) -> Diagnostic {
        let (check, name) = (CheckId::MysqlBinlogExpiry, "binlog_expire_logs_seconds");
        if !self.since(Version(8, 0, 1), Version(10, 6, 1)) {
            return self.not_supported_yet(check, name);
        }
        let value = self.get(name);
        let found = format!("{name} = {}", value.unwrap_or_default());
        match value.map(str::parse::<u64>) {
            Some(Ok(0)) => Diagnostic::pass(check, format!("{found} (never)")),
            Some(Ok(seconds)) if seconds >= DAY_SECONDS => Diagnostic::pass(check, found),
            Some(Ok(_)) => Diagnostic::fail(check, "MYSQL_BINLOG_EXPIRY", found),
            Some(Err(_)) | None => {
                Diagnostic::unknown(check, "MYSQL_UNANSWERED", format!("the server gave no {name}"))
            }
        }
    }

    /// The ClickPipes API and Terraform use GTID unless FILE_POS is given. FILE_POS needs a feature that ClickHouse support
    /// enables, and does not exist for MariaDB.
    fn gtid(&self) -> Diagnostic {
        let check = CheckId::MysqlGtid;
        let version = self.get("version").unwrap_or_default();
        if self.target.pipe.mechanism == ReplicationMechanism::FilePos {
            return match self.target.engine() {
                Engine::Mariadb => {
                    Diagnostic::fail(check, "MARIADB_FILE_POS", "replication_mechanism is file_pos")
                        .expected("gtid: for MariaDB, ClickPipes accepts nothing else")
                        .remedy("use --replication-mechanism gtid")
                }
                _ => Diagnostic::warn(check, "MYSQL_FILE_POS", "replication_mechanism is file_pos")
                    .expected("gtid, or FILE_POS enabled for your organization by ClickHouse support")
                    .remedy(
                        "ask ClickHouse support to enable FILE_POS; note that a failover breaks such a pipe",
                    ),
            };
        }
        let off = |found: String| Diagnostic::fail(check, "MYSQL_GTID_OFF", found);
        match (self.is_mariadb(), self.get("gtid_mode")) {
            (true, _) if self.get("gtid_binlog_pos").is_none() => {
                off(format!("{version} has no gtid_binlog_pos")).remedy("upgrade to MariaDB 10.0.2 or newer")
            }
            (true, _) => Diagnostic::pass(check, "gtid_binlog_pos exists"),
            (false, Some("ON")) => Diagnostic::pass(check, "gtid_mode is ON"),
            (false, Some(mode)) => off(format!("gtid_mode is {mode}")),
            (false, None) => off(format!("{version} has no gtid_mode")).remedy(
                "upgrade to MySQL 5.6 or newer, or let ClickHouse support enable FILE_POS (--replication-mechanism file_pos)",
            ),
        }
    }

    fn binlog_filters(&self, candidates: &mut Candidates<'_>) -> Diagnostic {
        let check = CheckId::MysqlBinlogFilters;
        let filters = match &self.facts.binlog_filters {
            Fact::Read(filters) => filters,
            Fact::Absent => return Diagnostic::skipped(check, "there is no binary log status"),
            Fact::Refused(refusal) if is_denial(refusal) => {
                return Diagnostic::skipped(check, "it takes the same privilege as MYSQL_BINLOG_STATUS");
            }
            other @ Fact::Refused(_) => return unanswered(check, other),
        };
        if *filters == BinlogFilters::default() {
            return Diagnostic::pass(check, "no database is filtered");
        }
        let Fact::Read(tables) = &self.facts.tables else {
            return Diagnostic::skipped(check, "there is no table to check");
        };
        let lost: Vec<String> =
            tables.seen.iter().filter(|table| !filters.log(&table.schema)).map(Table::full_name).collect();
        let words = format!("{} leave out", described(filters));
        let failing = Failing { names: lost, all: tables.total };
        candidates.judge((check, "MYSQL_BINLOG_FILTERED"), &failing, &words)
    }

    /// MySQL 9.6 moved foreign keys from InnoDB to the SQL layer, which logs their changes; `innodb_native_foreign_keys`
    /// brings the old behavior back.
    fn foreign_keys(&self, candidates: &mut Candidates<'_>) -> Diagnostic {
        let check = CheckId::MysqlForeignKeys;
        let in_sql_layer =
            !self.is_mariadb() && self.version.is_some_and(|version| version >= CASCADES_LOGGED);
        if in_sql_layer && !matches!(self.get("innodb_native_foreign_keys"), Some("ON" | "1")) {
            return Diagnostic::pass(check, "this version logs them");
        }
        let tables = match &self.facts.cascades {
            Fact::Read(tables) => tables,
            Fact::Absent => {
                let why = "MariaDB shows foreign keys only for tables that are named exactly (--table)";
                return Diagnostic::not_applicable(check, why.to_owned());
            }
            other @ Fact::Refused(_) => return unanswered(check, other),
        };
        let all = self.facts.tables.read().map_or(tables.len(), |all| all.total);
        let failing = Failing { names: tables.clone(), all };
        candidates.judge((check, "MYSQL_CASCADES"), &failing, "foreign keys with CASCADE or SET NULL")
    }

    /// # Errors
    /// The result of the check, if there are no limits to judge.
    fn limits_of_account(&self, check: CheckId) -> Result<&AccountLimits, Diagnostic> {
        match &self.facts.account_limits {
            Fact::Read(limits) => Ok(limits),
            Fact::Absent => Err(Diagnostic::pass(check, "this version has no limits in SHOW CREATE USER")),
            other @ Fact::Refused(_) => Err(unanswered(check, other)),
        }
    }

    fn account_limits(&self) -> Diagnostic {
        let check = CheckId::MysqlAccountLimits;
        let limits = match self.limits_of_account(check) {
            Ok(limits) => limits,
            Err(diagnostic) => return diagnostic,
        };
        let global = self.get("max_user_connections").and_then(|value| value.parse().ok()).unwrap_or(0);
        let simultaneous = match limits.simultaneous_connections {
            0 => global,
            own => own,
        };
        match (1..PIPE_CONNECTIONS).contains(&simultaneous) {
            true => Diagnostic::fail(
                check,
                "MYSQL_ACCOUNT_LIMIT",
                format!("the account is limited to {simultaneous} connections at a time"),
            ),
            false => Diagnostic::pass(check, "no limit that a pipe could reach"),
        }
    }

    /// These limits also apply to the initial load, and a session that exists does not show that more can be opened.
    fn hourly_limits(&self) -> Diagnostic {
        let check = CheckId::MysqlHourlyLimits;
        let limits = match self.limits_of_account(check) {
            Ok(limits) => limits,
            Err(diagnostic) => return diagnostic,
        };
        let low: Vec<String> = [
            ("connections", limits.connections_per_hour, PIPE_CONNECTIONS_PER_HOUR),
            ("queries", limits.queries_per_hour, u32::MAX),
        ]
        .into_iter()
        .filter(|(_, limit, needed)| (1..*needed).contains(limit))
        .map(|(what, limit, _)| format!("{limit} {what}"))
        .collect();
        if low.is_empty() {
            return Diagnostic::pass(check, "no limit that a pipe could reach");
        }
        let found = format!("the account is limited to {} per hour", low.join(" and "));
        match (1..PIPE_CONNECTIONS).contains(&limits.connections_per_hour) {
            true => Diagnostic::fail(check, "MYSQL_HOURLY_LIMIT", found),
            false => Diagnostic::warn(check, "MYSQL_HOURLY_LIMIT", found),
        }
    }

    /// MariaDB since 10.5.9 needs REPLICA MONITOR for it. The guides only grant REPLICATION CLIENT.
    fn replica_status(&self) -> Diagnostic {
        let check = CheckId::MysqlReplicaStatus;
        match &self.facts.is_replica {
            Fact::Read(true) => Diagnostic::pass(check, "it is a replica of another server"),
            Fact::Read(false) => Diagnostic::pass(check, "it is not a replica"),
            Fact::Refused(refusal) if is_denial(refusal) => {
                let needs_monitor = self.is_mariadb() && self.since(Version(0, 0, 0), REPLICA_MONITOR);
                if !needs_monitor && matches!(&self.facts.position, Fact::Refused(r) if is_denial(r)) {
                    return Diagnostic::skipped(check, "it takes the same privilege as MYSQL_BINLOG_STATUS");
                }
                let diagnostic = Diagnostic::fail(check, "MYSQL_NO_REPLICA_MONITOR", refusal.to_string());
                match needs_monitor {
                    true => diagnostic.remedy(format!("GRANT REPLICA MONITOR ON *.* TO {};", self.account)),
                    false => {
                        diagnostic.remedy(format!("GRANT REPLICATION CLIENT ON *.* TO {};", self.account))
                    }
                }
            }
            other => unanswered(check, other),
        }
    }

    fn replica_updates(&self) -> Diagnostic {
        let check = CheckId::MysqlReplicaUpdates;
        let names = ["log_replica_updates", "log_slave_updates"];
        let value = names.iter().find_map(|name| Some((name, self.get(name)?)));
        match (&self.facts.is_replica, value) {
            (Fact::Read(false), _) => Diagnostic::pass(check, "it is no replica"),
            (Fact::Read(true), Some((name, value @ ("ON" | "1")))) => {
                Diagnostic::pass(check, format!("{name} = {value}"))
            }
            (Fact::Read(true), Some((name, value))) => Diagnostic::fail(
                check,
                "MYSQL_REPLICA_UPDATES_OFF",
                format!("a replica, and {name} = {value}"),
            ),
            (Fact::Read(true), None) => {
                Diagnostic::unknown(check, "MYSQL_UNANSWERED", "the server has no log_replica_updates")
            }
            // With log_replica_updates, it does not matter whether the server is a replica.
            (_, Some((name, value @ ("ON" | "1")))) => Diagnostic::pass(check, format!("{name} = {value}")),
            _ => Diagnostic::skipped(check, "it is not known whether the server is a replica"),
        }
    }

    fn server_id(&self) -> Diagnostic {
        let check = CheckId::MysqlServerId;
        let replicas = match self.facts.replicas.read().map(Vec::as_slice) {
            None | Some([]) => String::new(),
            Some(ids) => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                format!(
                    "; its replicas are {}, so a pipe with a fixed server_id must use another one",
                    some_of(&ids)
                )
            }
        };
        match self.get("server_id") {
            Some("0") => Diagnostic::fail(check, "MYSQL_NO_SERVER_ID", "server_id is 0"),
            Some(id) => Diagnostic::pass(check, format!("server_id is {id}{replicas}")),
            None => Diagnostic::unknown(check, "MYSQL_UNANSWERED", "the server has no server_id"),
        }
    }

    fn stream(&self) -> Diagnostic {
        let check = CheckId::MysqlBinlogStream;
        match &self.facts.stream {
            Fact::Refused(_) if self.get("server_id") == Some("0") => {
                Diagnostic::skipped(check, "the server has no server id")
            }
            Fact::Read(stream) => Diagnostic::pass(
                check,
                format!("registered as replica {}, {} events to the end", stream.server_id, stream.events),
            ),
            // COM_REGISTER_SLAVE answers 1045 if the privilege is missing.
            Fact::Refused(refusal) if is_denial(refusal) => {
                Diagnostic::fail(check, "MYSQL_NO_REPLICATION_SLAVE", refusal.to_string())
            }
            Fact::Refused(refusal) if refusal.code.parse::<u16>().is_ok() => {
                Diagnostic::fail(check, "MYSQL_BINLOG_STREAM_REFUSED", refusal.to_string())
                    .remedy("see the server's message; the privilege to stream is not the problem")
            }
            refused @ Fact::Refused(_) => unanswered(check, refused),
            Fact::Absent if !self.has_binary_log() => Self::without_binary_log(check),
            Fact::Absent => Diagnostic::skipped(check, "there is no position to start from"),
        }
    }

    fn max_allowed_packet(&self) -> Diagnostic {
        let (check, name) = (CheckId::MysqlMaxAllowedPacket, "max_allowed_packet");
        match self.get(name).map(|value| (value, value.parse::<u64>())) {
            Some((value, Ok(bytes))) if bytes < ADVISED_PACKET_BYTES => {
                Diagnostic::warn(check, "MYSQL_MAX_ALLOWED_PACKET", format!("{name} = {value} bytes"))
            }
            Some((value, Ok(_))) => Diagnostic::pass(check, format!("{name} = {value} bytes")),
            _ => Diagnostic::unknown(check, "MYSQL_UNANSWERED", format!("the server gave no {name}")),
        }
    }

    /// ClickPipes' engine continues if it may not read this value or if it does not exist, so an unknown value denies
    /// nothing. Another error stops the engine.
    fn retention(&self) -> Diagnostic {
        let check = CheckId::MysqlBinlogRetention;
        let show = "as the master user, look at CALL mysql.rds_show_configuration; and if necessary: \
                    CALL mysql.rds_set_configuration('binlog retention hours', 72);";
        let cause = "MYSQL_RETENTION_UNREADABLE";
        let hours = match &self.facts.retention_hours {
            Fact::Read(value) => value.as_str(),
            Fact::Refused(refusal) if refusal.code == "1142" => {
                return Diagnostic::unknown(check, cause, refusal.to_string()).remedy(show);
            }
            Fact::Refused(refusal) => {
                return Diagnostic::fail(check, cause, refusal.to_string()).remedy(show);
            }
            Fact::Absent => {
                let found = "the server has no mysql.rds_configuration with 'binlog retention hours', as RDS and Aurora have";
                return Diagnostic::unknown(check, cause, found).remedy(show);
            }
        };
        let advised = if self.is_mariadb() { SHORTEST_RETENTION_HOURS } else { ADVISED_RETENTION_HOURS };
        match (hours, hours.parse::<u64>()) {
            ("", _) => Diagnostic::fail(
                check,
                "MYSQL_RETENTION_UNSET",
                "'binlog retention hours' is NULL: RDS deletes the log as soon as it does not need it",
            ),
            (text, Ok(hours)) if hours < SHORTEST_RETENTION_HOURS => {
                Diagnostic::fail(check, "MYSQL_RETENTION_SHORT", format!("{text} hours"))
            }
            (text, Ok(hours)) if hours < advised => {
                Diagnostic::warn(check, "MYSQL_RETENTION_SHORT", format!("{text} hours"))
            }
            (text, Ok(_)) => Diagnostic::pass(check, format!("{text} hours")),
            (text, Err(_)) => Diagnostic::fail(check, cause, format!("`{text}`")).remedy(show),
        }
    }
}

/// Errors for a missing privilege. Only 1227 names it.
fn is_denial(refusal: &Refusal) -> bool {
    matches!(refusal.code.as_str(), "1044" | "1045" | "1142" | "1143" | "1227")
}

fn compressed_columns(facts: &MysqlFacts, candidates: &mut Candidates<'_>) -> Diagnostic {
    let check = CheckId::MariadbCompressedColumns;
    let columns = match &facts.compressed_columns {
        Fact::Read(columns) => columns,
        other => return unanswered(check, other),
    };
    let of = |column: &String| column.rsplit_once('.').map(|(table, _)| table.to_owned());
    let mut tables: Vec<String> = columns.iter().filter_map(of).collect();
    tables.dedup();
    let all = facts.tables.read().map_or(tables.len(), |tables| tables.total);
    let words = format!("compressed columns ({}) in", some_of(columns));
    let failing = Failing { names: tables, all };
    let diagnostic = candidates.judge((check, "MARIADB_COMPRESSED_COLUMNS"), &failing, &words);
    match failing.names.is_empty() {
        true => diagnostic,
        false => diagnostic.remedy(
            "leave these tables out (--table), or ALTER TABLE … MODIFY the columns without COMPRESSED",
        ),
    }
}

fn generated_columns(facts: &MysqlFacts) -> Diagnostic {
    let check = CheckId::MariadbGenerated;
    match &facts.generated_columns {
        Fact::Read(columns) if columns.is_empty() => {
            Diagnostic::pass(check, counted(facts.tables.read().map_or(0, |tables| tables.total)))
        }
        Fact::Read(columns) => Diagnostic::warn(
            check,
            "MARIADB_GENERATED",
            format!("NULL after an UPDATE: {}", some_of(columns)),
        ),
        Fact::Absent => Diagnostic::skipped(check, "the columns were not read"),
        other @ Fact::Refused(_) => unanswered(check, other),
    }
}

fn unanswered<T>(check: CheckId, fact: &Fact<T>) -> Diagnostic {
    super::unanswered(check, "MYSQL_UNANSWERED", fact)
}

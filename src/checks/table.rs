//! The table: every check in order, what it denies, what is wanted and how to fix it. A cause stands
//! above what follows from it. The page of checks in the documentation is made from these rows.

use serde::Serialize;

use crate::{
    diagnostic::{Basis, CheckId, Severity},
    target::{Engine, ResourceKind, Target},
};

/// One row of the table.
#[derive(Debug)]
pub struct Check {
    pub id: CheckId,
    /// Stable name; the anchor of `explain`.
    pub code: &'static str,
    pub group: Group,
    /// A short statement about what is checked, with the technical term. `{user}` and `{engine}` are filled in.
    pub title: &'static str,
    /// What is lost unless it passes.
    pub severity: Severity,
    /// What is lost where the server refused the query. Less than by a failure only where ClickPipes itself
    /// goes on without an answer.
    pub severity_if_unknown: Severity,
    pub part: Part,
    /// `None` where it counts under both policies.
    pub basis: Option<Basis>,
    pub engines: &'static [Engine],
    /// Versions it concerns; every version where empty.
    pub versions: &'static str,
    pub expected: &'static str,
    /// What to do on RDS, with placeholders ([`Check::remedy`]); empty where it depends on the cause.
    pub fix: &'static str,
    /// What to do on Aurora, where that differs.
    pub fix_aurora: Option<&'static str>,
    /// Where it is written.
    pub source: &'static str,
}

/// Sections of a report, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Group {
    // How the pipe is declared in a Terraform plan or state.
    Pipe,
    Identity,
    Connection,
    Capability,
}

impl Group {
    pub const ALL: [Self; 4] = [Self::Pipe, Self::Identity, Self::Connection, Self::Capability];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Identity => "identity",
            Self::Connection => "connection",
            Self::Capability => "capability",
        }
    }
}

/// What part of a pipe a check concerns: a pipe without that part does not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Both,
    /// Copying the rows there are.
    Load,
    /// Following changes.
    Changes,
}

const ALL: &[Engine] = &[Engine::Postgres, Engine::Mysql, Engine::Mariadb];
const POSTGRES: &[Engine] = &[Engine::Postgres];
const MYSQL_FAMILY: &[Engine] = &[Engine::Mysql, Engine::Mariadb];
const MYSQL: &[Engine] = &[Engine::Mysql];
const MARIADB: &[Engine] = &[Engine::Mariadb];

use CheckId as Id;
use Severity::{Advisory, Blocks, BlocksCdc};

impl Check {
    const fn row(
        group: Group,
        id: CheckId,
        code: &'static str,
        title: &'static str,
        engines: &'static [Engine],
    ) -> Self {
        Self {
            id,
            code,
            group,
            title,
            severity: Blocks,
            severity_if_unknown: Blocks,
            part: Part::Both,
            basis: None,
            engines,
            versions: "",
            expected: "",
            fix: "",
            fix_aurora: None,
            source: "",
        }
    }

    const fn pipe(id: CheckId, code: &'static str, title: &'static str) -> Self {
        Self::row(Group::Pipe, id, code, title, ALL)
    }

    const fn identity(id: CheckId, code: &'static str, title: &'static str) -> Self {
        Self::row(Group::Identity, id, code, title, ALL)
    }

    const fn connection(id: CheckId, code: &'static str, title: &'static str) -> Self {
        Self::row(Group::Connection, id, code, title, ALL)
    }

    const fn capability(
        id: CheckId,
        code: &'static str,
        title: &'static str,
        engines: &'static [Engine],
    ) -> Self {
        Self::row(Group::Capability, id, code, title, engines)
    }

    /// Concerns changes only, and denies CDC.
    const fn changes(
        id: CheckId,
        code: &'static str,
        title: &'static str,
        engines: &'static [Engine],
    ) -> Self {
        Self { part: Part::Changes, ..Self::capability(id, code, title, engines).severity(BlocksCdc) }
    }

    const fn severity(self, severity: Severity) -> Self {
        Self { severity, severity_if_unknown: severity, ..self }
    }

    const fn expected(self, expected: &'static str) -> Self {
        Self { expected, ..self }
    }

    const fn fix(self, fix: &'static str) -> Self {
        Self { fix, ..self }
    }

    const fn aurora(self, fix: &'static str) -> Self {
        Self { fix_aurora: Some(fix), ..self }
    }

    const fn versions(self, versions: &'static str) -> Self {
        Self { versions, ..self }
    }

    const fn source(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    /// Whether it counts under this policy.
    pub fn counts(&self, basis: Basis) -> bool {
        self.basis.is_none_or(|only| only == basis)
    }

    pub fn title_for(&self, target: &Target) -> String {
        self.title.replace("{user}", target.user.as_str()).replace("{engine}", target.engine().name())
    }

    /// What to do on this kind of database. `{user}` is the user as the engine writes it, `{group}` the
    /// parameter group that its settings are in.
    pub fn remedy(&self, kind: &Kind) -> String {
        let fix = match self.fix_aurora {
            Some(fix) if kind.is_aurora => fix,
            _ => self.fix,
        };
        fix.replace("{user}", &kind.user).replace("{group}", kind.resource.parameter_group())
    }
}

/// What of a database a remedy depends on: what it was seen to be, else what it was declared as.
#[derive(Clone, Debug)]
pub struct Kind {
    pub is_aurora: bool,
    /// A cluster is Aurora, or a Multi-AZ DB cluster.
    pub resource: ResourceKind,
    /// As the engine writes it: `clickpipes_iam_user`, `'clickpipes_iam_user'`.
    pub user: String,
}

const PROVIDER: &str = "ClickHouse's Terraform provider, resource clickhouse_clickpipe";
/// The document that replaced the rule of the guide: PostgreSQL 11 and newer with `rds.iam_auth_for_replication`.
pub(crate) const NEWER_THAN_GUIDE: &str =
    "the ClickPipes documentation of 2026-06-29 (PostgreSQL, IAM authentication)";
const GUIDE: &str = "ClickPipes guide, secure RDS access";
const STS: &str = "AWS STS API reference, AssumeRole";
const IAM_DB: &str = "Amazon RDS User Guide, IAM database authentication";
const ENGINE_IAM: &str =
    "IAM authentication of ClickPipes' engine (PeerDB, flow/connectors/utils/rds.go and aws.go)";
const PG_SOURCE: &str = "ClickPipes documentation, Postgres source setup";
const MYSQL_SOURCE: &str = "ClickPipes documentation, MySQL source setup";
const PG_ENGINE: &str = "validation of ClickPipes' engine for Postgres";
const MYSQL_ENGINE: &str = "validation of ClickPipes' engine for MySQL";
const PG_LOGICAL: &str = "PostgreSQL documentation, Logical Replication";
const PG_FAQ: &str = "ClickPipes documentation, Postgres FAQ";
const MYSQL_FAQ: &str = "ClickPipes documentation, MySQL FAQ";

pub static CHECKS: &[Check] = &[
    // Only for pipes of a Terraform plan or state.
    Check::pipe(Id::PipeSettings, "PIPE_SETTINGS", "pipe settings are known and valid")
        .expected("every setting that a check needs, before apply")
        .fix("correct the settings of the pipe")
        .source(PROVIDER),
    Check::pipe(Id::PipeAuthentication, "PIPE_AUTHENTICATION", "pipe logs in with IAM_ROLE")
        .expected("authentication = \"IAM_ROLE\" with iam_role and without a password")
        .source(PROVIDER),
    Check::pipe(Id::PipeRegion, "PIPE_REGION", "ClickPipes can read the Region from the host name")
        .expected("the name of the RDS endpoint as host or tls_host")
        .source("ClickPipes' engine, IAM authentication for RDS"),
    Check::pipe(Id::PipeTls, "PIPE_TLS", "pipe connects with verified TLS")
        .expected("neither disable_tls nor skip_cert_verification: the IAM token is sent over this connection")
        .source(PROVIDER),
    Check::pipe(Id::PipeTargetTables, "PIPE_TARGET_TABLES", "target tables are different")
        .expected("a different target_table for each source table")
        .source(PROVIDER),
    Check::identity(Id::Credentials, "AWS_CREDENTIALS", "AWS credentials are available")
        .expected("credentials from any standard AWS source")
        .source("AWS SDKs and Tools reference, Standardized credential providers"),
    Check::identity(Id::AccessRole, "STS_ACCESS_ROLE", "access role can be assumed with session tags")
        .expected("sts:AssumeRole and sts:TagSession allowed, by the role's trust policy and to the caller")
        .source(STS),
    Check::identity(Id::TokenLife, "TOKEN_LIFE", "IAM token is valid for 15 minutes")
        .severity(Advisory)
        .expected("a lifetime of at least 5 minutes, and a correct clock")
        .source(IAM_DB),
    Check::connection(Id::Resolve, "DNS_RESOLVE", "host name resolves (DNS)"),
    Check::connection(Id::Dial, "NET_DIAL", "TCP connection to the port")
        .source("ClickPipes documentation, static IP addresses and PrivateLink"),
    Check::connection(Id::Tls, "TLS_VERIFY", "TLS certificate matches the host name")
        .expected("TLS 1.2 or 1.3 and a certificate for its name from a known CA")
        .source("Amazon RDS User Guide, Using SSL/TLS"),
    Check::connection(Id::IamAsked, "AUTH_IAM_ASKED", "IAM authentication is requested")
        .expected("a request for a cleartext password, over TLS, before anything secret is sent")
        .source(IAM_DB),
    Check::connection(Id::LogIn, "AUTH_LOG_IN", "IAM login as {user}")
        .expected("the server accepts the token, and the user may connect to the database")
        .source(IAM_DB),
    Check::connection(Id::ClickPipesRole, "CLICKPIPES_ROLE", "ClickPipes can assume the role in the same way")
        .expected("an access role in partition aws that can be assumed without an external id")
        .source(ENGINE_IAM),
    Check::connection(Id::ClickPipesToken, "CLICKPIPES_TOKEN", "ClickPipes signs the token in the same way")
        .expected("a Region that can be read from the host name, and a token for tls_host (otherwise host) and port")
        .source(ENGINE_IAM),
    // Prerequisites of every pipe.
    Check::capability(Id::Engine, "DB_ENGINE", "database engine is {engine}", ALL)
        .expected("the engine of the target's type, and not a compatible one (YugabyteDB)")
        .source("validation of ClickPipes' engine"),
    Check::capability(Id::Version, "DB_VERSION", "engine version is supported by ClickPipes", ALL)
        .expected("PostgreSQL 12 or newer; MySQL 5.7 and MariaDB 10.6, from which RDS has IAM, or newer")
        .fix("upgrade the engine version")
        .source("ClickPipes documentation, supported versions"),
    Check::capability(Id::Tables, "DB_TABLES_READ", "SELECT privilege on the tables", ALL)
        .expected("SELECT on every column of every table that is to be replicated")
        .source("ClickPipes documentation, source setup"),
    Check { part: Part::Load, ..Check::capability(Id::PostgresRowSecurity, "PG_ROW_SECURITY", "no row-level security filters rows", POSTGRES) }
        .severity(Advisory)
        .expected("no row-level security policy that applies to the user, unless it is intended")
        .fix("let the user read every row if that is intended: CREATE POLICY … FOR SELECT TO {user} USING (true), or \
             ALTER ROLE {user} BYPASSRLS")
        .source(PG_FAQ),
    Check { severity: BlocksCdc, severity_if_unknown: Advisory, ..Check::capability(Id::MysqlAccountLimits, "MYSQL_ACCOUNT_LIMITS",
            "account limits (MAX_USER_CONNECTIONS)", MYSQL_FAMILY) }
        .expected("no limit, or at least 5 connections at a time (4 for the initial copy, 1 for changes)")
        .fix("ALTER USER {user} WITH MAX_USER_CONNECTIONS 0;")
        .source("MySQL Reference Manual, Setting Account Resource Limits; ClickPipes documentation, parallel initial load"),
    Check { severity_if_unknown: Advisory, ..Check::capability(Id::MysqlHourlyLimits, "MYSQL_HOURLY_LIMITS",
            "hourly account limits (MAX_CONNECTIONS_PER_HOUR)", MYSQL_FAMILY) }
        .expected("no limit; the initial copy alone opens 5 connections")
        .fix("ALTER USER {user} WITH MAX_CONNECTIONS_PER_HOUR 0 MAX_QUERIES_PER_HOUR 0;")
        .source("MySQL Reference Manual, Setting Account Resource Limits; ClickPipes documentation, parallel initial load"),
    // Prerequisites of CDC.
    Check::changes(Id::Endpoint, "DB_ENDPOINT", "endpoint supports replication", ALL)
        .expected("the endpoint of an instance, or the writer endpoint of a cluster")
        .source("Amazon RDS User Guide, RDS Proxy limitations; ClickPipes documentation, Aurora Postgres source setup"),
    Check { basis: Some(Basis::Guide), ..Check::changes(Id::PostgresDocumentedRule, "PG_DOCUMENTED_RULE",
            "ClickPipes guide allows CDC with IAM", POSTGRES) }
        .expected("MySQL or MariaDB: in the guide, Postgres with IAM is Initial Load Only")
        .fix("newer versions of RDS and ClickPipes allow more than the guide: use --basis server, or use a password for CDC")
        .source(GUIDE),
    Check::changes(Id::PostgresStandby, "PG_STANDBY", "server role allows replication slots", POSTGRES)
        .expected("the writer, or a standby of PostgreSQL 16 or newer that is not an Aurora reader")
        .fix("use the endpoint of the primary (writer)")
        .source("PostgreSQL documentation, Logical Decoding, Replication Slots"),
    Check::changes(Id::PostgresHotStandbyFeedback, "PG_HOT_STANDBY_FEEDBACK", "hot_standby_feedback on a standby", POSTGRES)
        .versions("standbys of 16+")
        .expected("hot_standby_feedback = on")
        .fix("set hot_standby_feedback = 1 in the {group} of the standby (takes effect at once)")
        .source(PG_ENGINE),
    Check::changes(Id::PostgresWalLevel, "PG_WAL_LEVEL", "wal_level = logical", POSTGRES)
        .expected("wal_level = logical")
        .fix("set rds.logical_replication = 1 in the {group} and reboot")
        .source(PG_SOURCE),
    Check::changes(Id::PostgresWalSenders, "PG_WAL_SENDERS", "free WAL sender (max_wal_senders)", POSTGRES)
        .expected("max_wal_senders of at least 2, and a free one")
        .fix("raise max_wal_senders in the {group} and reboot, or end a replication connection")
        .source(PG_ENGINE),
    Check::changes(Id::PostgresIamReplication, "PG_IAM_REPLICATION", "IAM token on replication connections", POSTGRES)
        .expected("a replication connection with a token, which needs rds.iam_auth_for_replication = 1")
        .fix("set rds.iam_auth_for_replication = 1 in the {group} (takes effect at once)")
        .source("Amazon RDS User Guide, IAM authentication for logical replication connections"),
    Check::changes(Id::PostgresReplicationRight, "PG_REPLICATION_RIGHT", "replication privilege (rds_replication)", POSTGRES)
        .expected("the role rds_replication, or the attribute REPLICATION")
        .fix("GRANT rds_replication TO {user};")
        .source(PG_SOURCE),
    Check::changes(Id::PostgresLogicalReplication, "PG_LOGICAL_REPLICATION", "rds.logical_replication is on", POSTGRES)
        .expected("rds.logical_replication = on, if the user's privilege comes from rds_replication")
        .fix("set rds.logical_replication = 1 in the {group} and reboot")
        .source(PG_ENGINE),
    Check::changes(Id::PostgresReplicationSlots, "PG_REPLICATION_SLOTS", "free replication slot (max_replication_slots)", POSTGRES)
        .expected("fewer slots than max_replication_slots")
        .fix("raise max_replication_slots in the {group} and reboot, or drop an unused slot \
             (SELECT slot_name, active FROM pg_replication_slots;)")
        .source(PG_LOGICAL),
    Check::changes(Id::PostgresPublication, "PG_PUBLICATION", "publication of the tables", POSTGRES)
        .expected("a publication that contains every table, or the privilege to create one: CREATE on the database, and ownership of the tables")
        .source(PG_SOURCE),
    Check::changes(Id::PostgresReplicaIdentity, "PG_REPLICA_IDENTITY", "replica identity of every table", POSTGRES)
        .expected("a primary key, or REPLICA IDENTITY FULL or USING INDEX, on every table")
        .source(PG_SOURCE),
    Check::changes(Id::PostgresUnlogged, "PG_UNLOGGED", "no unlogged tables", POSTGRES)
        .expected("no unlogged table: its changes are not in the WAL")
        .source(PG_LOGICAL),
    Check::changes(Id::PostgresPartitioned, "PG_PARTITIONED", "partitioned tables can be published", POSTGRES)
        .versions("before 13")
        .expected("no partitioned table: publications contain them since PostgreSQL 13")
        .fix("upgrade to PostgreSQL 13 or newer, or replicate the partitions")
        .source(PG_LOGICAL),
    Check::changes(Id::PostgresParentAndPart, "PG_PARENT_AND_PART", "no table together with its partition or child table", POSTGRES)
        .expected("either a parent or its partitions and child tables in one pipe: changes reach only one of the two")
        .fix("name either the parent or its partitions and child tables (--table)")
        .source(PG_LOGICAL),
    Check::changes(Id::PostgresGenerated, "PG_GENERATED", "no generated columns", POSTGRES)
        .severity(Advisory)
        .expected("no generated columns: changes do not contain them")
        .fix("compute them in ClickHouse; since PostgreSQL 18 a publication can contain stored ones \
             (publish_generated_columns = stored)")
        .source(PG_LOGICAL),
    Check::changes(Id::PostgresToast, "PG_TOAST", "unchanged TOAST values", POSTGRES)
        .severity(Advisory)
        .expected("REPLICA IDENTITY FULL for values over 2 KB (TOAST)")
        .source("ClickPipes documentation, Postgres, TOAST columns"),
    Check::changes(Id::PostgresOpenTransactions, "PG_OPEN_TRANSACTIONS", "no open transaction that delays the replication slot", POSTGRES)
        .expected("no transaction that stays open: CREATE_REPLICATION_SLOT waits until those that are open have ended")
        .fix("end the transaction, or wait until it ends: SELECT pg_terminate_backend(PID); ends its session")
        .source(PG_LOGICAL),
    Check::changes(Id::PostgresIdleSlotTimeout, "PG_IDLE_SLOT_TIMEOUT", "idle_replication_slot_timeout", POSTGRES)
        .severity(Advisory)
        .versions("18+")
        .expected("idle_replication_slot_timeout = 0: otherwise a paused pipe loses its slot and needs a resync")
        .fix("set idle_replication_slot_timeout = 0 in the {group} (takes effect at once)")
        .source("PostgreSQL 18 documentation, Replication, Sending Servers"),
    Check::changes(Id::PostgresPipeSlot, "PG_PIPE_SLOT", "replication slot of the pipe (pg_replication_slots)", POSTGRES)
        .expected("the slot of the pipe, if it exists, is active and not lost: replication_slot_name, otherwise peerflow_slot_…")
        .source("PostgreSQL documentation, pg_replication_slots; ClickPipes documentation, Postgres FAQ"),
    Check::changes(Id::PostgresTransactionAge, "PG_TRANSACTION_AGE", "transaction ID wraparound (age of datfrozenxid)", POSTGRES)
        .severity(Advisory)
        .expected("an age of datfrozenxid below 1 billion: near 2 billion, the server refuses writes")
        .fix("find what holds back VACUUM (open and prepared transactions, replication slots), then VACUUM (FREEZE) in the oldest database: \
             SELECT datname, age(datfrozenxid) FROM pg_database ORDER BY 2 DESC;")
        .source("PostgreSQL documentation, Preventing Transaction ID Wraparound Failures; AWS Database Blog, Early Warning System for \
                 Transaction ID Wraparound"),
    Check::changes(Id::PostgresSlotWalKeep, "PG_SLOT_WAL_KEEP", "WAL retention (max_slot_wal_keep_size)", POSTGRES)
        .severity(Advisory)
        .versions("13+")
        .expected("max_slot_wal_keep_size of two days of WAL or 200 GB, or -1 (no limit)")
        .fix("raise max_slot_wal_keep_size in the {group} (takes effect at once)")
        .source(PG_FAQ),
    Check::changes(Id::MysqlTableKinds, "MYSQL_TABLE_KINDS", "only base tables (TABLE_TYPE)", MYSQL_FAMILY)
        .expected("BASE TABLE: views and sequences have no row events, and those of a system-versioned table do not give an \
                   equal copy")
        .source("MariaDB documentation, System-Versioned Tables; the row events of a MariaDB 10.11 server"),
    Check::changes(Id::MysqlForeignKeys, "MYSQL_FOREIGN_KEYS", "foreign keys (ON DELETE CASCADE)", MYSQL_FAMILY)
        .versions("MySQL before 9.6, MariaDB")
        .expected("no foreign key with CASCADE or SET NULL on the tables: InnoDB makes these changes without writing them to the \
                   binary log")
        .fix("change the foreign keys of these tables to NO ACTION and let the application delete the rows, or leave the tables \
              out (--table)")
        .source("ClickPipes documentation, MySQL FAQ; MySQL Reference Manual, InnoDB and MySQL Replication"),
    Check::changes(Id::MysqlVitess, "MYSQL_VITESS", "server is MySQL and not Vitess", MYSQL_FAMILY)
        .expected("SHOW VITESS_TABLETS fails: ClickPipes does not replicate changes from Vitess")
        .fix("use the MySQL server")
        .source(MYSQL_ENGINE),
    Check::changes(Id::MysqlBinaryLog, "MYSQL_BINARY_LOG", "binary log is on (log_bin)", MYSQL_FAMILY)
        .expected("log_bin = ON")
        .fix("turn automated backups on (backup retention of at least 1 day): RDS then writes a binary log")
        .aurora("set binlog_format = ROW in the {group}, then reboot the writer")
        .source("Amazon RDS User Guide, MySQL binary logging; Amazon Aurora User Guide, Binary log replication"),
    Check::changes(Id::MysqlBinlogStatus, "MYSQL_BINLOG_STATUS", "binary log position (REPLICATION CLIENT)", MYSQL_FAMILY)
        .expected("REPLICATION CLIENT (MariaDB: BINLOG MONITOR), and a position")
        .fix("GRANT REPLICATION CLIENT ON *.* TO {user};")
        .source(MYSQL_SOURCE),
    Check::changes(Id::MysqlBinlogFilters, "MYSQL_BINLOG_FILTERS", "binary log filters (binlog_do_db)", MYSQL_FAMILY)
        .expected("empty Binlog_Do_DB and Binlog_Ignore_DB in SHOW BINARY LOG STATUS, or filters that keep these databases")
        .fix("remove binlog_do_db and binlog_ignore_db from the server's configuration, or add the databases to binlog_do_db, \
              then restart the server")
        .source("MySQL Reference Manual, Binary Logging Options and Variables"),
    Check::changes(Id::MysqlBinlogFormat, "MYSQL_BINLOG_FORMAT", "binlog_format = ROW", MYSQL_FAMILY)
        .expected("binlog_format = ROW")
        .fix("set binlog_format = ROW in the {group} (takes effect for new connections)")
        .source(MYSQL_SOURCE),
    Check::changes(Id::MysqlBinlogRowImage, "MYSQL_BINLOG_ROW_IMAGE", "binlog_row_image = FULL", MYSQL_FAMILY)
        .versions("MySQL 5.6.2+, MariaDB 10.1.6+")
        .expected("binlog_row_image = FULL")
        .fix("set binlog_row_image = FULL in the {group} (takes effect for new connections)")
        .source(MYSQL_SOURCE),
    Check::changes(Id::MysqlBinlogRowMetadata, "MYSQL_BINLOG_ROW_METADATA", "binlog_row_metadata = FULL", MYSQL_FAMILY)
        .versions("MySQL 8.0.1+, MariaDB 10.5.0+")
        .expected("binlog_row_metadata = FULL")
        .fix("set binlog_row_metadata = FULL in the {group} (takes effect at once)")
        .source(MYSQL_SOURCE),
    Check::changes(Id::MysqlBinlogRowValueOptions, "MYSQL_BINLOG_ROW_VALUE_OPTIONS", "binlog_row_value_options without PARTIAL_JSON", MYSQL)
        .versions("MySQL 8.0.3+")
        .expected("binlog_row_value_options = '' (no PARTIAL_JSON)")
        .fix("set binlog_row_value_options to nothing in the {group} (takes effect for new connections)")
        .source(MYSQL_FAQ),
    Check::changes(Id::MysqlBinlogExpiry, "MYSQL_BINLOG_EXPIRY", "binary log expiry (binlog_expire_logs_seconds)", MYSQL_FAMILY)
        .versions("MySQL 8.0.1+, MariaDB 10.6.1+")
        .expected("binlog_expire_logs_seconds of 0 (never) or at least 86400")
        .fix("set binlog_expire_logs_seconds to 0 or at least 86400 in the {group} (takes effect at once)")
        .source(MYSQL_ENGINE),
    Check { severity_if_unknown: Advisory, ..Check::changes(Id::MysqlBinlogRetention, "MYSQL_BINLOG_RETENTION",
            "binlog retention hours", MYSQL_FAMILY) }
        .expected("'binlog retention hours' of at least 24; on MySQL 72 is recommended")
        .fix("CALL mysql.rds_set_configuration('binlog retention hours', 72);")
        .source(MYSQL_SOURCE),
    Check::changes(Id::MysqlGtid, "MYSQL_GTID", "GTID (gtid_mode)", MYSQL_FAMILY)
        .versions("MySQL 5.6+, MariaDB 10.0.2+")
        .expected("gtid_mode = ON: ClickPipes uses GTID by default, and for MariaDB nothing else. MariaDB has GTIDs from 10.0.2 on")
        .fix("set enforce_gtid_consistency = ON in the {group}, then change gtid-mode one step at a time, with a reboot after \
              each step: gtid-mode = OFF_PERMISSIVE, gtid-mode = ON_PERMISSIVE, gtid-mode = ON (start after the current value)")
        .source("ClickPipes documentation, MySQL source setup; Amazon RDS User Guide, Using GTID-based replication; MySQL \
                 Reference Manual, Enabling GTID Transactions Online"),
    Check::changes(Id::MysqlReplicaStatus, "MYSQL_REPLICA_STATUS", "replica status (SHOW REPLICA STATUS)", MYSQL_FAMILY)
        .expected("privilege for SHOW REPLICA STATUS, which ClickPipes' engine runs before it streams; on MariaDB: REPLICA MONITOR")
        .source(MYSQL_ENGINE),
    Check::changes(Id::MysqlReplicaUpdates, "MYSQL_REPLICA_UPDATES", "log_replica_updates on a replica", MYSQL_FAMILY)
        .versions("replicas")
        .expected("log_replica_updates (log_slave_updates) = ON on a replica")
        .fix("use the endpoint of the primary, or turn automated backups of the replica on, which turns \
             log_replica_updates on")
        .aurora("use the writer endpoint of the cluster, or set log_replica_updates = ON in the {group} and reboot")
        .source(MYSQL_ENGINE),
    Check::changes(Id::MysqlServerId, "MYSQL_SERVER_ID", "server_id", MYSQL_FAMILY)
        .expected("server_id other than 0")
        .fix("set server_id to a number other than 0 and restart: a server with 0 refuses replicas")
        .source("MySQL Reference Manual, Replication and Binary Logging Options"),
    Check::changes(Id::MysqlBinlogStream, "MYSQL_BINLOG_STREAM", "binary log stream (REPLICATION SLAVE)", MYSQL_FAMILY)
        .expected("REPLICATION SLAVE; the binary log is read from its end")
        .fix("GRANT REPLICATION SLAVE ON *.* TO {user};")
        .source(MYSQL_SOURCE),
    Check::changes(Id::MariadbCompressedColumns, "MARIADB_COMPRESSED_COLUMNS", "no compressed columns", MARIADB)
        .versions("MariaDB 10.3.2+")
        .expected("no column with the attribute COMPRESSED in the tables: the binary log contains them compressed")
        .source(MYSQL_ENGINE),
    Check::changes(Id::MariadbGenerated, "MARIADB_GENERATED", "no generated columns", MARIADB)
        .severity(Advisory)
        .expected("no generated columns: the binary log does not have them after an UPDATE")
        .fix("compute them in ClickHouse, or exclude them from the pipe")
        .source("binary log of MariaDB 10.11 and 11.8, as seen by python-mysql-replication"),
    Check::changes(Id::MysqlMaxAllowedPacket, "MYSQL_MAX_ALLOWED_PACKET", "max_allowed_packet", MYSQL_FAMILY)
        .severity(Advisory)
        .expected("max_allowed_packet of at least 16 MiB: a longer event ends the stream (1236)")
        .fix("raise max_allowed_packet in the {group} (takes effect for new connections)")
        .source(MYSQL_FAQ),
];

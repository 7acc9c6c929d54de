//! Applies the remedy that the report prints, literally: its SQL as the administrator, its parameters on the server. Then
//! the row must pass. Every other cause has the reason why its remedy cannot be applied here.

use std::collections::BTreeMap;

use lab::{Engine, Instance, Lab, ServerVersion};

use crate::support::{Answer, Run, server_versions, skipped, text};

/// A situation on a server that is otherwise in order.
struct Situation {
    cause: &'static str,
    row: &'static str,
    make: Make,
    args: &'static [&'static str],
}

enum Make {
    Sql(&'static str),
    /// Settings that need no restart.
    Set(&'static [(&'static str, &'static str)]),
    Restart(&'static [(&'static str, &'static str)]),
    /// A standby of the server, with these settings.
    Standby(&'static [(&'static str, &'static str)]),
    /// Checks with a role that the database refuses, or with the right one.
    SqlAndChecks {
        sql: &'static str,
        role: &'static str,
        checks: usize,
    },
}

use Make::{Restart, Set, Sql, SqlAndChecks, Standby};

const fn situation(row: &'static str, cause: &'static str, make: Make) -> Situation {
    Situation { cause, row, make, args: &[] }
}

impl Situation {
    const fn args(self, args: &'static [&'static str]) -> Self {
        Self { args, ..self }
    }
}

fn postgres() -> Vec<Situation> {
    const PUBLISHED: &[&str] = &["--table", "public.orders", "--publication", "clickpipes_publication"];
    vec![
        situation("AUTH_IAM_ASKED", "AUTH_USER_NOT_IAM", Sql("REVOKE rds_iam FROM clickpipes_iam_user;")),
        situation("AUTH_IAM_ASKED", "AUTH_NO_USER", Sql("SELECT 1;")).args(&["--user", "another"]),
        situation("AUTH_LOG_IN", "PG_NO_LOGIN", Sql("ALTER ROLE clickpipes_iam_user NOLOGIN;")),
        situation("AUTH_LOG_IN", "PG_ROLE_LIMIT", Sql("ALTER ROLE clickpipes_iam_user CONNECTION LIMIT 0;")),
        situation(
            "PG_CONNECTION_LIMITS",
            "PG_CONNECTION_LIMIT",
            Sql("ALTER ROLE clickpipes_iam_user CONNECTION LIMIT 3; ALTER DATABASE app CONNECTION LIMIT 3;"),
        ),
        situation("AUTH_LOG_IN", "PG_DATABASE_LIMIT", Sql("ALTER DATABASE app CONNECTION LIMIT 0;")),
        situation("AUTH_LOG_IN", "PG_NO_CONNECT", Sql("REVOKE CONNECT ON DATABASE app FROM PUBLIC, clickpipes_iam_user;")),
        situation(
            "AUTH_LOG_IN",
            "PG_DATABASE_CLOSED",
            Sql("\\c postgres\nALTER DATABASE app ALLOW_CONNECTIONS false;"),
        ),
        situation("DB_TABLES_READ", "DB_TABLES_UNREADABLE", Sql("REVOKE SELECT ON orders FROM clickpipes_iam_user;")),
        situation(
            "DB_TABLES_READ",
            "DB_TABLES_UNREADABLE",
            Sql("REVOKE USAGE ON SCHEMA public FROM PUBLIC, clickpipes_iam_user;"),
        ),
        situation("PG_ROW_SECURITY", "PG_ROW_SECURITY", Sql("ALTER TABLE orders ENABLE ROW LEVEL SECURITY;")),
        situation(
            "PG_ROW_SECURITY",
            "PG_ROW_SECURITY",
            Sql("ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
                 CREATE TABLE \"odd, \"\"name\" (id int PRIMARY KEY); ALTER TABLE \"odd, \"\"name\" ENABLE ROW LEVEL SECURITY;
                 GRANT SELECT ON \"odd, \"\"name\" TO clickpipes_iam_user;"),
        ),
        situation("PG_WAL_LEVEL", "PG_WAL_LEVEL", Restart(&[("wal_level", "replica")])),
        situation("PG_IAM_REPLICATION", "PG_REPLICATION_NOT_IAM", Set(&[("rds.iam_auth_for_replication", "0")])),
        situation("PG_PUBLICATION", "PG_NO_PUBLICATION", Sql("DROP PUBLICATION clickpipes_publication;")),
        situation(
            "PG_PUBLICATION",
            "PG_PUBLICATION_LACKS_TABLES",
            Sql("DROP PUBLICATION clickpipes_publication; CREATE PUBLICATION clickpipes_publication;"),
        )
        .args(PUBLISHED),
        situation(
            "PG_PUBLICATION",
            "PG_PUBLICATION_LEAVES_OUT",
            Sql("DROP PUBLICATION clickpipes_publication;
                 CREATE PUBLICATION clickpipes_publication FOR TABLE orders WITH (publish = 'insert');"),
        )
        .args(PUBLISHED),
        situation(
            "PG_PUBLICATION",
            "PG_PUBLICATION_LACKS_CHILDREN",
            Sql("DROP PUBLICATION clickpipes_publication;
                 CREATE PUBLICATION clickpipes_publication FOR TABLE orders;
                 CREATE TABLE \"Old orders\" (PRIMARY KEY (id)) INHERITS (orders);"),
        )
        .args(PUBLISHED),
        situation(
            "PG_PUBLICATION",
            "PG_PUBLICATION_WITHOUT_DELETE",
            Sql("DROP PUBLICATION clickpipes_publication;
                 CREATE PUBLICATION clickpipes_publication FOR TABLE orders WITH (publish = 'insert, update');"),
        )
        .args(PUBLISHED),
        situation(
            "PG_PUBLICATION",
            "PG_PUBLICATION_ROW_FILTER",
            Sql("DROP PUBLICATION clickpipes_publication;
                 CREATE PUBLICATION clickpipes_publication FOR TABLE orders WHERE (id > 5);"),
        )
        .args(PUBLISHED),
        situation(
            "PG_PUBLICATION",
            "PG_PUBLICATION_COLUMN_LIST",
            Sql("DROP PUBLICATION clickpipes_publication;
                 CREATE PUBLICATION clickpipes_publication FOR TABLE orders (id);"),
        )
        .args(PUBLISHED),
        situation(
            "PG_REPLICA_IDENTITY",
            "PG_NO_REPLICA_IDENTITY",
            Sql("ALTER TABLE orders DROP CONSTRAINT orders_pkey;"),
        ),
        situation(
            "PG_REPLICA_IDENTITY",
            "PG_NO_REPLICA_IDENTITY",
            Sql("ALTER TABLE orders REPLICA IDENTITY NOTHING;"),
        ),
        situation("PG_UNLOGGED", "PG_UNLOGGED", Sql("ALTER TABLE orders SET UNLOGGED;")).args(&["--table", "public.orders"]),
        situation(
            "PG_UNLOGGED",
            "PG_UNLOGGED_PART",
            Sql("CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
                 CREATE UNLOGGED TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9);
                 GRANT SELECT ON parts TO clickpipes_iam_user;"),
        )
        .args(&["--table", "public.parts"]),
        situation(
            "PG_UNLOGGED",
            "PG_UNLOGGED_PART",
            Sql("CREATE EXTENSION file_fdw; CREATE SERVER far FOREIGN DATA WRAPPER file_fdw;
                 CREATE TABLE parts (id int NOT NULL) PARTITION BY RANGE (id);
                 CREATE UNLOGGED TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9);
                 CREATE FOREIGN TABLE parts_2 PARTITION OF parts FOR VALUES FROM (9) TO (99) SERVER far
                 OPTIONS (filename '/dev/null');
                 GRANT SELECT ON parts TO clickpipes_iam_user;"),
        )
        .args(&["--table", "public.parts"]),
        situation("PG_TOAST", "PG_UNCHANGED_TOAST", Sql("SELECT 1;")),
        situation(
            "PG_PUBLICATION",
            "PG_PUBLICATION_BREAKS_WRITES",
            Sql("CREATE TABLE log (id int); DROP PUBLICATION clickpipes_publication;
                 CREATE PUBLICATION clickpipes_publication FOR ALL TABLES;"),
        )
        .args(PUBLISHED),
        situation(
            "PG_PUBLICATION",
            "PG_PUBLICATION_VIA_ROOT",
            Sql("CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
                 CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9);
                 GRANT SELECT ON parts, parts_1 TO clickpipes_iam_user; DROP PUBLICATION clickpipes_publication;
                 CREATE PUBLICATION clickpipes_publication FOR ALL TABLES WITH (publish_via_partition_root = true);"),
        )
        .args(&["--table", "public.parts_1", "--publication", "clickpipes_publication"]),
        situation(
            "PG_PUBLICATION",
            "PG_PUBLICATION_FIXED_COLUMNS",
            Sql("DROP PUBLICATION clickpipes_publication; DO $$ BEGIN EXECUTE (
                   SELECT format('CREATE PUBLICATION clickpipes_publication FOR TABLE orders (%s)', string_agg(quote_ident(attname), ', '))
                   FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped); END $$;"),
        )
        .args(PUBLISHED),
    ]
}

fn mysql_and_mariadb(engine: Engine) -> Vec<Situation> {
    let mut situations = vec![
        situation(
            "AUTH_LOG_IN",
            "MYSQL_ACCOUNT_LOCKED",
            Sql("ALTER USER 'clickpipes_iam_user'@'%' ACCOUNT LOCK;"),
        ),
        situation(
            "AUTH_LOG_IN",
            "AUTH_CLIENT_CERTIFICATE",
            Sql("ALTER USER 'clickpipes_iam_user'@'%' REQUIRE X509;"),
        ),
        situation(
            "MYSQL_ACCOUNT_LIMITS",
            "MYSQL_ACCOUNT_LIMIT",
            Sql("ALTER USER 'clickpipes_iam_user'@'%' WITH MAX_USER_CONNECTIONS 2;"),
        ),
        situation(
            "MYSQL_BINLOG_STREAM",
            "MYSQL_NO_REPLICATION_SLAVE",
            Sql("REVOKE REPLICATION SLAVE ON *.* FROM 'clickpipes_iam_user'@'%';"),
        ),
        situation(
            "MYSQL_HOURLY_LIMITS",
            "MYSQL_HOURLY_LIMIT",
            Sql("ALTER USER 'clickpipes_iam_user'@'%' WITH MAX_CONNECTIONS_PER_HOUR 50;"),
        ),
        situation("MYSQL_BINLOG_FORMAT", "MYSQL_BINLOG_FORMAT", Set(&[("binlog_format", "STATEMENT")])),
        situation(
            "MYSQL_BINLOG_ROW_IMAGE",
            "MYSQL_BINLOG_ROW_IMAGE",
            Set(&[("binlog_row_image", "MINIMAL")]),
        ),
        situation(
            "MYSQL_BINLOG_ROW_METADATA",
            "MYSQL_BINLOG_ROW_METADATA",
            Set(&[("binlog_row_metadata", "MINIMAL")]),
        ),
        situation(
            "MYSQL_BINLOG_EXPIRY",
            "MYSQL_BINLOG_EXPIRY",
            Set(&[("binlog_expire_logs_seconds", "3600")]),
        ),
        situation(
            "MYSQL_BINLOG_RETENTION",
            "MYSQL_RETENTION_UNSET",
            Sql("GRANT SELECT ON mysql.rds_configuration TO 'clickpipes_iam_user'@'%';
                 CALL mysql.rds_set_configuration('binlog retention hours', NULL);"),
        ),
        situation(
            "MYSQL_BINLOG_RETENTION",
            "MYSQL_RETENTION_SHORT",
            Sql("GRANT SELECT ON mysql.rds_configuration TO 'clickpipes_iam_user'@'%';
                 CALL mysql.rds_set_configuration('binlog retention hours', 12);"),
        ),
    ];
    situations.push(situation(
        "AUTH_LOG_IN",
        "MYSQL_USER_LIMIT",
        SqlAndChecks {
            sql: "ALTER USER 'clickpipes_iam_user'@'%' WITH MAX_CONNECTIONS_PER_HOUR 1;",
            role: lab::ACCESS_ROLE,
            checks: 1,
        },
    ));
    match engine {
        Engine::MariaDb => situations.extend([
            situation(
                "MYSQL_BINLOG_STATUS",
                "MYSQL_NO_REPLICATION_CLIENT",
                Sql("REVOKE BINLOG MONITOR ON *.* FROM 'clickpipes_iam_user'@'%';"),
            ),
            situation(
                "MYSQL_REPLICA_STATUS",
                "MYSQL_NO_REPLICA_MONITOR",
                Sql("REVOKE REPLICA MONITOR ON *.* FROM 'clickpipes_iam_user'@'%';"),
            ),
        ]),
        _ => situations.extend([
            situation(
                "MYSQL_GTID",
                "MYSQL_GTID_OFF",
                Restart(&[("gtid-mode", "OFF"), ("enforce-gtid-consistency", "OFF")]),
            ),
            situation(
                "AUTH_LOG_IN",
                "MYSQL_ACCOUNT_BLOCKED",
                SqlAndChecks {
                    sql: "ALTER USER 'clickpipes_iam_user'@'%' FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME 1;",
                    role: lab::WRONG_ROLE,
                    checks: 2,
                },
            ),
            situation("AUTH_LOG_IN", "MYSQL_OFFLINE", Set(&[("offline_mode", "ON")])),
            situation(
                "MYSQL_BINLOG_STATUS",
                "MYSQL_NO_REPLICATION_CLIENT",
                Sql("REVOKE REPLICATION CLIENT ON *.* FROM 'clickpipes_iam_user'@'%';"),
            ),
            situation(
                "MYSQL_BINLOG_ROW_VALUE_OPTIONS",
                "MYSQL_PARTIAL_JSON",
                Set(&[("binlog_row_value_options", "PARTIAL_JSON")]),
            ),
        ]),
    }
    situations
}

/// What only PostgreSQL 18 has, and a standby, whose slots are supported since version 16.
fn postgres_18() -> Vec<Situation> {
    vec![
        situation(
            "PG_IDLE_SLOT_TIMEOUT",
            "PG_IDLE_SLOT_TIMEOUT",
            Set(&[("idle_replication_slot_timeout", "60")]),
        ),
        situation(
            "PG_REPLICA_IDENTITY",
            "PG_FULL_WITH_GENERATED",
            Sql("ALTER TABLE orders ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED;
                 ALTER TABLE orders REPLICA IDENTITY FULL; ALTER TABLE orders OWNER TO clickpipes_iam_user;
                 DROP PUBLICATION clickpipes_publication; GRANT CREATE ON DATABASE app TO clickpipes_iam_user;"),
        )
        .args(&["--table", "public.orders"]),
        situation(
            "PG_HOT_STANDBY_FEEDBACK",
            "PG_HOT_STANDBY_FEEDBACK",
            Standby(&[("hot_standby_feedback", "off")]),
        ),
    ]
}

/// The remedy of this cause: of the row, or of its candidate.
fn remedy(answer: &Answer, situation: &Situation) -> Result<String, String> {
    let row = answer.row(situation.row);
    let candidates = row["candidates"].as_array().cloned().unwrap_or_default();
    let part = match row["cause"] == situation.cause {
        true => row,
        false => candidates
            .iter()
            .find(|candidate| candidate["cause"] == situation.cause)
            .ok_or_else(|| format!("is not a cause of {row:#}"))?,
    };
    Ok(text(&part["remedy"]).to_owned())
}

/// The SQL statements of a remedy: from a verb in capitals to the semicolon.
fn statements(remedy: &str) -> Vec<&str> {
    const VERBS: [&str; 8] =
        ["ALTER ", "CALL ", "CREATE ", "DROP ", "FLUSH ", "GRANT ", "SET DEFAULT ROLE ", "SET GLOBAL "];
    let (mut rest, mut found) = (remedy, Vec::new());
    loop {
        let start = VERBS.iter().filter_map(|verb| {
            rest.match_indices(verb)
                .map(|(at, _)| at)
                // SHOW CREATE USER is one to look at.
                .filter(|at| !rest[..*at].ends_with("SHOW "))
                .find(|at| *at == 0 || rest[..*at].ends_with([' ', '`', '(']))
        });
        let Some(start) = start.min() else { return found };
        let Some(end) = rest[start..].find(';') else { return found };
        found.push(&rest[start..=start + end]);
        rest = &rest[start + end + 1..];
    }
}

/// The parameter of a remedy: "set NAME = VALUE in the DB parameter group", or "set NAME to VALUE".
fn parameter(remedy: &str) -> Option<(&str, &str)> {
    let (_, rest) = remedy.split_once("set ")?;
    let mut words = rest.split_whitespace();
    let (name, is, value) = (words.next()?, words.next()?, words.next()?);
    let is_name = name.contains(['_', '.']);
    let value = if value == "nothing" { "" } else { value };
    (is_name && matches!(is, "=" | "to")).then_some((name, value))
}

/// # Errors
/// If a part of the remedy cannot be applied.
fn apply(server: &Instance, situation: &Situation, remedy: &str) -> Result<(), String> {
    let sql = statements(remedy);
    if situation.cause == "MYSQL_GTID_OFF" {
        return change_gtid_mode(server, remedy);
    }
    if sql.is_empty() {
        let (name, value) = parameter(remedy).ok_or("nothing to apply")?;
        return match (name, remedy.contains("reboot")) {
            // RDS sets wal_level itself (Amazon RDS User Guide, "Performing logical replication").
            ("rds.logical_replication", true) => {
                server.restart_with(&[(name, value), ("wal_level", "logical")])
            }
            (_, true) => server.restart_with(&[(name, value)]),
            (_, false) => server.set(&[(name, value)]),
        }
        .map_err(|error| format!("{name} = {value}: {error}"));
    }
    for statement in sql {
        let database = if situation.cause == "PG_DATABASE_CLOSED" { "postgres" } else { "app" };
        server.sql_in(database, statement).map_err(|error| format!("{statement}: {error}"))?;
    }
    Ok(())
}

/// Each step of the remedy, with a reboot after it.
fn change_gtid_mode(server: &Instance, remedy: &str) -> Result<(), String> {
    let (name, value) = parameter(remedy).ok_or("nothing to apply")?;
    let steps = remedy.split("gtid-mode = ").skip(1);
    let steps: Vec<&str> = steps.filter_map(|step| step.split([',', ' ', '(']).next()).collect();
    for step in &steps {
        let settings = [(name, value), ("gtid-mode", step)];
        server.restart_with(&settings).map_err(|error| format!("gtid-mode = {step}: {error}"))?;
    }
    match steps.len() {
        0 => Err("no steps".to_owned()),
        _ => Ok(()),
    }
}

/// What the remedies of `version` repaired: cause → what was applied.
fn repaired(version: ServerVersion, situations: Vec<Situation>) -> BTreeMap<&'static str, String> {
    let (mut repaired, mut failed) = (BTreeMap::new(), Vec::new());
    for situation in situations {
        let lab = Lab::start(&[version]).unwrap();
        lab.aws().change(|world| world.roles.push(lab::access_role(lab::WRONG_ROLE, &[lab::WRONG_RESOURCE])));
        let (primary, standby) = (lab.instance(version), matches!(situation.make, Standby(_)));
        if version.engine() == Engine::Postgres {
            primary.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
        }
        let standby = standby.then(|| lab.standby(primary).unwrap());
        let server = standby.as_deref().unwrap_or(primary);
        let mut table = lab.target_toml("other", server, lab::ACCESS_ROLE);
        if version.engine() != Engine::Postgres {
            // No database is selected at login, so that a missing privilege shows up with the tables.
            table = table.lines().filter(|l| !l.starts_with("database")).map(|l| format!("{l}\n")).collect();
        }
        match &situation.make {
            Sql(sql) | SqlAndChecks { sql, .. } => server.sql(sql).map(drop),
            Set(settings) | Standby(settings) => server.set(settings),
            Restart(settings) => server.restart_with(settings),
        }
        .unwrap_or_else(|error| panic!("{version}: {}: {error}", situation.cause));
        if let SqlAndChecks { role, checks, .. } = situation.make {
            for _ in 0..checks {
                Run::check(&lab, &["other"]).other(server, role).json();
            }
        }
        let args = [&["other", "--basis", "server"], situation.args].concat();
        let check = || Run::check(&lab, &args).table(&table).json();
        let before = check();
        let remedy = match remedy(&before, &situation) {
            Ok(remedy) => remedy,
            Err(why) => {
                failed.push(format!("{version}: {} {why}", situation.cause));
                continue;
            }
        };
        if let Err(error) = apply(server, &situation, &remedy) {
            failed.push(format!("{version}: {}: {remedy}: {error}", situation.cause));
            continue;
        }
        let after = check();
        let row = after.row(situation.row);
        match row["outcome"] == "pass" {
            true => drop(repaired.insert(situation.cause, remedy)),
            false => failed.push(format!("{version}: {}: applied {remedy}: {row:#}", situation.cause)),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    repaired
}

/// Why the remedy of a cause is not applied by this test.
fn reason(code: &str) -> Option<&'static str> {
    const OTHER_TESTS: &[(&str, &str)] = &[
        ("PIPE_", "it changes the declaration of the pipe"),
        ("AWS_", "it is about the credentials of the person who checks"),
        ("STS_", "it changes policies, credentials or networks of AWS"),
        ("CLICKPIPES_", "it changes the pipe"),
        ("TOKEN_", "it changes policies of AWS, or the target"),
        ("IAM_", "it is about the load of IAM"),
        ("DNS_", "it is about names"),
        ("NET_", "it is about the network"),
        ("ROUTE_", "it is about the network of AWS: the tests on moto apply it"),
        ("TLS_", "it is about certificates of the server"),
        ("DB_ENDPOINT_", "it names another endpoint"),
        ("PG_SLOT_", "it is about the pipe that uses the slot"),
        ("PG_TABLE_", "it needs an earlier check of `serve`: tests of the pipe have the situation"),
        ("MYSQL_PIPE_", "it is about the pipe that reads the binary log"),
        ("MYSQL_RETENTION_", "the user need not read the retention"),
    ];
    const ONE_BY_ONE: &[(&str, &[&str])] = &[
        (
            "it names another endpoint, type or version of the target",
            &[
                "DB_WRONG_ENGINE",
                "DB_STAND_IN",
                "DB_IS_AURORA",
                "DB_NOT_AURORA",
                "DB_VERSION_TOO_OLD",
                "DB_VERSION_OLD",
                "DB_VERSION_UNREADABLE",
                "MARIADB_PARTIAL_ROW_EVENTS",
                "MYSQL_REPLICA_UPDATES_OFF",
                "PG_DOCUMENTED_RULE",
                "PG_STANDBY",
                "PG_AURORA_READER",
                "PG_STANDBY_CLOSED",
                "PG_PARTITIONED",
                "MYSQL_VITESS",
                "MYSQL_EXCLUDED_COLUMNS",
                "PG_NO_DATABASE",
                "MYSQL_NO_DATABASE",
            ],
        ),
        (
            "its client comes from another address: faults/login.rs has the situation, without the remedy",
            &["MYSQL_HOST_BLOCKED", "MYSQL_HOST_NOT_ALLOWED"],
        ),
        (
            "it chooses other tables, a mode or a mechanism of the pipe",
            &[
                "DB_ENGINE_MERGE_TREE",
                "DB_ENGINE_NULL",
                "DB_TABLES_MISSING",
                "DB_TABLE_NAME_DOT",
                "DB_NO_ROW_KEY",
                "DB_ROW_KEY_CHILDREN",
                "DB_SORTING_KEY",
                "DB_SORTING_KEY_MERGES",
                "DB_SORTING_KEY_CHANGES",
                "DB_PARTITION_KEY_MISSING",
                "DB_PARTITION_KEY_UNFIT",
                "DB_EXCLUDED_COLUMN_MISSING",
                "MYSQL_SERVER_ID_IN_USE",
                "PG_FAILOVER_SLOTS_IGNORED",
                "PG_PARENT_AND_PART",
                "PG_GENERATED",
                "PG_INCLUDED_COLUMNS",
                "MARIADB_GENERATED",
                "MYSQL_CASCADES",
                "DB_KEY_COLUMN_EXCLUDED",
                "MYSQL_NOT_A_TABLE",
                "MYSQL_TABLE_NAME_CASE",
                "MYSQL_ROWS_ELSEWHERE",
                "MARIADB_SYSTEM_VERSIONED",
                "MARIADB_COMPRESSED_COLUMNS",
                "MYSQL_FILE_POS",
                "MARIADB_FILE_POS",
            ],
        ),
        (
            "it depends on the records of RDS or on a setting of the instance that only RDS has",
            &[
                "AUTH_NOT_IAM",
                "PG_NO_REPLICATION_RIGHT",
                "PG_REPLICATION_NOT_INHERITED",
                "AUTH_IAM_OFF",
                "AUTH_IAM_PENDING",
                "DB_NOT_AVAILABLE",
                "PG_PENDING_REBOOT",
                "MYSQL_PENDING_REBOOT",
                "MYSQL_BACKUPS_OFF",
                "MYSQL_BINARY_LOG_OFF",
                "PG_LOGICAL_REPLICATION_OFF",
                "MYSQL_PLUGIN_NOT_LOADED",
                "PG_WAL_LEVEL_OF_PRIMARY",
            ],
        ),
        (
            "it waits, or ends work of others",
            &[
                "DB_CLOSED",
                "DB_PROTOCOL",
                "DB_TIMED_OUT",
                "AUTH_INTERMITTENT",
                "PG_NOT_READY",
                "PG_TOO_MANY_CONNECTIONS",
                "MYSQL_TOO_MANY_CONNECTIONS",
                "MYSQL_IAM_THROTTLED",
                "DB_FEW_FREE_CONNECTIONS",
                "PG_OPEN_TRANSACTION",
                "PG_PREPARED_TRANSACTION",
                "PG_TRANSACTION_AGE",
                "PG_NO_REPLICATION_SLOT",
                "PG_NO_WAL_SENDER",
                "PG_MAX_WAL_SENDERS",
                "PG_NO_OTHER_SLOT",
                "PG_NO_OTHER_WAL_SENDER",
                "MYSQL_NO_BINLOG_POSITION",
            ],
        ),
        (
            "it has a value that the operator chooses",
            &[
                "PG_SLOT_WAL_KEEP",
                "DB_NO_TABLES",
                "MYSQL_MAX_ALLOWED_PACKET",
                "MYSQL_NO_SERVER_ID",
                "MYSQL_BINLOG_FILTERED",
            ],
        ),
        (
            "it changes how the server is reached",
            &[
                "AUTH_OTHER_ADDRESS",
                "PG_HBA_REFUSED",
                "PG_CLIENT_CERTIFICATE",
                "PG_PASSWORD_REFUSED",
                "MYSQL_USER_REFUSED",
            ],
        ),
        (
            "another cause of the same row has its statement",
            &["PG_NO_USER", "PG_ROLE_REFUSED", "PG_TOKEN_REFUSED", "MYSQL_TOKEN_REFUSED"],
        ),
        (
            "the server gave no answer, or one without a known cause",
            &[
                "DB_COLUMNS_UNKNOWN",
                "PG_REFUSED",
                "MYSQL_REFUSED",
                "PG_REPLICATION_UNKNOWN",
                "PG_UNANSWERED",
                "MYSQL_UNANSWERED",
                "MYSQL_BINLOG_STREAM_REFUSED",
                "DB_TABLES_UNKNOWN",
            ],
        ),
        ("it is about this machine", &["LOCAL_FAILURE", "CLOCK_SKEW"]),
        ("the row then warns of an UPDATE, as the test of sorting keys shows", &["DB_SORTING_KEY_NOT_SENT"]),
    ];
    let one = ONE_BY_ONE.iter().find(|(_, codes)| codes.contains(&code)).map(|(reason, _)| *reason);
    one.or_else(|| OTHER_TESTS.iter().find(|(start, _)| code.starts_with(start)).map(|(_, reason)| *reason))
}

#[test]
fn the_printed_remedy_makes_the_check_pass() {
    let mut covered = BTreeMap::new();
    let (mut engines, versions) = (Vec::new(), server_versions());
    for version in versions {
        if !engines.contains(&version.engine()) {
            engines.push(version.engine());
            let situations = match version.engine() {
                Engine::Postgres => postgres(),
                engine => mysql_and_mariadb(engine),
            };
            covered.extend(repaired(version, situations));
        }
        if version == ServerVersion::Postgres18 {
            covered.extend(repaired(version, postgres_18()));
        }
    }
    let all: Vec<&str> = pipeprobe::checks::causes().map(|cause| cause.code).collect();
    for code in covered.keys() {
        assert!(all.contains(code), "{code} is not in the table of causes");
    }
    let mut others: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for code in all.iter().filter(|code| !covered.contains_key(*code)) {
        match reason(code) {
            Some(reason) => others.entry(reason).or_default().push(code),
            // Another engine's, which is not available here.
            None if engines.len() < 3 => skipped(format!("the remedy of {code}")),
            None => panic!("{code} has neither a situation here nor a reason why not"),
        }
    }
    eprintln!(
        "the printed remedy of {} of {} causes was applied, and the row passed",
        covered.len(),
        all.len()
    );
    for (reason, codes) in others {
        eprintln!("not applied, because {reason}: {}", codes.join(", "));
    }
}

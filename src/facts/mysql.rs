//! Queries for MySQL and MariaDB.
//!
//! The protocol takes one statement at a time. The variables come first, because the names of later statements depend
//! on the version. The binary log dump comes last, because the connection answers nothing after it.

mod binary_logs;
mod tables;

use std::time::Instant;

use super::{
    AccountLimits, BinlogFilters, BinlogPosition, BinlogStream, Fact, MysqlFacts, Rows, ServerConnections,
    ServerText, Settings, Version, all, fact, is_mariadb, number, settings, text, version_of,
};
use crate::{
    connection::{MysqlSession, Refusal},
    target::Pipe,
};

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'version_comment', \
     'aurora_version', 'log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', \
     'binlog_row_value_options', 'binlog_expire_logs_seconds', 'gtid_mode', 'gtid_strict_mode', 'gtid_executed', \
     'gtid_binlog_pos', 'gtid_purged', 'log_replica_updates', 'log_slave_updates', 'server_id', 'server_uuid', \
     'expire_logs_days', 'max_binlog_total_size', 'max_allowed_packet', 'innodb_read_only', 'innodb_native_foreign_keys', 'max_user_connections', 'max_connections')";

const RETENTION: &str = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'";

const ACCOUNT: &str = "SELECT CURRENT_USER(), CONNECTION_ID()";

/// How many connections the server has, ours included. Any account may read it.
const CONNECTED_MARIADB: &str =
    "(SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'THREADS_CONNECTED')";
const CONNECTED_MYSQL: &str =
    "(SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Threads_connected')";

/// The account and the connections of the server, next to each granted role that is not active. The first row is there without
/// roles too.
const INACTIVE_ROLES: &str = "role.name FROM (SELECT CURRENT_USER() AS name, CONNECTION_ID() AS connection) AS account \
     LEFT JOIN (SELECT DISTINCT ROLE_NAME AS name FROM information_schema.APPLICABLE_ROLES WHERE ROLE_NAME NOT IN \
       (SELECT ROLE_NAME FROM information_schema.ENABLED_ROLES WHERE ROLE_NAME IS NOT NULL)) AS role ON TRUE \
     ORDER BY role.name";

/// The server does not know the statement.
const PARSE_ERROR: &str = "1064";
const NO_SUCH_TABLE: &str = "1146";
/// As `NO_SUCH_TABLE`, for `information_schema`.
const UNKNOWN_TABLE: &str = "1109";

/// Runs all queries that the pipe needs, and closes the session.
pub async fn ask(session: MysqlSession, deadline: Instant, close_by: Instant, pipe: &Pipe) -> MysqlFacts {
    let mut queries = Queries { session, deadline };
    let variables = queries.rows(VARIABLES).await.map(settings);
    let account = queries.account(variables.as_ref().is_ok_and(is_mariadb)).await;
    let mut facts = MysqlFacts {
        tables: queries.tables(&pipe.tables).await,
        named_columns: queries.named_columns(pipe).await,
        unique_keys: queries.unique_keys(pipe).await,
        current_user: account.user,
        settings: variables.map_or_else(Fact::refused, Fact::Read),
        account_limits: queries.account_limits().await,
        inactive_roles: account.inactive_roles,
        ..MysqlFacts::default()
    };
    let limit = facts.settings.read().and_then(|settings| number(settings.get("max_connections")?));
    if let (Some(limit), Some(in_use)) = (limit, account.connected) {
        facts.server_connections = Fact::Read(ServerConnections { limit, in_use: in_use.saturating_sub(1) });
    }
    if !pipe.follows_changes() {
        queries.session.close(close_by).await;
        return facts;
    }
    let known = facts.settings.read();
    let (version, is_mariadb) = (known.and_then(version_of), known.is_some_and(is_mariadb));

    // Vitess is a MySQL: one statement less on MariaDB.
    facts.is_vitess = match is_mariadb {
        true => Fact::Read(false),
        false => match queries.rows("SHOW VITESS_TABLETS").await {
            Ok(_) => Fact::Read(true),
            Err(refusal) if refusal.code == PARSE_ERROR => Fact::Read(false),
            Err(refusal) => Fact::Refused(refusal.into()),
        },
    };
    match queries.rows(binlog_status(version, is_mariadb)).await {
        Ok(rows) => {
            facts.position = position(&rows);
            facts.binlog_filters = binlog_filters(&rows);
        }
        Err(refusal) => {
            facts.binlog_filters = Fact::Refused(refusal.clone().into());
            facts.position = Fact::Refused(refusal.into());
        }
    }
    facts.retention_hours = match queries.rows(RETENTION).await {
        Ok(rows) => match rows.into_iter().next() {
            Some(row) => {
                Fact::Read(row.first().and_then(Option::as_ref).map_or_else(String::new, ToString::to_string))
            }
            None => Fact::Absent,
        },
        Err(refusal) if refusal.code == NO_SUCH_TABLE => Fact::Absent,
        Err(refusal) => Fact::Refused(refusal.into()),
    };
    facts.is_replica =
        all(queries.either("SHOW REPLICA STATUS", "SHOW SLAVE STATUS").await, |rows| !rows.is_empty());
    facts.replicas = all(queries.either("SHOW REPLICAS", "SHOW SLAVE HOSTS").await, |rows| {
        rows.iter().filter_map(|row| number(row.first()?.as_ref()?.raw())).collect()
    });
    if let Some(user) = facts.current_user.read().cloned() {
        facts.readers = queries.binlog_readers(&user).await;
    }
    facts.binary_logs = queries.binary_logs().await;
    if is_mariadb {
        facts.purged = queries.start_of_oldest(&facts.binary_logs).await;
    } else if let Some(purged) = facts.settings.read().and_then(|settings| settings.get("gtid_purged")) {
        facts.purged = Fact::Read(purged.clone());
    }
    facts.cascades = match is_mariadb {
        true => queries.cascades_in_definitions(&pipe.tables).await,
        false => queries.cascades(&pipe.tables).await,
    };
    if is_mariadb {
        let columns = queries.special_columns(pipe).await;
        facts.compressed_columns = columns.compressed;
        facts.generated_columns = columns.generated;
    }
    let Some(from) = facts.position.read() else {
        queries.session.close(close_by).await;
        return facts;
    };
    let server_id =
        free_server_id(account.connection_id.unwrap_or(0), facts.settings.read(), facts.replicas.read());
    facts.stream = match queries.session.stream_binlog(server_id, from, deadline, close_by).await {
        Ok(events) => Fact::Read(BinlogStream { server_id, events }),
        Err(refusal) => Fact::Refused(refusal.into()),
    };
    facts
}

/// The facts if the driver stopped in the middle: none, and the reason.
pub fn unanswered(refusal: Refusal) -> MysqlFacts {
    MysqlFacts {
        settings: Fact::Refused(refusal.clone().into()),
        tables: Fact::Refused(refusal.into()),
        ..MysqlFacts::default()
    }
}

/// The statement was renamed in MySQL 8.4 and in MariaDB 10.5.2.
fn binlog_status(version: Option<Version>, is_mariadb: bool) -> &'static str {
    match (version, is_mariadb) {
        (Some(version), true) if version >= Version(10, 5, 2) => "SHOW BINLOG STATUS",
        (Some(version), false) if version >= Version(8, 4, 0) => "SHOW BINARY LOG STATUS",
        _ => "SHOW MASTER STATUS",
    }
}

/// File and position are the first two columns. There is no row if there is no binary log.
fn position(rows: &Rows) -> Fact<BinlogPosition> {
    match rows.first().map(Vec::as_slice) {
        Some([Some(file), Some(position), ..]) if !file.raw().is_empty() => number(position.raw())
            .map_or(Fact::Absent, |position| Fact::Read(BinlogPosition { file: file.to_string(), position })),
        _ => Fact::Absent,
    }
}

/// `Binlog_Do_DB` and `Binlog_Ignore_DB` are the next two columns; names are separated by commas.
fn binlog_filters(rows: &Rows) -> Fact<BinlogFilters> {
    let Some(row) = rows.first() else { return Fact::Absent };
    let names = |i: usize| {
        let list = row.get(i).and_then(Option::as_ref).map(ServerText::raw).unwrap_or_default();
        list.split(',').filter(|name| !name.is_empty()).map(ServerText::new).collect()
    };
    Fact::Read(BinlogFilters { only: names(2), ignored: names(3) })
}

/// The numbers after their key words in `CREATE USER … WITH MAX_USER_CONNECTIONS 2`.
fn account_limits(create_user: &str) -> Option<AccountLimits> {
    let words: Vec<&str> = create_user.split_whitespace().collect();
    let limit = |name: &str| {
        let value = words.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
        value.map_or(Some(0), number)
    };
    Some(AccountLimits {
        simultaneous_connections: limit("MAX_USER_CONNECTIONS")?,
        connections_per_hour: limit("MAX_CONNECTIONS_PER_HOUR")?,
        queries_per_hour: limit("MAX_QUERIES_PER_HOUR")?,
    })
}

/// A high server id that no replica uses: a server ends the stream of a replica if another one registers with the same
/// id. The connection id keeps two checks apart.
fn free_server_id(connection_id: u32, settings: Option<&Settings>, replicas: Option<&Vec<u32>>) -> u32 {
    let own: Option<u32> = settings.and_then(|settings| number(settings.get("server_id")?));
    let taken = |id: &u32| own == Some(*id) || replicas.is_some_and(|replicas| replicas.contains(id));
    let first = connection_id | 0x8000_0000;
    (0..u32::MAX).map(|i| first.wrapping_add(i) | 0x8000_0000).find(|id| !taken(id)).unwrap_or(first)
}

struct Account {
    user: Fact<String>,
    connection_id: Option<u32>,
    /// Connections of the server.
    connected: Option<u32>,
    inactive_roles: Fact<Vec<String>>,
}

struct Queries {
    session: MysqlSession,
    deadline: Instant,
}

impl Queries {
    async fn rows(&mut self, sql: &str) -> Result<Rows, Refusal> {
        self.session.rows(sql, self.deadline).await
    }

    /// The statement, or its older name.
    async fn either(&mut self, sql: &str, older: &str) -> Result<Rows, Refusal> {
        match self.rows(sql).await {
            Err(refusal) if refusal.code == PARSE_ERROR => self.rows(older).await,
            other => other,
        }
    }

    /// An account may always see its own definition, without further privileges.
    async fn account_limits(&mut self) -> Fact<AccountLimits> {
        match self.rows("SHOW CREATE USER CURRENT_USER()").await {
            Ok(rows) => fact(Ok(rows), account_limits),
            Err(refusal) if refusal.code == PARSE_ERROR => Fact::Absent,
            Err(refusal) => Fact::Refused(refusal.into()),
        }
    }

    async fn account(&mut self, is_mariadb: bool) -> Account {
        let with = |connected: &str| {
            format!("SELECT account.name, account.connection, {connected}, {INACTIVE_ROLES}")
        };
        let mut rows = self.rows(&with(if is_mariadb { CONNECTED_MARIADB } else { CONNECTED_MYSQL })).await;
        // The number of connections is not worth losing the account.
        if rows.as_ref().is_err_and(|refusal| !refusal.is_silence() && refusal.code != UNKNOWN_TABLE) {
            rows = self.rows(&with("NULL")).await;
        }
        let (rows, has_roles) = match rows {
            // MySQL 5.7 has no roles.
            Err(refusal) if refusal.code == UNKNOWN_TABLE => (self.rows(ACCOUNT).await, false),
            other => (other, true),
        };
        let field = |row: &[Option<ServerText>], i: usize| row.get(i)?.as_ref().map(ToString::to_string);
        let first = |i: usize| rows.as_ref().ok().and_then(|rows| number(&field(rows.first()?, i)?));
        let (connection_id, connected) = (first(1), first(2));
        let inactive_roles = match has_roles {
            true => all(rows.clone(), |rows| rows.iter().filter_map(|row| field(row, 3)).collect()),
            false => Fact::Absent,
        };
        Account { user: fact(rows, text), connection_id, connected, inactive_roles }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_limits_are_read_from_the_definition() {
        let limits = account_limits(
            "CREATE USER `u`@`%` IDENTIFIED WITH 'AWSAuthenticationPlugin' AS 'RDS' REQUIRE SSL WITH \
             MAX_QUERIES_PER_HOUR 7 MAX_CONNECTIONS_PER_HOUR 20 MAX_USER_CONNECTIONS 2 PASSWORD EXPIRE DEFAULT",
        );
        let expected =
            AccountLimits { simultaneous_connections: 2, connections_per_hour: 20, queries_per_hour: 7 };
        assert_eq!(limits, Some(expected));
        assert_eq!(account_limits("CREATE USER `u`@`%` REQUIRE SSL"), Some(AccountLimits::default()));
        // MariaDB also accepts fractions of a second in another limit.
        let other = "CREATE USER `u`@`%` WITH MAX_STATEMENT_TIME 1.500000";
        assert_eq!(account_limits(other), Some(AccountLimits::default()));
    }

    #[test]
    fn filters_are_columns_three_and_four() {
        let row = ["log.1", "4", "app,shop", "audit"].map(|text| Some(ServerText::new(text))).to_vec();
        let filters = binlog_filters(&vec![row]);
        let (app, audit, other) = (ServerText::new("app"), ServerText::new("audit"), ServerText::new("x"));
        let filters = filters.read().unwrap();
        assert_eq!([&app, &audit, &other].map(|name| filters.log(name)), [true, false, false]);
        assert!(BinlogFilters::default().log(&other));
        assert_eq!(binlog_filters(&vec![]), Fact::Absent);
    }
}

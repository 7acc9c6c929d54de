//! MySQL's and MariaDB's questions: a statement each, since the protocol takes one at a time. What
//! they are called depends on the version, so the variables come first. The binary log comes last: a
//! connection that streams answers nothing else.

use std::time::Instant;

use super::{
    BinlogPosition, BinlogStream, Fact, MysqlFacts, Rows, Settings, TABLES_AT_MOST, Table, Tables, Version,
    all, fact, is_mariadb, matching, number, settings, text, version_of,
};
use crate::{
    connection::{MysqlSession, Refusal},
    target::{Pipe, TablePattern},
};

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'version_comment', \
     'aurora_version', 'log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_metadata', \
     'binlog_row_value_options', 'binlog_expire_logs_seconds', 'gtid_mode', 'gtid_strict_mode', 'gtid_executed', \
     'gtid_binlog_pos', 'log_replica_updates', 'log_slave_updates', 'server_id', 'max_allowed_packet')";

const RETENTION: &str = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'";

/// The statement is not of this server's language.
const PARSE_ERROR: &str = "1064";
const NO_SUCH_TABLE: &str = "1146";

/// Tables that one statement tries to read. Should it be refused, each is tried by itself.
const TABLES_A_STATEMENT: usize = 50;

/// Asks everything the pipe needs, and ends the session.
pub async fn ask(session: MysqlSession, deadline: Instant, close_by: Instant, pipe: &Pipe) -> MysqlFacts {
    let mut ask = Asker { session, deadline };
    let variables = ask.rows(VARIABLES).await.map(settings);
    let who = ask.rows("SELECT CURRENT_USER(), CONNECTION_ID()").await;
    let tables = ask.tables(&pipe.tables).await;
    let mut facts = MysqlFacts {
        current_user: fact(who.clone(), text),
        settings: variables.map_or_else(Fact::Refused, Fact::Read),
        tables,
        ..MysqlFacts::default()
    };
    if !pipe.follows_changes() {
        ask.session.close(close_by).await;
        return facts;
    }
    let known = facts.settings.read();
    let (version, is_mariadb) = (known.and_then(version_of), known.is_some_and(is_mariadb));

    facts.is_vitess = match ask.rows("SHOW VITESS_TABLETS").await {
        Ok(_) => Fact::Read(true),
        Err(refusal) if refusal.code == PARSE_ERROR => Fact::Read(false),
        Err(refusal) => Fact::Refused(refusal),
    };
    facts.position = ask.rows(binlog_status(version, is_mariadb)).await.map_or_else(Fact::Refused, position);
    facts.retention_hours = match ask.rows(RETENTION).await {
        Ok(rows) => {
            let value = rows.into_iter().next().map(|mut row| row.pop().flatten().unwrap_or_default());
            value.map_or(Fact::Absent, Fact::Read)
        }
        Err(refusal) if refusal.code == NO_SUCH_TABLE => Fact::Absent,
        Err(refusal) => Fact::Refused(refusal),
    };
    facts.is_replica =
        all(ask.either("SHOW REPLICA STATUS", "SHOW SLAVE STATUS").await, |rows| !rows.is_empty());
    facts.replicas = all(ask.either("SHOW REPLICAS", "SHOW SLAVE HOSTS").await, |rows| {
        rows.iter().filter_map(|row| row.first()?.as_deref()?.parse().ok()).collect()
    });
    if is_mariadb {
        facts.compressed_columns = ask.compressed_columns(&pipe.tables).await;
    }
    let Some(from) = facts.position.read() else {
        ask.session.close(close_by).await;
        return facts;
    };
    let connection_id = who.ok().and_then(|rows| number(rows.first()?.get(1)?.as_deref()?)).unwrap_or(0);
    let server_id = free_server_id(connection_id, facts.settings.read(), facts.replicas.read());
    facts.stream = match ask.session.stream_binlog(server_id, from, deadline, close_by).await {
        Ok(events) => Fact::Read(BinlogStream { server_id, events }),
        Err(refusal) => Fact::Refused(refusal),
    };
    facts
}

/// What is known where the driver broke off while asking: nothing, and why.
pub fn unanswered(why: &str) -> MysqlFacts {
    let refusal = Refusal { code: "driver".into(), message: why.into(), ..Refusal::default() };
    MysqlFacts {
        settings: Fact::Refused(refusal.clone()),
        tables: Fact::Refused(refusal),
        ..MysqlFacts::default()
    }
}

/// The statement's name changed in MySQL 8.4 and in MariaDB 10.5.2.
fn binlog_status(version: Option<Version>, is_mariadb: bool) -> &'static str {
    match (version, is_mariadb) {
        (Some(version), true) if version >= Version(10, 5, 2) => "SHOW BINLOG STATUS",
        (Some(version), false) if version >= Version(8, 4, 0) => "SHOW BINARY LOG STATUS",
        _ => "SHOW MASTER STATUS",
    }
}

/// File and position, the first two columns. No row where there is no binary log.
fn position(rows: Rows) -> Fact<BinlogPosition> {
    match rows.first().map(Vec::as_slice) {
        Some([Some(file), Some(position), ..]) if !file.is_empty() => number(position)
            .map_or(Fact::Absent, |position| Fact::Read(BinlogPosition { file: file.clone(), position })),
        _ => Fact::Absent,
    }
}

/// High, and nobody's: a server ends the stream of a replica whose id comes a second time. The
/// connection id keeps two of us apart.
fn free_server_id(connection_id: u32, settings: Option<&Settings>, replicas: Option<&Vec<u32>>) -> u32 {
    let own: Option<u32> = settings.and_then(|settings| number(settings.get("server_id")?));
    let taken = |id: &u32| own == Some(*id) || replicas.is_some_and(|replicas| replicas.contains(id));
    let first = connection_id | 0x8000_0000;
    (0..u32::MAX).map(|i| first.wrapping_add(i) | 0x8000_0000).find(|id| !taken(id)).unwrap_or(first)
}

struct Asker {
    session: MysqlSession,
    deadline: Instant,
}

impl Asker {
    async fn rows(&mut self, sql: &str) -> Result<Rows, Refusal> {
        self.session.rows(sql, self.deadline).await
    }

    /// The statement, or what it was called before.
    async fn either(&mut self, sql: &str, before: &str) -> Result<Rows, Refusal> {
        match self.rows(sql).await {
            Err(refusal) if refusal.code == PARSE_ERROR => self.rows(before).await,
            other => other,
        }
    }

    /// The tables there are, as far as the user is shown them, and those that were named, shown or not.
    async fn tables(&mut self, patterns: &[TablePattern]) -> Fact<Tables<Table>> {
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE' \
             AND {} ORDER BY 1, 2",
            is_meant(patterns)
        );
        let rows = match self.rows(&sql).await {
            Ok(rows) => rows,
            Err(refusal) => return Fact::Refused(refusal),
        };
        let pair = |row: Vec<Option<String>>| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(schema), Some(name)]) => Some((schema, name)),
            _ => None,
        };
        let mut names: Vec<(String, String)> = rows.into_iter().filter_map(pair).collect();
        for pattern in patterns.iter().filter(|pattern| pattern.is_exact()) {
            if !names.iter().any(|(schema, name)| pattern.matches(schema, name)) {
                names.push((pattern.schema.clone(), pattern.table.clone()));
            }
        }
        // Those that were named come first, lest they fall behind the last that is looked at.
        names.sort_by_cached_key(|(schema, name)| {
            let named = patterns.iter().any(|p| p.is_exact() && p.matches(schema, name));
            (!named, schema.clone(), name.clone())
        });
        let total = names.len();
        names.truncate(TABLES_AT_MOST);
        let mut seen = Vec::new();
        for some in names.chunks(TABLES_A_STATEMENT) {
            let together = self.rows(&reading(some)).await.is_ok();
            for (schema, name) in some.iter().cloned() {
                let select = match together {
                    true => Ok(()),
                    false => self
                        .rows(&format!("SELECT * FROM {} LIMIT 0", quoted(&schema, &name)))
                        .await
                        .map(drop),
                };
                seen.push(Table { schema, name, select });
            }
        }
        Fact::Read(Tables { total, seen })
    }

    /// The type's text says so, between comment marks.
    async fn compressed_columns(&mut self, patterns: &[TablePattern]) -> Fact<Vec<String>> {
        let sql = format!(
            "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', COLUMN_NAME) FROM information_schema.COLUMNS \
             WHERE COLUMN_TYPE LIKE '%COMPRESSED%' AND {} ORDER BY 1 LIMIT {TABLES_AT_MOST}",
            is_meant(patterns)
        );
        all(self.rows(&sql).await, |rows| {
            rows.into_iter().filter_map(|row| row.into_iter().next()?).collect()
        })
    }
}

/// One statement that every one of these tables must allow: every column, no row.
fn reading(tables: &[(String, String)]) -> String {
    let one = |(i, (schema, name)): (usize, &(String, String))| {
        format!("(SELECT COUNT(*) FROM (SELECT * FROM {} LIMIT 0) AS t{i})", quoted(schema, name))
    };
    let parts = tables.iter().enumerate().map(one).collect::<Vec<_>>();
    format!("SELECT {}", if parts.is_empty() { "1".to_owned() } else { parts.join(", ") })
}

/// A condition on TABLE_SCHEMA and TABLE_NAME: what is meant, and nothing of the system's.
fn is_meant(patterns: &[TablePattern]) -> String {
    format!(
        "TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys', 'innodb') AND {}",
        matching(patterns, "TABLE_SCHEMA", "TABLE_NAME", literal)
    )
}

/// In hexadecimal, which no sql_mode reads in a way of its own.
fn literal(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("_utf8mb4 x'{digits}'")
}

fn quoted(schema: &str, name: &str) -> String {
    format!("`{}`.`{}`", schema.replace('`', "``"), name.replace('`', "``"))
}

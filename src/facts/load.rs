//! What an initial load has to read, and how fast rows arrive here: sizes of the tables, and a limited read of the largest ones.

use std::time::{Duration, Instant};

use super::{
    Fact, Facts, MysqlFacts, PostgresFacts, ServerText, Table, TableKind, columns::is_one_of_tables, fact,
    is_mariadb, number, postgres,
};
use crate::{
    clickpipes,
    connection::{MysqlSession, PostgresSession, Refusal, Rows, Sample, SampleLimits},
    sql,
    target::Engine,
};

/// Most time for all samples together.
pub const TIME: Duration = Duration::from_secs(9);
/// Most bytes of one sample.
pub const BYTES: u64 = 16 << 20;
/// Tables that are sampled: the largest ones.
pub const SAMPLES: usize = 3;

/// The size of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct TableSize {
    pub schema: ServerText,
    pub name: ServerText,
    /// On disk, without indexes.
    pub bytes: u64,
    /// The server's estimate; `None` if it has none.
    pub rows: Option<u64>,
    /// MySQL and MariaDB: an indexed column that the load could be split by. `None` on PostgreSQL, which needs none.
    #[cfg_attr(test, serde(default))]
    pub partition_key: Option<ServerText>,
}

impl TableSize {
    /// `schema.name`, for people.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct LoadFacts {
    /// Largest first.
    pub tables: Vec<TableSize>,
    /// Of the first tables, in the same order.
    pub samples: Vec<Result<Sample, Refusal>>,
    /// PostgreSQL: WAL that the server wrote while it was sampled.
    #[cfg_attr(test, serde(default))]
    pub wal: Option<WalWritten>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct WalWritten {
    pub bytes: u64,
    pub during: Duration,
}

/// The tables that an initial load would read: those that the user can read.
pub fn readable(facts: &Facts) -> Vec<&Table> {
    let is_read = |table: &&Table| {
        table.select.is_ok() && matches!(table.kind, TableKind::Table | TableKind::SystemVersioned)
    };
    match facts {
        Facts::Postgres(facts) => {
            let tables = facts.tables.read().into_iter().flat_map(|tables| &tables.seen);
            tables.map(|table| &table.table).filter(is_read).collect()
        }
        Facts::Mysql(facts) => {
            let tables = facts.tables.read().into_iter().flat_map(|tables| &tables.seen);
            tables.filter(is_read).collect()
        }
    }
}

/// Sizes of the tables with their partitions and child tables, largest first.
///
/// # Errors
/// The server's refusal.
pub async fn sizes_of_postgres(
    session: &PostgresSession,
    tables: &[&Table],
    deadline: Instant,
) -> Result<Vec<TableSize>, Refusal> {
    let names = tables.iter().map(|table| table.raw_names());
    let Some(is_asked) = is_one_of_tables(names, ["n.nspname", "c.relname"], sql::postgres::literal) else {
        return Ok(Vec::new());
    };
    // Before version 14, 0 rows also means that the table was never analyzed.
    let sql = format!(
        "WITH RECURSIVE part (root, oid) AS (SELECT c.oid, c.oid FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {is_asked} AND c.relkind IN ('r', 'p') \
         UNION SELECT part.root, i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid), \
         leaf AS (SELECT part.root, pg_table_size(c.oid) AS bytes, c.reltuples AS tuples \
         FROM part JOIN pg_class c ON c.oid = part.oid WHERE c.relkind = 'r') \
         SELECT n.nspname, c.relname, coalesce(sum(bytes), 0), CASE WHEN bool_or(tuples <= 0 AND bytes > 0) THEN NULL \
         ELSE coalesce(sum(greatest(tuples, 0))::bigint, 0) END \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN (SELECT DISTINCT root FROM part) r ON r.root = c.oid \
         LEFT JOIN leaf ON leaf.root = c.oid GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    );
    session.rows(&sql, deadline).await.map(|rows| sizes(&rows))
}

/// Sizes of the tables, largest first.
///
/// # Errors
/// The server's refusal.
pub async fn sizes_of_mysql(
    session: &mut MysqlSession,
    tables: &[&Table],
    deadline: Instant,
) -> Result<Vec<TableSize>, Refusal> {
    let (names, literal) = (tables.iter().map(|table| table.raw_names()), sql::mysql::hex_literal);
    let Some(is_asked) = is_one_of_tables(names, ["t.TABLE_SCHEMA", "t.TABLE_NAME"], literal) else {
        return Ok(Vec::new());
    };
    let types: Vec<String> =
        clickpipes::partition_key_types(Engine::Mysql).iter().map(|name| format!("'{name}'")).collect();
    // The primary key before other indexes.
    let sql = format!(
        "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, COALESCE(t.DATA_LENGTH, 0), t.TABLE_ROWS, (SELECT s.COLUMN_NAME \
         FROM information_schema.STATISTICS AS s JOIN information_schema.COLUMNS AS c ON c.TABLE_SCHEMA = s.TABLE_SCHEMA \
         AND c.TABLE_NAME = s.TABLE_NAME AND c.COLUMN_NAME = s.COLUMN_NAME \
         WHERE s.TABLE_SCHEMA = t.TABLE_SCHEMA AND s.TABLE_NAME = t.TABLE_NAME AND s.SEQ_IN_INDEX = 1 \
         AND LOWER(c.DATA_TYPE) IN ({}) ORDER BY s.INDEX_NAME <> 'PRIMARY', s.NON_UNIQUE, s.INDEX_NAME LIMIT 1) \
         FROM information_schema.TABLES AS t WHERE {is_asked} ORDER BY 3 DESC, 1, 2",
        types.join(", ")
    );
    session.rows(&sql, deadline).await.map(|rows| sizes(&rows))
}

fn sizes(rows: &Rows) -> Vec<TableSize> {
    let size = |row: &Vec<Option<ServerText>>| {
        let column = |i: usize| row.get(i)?.as_ref();
        Some(TableSize {
            schema: column(0)?.clone(),
            name: column(1)?.clone(),
            bytes: number(column(2)?.raw())?,
            rows: column(3).and_then(|rows| number(rows.raw())),
            partition_key: column(4).cloned(),
        })
    };
    rows.iter().filter_map(size).collect()
}

/// Reads rows of one table, in a session for this alone.
///
/// # Errors
/// The server's refusal.
pub async fn sample_postgres(
    session: &PostgresSession,
    table: &TableSize,
    limits: SampleLimits,
) -> Result<Sample, Refusal> {
    session.rows(postgres::SESSION_SETTINGS, limits.until).await?;
    let timeout = format!("SET statement_timeout = {}", milliseconds(limits));
    session.rows(&timeout, limits.until).await?;
    let name = sql::postgres::qualified(table.schema.raw(), table.name.raw());
    session.sample(&format!("SELECT * FROM {name}"), limits).await
}

/// Reads rows of one table, in a session for this alone.
///
/// # Errors
/// The server's refusal.
pub async fn sample_mysql(
    session: MysqlSession,
    facts: &MysqlFacts,
    table: &TableSize,
    limits: SampleLimits,
) -> Result<Sample, Refusal> {
    let name = sql::mysql::qualified(table.schema.raw(), table.name.raw());
    let most = milliseconds(limits);
    let query = match facts.settings.read().is_some_and(is_mariadb) {
        true => {
            let (seconds, rest) = (most / 1000, most % 1000);
            format!("SET STATEMENT max_statement_time = {seconds}.{rest:03} FOR SELECT * FROM {name}")
        }
        false => format!("SELECT /*+ MAX_EXECUTION_TIME({most}) */ * FROM {name}"),
    };
    session.sample(&query, limits).await
}

/// How long the server works on the query if its client is gone: a little longer than the client waits.
fn milliseconds(limits: SampleLimits) -> u128 {
    (limits.until.saturating_duration_since(Instant::now()) + Duration::from_secs(2)).as_millis()
}

impl WalWritten {
    /// Since the facts were read, `during` ago.
    pub async fn since(
        facts: &PostgresFacts,
        session: &PostgresSession,
        during: Duration,
        deadline: Instant,
    ) -> Option<Self> {
        let now: Fact<u64> = fact(session.rows(postgres::slots::WAL_POSITION, deadline).await, number);
        let bytes = now.read()?.checked_sub(*facts.wal_position.read()?)?;
        Some(Self { bytes, during })
    }
}

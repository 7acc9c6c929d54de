//! PostgreSQL's questions, one a fact. They go out together: one round trip, and a refusal of one
//! loses none of the others. A second round tries to read the tables that the first one found.

use std::time::Instant;

use futures_util::future::join_all;

use super::{
    Fact, PostgresFacts, PostgresTable, Publication, Rows, ServerText, SystemIdentity, TABLES_AT_MOST, Table,
    TableKind, Tables, all, boolean, fact, matching, number, settings, text,
};
use crate::{
    connection::{ConnectError, PostgresSession, Refusal, Stage},
    sql::postgres::literal,
    target::{Pipe, TablePattern},
};

/// A table that someone else holds locked costs itself this long, and not the check. And should a
/// question of ours ever write, the server refuses it.
const SESSION_SETTINGS: &str = "SET lock_timeout = 2000; SET default_transaction_read_only = on";

/// In `pg_settings`' own units.
const SETTINGS: &str = "SELECT name, setting FROM pg_settings WHERE name IN ('wal_level', 'max_wal_senders', \
     'max_replication_slots', 'hot_standby_feedback', 'wal_sender_timeout', 'max_slot_wal_keep_size')";

/// Of parameters that RDS added. Apart, because a server may refuse to show one.
const LOGICAL_REPLICATION: &str = "SELECT current_setting('rds.logical_replication', true)";
const IAM_AUTH_FOR_REPLICATION: &str = "SELECT current_setting('rds.iam_auth_for_replication', true)";

const IN_RDS_REPLICATION: &str = "SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication') \
     THEN pg_has_role('rds_replication', 'MEMBER') END";

/// Ours runs beside this question, and does not count.
const WAL_SENDERS: &str = "SELECT count(*) FROM pg_stat_replication \
     WHERE (usename = current_user AND application_name = 'pipeprobe') IS NOT TRUE";

/// Asks everything; `replication` needs a connection of its own, and is awaited beside.
pub async fn ask(
    session: &PostgresSession,
    deadline: Instant,
    pipe: &Pipe,
    replication: impl Future<Output = Fact<Result<SystemIdentity, ConnectError>>>,
) -> PostgresFacts {
    let ask = |sql: &'static str| session.rows(sql, deadline);
    let (tables, publications) = (tables_in_question(&pipe.tables), published(&pipe.tables));
    let first = async {
        tokio::join!(
            ask(SESSION_SETTINGS),
            ask("SELECT version()"),
            ask("SELECT current_setting('server_version_num')"),
            ask("SELECT current_user"),
            ask("SELECT to_regproc('pg_catalog.aurora_version') IS NOT NULL"),
            ask("SELECT pg_is_in_recovery()"),
            ask(SETTINGS),
            ask(LOGICAL_REPLICATION),
            ask(IAM_AUTH_FOR_REPLICATION),
            ask("SELECT rolreplication FROM pg_roles WHERE rolname = current_user"),
            ask(IN_RDS_REPLICATION),
            ask(WAL_SENDERS),
            ask("SELECT count(*) FROM pg_replication_slots"),
            ask("SELECT has_database_privilege(current_database(), 'CREATE')"),
            session.rows(&publications, deadline),
            session.rows(&tables, deadline),
        )
    };
    let questions = async {
        let first = first.await;
        let tables = read_each(session, deadline, &first.15).await;
        (first, tables)
    };
    let ((first, tables), replication) = tokio::join!(questions, replication);
    let given = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    PostgresFacts {
        version: fact(first.1, text),
        version_number: fact(first.2, number),
        current_user: fact(first.3, text),
        is_aurora: fact(first.4, boolean),
        in_recovery: fact(first.5, boolean),
        settings: all(first.6, settings),
        logical_replication: fact(first.7, given),
        iam_auth_for_replication: fact(first.8, given),
        has_replication_attribute: fact(first.9, boolean),
        in_rds_replication: fact(first.10, boolean),
        wal_senders_in_use: fact(first.11, number),
        replication_slots_in_use: fact(first.12, number),
        may_create_in_database: fact(first.13, boolean),
        publications: all(first.14, publications_of),
        tables,
        replication,
    }
}

/// A condition on a schema's and a table's name: what is meant, and nothing of the system's.
fn is_meant(patterns: &[TablePattern], schema: &str, table: &str) -> String {
    format!(
        "{schema} NOT LIKE 'pg|_%' ESCAPE '|' AND {schema} <> 'information_schema' AND {}",
        matching(patterns, schema, table, literal)
    )
}

/// A partition stands for nothing of its own, unless it is the very table that was named.
fn tables_in_question(patterns: &[TablePattern]) -> String {
    let exact = patterns.iter().filter(|pattern| pattern.is_exact());
    let named: Vec<String> = exact
        .map(|p| format!("(n.nspname = {} AND c.relname = {})", literal(&p.schema), literal(&p.table)))
        .collect();
    let named = if named.is_empty() { "false".to_owned() } else { named.join(" OR ") };
    let meant = is_meant(patterns, "n.nspname", "c.relname");
    format!(
        "SELECT t.total, t.schema, t.name, format('%I.%I', t.schema, t.name),
            has_schema_privilege(t.namespace, 'USAGE'), pg_has_role(c.relowner, 'MEMBER'),
            c.relkind = 'p', c.relpersistence <> 'p', row_security_active(c.oid), c.relreplident,
            EXISTS (SELECT FROM pg_index i
              WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate),
            EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisvalid),
            EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
              AND NOT a.attisdropped AND to_jsonb(a)->>'attgenerated' <> '')
         FROM (SELECT c.oid, n.oid AS namespace, n.nspname AS schema, c.relname AS name, count(*) OVER () AS total
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p') AND (NOT c.relispartition OR {named}) AND {meant}
             AND NOT EXISTS (SELECT FROM pg_depend d
               WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
           ORDER BY ({named}) IS TRUE DESC,
             (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) DESC,
             n.nspname, c.relname LIMIT {TABLES_AT_MOST}) t JOIN pg_class c ON c.oid = t.oid
         ORDER BY t.schema, t.name"
    )
}

/// Tries each table. That the server's own words come back is worth more than what a catalogue says.
async fn read_each(
    session: &PostgresSession,
    deadline: Instant,
    found: &Result<Rows, Refusal>,
) -> Fact<Tables<PostgresTable>> {
    let rows = match found {
        Ok(rows) => rows,
        Err(refusal) => return Fact::Refused(refusal.clone()),
    };
    let total =
        rows.first().and_then(|row| row.first()?.as_ref()).and_then(|total| number(total.raw())).unwrap_or(0);
    // The question has that limit too; the answer need not.
    let seen = rows.iter().take(TABLES_AT_MOST).map(async |row| {
        let column = |i: usize| row.get(i).cloned().flatten().unwrap_or_default();
        let is = |i: usize| column(i).raw() == "t";
        let select = session.rows(&format!("SELECT * FROM {} LIMIT 0", column(3).raw()), deadline).await;
        PostgresTable {
            table: Table {
                schema: column(1),
                name: column(2),
                kind: TableKind::Table,
                select: select.map(drop),
            },
            usage: is(4),
            owned: is(5),
            partitioned: is(6),
            unlogged: is(7),
            row_security: is(8),
            replica_identity: column(9).to_string(),
            has_primary_key: is(10),
            has_identity_index: is(11),
            generated: is(12),
        }
    });
    Fact::Read(Tables { total, seen: join_all(seen).await })
}

/// A row a table published, and at least one a publication.
fn published(patterns: &[TablePattern]) -> String {
    let meant = is_meant(patterns, "t.schemaname", "t.tablename");
    format!(
        "SELECT p.pubname, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.puballtables,
            t.schemaname, t.tablename
         FROM pg_publication p LEFT JOIN pg_publication_tables t ON t.pubname = p.pubname AND {meant}
         ORDER BY p.pubname, t.schemaname, t.tablename LIMIT 20 * {TABLES_AT_MOST}"
    )
}

fn publications_of(rows: Rows) -> Vec<Publication> {
    let mut publications: Vec<Publication> = Vec::new();
    for row in rows {
        let column = |i: usize| row.get(i).cloned().flatten().unwrap_or_default();
        let name = column(0).to_string();
        if publications.last().is_none_or(|last| last.name != name) {
            let kinds = [(1, "insert"), (2, "update"), (3, "delete"), (4, "truncate")];
            let leaves_out = kinds.iter().filter(|(i, _)| column(*i).raw() == "f");
            let leaves_out = leaves_out.map(|(_, kind)| (*kind).to_owned()).collect();
            let all_tables = column(5).raw() == "t";
            publications.push(Publication { name, all_tables, leaves_out, tables: Vec::new() });
        }
        if let (Some(Some(schema)), Some(Some(table)), Some(last)) =
            (row.get(6), row.get(7), publications.last_mut())
        {
            last.tables.push(ServerText::new(format!("{}.{}", schema.raw(), table.raw())));
        }
    }
    publications
}

/// `IDENTIFY_SYSTEM` on a replication connection: proof that IAM is accepted there. Creates nothing.
///
/// # Errors
/// The server's refusal of the command.
pub async fn identify_system(
    session: &PostgresSession,
    deadline: Instant,
) -> Result<SystemIdentity, ConnectError> {
    let (stage, start) = (Stage::Login, Instant::now());
    let rows =
        session.rows("IDENTIFY_SYSTEM", deadline).await.map_err(|refusal| match refusal.is_silence() {
            true => ConnectError::Timeout { stage, after: start.elapsed() },
            false => ConnectError::Refused { stage, refusal },
        })?;
    // Columns: systemid, timeline, xlogpos, dbname.
    match rows.first().map(Vec::as_slice) {
        Some([_, Some(timeline), Some(position), _]) => {
            Ok(SystemIdentity { timeline: timeline.to_string(), position: position.to_string() })
        }
        _ => Err(ConnectError::Protocol {
            stage,
            what: "answered IDENTIFY_SYSTEM without timeline and position".into(),
        }),
    }
}

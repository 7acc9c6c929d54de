//! PostgreSQL queries, one per fact. They are sent together in one round trip; if one fails, the
//! others still succeed. A second round tries to read the tables that the first one found.

pub(super) mod slots;

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{
    ConnectionLimits, Fact, OpenTransaction, PostgresFacts, PostgresTable, Prepared, Publication,
    PublishedTable, Rows, ServerConnections, ServerText, SystemIdentity, TABLES_AT_MOST, Table, TableKind,
    Tables, all, all_if, boolean, columns, fact, list, matching, number, settings, text,
};
use crate::{
    connection::{ConnectError, PostgresSession, Refusal, Stage},
    sql::postgres::literal,
    target::{Pipe, TableColumn, TablePattern},
};

/// Objects in the user's `search_path` must not change the answers. A locked table costs only itself this long, not the
/// check. The deadline of the check replaces the user's own timeout. The server refuses any write.
pub(super) const SESSION_SETTINGS: &str = "SET search_path = pg_catalog; SET lock_timeout = 2000; SET statement_timeout = 0; \
     SET default_transaction_read_only = on";

/// Before [`SESSION_SETTINGS`], and twice: with a timeout of a millisecond, which a role can have, a busy server cancels this too. The
/// messages are sent together, so that another one costs no time.
const NO_TIMEOUT: &str = "SET statement_timeout = 0";

/// The value that a new session of this user has. `pg_settings.reset_val` does not change with `SET`.
const READ_ONLY_BY_DEFAULT: &str =
    "SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only'";

/// In `pg_settings`' own units.
const SETTINGS: &str = "SELECT name, setting FROM pg_settings WHERE name IN ('wal_level', 'max_wal_senders', \
     'max_replication_slots', 'hot_standby_feedback', 'max_slot_wal_keep_size', \
     'idle_replication_slot_timeout')";

/// Of parameters that RDS added. Apart, because a server may refuse to show one.
const LOGICAL_REPLICATION: &str = "SELECT current_setting('rds.logical_replication', true)";
const IAM_AUTH_FOR_REPLICATION: &str = "SELECT current_setting('rds.iam_auth_for_replication', true)";

/// Whether the user has the privileges of the role, and whether it is a member that does not inherit them.
const IN_RDS_REPLICATION: &str = "SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication') \
     THEN pg_has_role('rds_replication', 'USAGE') END";
const RDS_REPLICATION_NOT_INHERITED: &str = "SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication') \
     THEN pg_has_role('rds_replication', 'MEMBER') AND NOT pg_has_role('rds_replication', 'USAGE') END";

/// The limits of the user and of the database, and how many connections the database has without ours.
const CONNECTION_LIMITS: &str = "SELECT r.rolconnlimit, d.datconnlimit, (SELECT count(*) FROM pg_stat_activity a \
     WHERE a.datid = d.oid AND (a.usename = current_user AND a.application_name = 'pipeprobe') IS NOT TRUE) \
     FROM pg_roles r CROSS JOIN pg_database d WHERE r.rolname = current_user AND d.datname = current_database()";

/// How many connections the server accepts from others than superusers, and how many it has without ours and without WAL senders, which
/// do not count since version 12. A setting that the version does not have is NULL.
const SERVER_CONNECTIONS: &str = "SELECT current_setting('max_connections')::int \
       - current_setting('superuser_reserved_connections')::int - coalesce(current_setting('reserved_connections', true), '0')::int, \
     (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid IS NOT NULL \
       AND (a.usename = current_user AND a.application_name = 'pipeprobe') IS NOT TRUE \
       AND NOT EXISTS (SELECT FROM pg_stat_replication r WHERE r.pid = a.pid))";

/// A valid logical slot. On a standby, one exists only while `wal_level` is logical on the primary too: the server invalidates it
/// otherwise. The columns depend on the version.
const LOGICAL_SLOT: &str = "SELECT EXISTS (SELECT FROM pg_replication_slots slot WHERE slot_type = 'logical' \
     AND to_jsonb(slot)->>'wal_status' IS DISTINCT FROM 'lost' \
     AND to_jsonb(slot)->>'conflicting' IS DISTINCT FROM 'true')";

/// Ours runs beside this question, and does not count.
const WAL_SENDERS: &str = "SELECT count(*) FROM pg_stat_replication \
     WHERE (usename = current_user AND application_name = 'pipeprobe') IS NOT TRUE";

/// Transactions with an id, of every database. Any user may read these views.
const OPEN_TRANSACTIONS: &str = "SELECT l.transactionid, l.pid, coalesce(a.usename, p.owner), p.gid, \
     extract(epoch FROM now() - p.prepared)::bigint FROM pg_locks l \
     LEFT JOIN pg_stat_activity a ON a.pid = l.pid LEFT JOIN pg_prepared_xacts p ON p.transaction = l.transactionid \
     WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted \
       AND l.pid IS DISTINCT FROM pg_backend_pid() LIMIT 1000";

/// How often open transactions are read again, and how long after the last time. Most transactions end within this time.
const WATCHES: u32 = 2;
const WATCH: Duration = Duration::from_millis(500);

/// Asks everything; `replication` uses a separate connection and runs in parallel.
pub async fn ask(
    session: &PostgresSession,
    deadline: Instant,
    pipe: &Pipe,
    replication: impl Future<Output = Fact<Result<SystemIdentity, ConnectError>>>,
) -> PostgresFacts {
    let ask = |sql: &'static str| session.rows(sql, deadline);
    let (tables, publications) = (tables_in_question(pipe), published(pipe));
    let columns = named_columns(pipe);
    let named_columns = async {
        match &columns {
            Some(sql) => columns::of_rows(session.rows(sql, deadline).await),
            None => Fact::Absent,
        }
    };
    let keys = unique_keys(pipe);
    let unique_keys = async {
        match &keys {
            Some(sql) => columns::unique_keys(session.rows(sql, deadline).await),
            None => Fact::Absent,
        }
    };
    let elsewhere = slots::elsewhere(pipe);
    let slot_elsewhere = async {
        match &elsewhere {
            Some(sql) => slots::database_of(session.rows(sql, deadline).await),
            None => Fact::Absent,
        }
    };
    // Polled in this order, in which they are sent.
    let session_settings = async { tokio::join!(ask(NO_TIMEOUT), ask(NO_TIMEOUT), ask(SESSION_SETTINGS)) };
    let first = async {
        tokio::join!(
            session_settings,
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
            ask(READ_ONLY_BY_DEFAULT),
            session.rows(&publications, deadline),
            session.rows(&tables, deadline),
            ask(LOGICAL_SLOT),
            ask(OPEN_TRANSACTIONS),
            ask(slots::SLOTS),
            ask(slots::WAL_POSITION),
            ask(slots::TRANSACTION_AGE),
            ask(RDS_REPLICATION_NOT_INHERITED),
            ask(CONNECTION_LIMITS),
            named_columns,
            unique_keys,
            slot_elsewhere,
            ask(SERVER_CONNECTIONS),
        )
    };
    let questions = async {
        let first = first.await;
        let tables = read_each(session, deadline, &first.16).await;
        let open = still_open(session, deadline, pipe, first.18.clone()).await;
        (first, tables, open)
    };
    let ((first, tables, open_transactions), replication) = tokio::join!(questions, replication);
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
        open_transactions,
        may_create_in_database: fact(first.13, boolean),
        read_only_by_default: fact(first.14, boolean),
        publications: all(first.15, publications_of),
        tables,
        has_logical_slot: fact(first.17, boolean),
        slots: all(first.19, slots::slots_of),
        wal_position: fact(first.20, number),
        transaction_age: fact(first.21, number),
        rds_replication_not_inherited: fact(first.22, boolean),
        connection_limits: all_if(first.23, limits),
        named_columns: first.24,
        unique_keys: first.25,
        slot_elsewhere: first.26,
        server_connections: all_if(first.27, connections),
        replication,
    }
}

/// Any user may read the catalog.
fn named_columns(pipe: &Pipe) -> Option<String> {
    let is_named = columns::is_named(pipe, ["n.nspname", "c.relname", "a.attname"], literal)?;
    let (leaves, is_key) = (descendants_of("c.oid"), is_key("l", "la"));
    Some(format!(
        "SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, NULL),
            EXISTS (SELECT FROM pg_index i
              WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum),
            EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey)
              AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END),
            NOT EXISTS (SELECT FROM {leaves} l WHERE l.relreplident <> 'f' AND NOT EXISTS (SELECT FROM pg_attribute la
              WHERE la.attrelid = l.oid AND la.attname = a.attname AND {is_key}))
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND {is_named}"
    ))
}

/// The unique indexes of the tables that have sorting keys. One over some rows or over expressions identifies no row.
fn unique_keys(pipe: &Pipe) -> Option<String> {
    let is_sorted = columns::is_sorted(pipe, ["n.nspname", "c.relname"], literal)?;
    Some(format!(
        "SELECT n.nspname, c.relname, i.indexrelid, a.attname, coalesce(a.attnotnull, false)
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL unnest((i.indkey::int2[])[0:{KEY_COLUMNS} - 1]) AS k(number)
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number AND a.attnum > 0
         WHERE (i.indisunique OR i.indisprimary) AND i.indisvalid AND i.indpred IS NULL AND {is_sorted}
         ORDER BY 1, 2, 3"
    ))
}

fn limits(rows: Rows) -> Option<ConnectionLimits> {
    let read = |i: usize| number::<i64>(rows.first()?.get(i)?.as_ref()?.raw());
    let limit = |i: usize| Some(u32::try_from(read(i)?).ok());
    let in_use = u32::try_from(read(2)?).unwrap_or(u32::MAX);
    Some(ConnectionLimits { role: limit(0)?, database: limit(1)?, in_use })
}

fn connections(rows: Rows) -> Option<ServerConnections> {
    let read = |i: usize| number(rows.first()?.get(i)?.as_ref()?.raw());
    Some(ServerConnections { limit: read(0)?, in_use: read(1)? })
}

/// Of the transactions that were open at first, those that stay open for a second.
async fn still_open(
    session: &PostgresSession,
    deadline: Instant,
    pipe: &Pipe,
    first: Result<Rows, Refusal>,
) -> Fact<Vec<OpenTransaction>> {
    if !pipe.follows_changes() {
        return Fact::Absent;
    }
    let mut open = first.map(open_transactions);
    for _ in 0..WATCHES {
        let Ok(before) = &open else { break };
        if before.is_empty() || Instant::now() + WATCH >= deadline {
            break;
        }
        tokio::time::sleep(WATCH).await;
        open = session.rows(OPEN_TRANSACTIONS, deadline).await.map(|rows| {
            let now = open_transactions(rows);
            now.into_iter().filter(|t| before.iter().any(|earlier| earlier.id == t.id)).collect()
        });
    }
    open.map_or_else(Fact::refused, Fact::Read)
}

fn open_transactions(rows: Rows) -> Vec<OpenTransaction> {
    let of = |row: Vec<Option<ServerText>>| {
        let column = |i: usize| row.get(i).cloned().flatten();
        let seconds = column(4).and_then(|text| number(text.raw())).unwrap_or(0);
        Some(OpenTransaction {
            id: column(0)?.to_string(),
            process: column(1).and_then(|text| number(text.raw())),
            user: column(2).unwrap_or_default(),
            prepared: column(3).map(|name| Prepared { name, seconds }),
        })
    };
    rows.into_iter().filter_map(of).collect()
}

/// A condition on a schema's and a table's name: what is meant, and nothing of the system's.
fn is_meant(patterns: &[TablePattern], schema: &str, table: &str) -> String {
    format!(
        "{schema} NOT LIKE 'pg|_%' ESCAPE '|' AND {schema} <> 'information_schema' AND {}",
        matching(patterns, schema, table, literal)
    )
}

/// A condition on `n.nspname` and `c.relname`: the table was named exactly. A name can contain `*`.
fn is_named(patterns: &[TablePattern]) -> String {
    let named: Vec<String> = patterns
        .iter()
        .map(|p| format!("(n.nspname = {} AND c.relname = {})", literal(&p.schema), literal(&p.table)))
        .collect();
    if named.is_empty() { "false".to_owned() } else { named.join(" OR ") }
}

/// A condition: policies can hide rows of this table. Of the permissive ones, one that is true is enough; a restrictive one
/// filters in any case (PostgreSQL documentation, CREATE POLICY).
fn filters_rows(table: &str) -> String {
    let applies = |permissive: bool| {
        format!(
            "EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = {table} AND p.polcmd IN ('r', '*')
               AND coalesce(to_jsonb(p)->>'polpermissive', 'true') = '{permissive}'
               AND (pg_get_expr(p.polqual, p.polrelid) = 'true') = {permissive}
               AND EXISTS (SELECT FROM unnest(p.polroles) role
                 WHERE CASE role WHEN 0 THEN true ELSE pg_has_role(role, 'USAGE') END))"
        )
    };
    format!("row_security_active({table}) AND ({} OR NOT {})", applies(false), applies(true))
}

/// A condition: the pipe leaves this column out.
fn is_excluded(columns: &[TableColumn], schema: &str, table: &str, column: &str) -> String {
    columns::is_one_of(columns.iter(), [schema, table, column], literal).unwrap_or_else(|| "false".to_owned())
}

/// What ClickPipes selects from the table `t`, whose oid is `c.oid`: every column, or those that are not excluded.
fn selected(columns: &[TableColumn]) -> String {
    let names = |c: &TableColumn| format!("({}, {})", literal(&c.schema), literal(&c.table));
    match columns {
        [] => "'*'".to_owned(),
        some => format!(
            "CASE WHEN (t.schema, t.name) IN ({}) THEN
              (SELECT coalesce(string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum), '') FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT {})
              ELSE '*' END",
            some.iter().map(names).collect::<Vec<_>>().join(", "),
            is_excluded(columns, "t.schema", "t.name", "a.attname")
        ),
    }
}

/// How many columns of the index `i` are its key. The columns of INCLUDE follow them in `indkey`, whose elements are counted
/// from 0. Before version 11 there is no INCLUDE.
const KEY_COLUMNS: &str = "coalesce((to_jsonb(i)->>'indnkeyatts')::int, i.indnatts)";

/// Skips partitions unless they are named explicitly.
fn tables_in_question(pipe: &Pipe) -> String {
    let patterns = &pipe.tables;
    let excluded = is_excluded(&pipe.excluded_columns, "t.schema", "t.name", "a.attname");
    let selected = selected(&pipe.excluded_columns);
    let named = is_named(patterns);
    let meant = is_meant(patterns, "n.nspname", "c.relname");
    let filters_rows = filters_rows("c.oid");
    let (leaves, has_identity, below) = (descendants_of("c.oid"), has_identity("l"), below("c.oid"));
    format!(
        "SELECT t.total, t.schema, t.name, format('%I.%I', t.schema, t.name),
            has_schema_privilege(t.namespace, 'USAGE'), pg_has_role(c.relowner, 'USAGE'),
            c.relkind = 'p', c.relpersistence <> 'p', {filters_rows}, c.relreplident,
            EXISTS (SELECT FROM pg_index i
              WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate),
            EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisvalid),
            EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
              AND NOT a.attisdropped AND to_jsonb(a)->>'attgenerated' <> '' AND NOT {excluded}),
            (SELECT jsonb_agg(format('%I.%I', ln.nspname, l.relname) ORDER BY l.relname)
              FROM {leaves} l JOIN pg_namespace ln ON ln.oid = l.relnamespace
              WHERE l.oid <> c.oid AND NOT {has_identity}),
            (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attlen = -1
                AND a.attstorage IN ('x', 'e', 'm') AND NOT {excluded} AND to_jsonb(a)->>'attgenerated' IS NOT DISTINCT FROM ''
                AND (EXISTS (SELECT FROM {leaves} l WHERE l.relreplident <> 'f') OR c.relkind = 'p' AND c.relreplident <> 'f')
                AND NOT EXISTS (SELECT FROM pg_index i
                  WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY ((i.indkey::int2[])[0:{KEY_COLUMNS} - 1]))),
            (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid
              AND a.attnum > 0 AND NOT a.attisdropped AND to_jsonb(a)->>'attgenerated' <> '' AND NOT {excluded}),
            (SELECT jsonb_agg(format('%I.%I', ln.nspname, l.relname) ORDER BY l.relname)
              FROM {leaves} l JOIN pg_namespace ln ON ln.oid = l.relnamespace
              WHERE l.relreplident = 'f' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = l.oid
                AND a.attnum > 0 AND NOT a.attisdropped AND to_jsonb(a)->>'attgenerated' <> '')),
            (SELECT jsonb_agg(format('%I.%I', ln.nspname, l.relname) ORDER BY l.relname)
              FROM pg_class l JOIN pg_namespace ln ON ln.oid = l.relnamespace
              WHERE l.oid IN ({below}) AND l.relkind = 'r' AND l.relpersistence <> 'p'),
            (WITH RECURSIVE a AS (
                SELECT inhparent FROM pg_inherits WHERE inhrelid = c.oid
                UNION SELECT i.inhparent FROM pg_inherits i JOIN a ON i.inhrelid = a.inhparent)
              SELECT jsonb_agg(format('%I.%I', ln.nspname, l.relname) ORDER BY l.relname)
              FROM a JOIN pg_class l ON l.oid = a.inhparent JOIN pg_namespace ln ON ln.oid = l.relnamespace),
            (SELECT jsonb_agg(format(
                CASE WHEN l.relispartition THEN '%3$I.%4$I DETACH PARTITION %1$I.%2$I'
                     ELSE '%1$I.%2$I NO INHERIT %3$I.%4$I' END,
                ln.nspname, l.relname, pn.nspname, p.relname) ORDER BY l.relname, p.relname)
              FROM pg_class l JOIN pg_namespace ln ON ln.oid = l.relnamespace
              JOIN pg_inherits i ON i.inhrelid = l.oid
              JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
              WHERE l.oid IN ({below}) AND l.relkind = 'f'),
            {selected},
            (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a JOIN pg_index i ON i.indrelid = a.attrelid
              WHERE a.attrelid = c.oid AND i.indisprimary AND NOT {excluded}
                AND a.attnum = ANY ((i.indkey::int2[])[{KEY_COLUMNS}:i.indnatts])),
            (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
              AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey)
                AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END)),
            (SELECT jsonb_agg(format('%I.%I', ln.nspname, l.relname) ORDER BY ln.nspname, l.relname)
              FROM pg_class l JOIN pg_namespace ln ON ln.oid = l.relnamespace
              WHERE l.oid IN ({below}) AND NOT l.relispartition AND l.relpersistence <> 't')
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

/// Reads from each table. A real attempt with the server's error is better evidence than the catalog.
async fn read_each(
    session: &PostgresSession,
    deadline: Instant,
    found: &Result<Rows, Refusal>,
) -> Fact<Tables<PostgresTable>> {
    let rows = match found {
        Ok(rows) => rows,
        Err(refusal) => return Fact::Refused(refusal.clone().into()),
    };
    let total =
        rows.first().and_then(|row| row.first()?.as_ref()).and_then(|total| number(total.raw())).unwrap_or(0);
    // The question has that limit too; the answer need not.
    let seen = rows.iter().take(TABLES_AT_MOST).map(async |row| {
        let column = |i: usize| row.get(i).cloned().flatten().unwrap_or_default();
        let is = |i: usize| column(i).raw() == "t";
        let select = format!("SELECT {} FROM {} LIMIT 0", column(20).raw(), column(3).raw());
        let select = session.rows(&select, deadline).await;
        PostgresTable {
            table: Table {
                schema: column(1),
                name: column(2),
                kind: TableKind::Table,
                select: select.map(drop).map_err(Box::new),
                key: Fact::Read(list(column(22).raw())),
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
            leaves_without_identity: list(column(13).raw()),
            toast_columns: list(column(14).raw()),
            generated_columns: list(column(15).raw()),
            full_with_generated: list(column(16).raw()),
            parts_not_logged: list(column(17).raw()),
            parents: list(column(18).raw()),
            foreign_parts: list(column(19).raw()),
            included_columns: list(column(21).raw()),
            children: list(column(23).raw()),
        }
    });
    Fact::Read(Tables { total, seen: join_all(seen).await })
}

/// The partitions of a table that store rows, at any depth, and the table itself.
fn leaves_of(relation: &str) -> String {
    stored(relation, &format!("SELECT relid FROM pg_partition_tree({relation}) WHERE isleaf"))
}

/// As [`leaves_of`], with the tables that inherit from it: `CREATE PUBLICATION … FOR TABLE` includes them.
fn descendants_of(relation: &str) -> String {
    stored(relation, &below(relation))
}

/// Partitions and child tables, at any depth, of any kind.
fn below(relation: &str) -> String {
    format!(
        "WITH RECURSIVE d AS (
            SELECT inhrelid FROM pg_inherits WHERE inhparent = {relation}
            UNION SELECT i.inhrelid FROM pg_inherits i JOIN d ON i.inhparent = d.inhrelid)
          SELECT inhrelid FROM d"
    )
}

/// A relation and those that `below` selects, as far as they store rows. What is unlogged is not published.
fn stored(relation: &str, below: &str) -> String {
    format!(
        "(SELECT l.* FROM pg_class l WHERE l.relkind = 'r' AND l.relpersistence = 'p'
            AND (l.oid = {relation} OR l.oid IN ({below})))"
    )
}

/// Whether updates and deletes of a relation can be published, as the server decides it (`CheckCmdReplicaIdentity`).
fn has_identity(relation: &str) -> String {
    format!(
        "(CASE {relation}.relreplident WHEN 'f' THEN true WHEN 'n' THEN false
          ELSE EXISTS (SELECT FROM pg_index i WHERE i.indrelid = {relation}.oid AND i.indisvalid AND i.indimmediate
            AND CASE {relation}.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END) END)"
    )
}

/// Whether a column list and a row filter leave the replica identity of a relation whole. Both exist since version 15,
/// and `to_jsonb` gives NULL before. With REPLICA IDENTITY FULL, the server accepts no column list, even a complete one. The columns of a filter are those that its expression tree names.
fn covers_identity(relation: &str, published: &str) -> String {
    format!(
        "(NOT EXISTS (SELECT FROM pg_attribute k
            WHERE k.attrelid = {relation}.oid AND k.attnum > 0 AND NOT k.attisdropped
              AND (to_jsonb(k)->>'attgenerated' IS NOT DISTINCT FROM ''
                OR current_setting('server_version_num')::int >= 180000)
              AND ({relation}.relreplident = 'f' OR {key})
              AND NOT coalesce(to_jsonb({published})->'attnames' ? k.attname::text, true))
          AND NOT ({relation}.relreplident = 'f' AND EXISTS (SELECT FROM pg_publication p2
            JOIN pg_publication_rel pr ON pr.prpubid = p2.oid
            WHERE p2.pubname = {published}.pubname AND to_jsonb(pr)->>'prattrs' IS NOT NULL
              AND (pr.prrelid = {relation}.oid OR {relation}.oid IN (SELECT relid FROM pg_partition_tree(pr.prrelid)))))
          AND NOT EXISTS (SELECT FROM pg_publication p2
            JOIN pg_publication_rel pr ON pr.prpubid = p2.oid
            CROSS JOIN LATERAL regexp_matches(to_jsonb(pr)->>'prqual', ':varattno ([0-9]+)', 'g') AS used(number)
            JOIN pg_attribute k ON k.attrelid = pr.prrelid AND k.attnum = used.number[1]::int
            WHERE p2.pubname = {published}.pubname AND {relation}.relreplident <> 'f'
              AND (pr.prrelid = {relation}.oid OR {relation}.oid IN (SELECT relid FROM pg_partition_tree(pr.prrelid)))
              AND NOT EXISTS (SELECT FROM pg_attribute own
                WHERE own.attrelid = {relation}.oid AND own.attname = k.attname AND {own_key})))",
        key = is_key(relation, "k"),
        own_key = is_key(relation, "own"),
    )
}

/// Whether a column belongs to the key of the replica identity index of a relation.
fn is_key(relation: &str, column: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_index i WHERE i.indrelid = {relation}.oid
          AND {column}.attnum = ANY ((i.indkey::int2[])[0:{KEY_COLUMNS} - 1])
          AND CASE {relation}.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END)"
    )
}

/// One row for each published table in question, and at least one for each publication.
fn published(pipe: &Pipe) -> String {
    let patterns = &pipe.tables;
    let excluded = is_excluded(&pipe.excluded_columns, "t.schemaname", "t.tablename", "a.attname");
    let meant = is_meant(patterns, "t.schemaname", "t.tablename");
    let (leaves, has_identity) = (leaves_of("e.oid"), has_identity("l"));
    let (covers_identity, named) = (covers_identity("l", "every"), is_named(patterns));
    let below = below("c.oid");
    format!(
        "SELECT p.pubname, p.pubinsert, p.pubupdate, p.pubdelete, p.puballtables,
            t.schemaname, t.tablename,
            (SELECT jsonb_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                AND to_jsonb(a)->>'attgenerated' IS NOT DISTINCT FROM ''
                AND NOT coalesce(to_jsonb(t)->'attnames' ? a.attname::text, true) AND NOT {excluded}),
            to_jsonb(t)->>'rowfilter',
            CASE WHEN p.pubupdate OR p.pubdelete THEN
              (SELECT jsonb_agg(DISTINCT format('%I.%I', ln.nspname, l.relname))
                FROM pg_publication_tables every
                JOIN pg_namespace en ON en.nspname = every.schemaname
                JOIN pg_class e ON e.relnamespace = en.oid AND e.relname = every.tablename
                CROSS JOIN LATERAL {leaves} l JOIN pg_namespace ln ON ln.oid = l.relnamespace
                WHERE every.pubname = p.pubname AND NOT ({has_identity} AND {covers_identity})) END,
            NOT EXISTS (SELECT FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND to_jsonb(a)->>'attgenerated' <> ''
                AND NOT coalesce(to_jsonb(t)->'attnames' ? a.attname::text, false) AND NOT {excluded}),
            EXISTS (SELECT FROM pg_publication_rel pr
              WHERE pr.prpubid = p.oid AND pr.prrelid = c.oid AND to_jsonb(pr)->>'prattrs' IS NOT NULL),
            (SELECT jsonb_agg(format('%I.%I', n.nspname, c.relname) ORDER BY c.relname)
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relispartition AND ({named}) AND to_jsonb(p)->>'pubviaroot' = 'true'
                AND EXISTS (SELECT FROM pg_partition_ancestors(c.oid) ancestor
                  JOIN pg_class a ON a.oid = ancestor.relid JOIN pg_namespace an ON an.oid = a.relnamespace
                  JOIN pg_publication_tables every ON every.schemaname = an.nspname AND every.tablename = a.relname
                  WHERE ancestor.relid <> c.oid AND every.pubname = p.pubname)),
            (SELECT jsonb_agg(format('%I.%I', ln.nspname, l.relname) ORDER BY l.relname)
              FROM pg_class l JOIN pg_namespace ln ON ln.oid = l.relnamespace
              WHERE c.relkind = 'r' AND l.oid IN ({below}) AND l.relkind = 'r' AND l.relpersistence = 'p'
                AND NOT EXISTS (SELECT FROM pg_publication_tables every WHERE every.pubname = p.pubname
                  AND every.schemaname = ln.nspname AND every.tablename = l.relname))
         FROM pg_publication p LEFT JOIN (pg_publication_tables t
           JOIN pg_namespace n ON n.nspname = t.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename)
           ON t.pubname = p.pubname AND {meant}
         ORDER BY p.pubname, t.schemaname, t.tablename LIMIT 20 * {TABLES_AT_MOST}"
    )
}

fn publications_of(rows: Rows) -> Vec<Publication> {
    let mut publications: Vec<Publication> = Vec::new();
    for row in rows {
        let column = |i: usize| row.get(i).cloned().flatten().unwrap_or_default();
        let name = column(0).to_string();
        if publications.last().is_none_or(|last| last.name != name) {
            let kinds = [(1, "insert"), (2, "update"), (3, "delete")];
            let leaves_out = kinds.iter().filter(|(i, _)| column(*i).raw() == "f");
            let leaves_out = leaves_out.map(|(_, kind)| (*kind).to_owned()).collect();
            let all_tables = column(4).raw() == "t";
            let breaks_writes_of = list(column(9).raw());
            publications.push(Publication {
                name,
                all_tables,
                leaves_out,
                tables: Vec::new(),
                breaks_writes_of,
                published_as_root: list(column(12).raw()),
            });
        }
        if let (Some(Some(schema)), Some(Some(table)), Some(last)) =
            (row.get(5), row.get(6), publications.last_mut())
        {
            last.tables.push(PublishedTable {
                name: ServerText::new(format!("{}.{}", schema.raw(), table.raw())),
                columns_left_out: list(column(7).raw()),
                generated_published: column(10).raw() == "t",
                has_column_list: column(11).raw() == "t",
                row_filter: row.get(8).cloned().flatten(),
                children_left_out: list(column(13).raw()),
            });
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

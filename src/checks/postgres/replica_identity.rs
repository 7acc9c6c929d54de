//! Without a replica identity, an UPDATE or DELETE does not say which row it changed.

use super::{Server, alter_identity, failing, printed};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_SOURCE,
    },
    facts::PostgresTable,
    sql::postgres::qualified,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_REPLICA_IDENTITY",
    "replica identity of every table",
    POSTGRES,
    Judge::PostgresTables(judge),
)
.expected("a primary key, or REPLICA IDENTITY FULL or USING INDEX, on every table; without a key, the pipe needs sorting_keys too (DB_ROW_KEY)")
.source(PG_SOURCE)
.causes(&[&PG_NO_REPLICA_IDENTITY, &PG_FULL_WITH_GENERATED]);

pub(in crate::checks) static PG_NO_REPLICA_IDENTITY: Cause = Cause::new(
    "PG_NO_REPLICA_IDENTITY",
    "changes do not identify the row",
    "relreplident, the primary key and the identity index",
)
.fix("a primary key, or ALTER TABLE … REPLICA IDENTITY FULL; and sorting_keys in the pipe");

pub(in crate::checks) static PG_FULL_WITH_GENERATED: Cause = Cause::new(
    "PG_FULL_WITH_GENERATED",
    "PostgreSQL 18 refuses updates and deletes of a published table with REPLICA IDENTITY FULL if its \
     generated columns are not published",
    "relreplident, attgenerated and the version",
)
.fix("ALTER TABLE … REPLICA IDENTITY DEFAULT; or publish_generated_columns = stored");

fn judge(server: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    let parts = printed(tables, |t| &t.leaves_without_identity);
    if !parts.is_empty() {
        let failing = failing(tables, |t| !t.has_replica_identity() || !t.leaves_without_identity.is_empty());
        let words = Found::from("partitions or child tables without a replica identity (")
            .list(&parts)
            .text("), which makes UPDATE and DELETE fail once they are published");
        return server.candidates.judge(&CHECK, &PG_NO_REPLICA_IDENTITY, &failing, words).remedy(format!(
            "give the root a primary key, or as the owner: {}",
            alter_identity(&parts, "FULL")
        ));
    }
    if let Some(diagnostic) = full_with_generated(server, tables) {
        return diagnostic;
    }
    let has_none = |table: &PostgresTable| !table.has_replica_identity();
    let without: Vec<&&PostgresTable> = tables.iter().filter(|t| has_none(t)).collect();
    let have_keys = without.iter().all(|t| t.has_primary_key);
    let first = without.first().map(|t| qualified(t.table.schema.raw(), t.table.name.raw()));
    let diagnostic = server.candidates.judge(
        &CHECK,
        &PG_NO_REPLICA_IDENTITY,
        &failing(tables, has_none),
        "without a key to tell rows apart",
    );
    match first {
        // It has a key, and a setting says not to use it.
        Some(table) if have_keys => {
            diagnostic.remedy(format!("as its owner: ALTER TABLE {table} REPLICA IDENTITY DEFAULT;"))
        }
        Some(table) => diagnostic.remedy(format!(
            "give each a primary key, or set its sorting key in the pipe (sorting_keys) and, as its owner: ALTER TABLE {table} REPLICA IDENTITY FULL;"
        )),
        None => diagnostic,
    }
}

/// The publication that ClickPipes creates for tables that the user owns does not publish generated columns.
fn full_with_generated(server: &Server<'_>, tables: &[&PostgresTable]) -> Option<Diagnostic> {
    let is_18 = server.major().is_some_and(|major| major >= 18);
    let is_created = |t: &PostgresTable| server.target.pipe.publication.is_none() && t.owned;
    let is_bad = |t: &PostgresTable| is_18 && is_created(t) && !t.full_with_generated.is_empty();
    let parts = printed(tables, |t| if is_bad(t) { &t.full_with_generated } else { &[] });
    if parts.is_empty() {
        return None;
    }
    let words = Found::from("REPLICA IDENTITY FULL with generated columns (")
        .list(&parts)
        .text("): UPDATE and DELETE fail once the table is published without them");
    let failing = failing(tables, |t| is_bad(t) || !t.has_replica_identity());
    Some(server.candidates.judge(&CHECK, &PG_FULL_WITH_GENERATED, &failing, words).remedy(format!(
        "use the primary key, as the owner: {}; or create a publication WITH (publish_generated_columns = stored) and \
         choose it (--publication)",
        alter_identity(&parts, "DEFAULT")
    )))
}

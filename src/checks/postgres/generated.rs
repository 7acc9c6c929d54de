//! Changes do not contain generated columns.

use super::{Server, with_columns};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_LOGICAL,
        tables::counted,
    },
    diagnostic::Severity::Advisory,
    facts::PostgresTable,
};

pub(crate) static CHECK: Check =
    Check::changes("PG_GENERATED", "no generated columns", POSTGRES, Judge::PostgresTables(judge))
        .severity(Advisory)
        .expected("no generated columns: changes do not contain them")
        .fix(
            "compute them in ClickHouse; since PostgreSQL 18 a publication can contain stored ones \
         (publish_generated_columns = stored)",
        )
        .source(PG_LOGICAL)
        .causes(&[&PG_GENERATED]);

pub(in crate::checks) static PG_GENERATED: Cause =
    Cause::new("PG_GENERATED", "changes do not contain generated columns", "attgenerated");

fn judge(server: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    let these: Vec<String> = tables
        .iter()
        .filter(|t| t.generated && !publishes_generated(server, t))
        .map(|t| with_columns(t, &t.generated_columns))
        .collect();
    match these.is_empty() {
        true => CHECK.pass(counted(tables.len())),
        false => CHECK.warn(&PG_GENERATED, Found::from("generated columns in ").list(&these)),
    }
}

/// Whether the publication that was named publishes the generated columns of this table (18 and newer).
fn publishes_generated(server: &Server<'_>, table: &PostgresTable) -> bool {
    let publications = server.facts.publications.read().map(Vec::as_slice).unwrap_or_default();
    let chosen = server.target.pipe.publication.as_deref();
    let named = publications.iter().find(|publication| Some(publication.name.as_str()) == chosen);
    let is_18 = server.major().is_some_and(|major| major >= 18);
    is_18
        && named
            .is_some_and(|p| p.tables.iter().any(|t| table.table.is_called(&t.name) && t.generated_published))
}

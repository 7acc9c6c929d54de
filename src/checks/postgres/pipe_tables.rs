//! A running pipe gets no error if a table leaves its publication, loses its key or is dropped: only its changes stop.

use super::{Server, unanswered};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, POSTGRES},
    },
    diagnostic::Severity::Advisory,
    facts::Fact,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_PIPE_TABLES",
    "published tables are as they were (pg_publication_tables)",
    POSTGRES,
    Judge::Postgres(judge),
)
.severity(Advisory)
.expected(
    "while a pipe has a slot, no table leaves its publication, loses its replica identity or is dropped",
)
.source("PostgreSQL documentation, Logical Replication, Publication")
.causes(&[&PG_TABLE_UNPUBLISHED, &PG_TABLE_LOST_KEY, &PG_TABLE_DROPPED]);

pub(in crate::checks) static PG_TABLE_UNPUBLISHED: Cause = Cause::new(
    "PG_TABLE_UNPUBLISHED",
    "a table left the publication while a pipe existed: the pipe gets no more changes of it, and no error",
    "`serve` has seen the table in pg_publication_tables before, and the pipe has no `tables`",
)
.fix(
    "as the owner of the publication: ALTER PUBLICATION … ADD TABLE …; and resync the table in ClickPipes, because the changes \
     between are lost. If the pipe does not replicate it, name its tables (`tables`), or restart pipeprobe",
);

pub(in crate::checks) static PG_TABLE_LOST_KEY: Cause = Cause::new(
    "PG_TABLE_LOST_KEY",
    "a published table lost its replica identity while a pipe existed: UPDATE and DELETE of the application fail",
    "`serve` has seen the table with a key or another replica identity before",
)
.fix("create the primary key again, or as the owner: ALTER TABLE … REPLICA IDENTITY FULL;");

pub(in crate::checks) static PG_TABLE_DROPPED: Cause = Cause::new(
    "PG_TABLE_DROPPED",
    "a published table was dropped or renamed while a pipe existed",
    "`serve` has seen the table before",
)
.fix("if the pipe replicates the table, remove it from the pipe, or add it under its new name; otherwise restart pipeprobe");

/// If the tables of the pipe are named, other checks fail for each of them.
fn judge(server: &Server<'_>) -> Diagnostic {
    let (facts, pipe) = (server.facts, &server.target.pipe);
    let Some(earlier) = server.earlier.filter(|earlier| !earlier.slots.is_empty()) else {
        return CHECK.pass("no earlier check has seen a pipe");
    };
    let tables = match &facts.tables {
        Fact::Read(tables) => tables,
        other => return unanswered(&CHECK, other),
    };
    if !matches!(facts.publications, Fact::Read(_)) {
        return unanswered(&CHECK, &facts.publications);
    }
    let is_complete = tables.seen.len() >= tables.total;
    let (mut unpublished, mut keyless, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
    for (name, before) in &earlier.published {
        let Some(table) = tables.seen.iter().find(|table| table.table.full_name() == *name) else {
            if is_complete {
                dropped.push(name.clone());
            }
            continue;
        };
        if facts.publication_of(pipe, &table.table).is_none() {
            unpublished
                .push(format!("{name} ({} until {:.0} or later)", before.published.0, before.published.1));
        }
        if before.identified_at.is_some() && !table.has_replica_identity() {
            keyless.push(name.clone());
        }
    }
    let of = |words: &str, names: &[String]| {
        (!names.is_empty()).then(|| Found::from(format!("{words}: ")).list(names))
    };
    let found = [
        of("no longer published", &unpublished),
        of("without their replica identity", &keyless),
        of("no longer there", &dropped),
    ];
    let found = Found::join(found.into_iter().flatten(), "; ");
    match (&unpublished[..], &keyless[..], &dropped[..]) {
        ([], [], []) => CHECK.pass(format!("{} published tables are as they were", earlier.published.len())),
        ([_, ..], ..) => CHECK.warn(&PG_TABLE_UNPUBLISHED, found),
        (_, [_, ..], _) => CHECK.warn(&PG_TABLE_LOST_KEY, found),
        _ => CHECK.warn(&PG_TABLE_DROPPED, found),
    }
}

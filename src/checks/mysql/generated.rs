//! The row that an UPDATE writes to the binary log of MariaDB lacks the values of generated columns.

use super::{Server, unanswered};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, MARIADB},
        tables::counted,
    },
    diagnostic::Severity::Advisory,
    facts::Fact,
};

pub(crate) static CHECK: Check =
    Check::changes("MARIADB_GENERATED", "no generated columns", MARIADB, Judge::Mysql(judge))
        .severity(Advisory)
        .expected("no generated columns: the binary log does not have them after an UPDATE")
        .fix("compute them in ClickHouse, or exclude them from the pipe")
        .source("binary log of MariaDB 10.11 and 11.8, as seen by python-mysql-replication")
        .causes(&[&MARIADB_GENERATED]);

pub(in crate::checks) static MARIADB_GENERATED: Cause = Cause::new(
    "MARIADB_GENERATED",
    "the row that an UPDATE writes to the binary log lacks the values of generated columns",
    "EXTRA in information_schema.COLUMNS",
);

fn judge(server: &Server<'_>) -> Diagnostic {
    match &server.facts.generated_columns {
        Fact::Read(columns) if columns.is_empty() => {
            CHECK.pass(counted(server.facts.tables.read().map_or(0, |tables| tables.total)))
        }
        Fact::Read(columns) => {
            CHECK.warn(&MARIADB_GENERATED, Found::from("NULL after an UPDATE: ").list(columns))
        }
        Fact::Absent => CHECK.skipped("the columns were not read"),
        other @ Fact::Refused(_) => unanswered(&CHECK, other),
    }
}

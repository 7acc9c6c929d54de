//! Row-level security filters rows of the initial load without an error.

use super::{Server, names};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES, Part},
        sources::PG_FAQ,
        tables::{counted, some_of},
    },
    diagnostic::Severity::Advisory,
    facts::PostgresTable,
};

pub(crate) static CHECK: Check = Check::capability(
    "PG_ROW_SECURITY",
    "no row-level security filters rows",
    POSTGRES,
    Judge::PostgresTables(judge),
)
.part(Part::Load)
.severity(Advisory)
.expected("no row-level security policy that applies to the user, unless it is intended")
.fix(
    "let the user read every row if that is intended: CREATE POLICY … FOR SELECT TO {user} USING (true), \
         or ALTER ROLE {user} BYPASSRLS",
)
.source(PG_FAQ)
.causes(&[&PG_ROW_SECURITY]);

pub(in crate::checks) static PG_ROW_SECURITY: Cause = Cause::new(
    "PG_ROW_SECURITY",
    "row-level security hides rows from the user and from the initial load",
    "row_security_active() on the table",
);

fn judge(_: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    let filtered = names(tables, |table| table.row_security);
    match filtered.is_empty() {
        true => CHECK.pass(counted(tables.len())),
        false => CHECK.warn(&PG_ROW_SECURITY, format!("policies hide rows of {}", some_of(&filtered))),
    }
}

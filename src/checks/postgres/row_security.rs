//! Row-level security filters rows of the initial load without an error.

use super::{Server, names};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, POSTGRES, Part},
        sources::PG_FAQ,
        tables::counted,
    },
    diagnostic::Severity::Advisory,
    facts::PostgresTable,
    sql::postgres::{identifier, qualified},
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
.fix("if ClickPipes may read every row, as the owner of the table: CREATE POLICY {user} ON … FOR SELECT TO {user} USING (true);")
.source(PG_FAQ)
.causes(&[&PG_ROW_SECURITY]);

pub(in crate::checks) static PG_ROW_SECURITY: Cause = Cause::new(
    "PG_ROW_SECURITY",
    "row-level security hides rows from the user and from the initial load",
    "row_security_active() on the table, and no permissive policy that is true for the user",
);

fn judge(server: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    let filtered = names(tables, |table| table.row_security);
    if filtered.is_empty() {
        return CHECK.pass(counted(tables.len()));
    }
    let user = identifier(server.target.user.as_str());
    let these = tables.iter().filter(|table| table.row_security).take(5);
    let statements: Vec<String> = these
        .map(|t| {
            let table = qualified(t.table.schema.raw(), t.table.name.raw());
            format!("CREATE POLICY {user} ON {table} FOR SELECT TO {user} USING (true);")
        })
        .collect();
    CHECK.warn(&PG_ROW_SECURITY, Found::from("policies hide rows of ").list(&filtered)).remedy(format!(
        "if ClickPipes may read every row, as the owner: {} (policies AS RESTRICTIVE still apply; the attribute BYPASSRLS of the \
         role ends all of them)",
        statements.join(" ")
    ))
}

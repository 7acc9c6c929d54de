//! Publications contain partitioned tables since PostgreSQL 13.

use super::{PARTITIONED_SINCE, Server, failing, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_LOGICAL,
    },
    facts::PostgresTable,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_PARTITIONED",
    "partitioned tables can be published",
    POSTGRES,
    Judge::PostgresTables(judge),
)
.versions("before 13")
.expected("no partitioned table: publications contain them since PostgreSQL 13")
.fix("upgrade to PostgreSQL 13 or newer, or replicate the partitions")
.source(PG_LOGICAL)
.causes(&[&PG_PARTITIONED]);

pub(in crate::checks) static PG_PARTITIONED: Cause =
    Cause::new("PG_PARTITIONED", "this version cannot publish partitioned tables", "relkind and the version");

fn judge(server: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    match server.major() {
        Some(major) if major < PARTITIONED_SINCE => server.candidates.judge(
            &CHECK,
            &PG_PARTITIONED,
            &failing(tables, |t| t.partitioned),
            "partitioned",
        ),
        Some(_) => CHECK.pass("publications take partitioned tables"),
        None => unanswered(&CHECK, &server.facts.version_number),
    }
}

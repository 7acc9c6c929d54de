//! Views, sequences, system-versioned tables and some storage engines have no usable row events.

use super::Server;
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        tables::Failing,
    },
    facts::{Fact, Table, TableKind},
};

pub(crate) static CHECK: Check =
    Check::changes("MYSQL_TABLE_KINDS", "only base tables (TABLE_TYPE)", MYSQL_FAMILY, Judge::Mysql(judge))
        .expected(
            "BASE TABLE: views and sequences have no row events, and those of a system-versioned table do \
         not give an equal copy",
        )
        .source("MariaDB documentation, System-Versioned Tables; the row events of a MariaDB 10.11 server")
        .causes(&[
            &MYSQL_NOT_A_TABLE,
            &MYSQL_TABLE_NAME_CASE,
            &MYSQL_ROWS_ELSEWHERE,
            &MARIADB_SYSTEM_VERSIONED,
        ]);

pub(in crate::checks) static MYSQL_NOT_A_TABLE: Cause = Cause::new(
    "MYSQL_NOT_A_TABLE",
    "changes of a view or a sequence are not in the binary log",
    "TABLE_TYPE in information_schema.TABLES",
)
.fix("name the tables behind the view (--table), or use --replication-mode snapshot and sorting_keys");

pub(in crate::checks) static MYSQL_TABLE_NAME_CASE: Cause = Cause::new(
    "MYSQL_TABLE_NAME_CASE",
    "the binary log has the name of a table as the server stores it, and ClickPipes compares names with regard to case: no change \
     reaches the copy. The initial load works, because this server compares names without regard to case (lower_case_table_names)",
    "TABLE_NAME in information_schema.TABLES",
)
.fix("write schema and table as SHOW DATABASES and SHOW TABLES print them, here (--table) and in the pipe");

pub(in crate::checks) static MYSQL_ROWS_ELSEWHERE: Cause = Cause::new(
    "MYSQL_ROWS_ELSEWHERE",
    "the storage engine does not store the rows in this table, so the events in the binary log do not match \
     them",
    "ENGINE in information_schema.TABLES",
)
.fix("leave these tables out (--table), use --replication-mode snapshot, or ALTER TABLE … ENGINE = InnoDB");

pub(in crate::checks) static MARIADB_SYSTEM_VERSIONED: Cause = Cause::new(
    "MARIADB_SYSTEM_VERSIONED",
    "the copy of a system-versioned table becomes wrong: the binary log has a DELETE as an UPDATE of ROW END, \
     and after each UPDATE an INSERT of the old row with the same key",
    "TABLE_TYPE in information_schema.TABLES",
)
.fix("leave these tables out (--table), use --replication-mode snapshot, or ALTER TABLE … DROP SYSTEM \
     VERSIONING, which deletes their history");

/// Views and sequences were named: patterns leave them out.
fn judge(server: &Server<'_>) -> Diagnostic {
    let Fact::Read(tables) = &server.facts.tables else {
        return CHECK.skipped("there is no table to check");
    };
    let of_kind = |kinds: &[TableKind]| -> Vec<String> {
        tables.seen.iter().filter(|table| kinds.contains(&table.kind)).map(Table::full_name).collect()
    };
    let others = of_kind(&[TableKind::View, TableKind::Sequence]);
    if !others.is_empty() {
        return CHECK.fail(&MYSQL_NOT_A_TABLE, Found::from("views or sequences: ").list(&others));
    }
    // A table that the server does not find by this name has its own row in the report.
    let is_other = |table: &&Table| table.kind == TableKind::OtherCase && table.select.is_ok();
    let names = tables.seen.iter().filter(is_other).map(Table::full_name).collect();
    let failing = Failing { names, all: tables.total };
    if !failing.names.is_empty() {
        let words = "written in another case than on the server";
        return server.candidates.judge(&CHECK, &MYSQL_TABLE_NAME_CASE, &failing, words);
    }
    let failing = Failing { names: of_kind(&[TableKind::RowsElsewhere]), all: tables.total };
    if !failing.names.is_empty() {
        let engines =
            "their storage engine (BLACKHOLE, FEDERATED, MERGE, SPIDER or CONNECT) does not store rows";
        return server.candidates.judge(&CHECK, &MYSQL_ROWS_ELSEWHERE, &failing, engines);
    }
    let failing = Failing { names: of_kind(&[TableKind::SystemVersioned]), all: tables.total };
    server.candidates.judge(&CHECK, &MARIADB_SYSTEM_VERSIONED, &failing, "system-versioned")
}

//! Changes of a filtered database are not in the binary log.

use super::{Server, is_denial, unanswered};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        tables::Failing,
    },
    facts::{BinlogFilters, Fact, Table},
    sql::ServerText,
};

pub(crate) static CHECK: Check = Check::changes(
    "MYSQL_BINLOG_FILTERS",
    "binary log filters (binlog_do_db)",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.expected(
    "empty Binlog_Do_DB and Binlog_Ignore_DB in SHOW BINARY LOG STATUS, or filters that keep these \
         databases",
)
.fix(
    "remove binlog_do_db and binlog_ignore_db from the server's configuration, or add the databases to \
         binlog_do_db, then restart the server",
)
.source("MySQL Reference Manual, Binary Logging Options and Variables")
.causes(&[&MYSQL_BINLOG_FILTERED]);

pub(in crate::checks) static MYSQL_BINLOG_FILTERED: Cause = Cause::new(
    "MYSQL_BINLOG_FILTERED",
    "changes of a database are not written to the binary log",
    "Binlog_Do_DB and Binlog_Ignore_DB of SHOW BINARY LOG STATUS",
);

fn judge(server: &Server<'_>) -> Diagnostic {
    let filters = match &server.facts.binlog_filters {
        Fact::Read(filters) => filters,
        Fact::Absent => return CHECK.skipped("there is no binary log status"),
        Fact::Refused(refusal) if is_denial(refusal) => {
            return CHECK.skipped("it takes the same privilege as MYSQL_BINLOG_STATUS");
        }
        other @ Fact::Refused(_) => return unanswered(&CHECK, other),
    };
    if *filters == BinlogFilters::default() {
        return CHECK.pass("no database is filtered");
    }
    let Fact::Read(tables) = &server.facts.tables else {
        return CHECK.skipped("there is no table to check");
    };
    let lost: Vec<String> =
        tables.seen.iter().filter(|table| !filters.log(&table.schema)).map(Table::full_name).collect();
    let words = described(filters).text(" leave out");
    let failing = Failing { names: lost, all: tables.total };
    server.candidates.judge(&CHECK, &MYSQL_BINLOG_FILTERED, &failing, words)
}

/// `binlog_do_db (app), binlog_ignore_db (audit)`.
fn described(filters: &BinlogFilters) -> Found {
    let list = |name: &str, names: &[ServerText]| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        (!names.is_empty()).then(|| Found::from(format!("{name} (")).list(&names).text(")"))
    };
    let parts = [list("binlog_do_db", &filters.only), list("binlog_ignore_db", &filters.ignored)];
    Found::join(parts.into_iter().flatten(), " and ")
}

//! The binary log contains compressed columns in compressed form, which ClickPipes does not support.

use super::{Server, unanswered};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, MARIADB},
        sources::MYSQL_ENGINE,
        tables::Failing,
    },
    facts::Fact,
};

pub(crate) static CHECK: Check =
    Check::changes("MARIADB_COMPRESSED_COLUMNS", "no compressed columns", MARIADB, Judge::Mysql(judge))
        .versions("MariaDB 10.3.2+")
        .expected(
            "no column with the attribute COMPRESSED in the tables: the binary log contains them compressed",
        )
        .source(MYSQL_ENGINE)
        .causes(&[&MARIADB_COMPRESSED_COLUMNS]);

pub(in crate::checks) static MARIADB_COMPRESSED_COLUMNS: Cause = Cause::new(
    "MARIADB_COMPRESSED_COLUMNS",
    "the binary log contains these columns compressed, which ClickPipes does not support",
    "information_schema.COLUMNS",
)
.fix("leave these tables out (--table), or ALTER TABLE … MODIFY the columns without COMPRESSED");

fn judge(server: &Server<'_>) -> Diagnostic {
    let columns = match &server.facts.compressed_columns {
        Fact::Read(columns) => columns,
        other => return unanswered(&CHECK, other),
    };
    let of = |column: &String| column.rsplit_once('.').map(|(table, _)| table.to_owned());
    let mut tables: Vec<String> = columns.iter().filter_map(of).collect();
    tables.dedup();
    let all = server.facts.tables.read().map_or(tables.len(), |tables| tables.total);
    let words = Found::from("compressed columns (").list(columns).text(") in");
    let failing = Failing { names: tables, all };
    server.candidates.judge(&CHECK, &MARIADB_COMPRESSED_COLUMNS, &failing, words)
}

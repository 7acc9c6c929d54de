//! Changes that InnoDB makes because of a foreign key are not in the binary log.

use super::{Server, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        tables::Failing,
    },
    facts::{Cascades, Fact, TABLES_AT_MOST, Version},
};

pub(crate) static CHECK: Check = Check::changes(
    "MYSQL_FOREIGN_KEYS",
    "foreign keys (ON DELETE CASCADE)",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.versions("MySQL before 9.6, MariaDB")
.expected(
    "no foreign key with CASCADE or SET NULL on the tables: InnoDB makes these changes without \
         writing them to the binary log",
)
.fix(
    "change these foreign keys to NO ACTION and let the application delete and change the rows, or \
         leave the tables out (--table)",
)
.source("ClickPipes documentation, MySQL FAQ; MySQL Reference Manual, InnoDB and MySQL Replication")
.causes(&[&MYSQL_CASCADES]);

pub(in crate::checks) static MYSQL_CASCADES: Cause = Cause::new(
    "MYSQL_CASCADES",
    "rows that a foreign key deletes or changes stay as they were in the copy",
    "information_schema.REFERENTIAL_CONSTRAINTS; on MariaDB SHOW CREATE TABLE of the tables with foreign keys",
);

const CASCADES_LOGGED: Version = Version(9, 6, 0);

/// MySQL 9.6 moved foreign keys from InnoDB to the SQL layer, which logs their changes; `innodb_native_foreign_keys`
/// brings the old behavior back.
fn judge(server: &Server<'_>) -> Diagnostic {
    let in_sql_layer =
        !server.is_mariadb() && server.version.is_some_and(|version| version >= CASCADES_LOGGED);
    if in_sql_layer && !matches!(server.get("innodb_native_foreign_keys"), Some("ON" | "1")) {
        return CHECK.pass("this version logs them");
    }
    let tables = match &server.facts.cascades {
        Fact::Read(tables) => tables,
        Fact::Absent => {
            let why = format!(
                "more than {TABLES_AT_MOST} tables have foreign keys, and MariaDB shows their rules only in the definition of each \
                 table: name the tables of the pipe (--table)"
            );
            return CHECK.warn(&MYSQL_CASCADES, why);
        }
        other @ Fact::Refused(_) => return unanswered(&CHECK, other),
    };
    let all = server.facts.tables.read().map_or(tables.len(), |all| all.total);
    let failing = Failing { names: tables.iter().map(|table| table.table.clone()).collect(), all };
    let with_constraints = |cascades: &Cascades| {
        let names: Vec<String> = cascades.constraints.iter().map(ToString::to_string).collect();
        format!("{} ({})", cascades.table, names.join(", "))
    };
    let shown: Vec<String> = tables.iter().map(with_constraints).collect();
    let words = "foreign keys with CASCADE or SET NULL";
    server.candidates.judge_shown(&CHECK, &MYSQL_CASCADES, &failing, words, &shown)
}

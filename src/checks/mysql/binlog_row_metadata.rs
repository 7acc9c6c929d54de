//! Row events must contain column names (`binlog_row_metadata = FULL`).

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        sources::MYSQL_SOURCE,
    },
    facts::Version,
};

pub(crate) static CHECK: Check = Check::changes(
    "MYSQL_BINLOG_ROW_METADATA",
    "binlog_row_metadata = FULL",
    MYSQL_FAMILY,
    Judge::Mysql(judge),
)
.versions("MySQL 8.0.1+, MariaDB 10.5.0+")
.expected("binlog_row_metadata = FULL")
.fix("set binlog_row_metadata = FULL in the {group} (takes effect at once)")
.source(MYSQL_SOURCE)
.causes(&[&MYSQL_BINLOG_ROW_METADATA, &MYSQL_EXCLUDED_COLUMNS]);

pub(in crate::checks) static MYSQL_BINLOG_ROW_METADATA: Cause = Cause::new(
    "MYSQL_BINLOG_ROW_METADATA",
    "the binary log does not contain column names",
    "binlog_row_metadata",
);

pub(in crate::checks) static MYSQL_EXCLUDED_COLUMNS: Cause = Cause::new(
    "MYSQL_EXCLUDED_COLUMNS",
    "this version does not support excluded columns",
    "excluded_columns, and a version without binlog_row_metadata",
)
.fix("upgrade to MySQL 8.0.1, MariaDB 10.5.0 or newer, or replicate every column");

fn judge(server: &Server<'_>) -> Diagnostic {
    let name = "binlog_row_metadata";
    match server.since(Version(8, 0, 1), Version(10, 5, 0)) {
        true => server.must_be(&CHECK, &MYSQL_BINLOG_ROW_METADATA, name, "FULL"),
        // The names of columns are in the log only with it.
        false if !server.target.pipe.excluded_columns.is_empty() => {
            let version = server.get("version").unwrap_or_default();
            let found = format!("{version} is older than {name}, and the pipe has excluded_columns");
            CHECK.fail(&MYSQL_EXCLUDED_COLUMNS, found)
        }
        false => server.not_supported_yet(&CHECK, name),
    }
}

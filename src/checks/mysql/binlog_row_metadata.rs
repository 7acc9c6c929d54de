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
.causes(&[&MYSQL_BINLOG_ROW_METADATA]);

pub(in crate::checks) static MYSQL_BINLOG_ROW_METADATA: Cause = Cause::new(
    "MYSQL_BINLOG_ROW_METADATA",
    "the binary log does not contain column names",
    "binlog_row_metadata",
);

fn judge(server: &Server<'_>) -> Diagnostic {
    let name = "binlog_row_metadata";
    match server.since(Version(8, 0, 1), Version(10, 5, 0)) {
        true => server.must_be(&CHECK, &MYSQL_BINLOG_ROW_METADATA, name, "FULL"),
        false => server.not_supported_yet(&CHECK, name),
    }
}

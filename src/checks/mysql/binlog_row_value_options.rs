//! ClickPipes does not read partial JSON values.

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL},
        sources::MYSQL_FAQ,
    },
    facts::Version,
};

pub(crate) static CHECK: Check = Check::changes(
    "MYSQL_BINLOG_ROW_VALUE_OPTIONS",
    "binlog_row_value_options without PARTIAL_JSON",
    MYSQL,
    Judge::Mysql(judge),
)
.versions("MySQL 8.0.3+")
.expected("binlog_row_value_options = '' (no PARTIAL_JSON)")
.fix("set binlog_row_value_options to nothing in the {group} (takes effect for new connections)")
.source(MYSQL_FAQ)
.causes(&[&MYSQL_PARTIAL_JSON]);

pub(in crate::checks) static MYSQL_PARTIAL_JSON: Cause = Cause::new(
    "MYSQL_PARTIAL_JSON",
    "the binary log contains partial JSON values",
    "binlog_row_value_options",
);

fn judge(server: &Server<'_>) -> Diagnostic {
    let name = "binlog_row_value_options";
    match server.since(Version(8, 0, 3), Version(u32::MAX, 0, 0)) {
        true => server.must_be(&CHECK, &MYSQL_PARTIAL_JSON, name, ""),
        false => server.not_supported_yet(&CHECK, name),
    }
}

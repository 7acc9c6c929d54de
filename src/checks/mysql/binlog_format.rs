//! ClickPipes reads row events, which `binlog_format = ROW` writes.

use super::{Server, without_binary_log};
use crate::checks::{
    Diagnostic,
    check::{Cause, Check, Judge, MYSQL_FAMILY},
    sources::MYSQL_SOURCE,
};

pub(crate) static CHECK: Check =
    Check::changes("MYSQL_BINLOG_FORMAT", "binlog_format = ROW", MYSQL_FAMILY, Judge::Mysql(judge))
        .expected("binlog_format = ROW")
        .fix("set binlog_format = ROW in the {group} (takes effect for new connections)")
        .source(MYSQL_SOURCE)
        .causes(&[&MYSQL_BINLOG_FORMAT]);

pub(in crate::checks) static MYSQL_BINLOG_FORMAT: Cause =
    Cause::new("MYSQL_BINLOG_FORMAT", "the binary log contains statements instead of rows", "binlog_format");

fn judge(server: &Server<'_>) -> Diagnostic {
    let name = "binlog_format";
    // On Aurora, OFF means that there is no binary log.
    match server.get(name) {
        Some("OFF") if !server.has_binary_log() => without_binary_log(&CHECK),
        _ => server.must_be(&CHECK, &MYSQL_BINLOG_FORMAT, name, "ROW"),
    }
}

//! Row events must contain all columns (`binlog_row_image = FULL`).

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        sources::MYSQL_SOURCE,
    },
    facts::Version,
};

pub(crate) static CHECK: Check =
    Check::changes("MYSQL_BINLOG_ROW_IMAGE", "binlog_row_image = FULL", MYSQL_FAMILY, Judge::Mysql(judge))
        .versions("MySQL 5.6.2+, MariaDB 10.1.6+")
        .expected("binlog_row_image = FULL")
        .fix("set binlog_row_image = FULL in the {group} (takes effect for new connections)")
        .source(MYSQL_SOURCE)
        .causes(&[&MYSQL_BINLOG_ROW_IMAGE]);

pub(in crate::checks) static MYSQL_BINLOG_ROW_IMAGE: Cause =
    Cause::new("MYSQL_BINLOG_ROW_IMAGE", "the binary log contains partial rows", "binlog_row_image");

fn judge(server: &Server<'_>) -> Diagnostic {
    let name = "binlog_row_image";
    match server.since(Version(5, 6, 2), Version(10, 1, 6)) {
        true => server.must_be(&CHECK, &MYSQL_BINLOG_ROW_IMAGE, name, "FULL"),
        false => server.not_supported_yet(&CHECK, name),
    }
}

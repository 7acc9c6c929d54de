//! A row event that is longer than max_allowed_packet ends the stream.

use super::Server;
use super::binary_log::MYSQL_UNANSWERED;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        sources::MYSQL_FAQ,
    },
    diagnostic::Severity::Advisory,
};

pub(crate) static CHECK: Check =
    Check::changes("MYSQL_MAX_ALLOWED_PACKET", "max_allowed_packet", MYSQL_FAMILY, Judge::Mysql(judge))
        .severity(Advisory)
        .expected("max_allowed_packet of at least 16 MiB: a longer event ends the stream (1236)")
        .fix("raise max_allowed_packet in the {group} (takes effect for new connections)")
        .source(MYSQL_FAQ)
        .causes(&[&MYSQL_MAX_ALLOWED_PACKET]);

pub(in crate::checks) static MYSQL_MAX_ALLOWED_PACKET: Cause =
    Cause::new("MYSQL_MAX_ALLOWED_PACKET", "a longer row ends the stream", "max_allowed_packet");

const ADVISED_PACKET_BYTES: u64 = 16 << 20;

fn judge(server: &Server<'_>) -> Diagnostic {
    let name = "max_allowed_packet";
    match server.get(name).map(|value| (value, value.parse::<u64>())) {
        Some((value, Ok(bytes))) if bytes < ADVISED_PACKET_BYTES => {
            CHECK.warn(&MYSQL_MAX_ALLOWED_PACKET, format!("{name} = {value} bytes"))
        }
        Some((value, Ok(_))) => CHECK.pass(format!("{name} = {value} bytes")),
        _ => CHECK.unknown(&MYSQL_UNANSWERED, format!("the server gave no {name}")),
    }
}

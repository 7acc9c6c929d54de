//! A server with server_id 0 refuses replicas.

use super::Server;
use super::binary_log::MYSQL_UNANSWERED;
use crate::checks::{
    Diagnostic,
    check::{Cause, Check, Judge, MYSQL_FAMILY},
    tables::some_of,
};

pub(crate) static CHECK: Check =
    Check::changes("MYSQL_SERVER_ID", "server_id", MYSQL_FAMILY, Judge::Mysql(judge))
        .expected("server_id other than 0")
        .fix("set server_id to a number other than 0 and restart: a server with 0 refuses replicas")
        .source("MySQL Reference Manual, Replication and Binary Logging Options")
        .causes(&[&MYSQL_NO_SERVER_ID]);

pub(in crate::checks) static MYSQL_NO_SERVER_ID: Cause =
    Cause::new("MYSQL_NO_SERVER_ID", "a server with server_id 0 refuses replicas", "server_id");

fn judge(server: &Server<'_>) -> Diagnostic {
    let replicas = match server.facts.replicas.read().map(Vec::as_slice) {
        None | Some([]) => String::new(),
        Some(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            format!(
                "; its replicas are {}, so a pipe with a fixed server_id must use another one",
                some_of(&ids)
            )
        }
    };
    match server.get("server_id") {
        Some("0") => CHECK.fail(&MYSQL_NO_SERVER_ID, "server_id is 0"),
        Some(id) => CHECK.pass(format!("server_id is {id}{replicas}")),
        None => CHECK.unknown(&MYSQL_UNANSWERED, "the server has no server_id"),
    }
}

//! A server with server_id 0 refuses replicas.

use super::Server;
use super::binary_log::MYSQL_UNANSWERED;
use crate::checks::{
    Diagnostic, Found,
    check::{Cause, Check, Judge, MYSQL_FAMILY},
};

pub(crate) static CHECK: Check =
    Check::changes("MYSQL_SERVER_ID", "server_id", MYSQL_FAMILY, Judge::Mysql(judge))
        .expected("server_id other than 0")
        .fix("set server_id to a number other than 0 and restart: a server with 0 refuses replicas")
        .source("MySQL Reference Manual, Replication and Binary Logging Options")
        .causes(&[&MYSQL_NO_SERVER_ID, &MYSQL_SERVER_ID_IN_USE]);

pub(in crate::checks) static MYSQL_NO_SERVER_ID: Cause =
    Cause::new("MYSQL_NO_SERVER_ID", "a server with server_id 0 refuses replicas", "server_id");

pub(in crate::checks) static MYSQL_SERVER_ID_IN_USE: Cause = Cause::new(
    "MYSQL_SERVER_ID_IN_USE",
    "a replica has the server_id of the pipe: another one, or the pipe itself if it runs",
    "SHOW REPLICAS or SHOW SLAVE HOSTS",
)
.fix("if the pipe does not run yet, choose another server_id, or none: ClickPipes refuses an id that a replica uses");

/// States in which the pipe itself is registered as a replica (OpenAPI specification of ClickHouse Cloud, `ClickPipe.state`).
const READING: [&str; 4] = ["Running", "Degraded", "Setup", "Snapshot"];

/// Source: the engine of ClickPipes, PeerDB (flow/connectors/mysql/validate.go at 6b52fb6c).
fn is_used_by_another(server: &Server<'_>) -> Option<u32> {
    let id = server.target.pipe.server_id?;
    let state = server.target.declaration.as_ref().and_then(|declaration| declaration.pipe_state.as_deref());
    let is_own = state.is_some_and(|state| READING.contains(&state));
    server.facts.replicas.read()?.contains(&id).then_some(id).filter(|_| !is_own)
}

fn judge(server: &Server<'_>) -> Diagnostic {
    let replicas = match server.facts.replicas.read().map(Vec::as_slice) {
        // MariaDB shows its replicas only with REPLICATION MASTER ADMIN, which the ClickPipes guide does not grant.
        None if server.target.pipe.server_id.is_some() => {
            "; the server does not show the server_id of its replicas to this user".into()
        }
        None | Some([]) => Found::default(),
        Some(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            Found::from("; its replicas are ")
                .list(&ids)
                .text(", so a pipe with a fixed server_id must use another one")
        }
    };
    match server.get("server_id") {
        Some(own)
            if own != "0"
                && let Some(id) = is_used_by_another(server) =>
        {
            CHECK.warn(
                &MYSQL_SERVER_ID_IN_USE,
                format!("server_id of the pipe is {id}, and the server has a replica with it"),
            )
        }
        Some("0") => CHECK.fail(&MYSQL_NO_SERVER_ID, "server_id is 0"),
        Some(id) => CHECK.pass(Found::join([format!("server_id is {id}").into(), replicas], "")),
        None => CHECK.unknown(&MYSQL_UNANSWERED, "the server has no server_id"),
    }
}

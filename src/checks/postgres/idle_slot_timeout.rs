//! PostgreSQL 18 invalidates the slot of a consumer that is away for longer than idle_replication_slot_timeout.

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
    },
    diagnostic::Severity::Advisory,
};

pub(crate) static CHECK: Check =
    Check::changes("PG_IDLE_SLOT_TIMEOUT", "idle_replication_slot_timeout", POSTGRES, Judge::Postgres(judge))
        .severity(Advisory)
        .versions("18+")
        .expected(
            "idle_replication_slot_timeout = 0: otherwise a paused pipe loses its slot and needs a resync",
        )
        .fix("set idle_replication_slot_timeout = 0 in the {group} (takes effect at once)")
        .source("PostgreSQL 18 documentation, Replication, Sending Servers")
        .causes(&[&PG_IDLE_SLOT_TIMEOUT]);

pub(in crate::checks) static PG_IDLE_SLOT_TIMEOUT: Cause = Cause::new(
    "PG_IDLE_SLOT_TIMEOUT",
    "a pipe that is paused for longer loses its slot",
    "idle_replication_slot_timeout",
);

/// Version 18 drops the slot of a consumer that is away for longer than this.
fn judge(server: &Server<'_>) -> Diagnostic {
    let name = "idle_replication_slot_timeout";
    match server.setting(name) {
        Some("0") => CHECK.pass(format!("{name} = 0 (off)")),
        Some(value) => CHECK.warn(&PG_IDLE_SLOT_TIMEOUT, format!("{name} = {value} s")),
        None if server.facts.settings.read().is_some() => {
            CHECK.pass(format!("the server is older than {name}"))
        }
        None => server.no_setting(&CHECK),
    }
}

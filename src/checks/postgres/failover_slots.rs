//! A slot survives a failover only if the server supports failover slots.

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
    },
    diagnostic::Severity::Advisory,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_FAILOVER_SLOTS",
    "failover slot (enable_failover_slots)",
    POSTGRES,
    Judge::Postgres(judge),
)
.severity(Advisory)
.if_unknown(Advisory)
.expected("PostgreSQL 17 or newer on a primary, if enable_failover_slots is true")
.source("PostgreSQL documentation, Logical Replication Failover; ClickHouse Cloud API, settings of PostgreSQL pipes")
.causes(&[&PG_FAILOVER_SLOTS_IGNORED]);

pub(in crate::checks) static PG_FAILOVER_SLOTS_IGNORED: Cause = Cause::new(
    "PG_FAILOVER_SLOTS_IGNORED",
    "ClickPipes creates an ordinary slot, which does not survive a failover",
    "the version of the server, pg_is_in_recovery(), or replication_slot_name of the pipe",
)
.fix(
    "upgrade to PostgreSQL 17 or newer and read from the primary, or set enable_failover_slots = false; after a failover, \
     the pipe needs a resync",
);

/// Source: the engine of ClickPipes, PeerDB (flow/connectors/postgres/client.go at 6b52fb6c): it then omits the option silently.
fn judge(server: &Server<'_>) -> Diagnostic {
    if !server.target.pipe.failover_slots {
        return CHECK.pass("enable_failover_slots is false");
    }
    let ignored = |found: String| CHECK.warn(&PG_FAILOVER_SLOTS_IGNORED, found);
    match (server.major(), server.facts.in_recovery.read()) {
        _ if server.target.pipe.slot.is_some() => {
            ignored("ClickPipes does not create the slot, because replication_slot_name is set".to_owned())
        }
        (Some(major), _) if major < 17 => ignored(format!("the server has version {major}")),
        (_, Some(true)) => ignored("the server is a standby".to_owned()),
        (None, _) => super::unanswered(&CHECK, &server.facts.version_number),
        (_, None) => super::unanswered(&CHECK, &server.facts.in_recovery),
        (Some(_), Some(false)) => CHECK.pass("the server supports failover slots"),
    }
}

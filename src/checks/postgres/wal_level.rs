//! Logical decoding needs `wal_level = logical`.

use super::{STANDBY_SINCE, Server};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        sources::{NO_ANSWER, PG_SOURCE},
    },
    facts::Fact,
};

pub(crate) static CHECK: Check =
    Check::changes("PG_WAL_LEVEL", "wal_level = logical", POSTGRES, Judge::Postgres(judge))
        .expected("wal_level = logical")
        .fix("set rds.logical_replication = 1 in the {group} and reboot")
        .source(PG_SOURCE)
        .causes(&[&PG_WAL_LEVEL, &PG_WAL_LEVEL_OF_PRIMARY, &PG_UNANSWERED]);

pub(in crate::checks) static PG_WAL_LEVEL: Cause =
    Cause::new("PG_WAL_LEVEL", "the WAL does not contain enough for logical decoding", "wal_level");

pub(in crate::checks) static PG_WAL_LEVEL_OF_PRIMARY: Cause = Cause::new(
    "PG_WAL_LEVEL_OF_PRIMARY",
    "wal_level of the primary is not visible from a standby",
    "pg_is_in_recovery(), and no valid logical slot on the standby",
)
.fix(
    "use the endpoint of the primary; or set rds.logical_replication = 1 in its DB parameter group too and \
     reboot it, then check while a logical slot exists here: SELECT \
     pg_create_logical_replication_slot('wal_level_test', 'pgoutput'); (and pg_drop_replication_slot \
     afterwards)",
);

pub(in crate::checks) static PG_UNANSWERED: Cause =
    Cause::new("PG_UNANSWERED", "PostgreSQL refused a query", NO_ANSWER);

fn judge(server: &Server<'_>) -> Diagnostic {
    match server.setting("wal_level") {
        Some("logical") if is_standby(server) => wal_level_of_primary(server),
        Some("logical") => CHECK.pass("wal_level = logical"),
        Some(level) => CHECK.fail(&PG_WAL_LEVEL, format!("wal_level = {level}")),
        None => server.no_setting(&CHECK),
    }
}

/// A physical standby that can have logical slots.
fn is_standby(server: &Server<'_>) -> bool {
    server.facts.in_recovery == Fact::Read(true)
        && server.facts.is_aurora == Fact::Read(false)
        && server.major().is_some_and(|major| major >= STANDBY_SINCE)
}

/// Logical decoding on a standby needs it on the primary too, and a standby does not show it.
fn wal_level_of_primary(server: &Server<'_>) -> Diagnostic {
    match server.facts.has_logical_slot.read() {
        Some(true) => CHECK.pass("wal_level = logical on this standby, and a valid logical slot here shows the same for the primary",
        ),
        _ => CHECK.unknown(&PG_WAL_LEVEL_OF_PRIMARY,
            "wal_level = logical on this standby; that of the primary is not visible here",
        )
        .expected("wal_level = logical on the primary and on the standby"),
    }
}

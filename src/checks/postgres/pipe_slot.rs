//! The replication slot of the pipe: whether it is alive, and how far behind.

use super::{Server, unanswered};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, POSTGRES},
    },
    facts::{Fact, ReplicationSlot},
    sql::postgres::literal,
    target::ReplicationMode,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_PIPE_SLOT",
    "replication slot of the pipe (pg_replication_slots)",
    POSTGRES,
    Judge::Postgres(judge),
)
.expected(
    "the slot of the pipe, if it exists, is active and not lost: replication_slot_name, otherwise \
         peerflow_slot_…",
)
.source("PostgreSQL documentation, pg_replication_slots; ClickPipes documentation, Postgres FAQ")
.causes(&[
    &PG_SLOT_LOST,
    &PG_SLOT_LOST_OF_SEVERAL,
    &PG_SLOT_GONE,
    &PG_SLOT_MISSING,
    &PG_SLOT_OTHER_DATABASE,
    &PG_SLOT_PLUGIN,
    &PG_SLOT_UNRESERVED,
    &PG_SLOT_INACTIVE,
    &PG_SLOT_EXTENDED,
]);

pub(in crate::checks) static PG_SLOT_LOST: Cause = Cause::new(
    "PG_SLOT_LOST",
    "the replication slot of the pipe is lost, so the pipe cannot continue",
    "wal_status = lost, conflicting or invalidation_reason of the slot",
)
.fix("resync the pipe");

pub(in crate::checks) static PG_SLOT_LOST_OF_SEVERAL: Cause = Cause::new(
    "PG_SLOT_LOST_OF_SEVERAL",
    "the slot of one of several pipes of this database is lost",
    "wal_status, conflicting or invalidation_reason of one of the slots peerflow_slot_…",
)
.fix("resync that pipe; set replication_slot_name to check one pipe alone");

pub(in crate::checks) static PG_SLOT_GONE: Cause = Cause::new(
    "PG_SLOT_GONE",
    "the slot of the pipe was there before and has been dropped, or a failover went to a server without it",
    "`serve` has seen the slot before",
)
.fix(
    "resync the pipe in ClickPipes; if it was deleted on purpose, restart pipeprobe or remove the target. A \
     slot survives a failover only if it is a failover slot (PostgreSQL 17 and newer)",
);

pub(in crate::checks) static PG_SLOT_MISSING: Cause = Cause::new(
    "PG_SLOT_MISSING",
    "the pipe needs a slot that does not exist (replication_mode = \"cdc_only\")",
    "no row in pg_replication_slots for replication_slot_name",
)
.fix("create the slot with the plugin pgoutput in this database, or correct replication_slot_name");

pub(in crate::checks) static PG_SLOT_OTHER_DATABASE: Cause = Cause::new(
    "PG_SLOT_OTHER_DATABASE",
    "the slot that the pipe names belongs to another database of the server",
    "the column database of the slot; a slot can be read in its own database only, and its name is taken in the server",
)
.fix("give the pipe another replication_slot_name, or correct the database of the pipe");

pub(in crate::checks) static PG_SLOT_PLUGIN: Cause = Cause::new(
    "PG_SLOT_PLUGIN",
    "ClickPipes reads only slots of the plugin pgoutput",
    "the column plugin of the slot",
)
.fix("create another slot: SELECT pg_create_logical_replication_slot(NAME, 'pgoutput');");

pub(in crate::checks) static PG_SLOT_UNRESERVED: Cause = Cause::new(
    "PG_SLOT_UNRESERVED",
    "the server removes WAL that the pipe needs at its next checkpoint",
    "wal_status = unreserved",
)
.fix("let the pipe continue now, or raise max_slot_wal_keep_size at once; otherwise the pipe needs a resync");

pub(in crate::checks) static PG_SLOT_INACTIVE: Cause = Cause::new(
    "PG_SLOT_INACTIVE",
    "nothing reads the slot of the pipe, and the server keeps all WAL for it",
    "active is false in pg_replication_slots",
)
.fix(
    "resume the pipe if it is paused; otherwise see its state in ClickPipes; if the pipe was deleted, drop \
     the slot",
);

pub(in crate::checks) static PG_SLOT_EXTENDED: Cause = Cause::new(
    "PG_SLOT_EXTENDED",
    "the server keeps more WAL for the pipe than max_wal_size",
    "wal_status = extended",
)
.fix("see whether the pipe is behind, and whether the storage has room");

fn judge(server: &Server<'_>) -> Diagnostic {
    if !matches!(server.facts.slots, Fact::Read(_)) {
        return unanswered(&CHECK, &server.facts.slots);
    }
    let slots = server.pipe_slots();
    if slots.is_empty()
        && let Some((name, at)) = server.earlier.and_then(|earlier| earlier.slots.iter().next_back())
    {
        let found = format!("{name} was there at {at:.0}, and is not any more");
        return CHECK.fail(&PG_SLOT_GONE, found);
    }
    let Some(name) = &server.target.pipe.slot else { return of_slots(server, &slots) };
    if let (None, Some(database)) = (slots.first(), server.facts.slot_elsewhere.read()) {
        return CHECK.fail(&PG_SLOT_OTHER_DATABASE, format!("{name} is a slot of the database {database}"));
    }
    match slots.first() {
        None if server.target.pipe.mode == Some(ReplicationMode::CdcOnly) => {
            CHECK.fail(&PG_SLOT_MISSING, format!("no logical slot {name} in this database"))
        }
        None => CHECK.pass(format!("no slot {name} yet")),
        Some(slot) if slot.plugin != "pgoutput" => {
            CHECK.fail(&PG_SLOT_PLUGIN, format!("{name} uses the plugin {}", slot.plugin))
        }
        Some(_) => of_slots(server, &slots),
    }
}

fn of_slots(server: &Server<'_>, slots: &[&ReplicationSlot]) -> Diagnostic {
    let of = |is: &dyn Fn(&ReplicationSlot) -> bool| -> Vec<&ReplicationSlot> {
        slots.iter().copied().filter(|slot| is(slot)).collect()
    };
    let described =
        |slots: &[&ReplicationSlot]| slots.iter().map(|slot| described(server, slot)).collect::<Vec<_>>();
    let lost = of(&ReplicationSlot::is_lost);
    if let Some(first) = lost.first() {
        let remedy = format!(
            "{}. If no pipe uses the slot any more: SELECT pg_drop_replication_slot({});",
            resync(first),
            literal(first.name.raw())
        );
        let diagnostic = match lost.len() == slots.len() {
            true => CHECK.fail(&PG_SLOT_LOST, Found::default().list(&described(&lost))),
            false => CHECK.warn(
                &PG_SLOT_LOST_OF_SEVERAL,
                Found::from(format!("{} of {} slots of pipes: ", lost.len(), slots.len()))
                    .list(&described(&lost)),
            ),
        };
        return diagnostic.remedy(remedy);
    }
    // A slot that is synchronized from the primary has no consumer here.
    let is_idle = |slot: &ReplicationSlot| !slot.active && !slot.synced;
    let is = |status: &'static str| move |slot: &ReplicationSlot| slot.wal_status.as_deref() == Some(status);
    for (found, cause) in [
        (of(&is("unreserved")), &PG_SLOT_UNRESERVED),
        (of(&is_idle), &PG_SLOT_INACTIVE),
        (of(&is("extended")), &PG_SLOT_EXTENDED),
    ] {
        if !found.is_empty() {
            return CHECK.warn(cause, Found::default().list(&described(&found)));
        }
    }
    match slots.is_empty() {
        true => CHECK.pass("no slot of a pipe (peerflow_slot_…) in this database yet"),
        false => CHECK.pass(Found::default().list(&described(slots))),
    }
}

/// `peerflow_slot_orders: active, wal_status = reserved, 12 MB of WAL retained`.
fn described(server: &Server<'_>, slot: &ReplicationSlot) -> String {
    let mut words = vec![if slot.active { "active" } else { "not active" }.to_owned()];
    if let Some(seconds) = slot.inactive_seconds.filter(|_| !slot.active) {
        words[0] += &format!(" for {seconds} s");
    }
    words.extend(slot.wal_status.as_ref().map(|status| format!("wal_status = {status}")));
    words.extend(slot.invalidation_reason.as_ref().map(|why| format!("invalidation_reason = {why}")));
    if slot.conflicting {
        words.push("conflicting".to_owned());
    }
    let retained = server.facts.wal_position.read().and_then(|now| slot.retained_bytes(*now));
    words.extend(retained.map(|bytes| format!("{} MB of WAL retained", bytes.div_ceil(1 << 20))));
    format!("{}: {}", slot.name, words.join(", "))
}

/// What to do about a lost slot, by the reason.
fn resync(slot: &ReplicationSlot) -> &'static str {
    match slot.invalidation_reason.as_deref() {
        Some("idle_timeout") => {
            "resync the pipe in ClickPipes, and set idle_replication_slot_timeout = 0: the slot was not read for longer than that"
        }
        Some("wal_level_insufficient") => {
            "resync the pipe in ClickPipes, and keep wal_level = logical on the primary (rds.logical_replication = 1)"
        }
        Some("rows_removed") => {
            "resync the pipe in ClickPipes, and set hot_standby_feedback = on: the primary removed rows that the slot needed"
        }
        None if slot.conflicting => {
            "resync the pipe in ClickPipes, and set hot_standby_feedback = on: the slot of this standby conflicted with recovery"
        }
        _ => {
            "resync the pipe in ClickPipes, and raise max_slot_wal_keep_size: the server removed WAL that the pipe had not read"
        }
    }
}

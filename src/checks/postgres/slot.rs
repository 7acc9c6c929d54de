//! The replication slot of the pipe: whether it is alive, and how far behind.

use super::{super::cause_of, Server, tables::some_of, unanswered};
use crate::{
    connection::Refusal,
    diagnostic::{CheckId, Diagnostic},
    facts::{Fact, ReplicationSlot},
    sql::postgres::literal,
    target::ReplicationMode,
};

/// What AWS advises to alarm at (AWS Database Blog, "Implement an Early Warning System for Transaction ID Wraparound in
/// Amazon RDS for PostgreSQL"). The server refuses writes at 2^31 minus 3 million.
const OLD_TRANSACTIONS: u32 = 1_000_000_000;

impl Server<'_> {
    pub(super) fn slots(&self) -> &[ReplicationSlot] {
        self.facts.slots.read().map(Vec::as_slice).unwrap_or_default()
    }

    /// Of this pipe, or of all pipes of the database if it is not named.
    pub(super) fn pipe_slots(&self) -> Vec<&ReplicationSlot> {
        self.slots().iter().filter(|slot| slot.belongs_to(&self.target.pipe)).collect()
    }

    /// A pipe that runs as this user. `rds.iam_auth_for_replication` makes members of both `rds_iam` and `rds_replication` use
    /// IAM on replication connections (Amazon RDS User Guide, IAM authentication for logical replication connections).
    pub(super) fn streaming_slot(&self) -> Option<&ReplicationSlot> {
        let user = self.target.user.as_str();
        self.pipe_slots()
            .into_iter()
            .find(|slot| slot.has_wal_sender && slot.user.as_ref().is_some_and(|name| name.raw() == user))
    }

    pub(super) fn pipe_slot(&self) -> Diagnostic {
        let check = CheckId::PostgresPipeSlot;
        if !matches!(self.facts.slots, Fact::Read(_)) {
            return unanswered(check, &self.facts.slots);
        }
        let slots = self.pipe_slots();
        if slots.is_empty()
            && let Some((name, at)) = self.earlier.and_then(|earlier| earlier.slots.iter().next_back())
        {
            let found = format!("{name} was there at {at:.0}, and is not any more");
            return fixed(Diagnostic::fail(check, "PG_SLOT_GONE", found));
        }
        let Some(name) = &self.target.pipe.slot else { return self.of_slots(&slots) };
        match slots.first() {
            None if self.target.pipe.mode == Some(ReplicationMode::CdcOnly) => fixed(Diagnostic::fail(
                check,
                "PG_SLOT_MISSING",
                format!("no logical slot {name} in this database"),
            )),
            None => Diagnostic::pass(check, format!("no slot {name} yet")),
            Some(slot) if slot.plugin != "pgoutput" => fixed(Diagnostic::fail(
                check,
                "PG_SLOT_PLUGIN",
                format!("{name} uses the plugin {}", slot.plugin),
            )),
            Some(_) => self.of_slots(&slots),
        }
    }

    fn of_slots(&self, slots: &[&ReplicationSlot]) -> Diagnostic {
        let check = CheckId::PostgresPipeSlot;
        let of = |is: &dyn Fn(&ReplicationSlot) -> bool| -> Vec<&ReplicationSlot> {
            slots.iter().copied().filter(|slot| is(slot)).collect()
        };
        let described = |slots: &[&ReplicationSlot]| {
            some_of(&slots.iter().map(|slot| self.described(slot)).collect::<Vec<_>>())
        };
        let lost = of(&ReplicationSlot::is_lost);
        if let Some(first) = lost.first() {
            let remedy = format!(
                "{}. If no pipe uses the slot any more: SELECT pg_drop_replication_slot({});",
                resync(first),
                literal(first.name.raw())
            );
            let diagnostic = match lost.len() == slots.len() {
                true => Diagnostic::fail(check, "PG_SLOT_LOST", described(&lost)),
                false => Diagnostic::warn(
                    check,
                    "PG_SLOT_LOST_OF_SEVERAL",
                    format!("{} of {} slots of pipes: {}", lost.len(), slots.len(), described(&lost)),
                ),
            };
            return diagnostic.remedy(remedy);
        }
        // A slot that is synchronized from the primary has no consumer here.
        let is_idle = |slot: &ReplicationSlot| !slot.active && !slot.synced;
        let is =
            |status: &'static str| move |slot: &ReplicationSlot| slot.wal_status.as_deref() == Some(status);
        for (found, cause) in [
            (of(&is("unreserved")), "PG_SLOT_UNRESERVED"),
            (of(&is_idle), "PG_SLOT_INACTIVE"),
            (of(&is("extended")), "PG_SLOT_EXTENDED"),
        ] {
            if !found.is_empty() {
                return fixed(Diagnostic::warn(check, cause, described(&found)));
            }
        }
        match slots.is_empty() {
            true => Diagnostic::pass(check, "no slot of a pipe (peerflow_slot_…) in this database yet"),
            false => Diagnostic::pass(check, described(slots)),
        }
    }

    /// `peerflow_slot_orders: active, wal_status = reserved, 12 MB of WAL retained`.
    fn described(&self, slot: &ReplicationSlot) -> String {
        let mut words = vec![if slot.active { "active" } else { "not active" }.to_owned()];
        if let Some(seconds) = slot.inactive_seconds.filter(|_| !slot.active) {
            words[0] += &format!(" for {seconds} s");
        }
        words.extend(slot.wal_status.as_ref().map(|status| format!("wal_status = {status}")));
        words.extend(slot.invalidation_reason.as_ref().map(|why| format!("invalidation_reason = {why}")));
        if slot.conflicting {
            words.push("conflicting".to_owned());
        }
        let retained = self.facts.wal_position.read().and_then(|now| slot.retained_bytes(*now));
        words.extend(retained.map(|bytes| format!("{} MB of WAL retained", bytes.div_ceil(1 << 20))));
        format!("{}: {}", slot.name, words.join(", "))
    }

    /// When every WAL sender is in use, no replication connection can be tried. If one of them is the pipe's own, it was.
    pub(super) fn iam_replication_without_a_sender(&self, is_on: bool, refusal: &Refusal) -> Diagnostic {
        let check = CheckId::PostgresIamReplication;
        match self.streaming_slot() {
            Some(slot) if is_on => Diagnostic::pass(
                check,
                format!(
                    "no WAL sender was free to try it; the pipe's own runs as {} on {}, and rds.iam_auth_for_replication is on",
                    self.target.user, slot.name
                ),
            ),
            _ => Diagnostic::skipped(check, format!("no WAL sender was free ({})", refusal.code)),
        }
    }

    pub(super) fn transaction_age(&self) -> Diagnostic {
        let check = CheckId::PostgresTransactionAge;
        let Some(age) = self.facts.transaction_age.read() else {
            return unanswered(check, &self.facts.transaction_age);
        };
        let words =
            format!("the oldest unfrozen transaction is {} million transactions old", age / 1_000_000);
        if *age < OLD_TRANSACTIONS {
            return Diagnostic::pass(check, words);
        }
        // A slot holds back VACUUM of the catalogs.
        let holding = self.slots().iter().max_by_key(|slot| slot.catalog_xmin_age);
        let holding = holding.filter(|slot| slot.catalog_xmin_age.is_some_and(|held| held >= age / 2));
        let diagnostic = Diagnostic::warn(check, "PG_TRANSACTION_AGE", words);
        match holding {
            Some(slot) => diagnostic.remedy(format!(
                "the slot {} holds back VACUUM of the catalogs: let its consumer continue, or drop it, then VACUUM (FREEZE)",
                slot.name
            )),
            None => diagnostic,
        }
    }
}

/// With the remedy of its cause.
pub(super) fn fixed(diagnostic: Diagnostic) -> Diagnostic {
    match diagnostic.cause.and_then(cause_of) {
        Some(cause) => diagnostic.remedy(cause.fix),
        None => diagnostic,
    }
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

//! What a PostgreSQL server allows. What holds for its tables is in [`tables`].

mod publication;
mod slot;

use std::collections::BTreeSet;

use super::{
    reach::raise_role_limit,
    tables::{self, Candidates, Failing, counted},
};
use crate::{
    connection::{AuthRequest, ConnectError, Refusal},
    diagnostic::{CheckId, Diagnostic},
    facts::{Fact, OpenTransaction, Position, PostgresFacts, PostgresTable},
    sql::{
        self, ServerText,
        postgres::{identifier, qualified},
    },
    target::Target,
};

/// The oldest version ClickPipes reads (ClickPipes documentation, "Supported Postgres versions").
const OLDEST: u32 = 12;
/// Logical slots on a standby exist since then (release notes, E.1).
const STANDBY_SINCE: u32 = 16;
const PARTITIONED_SINCE: u32 = 13;
const FEWEST_WAL_SENDERS: u32 = 2;
const ADVISED_SLOT_WAL_MB: u64 = 200 * 1024;
/// A transaction that two-phase commit prepared is committed within moments, unless its coordinator is gone.
const FORGOTTEN_AFTER_SECONDS: u64 = 60;

pub(super) fn judge(target: &Target, facts: &PostgresFacts, earlier: Option<&Position>) -> Vec<Diagnostic> {
    let tables = facts.tables.read().map(|tables| tables.seen.as_slice()).unwrap_or_default();
    let server = Server { target, facts, earlier };
    let mut diagnostics = vec![
        server.engine(),
        server.version(),
        server.documented_rule(),
        server.standby(),
        server.hot_standby_feedback(),
        server.wal_level(),
        server.wal_senders(),
        server.iam_replication(),
        server.replication_right(),
        server.logical_replication(),
        server.replication_slots(),
        server.slot_wal_keep(),
        server.idle_slot_timeout(),
        server.pipe_slot(),
        server.transaction_age(),
        server.open_transactions(),
        server.tables_read(tables),
    ];
    let readable: Vec<&PostgresTable> = tables.iter().filter(|t| t.table.select.is_ok()).collect();
    let of_tables = [
        CheckId::PostgresPublication,
        CheckId::PostgresReplicaIdentity,
        CheckId::PostgresUnlogged,
        CheckId::PostgresPartitioned,
        CheckId::PostgresParentAndPart,
        CheckId::PostgresGenerated,
        CheckId::PostgresToast,
        CheckId::PostgresRowSecurity,
    ];
    if readable.is_empty() {
        diagnostics.extend(of_tables.map(|check| Diagnostic::skipped(check, "there is no table to check")));
        return diagnostics;
    }
    let mut candidates = Candidates::of(target, tables.iter().map(|t| &t.table));
    diagnostics.extend([
        server.unlogged(&readable, &mut candidates),
        server.partitioned(&readable, &mut candidates),
        server.parent_and_part(&readable, &mut candidates),
        server.replica_identity(&readable, &mut candidates),
        server.publication(&readable, &candidates),
        server.generated(&readable),
        server.toast(&readable),
        server.row_security(&readable),
    ]);
    diagnostics
}

struct Server<'a> {
    target: &'a Target,
    facts: &'a PostgresFacts,
    earlier: Option<&'a Position>,
}

/// 150018 → 15.18; before version 10, 90624 → 9.6.24.
fn dotted(number: u32) -> String {
    if number >= 100_000 {
        format!("{}.{}", number / 10_000, number % 10_000)
    } else {
        format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100)
    }
}

impl Server<'_> {
    fn engine(&self) -> Diagnostic {
        let (check, facts) = (CheckId::Engine, self.facts);
        let Some(version) = facts.version.read() else {
            return unanswered(check, &facts.version);
        };
        if version.contains("YugabyteDB") || version.contains("-YB-") {
            return Diagnostic::fail(check, "DB_STAND_IN", version)
                .remedy("ClickPipes reads PostgreSQL itself, not YugabyteDB");
        }
        let short = version.split(',').next().unwrap_or(version);
        match (facts.is_aurora.read(), self.target.source_type.is_aurora()) {
            (Some(false), true) => {
                Diagnostic::warn(check, "DB_NOT_AURORA", format!("{short}, without aurora_version()"))
                    .remedy("if this is RDS and not Aurora, set type = \"rdspostgres\"")
            }
            (Some(true), false) => {
                Diagnostic::warn(check, "DB_IS_AURORA", format!("{short}, with aurora_version()")).remedy(
                    "set type = \"aurorapostgres\": Aurora's settings live in the cluster parameter group",
                )
            }
            _ => Diagnostic::pass(check, short),
        }
    }

    fn major(&self) -> Option<u32> {
        self.facts.version_number.read().map(|number| number / 10_000)
    }

    fn version(&self) -> Diagnostic {
        let (check, number) = (CheckId::Version, &self.facts.version_number);
        match number.read() {
            None => unanswered(check, number),
            Some(number) if number / 10_000 < OLDEST => {
                Diagnostic::fail(check, "DB_VERSION_TOO_OLD", format!("PostgreSQL {}", dotted(*number)))
                    .expected(format!("PostgreSQL {OLDEST} or newer"))
            }
            Some(number) => Diagnostic::pass(check, dotted(*number)),
        }
    }

    /// The rule of the ClickPipes guide (`secure-rds`): with IAM, Postgres is Initial Load Only.
    fn documented_rule(&self) -> Diagnostic {
        Diagnostic::fail(
            CheckId::PostgresDocumentedRule,
            "PG_DOCUMENTED_RULE",
            "by the ClickPipes guide, Postgres with IAM is Initial Load Only",
        )
        .expected("MySQL or MariaDB, or the newer rule (--basis server)")
    }

    fn standby(&self) -> Diagnostic {
        let (check, facts) = (CheckId::PostgresStandby, self.facts);
        match (facts.in_recovery.read(), facts.version_number.read()) {
            (Some(false), _) => Diagnostic::pass(check, "it is the primary"),
            (Some(true), _) if facts.is_aurora == Fact::Read(true) => {
                Diagnostic::fail(check, "PG_AURORA_READER", "a reader of an Aurora cluster")
                    .remedy("give the writer endpoint of the cluster")
            }
            (Some(true), _) if facts.is_aurora.read().is_none() => unanswered(check, &facts.is_aurora),
            (Some(true), Some(number)) if number / 10_000 >= STANDBY_SINCE => {
                Diagnostic::pass(check, format!("a standby of version {}", dotted(*number)))
            }
            (Some(true), Some(number)) => {
                Diagnostic::fail(check, "PG_STANDBY", format!("a standby of version {}", dotted(*number)))
            }
            (Some(true), None) => unanswered(check, &facts.version_number),
            (None, _) => unanswered(check, &facts.in_recovery),
        }
    }

    fn hot_standby_feedback(&self) -> Diagnostic {
        let (check, facts) = (CheckId::PostgresHotStandbyFeedback, self.facts);
        match (facts.in_recovery.read(), self.setting("hot_standby_feedback")) {
            (Some(false), _) => Diagnostic::pass(check, "it is the primary"),
            (None, _) => unanswered(check, &facts.in_recovery),
            (Some(true), _) if facts.is_aurora == Fact::Read(true) => {
                Diagnostic::skipped(check, "an Aurora reader holds no slot")
            }
            (Some(true), _) if self.major().is_some_and(|major| major < STANDBY_SINCE) => {
                Diagnostic::skipped(check, "a standby of before 16 holds no slot")
            }
            (Some(true), Some("on")) => Diagnostic::pass(check, "hot_standby_feedback = on"),
            (Some(true), Some(value)) => Diagnostic::fail(
                check,
                "PG_HOT_STANDBY_FEEDBACK",
                format!("a standby, and hot_standby_feedback = {value}"),
            ),
            (Some(true), None) => self.no_setting(check),
        }
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.facts.settings.read()?.get(name).map(String::as_str)
    }

    fn no_setting(&self, check: CheckId) -> Diagnostic {
        unanswered(check, &self.facts.settings)
    }

    fn wal_level(&self) -> Diagnostic {
        let check = CheckId::PostgresWalLevel;
        match self.setting("wal_level") {
            Some("logical") if self.is_standby() => self.wal_level_of_primary(),
            Some("logical") => Diagnostic::pass(check, "wal_level = logical"),
            Some(level) => Diagnostic::fail(check, "PG_WAL_LEVEL", format!("wal_level = {level}")),
            None => self.no_setting(check),
        }
    }

    /// A physical standby that can have logical slots.
    fn is_standby(&self) -> bool {
        self.facts.in_recovery == Fact::Read(true)
            && self.facts.is_aurora == Fact::Read(false)
            && self.major().is_some_and(|major| major >= STANDBY_SINCE)
    }

    /// Logical decoding on a standby needs it on the primary too, and a standby does not show it.
    fn wal_level_of_primary(&self) -> Diagnostic {
        let check = CheckId::PostgresWalLevel;
        match self.facts.has_logical_slot.read() {
            Some(true) => Diagnostic::pass(
                check,
                "wal_level = logical on this standby, and a valid logical slot here shows the same for the primary",
            ),
            _ => Diagnostic::unknown(
                check,
                "PG_WAL_LEVEL_OF_PRIMARY",
                "wal_level = logical on this standby; that of the primary is not visible here",
            )
            .expected("wal_level = logical on the primary and on the standby")
            .remedy(
                "use the endpoint of the primary; or set rds.logical_replication = 1 in its DB parameter group too and reboot it, then \
                 check while a logical slot exists here: SELECT pg_create_logical_replication_slot('wal_level_test', 'pgoutput'); (and \
                 pg_drop_replication_slot afterwards)",
            ),
        }
    }

    fn wal_senders(&self) -> Diagnostic {
        let (check, used) = (CheckId::PostgresWalSenders, &self.facts.wal_senders_in_use);
        let Some(most) = self.setting("max_wal_senders").and_then(|value| value.parse::<u32>().ok()) else {
            return self.no_setting(check);
        };
        if most < FEWEST_WAL_SENDERS {
            return Diagnostic::fail(check, "PG_MAX_WAL_SENDERS", format!("max_wal_senders = {most}"));
        }
        if let Fact::Read(Err(ConnectError::Refused { refusal, .. })) = &self.facts.replication
            && is_out_of_wal_senders(refusal)
            && !self.pipe_slots().iter().any(|slot| slot.has_wal_sender)
        {
            return Diagnostic::fail(check, "PG_NO_WAL_SENDER", refusal.to_string());
        }
        let own = self.pipe_slots().iter().filter(|slot| slot.has_wal_sender).count();
        match used.read() {
            Some(used) if *used >= most && own > 0 => slot::fixed(Diagnostic::warn(
                check,
                "PG_NO_OTHER_WAL_SENDER",
                format!(
                    "{used} of {most} in use, of which {own} by the pipe; none is free for another pipe or a resync"
                ),
            )),
            Some(used) if *used >= most => {
                Diagnostic::fail(check, "PG_NO_WAL_SENDER", format!("{used} of {most} in use"))
            }
            Some(used) => Diagnostic::pass(check, format!("{used} of {most} in use")),
            None => unanswered(check, used),
        }
    }

    fn iam_replication(&self) -> Diagnostic {
        let (check, facts) = (CheckId::PostgresIamReplication, self.facts);
        let parameter = match &facts.iam_auth_for_replication {
            Fact::Read(value) => format!("rds.iam_auth_for_replication = {value}"),
            Fact::Absent => "the server has no rds.iam_auth_for_replication".to_owned(),
            Fact::Refused(_) => "rds.iam_auth_for_replication could not be read".to_owned(),
        };
        let is_on = facts.iam_auth_for_replication.read().is_some_and(|value| is_on(value));
        let fail = |words: String| {
            let diagnostic =
                Diagnostic::fail(check, "PG_REPLICATION_NOT_IAM", format!("{words}; {parameter}"));
            match facts.iam_auth_for_replication {
                Fact::Absent => diagnostic.remedy(
                    "upgrade to an engine version that has rds.iam_auth_for_replication, and set it to 1; or use a \
                     password for CDC",
                ),
                _ => diagnostic,
            }
        };
        let unknown = |words: String| {
            Diagnostic::unknown(check, "PG_REPLICATION_UNKNOWN", format!("{words}; {parameter}"))
        };
        let outcome = match &facts.replication {
            Fact::Read(outcome) => outcome,
            other => return unanswered(check, other),
        };
        match outcome {
            Ok(system) => Diagnostic::pass(
                check,
                format!("IDENTIFY_SYSTEM: timeline {}, WAL at {}", system.timeline, system.position),
            ),
            Err(ConnectError::Refused { refusal, .. }) => match refusal.code.as_str() {
                // The right to replicate is looked at after the authentication.
                "42501" => Diagnostic::pass(check, "the token was accepted"),
                // … and the number of WAL senders before it.
                _ if is_out_of_wal_senders(refusal) => self.iam_replication_without_a_sender(is_on, refusal),
                // "RDS Proxy currently doesn't support streaming replication mode", whatever its name.
                "0A000" => Diagnostic::fail(check, "DB_ENDPOINT_PROXY", refusal.to_string())
                    .remedy("give the endpoint of the instance or the cluster itself"),
                // While the parameter is off the token is judged as a password, or PAM refuses it.
                "28000" | "28P01" if !is_on => fail(refusal.to_string()),
                _ => unknown(refusal.to_string()).remedy(
                    raise_role_limit(self.target, refusal).unwrap_or_else(|| {
                        "try again: the server refused the replication connection for a reason of its own"
                            .into()
                    }),
                ),
            },
            Err(ConnectError::NotIam(auth_request @ (AuthRequest::Sasl(_) | AuthRequest::Md5))) => {
                let diagnostic = fail(format!("the server asks for {auth_request}"));
                // With the parameter on, IAM is for the members of both rds_iam and rds_replication.
                match is_on && facts.in_rds_replication != Fact::Read(true) {
                    true => diagnostic.remedy(format!(
                        "GRANT rds_replication TO {};",
                        identifier(self.target.user.as_str())
                    )),
                    false => diagnostic,
                }
            }
            Err(ConnectError::Local { failure, .. }) => {
                Diagnostic::unknown(check, "LOCAL_FAILURE", failure.to_string()).remedy(failure.remedy)
            }
            Err(other) => {
                unknown(other.to_string()).remedy("try again: the replication connection could not be tried")
            }
        }
    }

    /// By trial where it came to that, else by what the catalogue says.
    fn replication_right(&self) -> Diagnostic {
        let (check, facts) = (CheckId::PostgresReplicationRight, self.facts);
        let by = match (facts.has_replication_attribute.read(), facts.in_rds_replication.read()) {
            (Some(true), _) => Some("it has the attribute REPLICATION"),
            (_, Some(true)) => Some("it is a member of rds_replication"),
            _ => None,
        };
        match &facts.replication {
            Fact::Read(Ok(_)) => {
                Diagnostic::pass(check, by.unwrap_or("the replication connection was accepted"))
            }
            Fact::Read(Err(ConnectError::Refused { refusal, .. })) if refusal.code == "42501" => {
                let is_off = facts.logical_replication.read().is_some_and(|value| !is_on(value));
                match by {
                    // What RDS' role gives, it gives only then.
                    Some(by) if is_off => {
                        Diagnostic::skipped(check, format!("{by}, and rds.logical_replication = off"))
                    }
                    _ => Diagnostic::fail(check, "PG_NO_REPLICATION_RIGHT", refusal.to_string()),
                }
            }
            _ => match (by, &facts.has_replication_attribute) {
                (Some(by), _) => Diagnostic::pass(check, by),
                (None, _) if matches!(facts.in_rds_replication, Fact::Refused(_)) => {
                    unanswered(check, &facts.in_rds_replication)
                }
                (None, Fact::Read(false)) => Diagnostic::fail(
                    check,
                    "PG_NO_REPLICATION_RIGHT",
                    "not a member of rds_replication, and no attribute REPLICATION",
                ),
                (None, other) => unanswered(check, other),
            },
        }
    }

    /// As ClickPipes' engine has it: the parameter counts where the right does not come from the attribute.
    fn logical_replication(&self) -> Diagnostic {
        let (check, facts) = (CheckId::PostgresLogicalReplication, self.facts);
        let found = |value: &str| format!("rds.logical_replication = {value}");
        match (&facts.logical_replication, facts.has_replication_attribute.read()) {
            (Fact::Read(value), _) if is_on(value) => Diagnostic::pass(check, found(value)),
            (Fact::Read(value), Some(true)) => Diagnostic::pass(
                check,
                format!("{}, but the user has the attribute REPLICATION", found(value)),
            ),
            (Fact::Read(value), _) => Diagnostic::fail(check, "PG_LOGICAL_REPLICATION_OFF", found(value)),
            (Fact::Absent, _) => Diagnostic::pass(check, "the server has no rds.logical_replication"),
            (Fact::Refused(_), Some(true)) => Diagnostic::pass(check, "it has the attribute REPLICATION"),
            (refused @ Fact::Refused(_), _) => unanswered(check, refused),
        }
    }

    fn replication_slots(&self) -> Diagnostic {
        let (check, used) = (CheckId::PostgresReplicationSlots, &self.facts.replication_slots_in_use);
        let most = self.setting("max_replication_slots").and_then(|value| value.parse::<u32>().ok());
        let own = self.pipe_slots().len();
        match (used.read(), most) {
            (Some(used), Some(most)) if *used >= most && own > 0 => slot::fixed(Diagnostic::warn(
                check,
                "PG_NO_OTHER_SLOT",
                format!(
                    "{used} of {most} in use, of which {own} by the pipe; none is free for another pipe or a resync"
                ),
            )),
            (Some(used), Some(most)) if *used >= most => {
                Diagnostic::fail(check, "PG_NO_REPLICATION_SLOT", format!("{used} of {most} in use"))
            }
            (Some(used), Some(most)) => Diagnostic::pass(check, format!("{used} of {most} in use")),
            (None, _) => unanswered(check, used),
            (_, None) => self.no_setting(check),
        }
    }

    fn slot_wal_keep(&self) -> Diagnostic {
        let (check, name) = (CheckId::PostgresSlotWalKeep, "max_slot_wal_keep_size");
        match self.setting(name).map(|value| (value, value.parse::<u64>())) {
            Some(("-1", _)) => Diagnostic::pass(check, format!("{name} = -1 (no limit)")),
            Some((_, Ok(mb))) if mb < ADVISED_SLOT_WAL_MB => {
                Diagnostic::warn(check, "PG_SLOT_WAL_KEEP", format!("{name} = {mb} MB"))
            }
            Some((value, _)) => Diagnostic::pass(check, format!("{name} = {value} MB")),
            None if self.facts.settings.read().is_some() => {
                Diagnostic::pass(check, format!("the server is older than {name}"))
            }
            None => self.no_setting(check),
        }
    }

    fn tables_read(&self, tables: &[PostgresTable]) -> Diagnostic {
        let usage_missing: Vec<ServerText> =
            tables.iter().filter(|t| !t.usage).map(|t| t.table.schema.clone()).collect();
        tables::read(self.target, &self.facts.tables, tables.iter().map(|t| &t.table), &usage_missing)
    }

    fn replica_identity(&self, tables: &[&PostgresTable], candidates: &mut Candidates<'_>) -> Diagnostic {
        let row = (CheckId::PostgresReplicaIdentity, "PG_NO_REPLICA_IDENTITY");
        let parts = printed(tables, |t| &t.leaves_without_identity);
        if !parts.is_empty() {
            let failing =
                failing(tables, |t| !t.has_replica_identity() || !t.leaves_without_identity.is_empty());
            let words = format!(
                "partitions or child tables without a replica identity ({}), which makes UPDATE and DELETE fail once \
                 they are published",
                tables::some_of(&parts)
            );
            return candidates.judge(row, &failing, &words).remedy(format!(
                "give the root a primary key, or as the owner: {}",
                alter_identity(&parts, "FULL")
            ));
        }
        if let Some(diagnostic) = self.full_with_generated(tables, candidates) {
            return diagnostic;
        }
        let has_none = |table: &PostgresTable| !table.has_replica_identity();
        let without: Vec<&&PostgresTable> = tables.iter().filter(|t| has_none(t)).collect();
        let have_keys = without.iter().all(|t| t.has_primary_key);
        let first = without.first().map(|t| qualified(t.table.schema.raw(), t.table.name.raw()));
        let diagnostic =
            candidates.judge(row, &failing(tables, has_none), "without a key to tell rows apart");
        match first {
            // It has a key, and a setting says not to use it.
            Some(table) if have_keys => {
                diagnostic.remedy(format!("as its owner: ALTER TABLE {table} REPLICA IDENTITY DEFAULT;"))
            }
            Some(table) => diagnostic.remedy(format!(
                "give each a primary key, or as its owner: ALTER TABLE {table} REPLICA IDENTITY FULL;"
            )),
            None => diagnostic,
        }
    }

    /// The publication that ClickPipes creates for tables that the user owns does not publish generated columns.
    fn full_with_generated(
        &self,
        tables: &[&PostgresTable],
        candidates: &mut Candidates<'_>,
    ) -> Option<Diagnostic> {
        let is_18 = self.major().is_some_and(|major| major >= 18);
        let is_created = |t: &PostgresTable| self.target.pipe.publication.is_none() && t.owned;
        let is_bad = |t: &PostgresTable| is_18 && is_created(t) && !t.full_with_generated.is_empty();
        let parts = printed(tables, |t| if is_bad(t) { &t.full_with_generated } else { &[] });
        if parts.is_empty() {
            return None;
        }
        let words = format!(
            "REPLICA IDENTITY FULL with generated columns ({}): UPDATE and DELETE fail once the table is published \
             without them",
            tables::some_of(&parts)
        );
        let failing = failing(tables, |t| is_bad(t) || !t.has_replica_identity());
        let row = (CheckId::PostgresReplicaIdentity, "PG_FULL_WITH_GENERATED");
        Some(candidates.judge(row, &failing, &words).remedy(format!(
            "use the primary key, as the owner: {}; or create a publication WITH (publish_generated_columns = stored) and \
             choose it (--publication)",
            alter_identity(&parts, "DEFAULT")
        )))
    }

    /// Changes of an unlogged or foreign table are not in the WAL. A publication takes a partitioned table whose
    /// partitions are such tables, and leaves their changes out without an error.
    fn unlogged(&self, tables: &[&PostgresTable], candidates: &mut Candidates<'_>) -> Diagnostic {
        let check = CheckId::PostgresUnlogged;
        let parts = printed(tables, |t| &t.parts_not_logged);
        let failing = failing(tables, |t| t.unlogged || !t.parts_not_logged.is_empty());
        if !parts.is_empty() {
            let words =
                format!("unlogged or foreign partitions or child tables ({})", tables::some_of(&parts));
            return candidates.judge((check, "PG_UNLOGGED_PART"), &failing, &words).remedy(format!(
                "leave the table out (--table), detach a foreign partition, or as the owner: {}",
                alter(&parts, "SET LOGGED")
            ));
        }
        let diagnostic = candidates.judge((check, "PG_UNLOGGED"), &failing, "unlogged");
        match tables.iter().find(|t| t.unlogged).map(|t| &t.table) {
            Some(table) => diagnostic.remedy(format!(
                "leave it out (--table), or as its owner: ALTER TABLE {} SET LOGGED;",
                qualified(table.schema.raw(), table.name.raw())
            )),
            None => diagnostic,
        }
    }

    fn partitioned(&self, tables: &[&PostgresTable], candidates: &mut Candidates<'_>) -> Diagnostic {
        let row = (CheckId::PostgresPartitioned, "PG_PARTITIONED");
        match self.major() {
            Some(major) if major < PARTITIONED_SINCE => {
                candidates.judge(row, &failing(tables, |t| t.partitioned), "partitioned")
            }
            Some(_) => Diagnostic::pass(row.0, "publications take partitioned tables"),
            None => unanswered(row.0, &self.facts.version_number),
        }
    }

    /// The initial copy of a parent contains the rows of its child tables. Later changes of a child table reach either the
    /// parent or the child table, but not both.
    fn parent_and_part(&self, tables: &[&PostgresTable], candidates: &mut Candidates<'_>) -> Diagnostic {
        let in_pipe: BTreeSet<String> =
            tables.iter().map(|t| qualified(t.table.schema.raw(), t.table.name.raw())).collect();
        let failing = failing(tables, |t| t.parents.iter().any(|parent| in_pipe.contains(parent.raw())));
        let row = (CheckId::PostgresParentAndPart, "PG_PARENT_AND_PART");
        candidates.judge(row, &failing, "partitions or child tables of tables that are in the pipe too")
    }

    fn generated(&self, tables: &[&PostgresTable]) -> Diagnostic {
        let check = CheckId::PostgresGenerated;
        let these: Vec<String> = tables
            .iter()
            .filter(|t| t.generated && !self.publishes_generated(t))
            .map(|t| with_columns(t, &t.generated_columns))
            .collect();
        match these.is_empty() {
            true => Diagnostic::pass(check, counted(tables.len())),
            false => Diagnostic::warn(
                check,
                "PG_GENERATED",
                format!("generated columns in {}", tables::some_of(&these)),
            ),
        }
    }

    /// Whether the publication that was named publishes the generated columns of this table (18 and newer).
    fn publishes_generated(&self, table: &PostgresTable) -> bool {
        let publications = self.facts.publications.read().map(Vec::as_slice).unwrap_or_default();
        let chosen = self.target.pipe.publication.as_deref();
        let named = publications.iter().find(|publication| Some(publication.name.as_str()) == chosen);
        let is_18 = self.major().is_some_and(|major| major >= 18);
        is_18
            && named.is_some_and(|p| {
                p.tables.iter().any(|t| table.table.is_called(&t.name) && t.generated_published)
            })
    }

    /// Without REPLICA IDENTITY FULL, an UPDATE does not send TOAST values that it did not change (ClickPipes
    /// documentation, "TOAST columns").
    fn toast(&self, tables: &[&PostgresTable]) -> Diagnostic {
        let check = CheckId::PostgresToast;
        let these: Vec<&&PostgresTable> = tables.iter().filter(|t| !t.toast_columns.is_empty()).collect();
        let Some(first) = these.first() else {
            return Diagnostic::pass(
                check,
                format!("no unchanged TOAST value can be lost: {}", counted(tables.len())),
            );
        };
        let shown: Vec<String> = these.iter().map(|t| with_columns(t, &t.toast_columns)).collect();
        Diagnostic::warn(
            check,
            "PG_UNCHANGED_TOAST",
            format!("NULL or empty after an UPDATE: {}", tables::some_of(&shown)),
        )
        .remedy(format!(
            "if values can exceed 2 KB, as the owner: ALTER TABLE {} REPLICA IDENTITY FULL;",
            qualified(first.table.schema.raw(), first.table.name.raw())
        ))
    }

    /// Version 18 drops the slot of a consumer that is away for longer than this.
    fn idle_slot_timeout(&self) -> Diagnostic {
        let (check, name) = (CheckId::PostgresIdleSlotTimeout, "idle_replication_slot_timeout");
        match self.setting(name) {
            Some("0") => Diagnostic::pass(check, format!("{name} = 0 (off)")),
            Some(value) => Diagnostic::warn(check, "PG_IDLE_SLOT_TIMEOUT", format!("{name} = {value} s")),
            None if self.facts.settings.read().is_some() => {
                Diagnostic::pass(check, format!("the server is older than {name}"))
            }
            None => self.no_setting(check),
        }
    }

    /// `CREATE_REPLICATION_SLOT` waits for every transaction that is open on the server, in any database.
    fn open_transactions(&self) -> Diagnostic {
        let check = CheckId::PostgresOpenTransactions;
        let open = match &self.facts.open_transactions {
            Fact::Read(open) => open,
            other => return unanswered(check, other),
        };
        let forgotten = open
            .iter()
            .filter_map(|t| t.prepared.as_ref())
            .find(|prepared| prepared.seconds >= FORGOTTEN_AFTER_SECONDS);
        if let Some(prepared) = forgotten {
            let found = format!("prepared {} seconds ago: {}", prepared.seconds, prepared.name);
            let name = sql::postgres::literal(prepared.name.raw());
            return Diagnostic::fail(check, "PG_PREPARED_TRANSACTION", found)
                .remedy(format!("as its owner: ROLLBACK PREPARED {name}; or COMMIT PREPARED {name};"));
        }
        let described = |t: &OpenTransaction| match (&t.prepared, t.process) {
            (Some(prepared), _) => format!("prepared {}", prepared.name),
            (None, Some(process)) => format!("process {process} ({})", t.user),
            (None, None) => format!("transaction {}", t.id),
        };
        match open.is_empty() {
            true => Diagnostic::pass(check, "no transaction stayed open"),
            false => Diagnostic::warn(
                check,
                "PG_OPEN_TRANSACTION",
                format!(
                    "open transactions delay the creation of the slot: {}",
                    tables::some_of(&open.iter().map(described).collect::<Vec<_>>())
                ),
            ),
        }
    }

    fn row_security(&self, tables: &[&PostgresTable]) -> Diagnostic {
        let (row, cause) = (CheckId::PostgresRowSecurity, "PG_ROW_SECURITY");
        self.worth_a_look(row, cause, tables, |t| t.row_security, "policies hide rows of")
    }

    /// Nothing that stops a pipe, however many tables it concerns.
    fn worth_a_look(
        &self,
        check: CheckId,
        cause: &'static str,
        tables: &[&PostgresTable],
        concerns: impl Fn(&PostgresTable) -> bool,
        words: &str,
    ) -> Diagnostic {
        let these = names(tables, concerns);
        match these.is_empty() {
            true => Diagnostic::pass(check, counted(tables.len())),
            false => Diagnostic::warn(check, cause, format!("{words} {}", tables::some_of(&these))),
        }
    }
}

impl PostgresTable {
    /// As ClickPipes' engine decides it, for the table itself and not for its partitions.
    fn has_replica_identity(&self) -> bool {
        match self.replica_identity.as_str() {
            "f" => true,
            "i" => self.has_identity_index,
            "n" => false,
            _ => self.has_primary_key,
        }
    }
}

fn names(tables: &[&PostgresTable], is_meant: impl Fn(&PostgresTable) -> bool) -> Vec<String> {
    tables.iter().filter(|t| is_meant(t)).map(|t| t.table.full_name()).collect()
}

fn failing(tables: &[&PostgresTable], is_bad: impl Fn(&PostgresTable) -> bool) -> Failing {
    Failing { names: names(tables, is_bad), all: tables.len() }
}

/// These names of all tables, as they are printed.
fn printed<'a>(
    tables: &[&'a PostgresTable],
    names: impl Fn(&'a PostgresTable) -> &'a [ServerText],
) -> Vec<String> {
    tables.iter().flat_map(|t| names(t)).map(ToString::to_string).collect()
}

fn alter_identity(tables: &[String], identity: &str) -> String {
    alter(tables, &format!("REPLICA IDENTITY {identity}"))
}

/// The statements for the first five of these tables, whose names are quoted.
fn alter(tables: &[String], change: &str) -> String {
    let statement = |table: &String| format!("ALTER TABLE {table} {change};");
    tables.iter().take(5).map(statement).collect::<Vec<_>>().join(" ")
}

/// `public.orders (total, tax)`.
fn with_columns(table: &PostgresTable, columns: &[ServerText]) -> String {
    let name = table.table.full_name();
    match columns {
        [] => name,
        some => {
            let columns: Vec<String> = some.iter().map(ToString::to_string).collect();
            format!("{name} ({})", columns.join(", "))
        }
    }
}

/// Before the authentication: "number of requested standby connections exceeds max_wal_senders". The same
/// code says that the server, or the role, has no connection left. No translation changes the parameter's name.
fn is_out_of_wal_senders(refusal: &Refusal) -> bool {
    refusal.code == "53300" && refusal.message.contains("max_wal_senders")
}

fn is_on(value: &str) -> bool {
    matches!(value, "1" | "on" | "true")
}

fn unanswered<T>(check: CheckId, fact: &Fact<T>) -> Diagnostic {
    super::unanswered(check, "PG_UNANSWERED", fact)
}

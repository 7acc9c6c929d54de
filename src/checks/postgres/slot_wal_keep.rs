//! A slot that needs more WAL than max_slot_wal_keep_size is lost.

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_FAQ,
    },
    diagnostic::Severity::Advisory,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_SLOT_WAL_KEEP",
    "WAL retention (max_slot_wal_keep_size)",
    POSTGRES,
    Judge::Postgres(judge),
)
.severity(Advisory)
.versions("13+")
.expected("max_slot_wal_keep_size of two days of WAL or 200 GB, or -1 (no limit)")
.fix("raise max_slot_wal_keep_size in the {group} (takes effect at once)")
.source(PG_FAQ)
.causes(&[&PG_SLOT_WAL_KEEP]);

pub(in crate::checks) static PG_SLOT_WAL_KEEP: Cause =
    Cause::new("PG_SLOT_WAL_KEEP", "a paused pipe can lose its replication slot", "max_slot_wal_keep_size");

const ADVISED_SLOT_WAL_MB: u64 = 200 * 1024;

fn judge(server: &Server<'_>) -> Diagnostic {
    let name = "max_slot_wal_keep_size";
    match server.setting(name).map(|value| (value, value.parse::<u64>())) {
        Some(("-1", _)) => CHECK.pass(format!("{name} = -1 (no limit)")),
        Some((_, Ok(mb))) if mb < ADVISED_SLOT_WAL_MB => {
            CHECK.warn(&PG_SLOT_WAL_KEEP, format!("{name} = {mb} MB"))
        }
        Some((value, _)) => CHECK.pass(format!("{name} = {value} MB")),
        None if server.facts.settings.read().is_some() => {
            CHECK.pass(format!("the server is older than {name}"))
        }
        None => server.no_setting(&CHECK),
    }
}

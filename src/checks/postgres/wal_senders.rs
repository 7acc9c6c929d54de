//! Each replication connection needs a WAL sender; ClickPipes requires at least two.

use super::{Server, is_out_of_wal_senders, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_ENGINE,
    },
    connection::ConnectError,
    facts::Fact,
};

pub(crate) static CHECK: Check =
    Check::changes("PG_WAL_SENDERS", "free WAL sender (max_wal_senders)", POSTGRES, Judge::Postgres(judge))
        .expected("max_wal_senders of at least 2, and a free one")
        .fix("raise max_wal_senders in the {group} and reboot, or end a replication connection")
        .source(PG_ENGINE)
        .causes(&[&PG_MAX_WAL_SENDERS, &PG_NO_WAL_SENDER, &PG_NO_OTHER_WAL_SENDER]);

pub(in crate::checks) static PG_MAX_WAL_SENDERS: Cause =
    Cause::new("PG_MAX_WAL_SENDERS", "max_wal_senders is too low for ClickPipes", "max_wal_senders");

pub(in crate::checks) static PG_NO_WAL_SENDER: Cause = Cause::new(
    "PG_NO_WAL_SENDER",
    "all WAL senders are in use",
    "pg_stat_replication and max_wal_senders, or SQLSTATE 53300 on the replication connection",
);

pub(in crate::checks) static PG_NO_OTHER_WAL_SENDER: Cause = Cause::new(
    "PG_NO_OTHER_WAL_SENDER",
    "all WAL senders are in use, one of them by the pipe",
    "the number of WAL senders against max_wal_senders, and the slot of the pipe",
)
.fix("the pipe continues; for another pipe stop other replicas or raise max_wal_senders in the parameter group \
     and reboot");

const FEWEST_WAL_SENDERS: u32 = 2;

fn judge(server: &Server<'_>) -> Diagnostic {
    let used = &server.facts.wal_senders_in_use;
    let Some(most) = server.setting("max_wal_senders").and_then(|value| value.parse::<u32>().ok()) else {
        return server.no_setting(&CHECK);
    };
    if most < FEWEST_WAL_SENDERS {
        return CHECK.fail(&PG_MAX_WAL_SENDERS, format!("max_wal_senders = {most}"));
    }
    if let Fact::Read(Err(ConnectError::Refused { refusal, .. })) = &server.facts.replication
        && is_out_of_wal_senders(refusal)
        && !server.pipe_slots().iter().any(|slot| slot.has_wal_sender)
    {
        return CHECK.fail(&PG_NO_WAL_SENDER, refusal.to_string());
    }
    let own = server.pipe_slots().iter().filter(|slot| slot.has_wal_sender).count();
    match used.read() {
        Some(used) if *used >= most && own > 0 => CHECK.warn(&PG_NO_OTHER_WAL_SENDER,
            format!(
                "{used} of {most} in use, of which {own} by the pipe; none is free for another pipe or a resync"
            ),
        ),
        Some(used) if *used >= most => {
            CHECK.fail(&PG_NO_WAL_SENDER, format!("{used} of {most} in use"))
        }
        Some(used) => CHECK.pass(format!("{used} of {most} in use")),
        None => unanswered(&CHECK, used),
    }
}

//! `CREATE_REPLICATION_SLOT` waits for every transaction that is open on the server.

use super::{Server, unanswered};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_LOGICAL,
    },
    facts::{Fact, OpenTransaction},
    sql::postgres::literal,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_OPEN_TRANSACTIONS",
    "no open transaction that delays the replication slot",
    POSTGRES,
    Judge::Postgres(judge),
)
.expected(
    "no transaction that stays open: CREATE_REPLICATION_SLOT waits until those that are open have \
         ended",
)
.fix("end the transaction, or wait until it ends: SELECT pg_terminate_backend(PID); ends its session")
.source(PG_LOGICAL)
.causes(&[&PG_OPEN_TRANSACTION, &PG_PREPARED_TRANSACTION]);

pub(in crate::checks) static PG_OPEN_TRANSACTION: Cause = Cause::new(
    "PG_OPEN_TRANSACTION",
    "a pipe waits when it creates its replication slot, until transactions that are open have ended",
    "transaction ids in pg_locks, read again for a second",
);

pub(in crate::checks) static PG_PREPARED_TRANSACTION: Cause = Cause::new(
    "PG_PREPARED_TRANSACTION",
    "a transaction was prepared and forgotten: a pipe waits for it without end",
    "pg_prepared_xacts",
)
.fix("as its owner: ROLLBACK PREPARED {name}; or COMMIT PREPARED {name};");

/// A transaction that two-phase commit prepared is committed within moments, unless its coordinator is gone.
const FORGOTTEN_AFTER_SECONDS: u64 = 60;

/// `CREATE_REPLICATION_SLOT` waits for every transaction that is open on the server, in any database.
fn judge(server: &Server<'_>) -> Diagnostic {
    let open = match &server.facts.open_transactions {
        Fact::Read(open) => open,
        other => return unanswered(&CHECK, other),
    };
    let forgotten = open
        .iter()
        .filter_map(|t| t.prepared.as_ref())
        .find(|prepared| prepared.seconds >= FORGOTTEN_AFTER_SECONDS);
    if let Some(prepared) = forgotten {
        let found = format!("prepared {} seconds ago: {}", prepared.seconds, prepared.name);
        let name = literal(prepared.name.raw());
        return CHECK.fail(&PG_PREPARED_TRANSACTION, found).filled(&[("{name}", &name)]);
    }
    let described = |t: &OpenTransaction| match (&t.prepared, t.process) {
        (Some(prepared), _) => format!("prepared {}", prepared.name),
        (None, Some(process)) => format!("process {process} ({})", t.user),
        (None, None) => format!("transaction {}", t.id),
    };
    match open.is_empty() {
        true => CHECK.pass("no transaction stayed open"),
        false => CHECK.warn(
            &PG_OPEN_TRANSACTION,
            Found::from("open transactions delay the creation of the slot: ")
                .list(&open.iter().map(described).collect::<Vec<_>>()),
        ),
    }
}

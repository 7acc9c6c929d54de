//! The server refuses writes near 2 billion unfrozen transactions.

use super::{Server, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
    },
    diagnostic::Severity::Advisory,
};

pub(crate) static CHECK: Check = Check::changes("PG_TRANSACTION_AGE", "transaction ID wraparound (age of datfrozenxid)", POSTGRES, Judge::Postgres(judge))
    .severity(Advisory)
    .expected("an age of datfrozenxid below 1 billion: near 2 billion, the server refuses writes")
    .fix("find what holds back VACUUM (open and prepared transactions, replication slots), then VACUUM \
         (FREEZE) in the oldest database: SELECT datname, age(datfrozenxid) FROM pg_database ORDER BY 2 DESC;")
    .source("PostgreSQL documentation, Preventing Transaction ID Wraparound Failures; AWS Database Blog, Early \
         Warning System for Transaction ID Wraparound")
    .causes(&[&PG_TRANSACTION_AGE]);

pub(in crate::checks) static PG_TRANSACTION_AGE: Cause = Cause::new(
    "PG_TRANSACTION_AGE",
    "the server approaches the end of its transaction IDs",
    "max(age(datfrozenxid))",
);

/// What AWS advises to alarm at (AWS Database Blog, "Implement an Early Warning System for Transaction ID Wraparound in
/// Amazon RDS for PostgreSQL"). The server refuses writes at 2^31 minus 3 million.
const OLD_TRANSACTIONS: u32 = 1_000_000_000;

fn judge(server: &Server<'_>) -> Diagnostic {
    let Some(age) = server.facts.transaction_age.read() else {
        return unanswered(&CHECK, &server.facts.transaction_age);
    };
    let words = format!("the oldest unfrozen transaction is {} million transactions old", age / 1_000_000);
    if *age < OLD_TRANSACTIONS {
        return CHECK.pass(words);
    }
    // A slot holds back VACUUM of the catalogs.
    let holding = server.slots().iter().max_by_key(|slot| slot.catalog_xmin_age);
    let holding = holding.filter(|slot| slot.catalog_xmin_age.is_some_and(|held| held >= age / 2));
    let diagnostic = CHECK.warn(&PG_TRANSACTION_AGE, words);
    match holding {
        Some(slot) => diagnostic.remedy(format!(
            "the slot {} holds back VACUUM of the catalogs: let its consumer continue, or drop it, then VACUUM (FREEZE)",
            slot.name
        )),
        None => diagnostic,
    }
}

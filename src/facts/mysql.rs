//! MySQL's and MariaDB's questions, in two statements: what every version knows in one row, what
//! only Aurora knows in another.

use std::time::Instant;

use super::{Fact, MysqlFacts, boolean, fact, text};
use crate::connection::{MysqlSession, Refusal};

pub async fn ask(session: &mut MysqlSession, deadline: Instant) -> MysqlFacts {
    let row = session
        .first_row("SELECT VERSION(), @@version_comment, CURRENT_USER(), @@GLOBAL.log_bin", deadline)
        .await;
    let column = |i: usize| row.clone().map(|row| row.get(i).cloned().into_iter().collect());
    let aurora = session.first_row("SHOW GLOBAL VARIABLES LIKE 'aurora_version'", deadline).await;
    MysqlFacts {
        version: fact(column(0), text),
        version_comment: fact(column(1), text),
        current_user: fact(column(2), text),
        log_bin: fact(column(3), boolean),
        // Variable_name, Value; no row where there is no such variable.
        aurora_version: aurora.map_or_else(Fact::Refused, |row| match row.get(1) {
            Some(Some(value)) => Fact::Read(value.clone()),
            _ => Fact::Absent,
        }),
    }
}

/// What is known where the driver broke off while asking: nothing.
pub fn unanswered(why: &str) -> MysqlFacts {
    let refusal = Refusal { code: "driver".into(), message: why.into(), ..Refusal::default() };
    MysqlFacts {
        version: Fact::Refused(refusal.clone()),
        version_comment: Fact::Refused(refusal.clone()),
        current_user: Fact::Refused(refusal.clone()),
        aurora_version: Fact::Refused(refusal.clone()),
        log_bin: Fact::Refused(refusal),
    }
}

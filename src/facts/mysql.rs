//! MySQL's and MariaDB's questions, in two statements: what every version knows in one row, what
//! only Aurora knows in another.

use super::{Fact, MysqlFacts, boolean, fact, text};
use crate::connection::MysqlSession;

pub async fn ask(session: &mut MysqlSession) -> MysqlFacts {
    let row =
        session.first_row("SELECT VERSION(), @@version_comment, CURRENT_USER(), @@GLOBAL.log_bin").await;
    let column = |i: usize| row.clone().map(|row| row.get(i).cloned().into_iter().collect());
    let aurora = session.first_row("SHOW GLOBAL VARIABLES LIKE 'aurora_version'").await;
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

//! ClickPipes does not replicate changes from Vitess.

use super::{Server, unanswered};
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, MYSQL_FAMILY},
        sources::MYSQL_ENGINE,
    },
    facts::Fact,
};

pub(crate) static CHECK: Check =
    Check::changes("MYSQL_VITESS", "server is MySQL and not Vitess", MYSQL_FAMILY, Judge::Mysql(judge))
        .expected("SHOW VITESS_TABLETS fails: ClickPipes does not replicate changes from Vitess")
        .fix("use the MySQL server")
        .source(MYSQL_ENGINE)
        .causes(&[&MYSQL_VITESS]);

pub(in crate::checks) static MYSQL_VITESS: Cause = Cause::new(
    "MYSQL_VITESS",
    "the server is Vitess",
    "SHOW VITESS_TABLETS works, or the version names Vitess",
);

fn judge(server: &Server<'_>) -> Diagnostic {
    let version = server.get("version").unwrap_or_default();
    match &server.facts.is_vitess {
        Fact::Read(true) => CHECK.fail(&MYSQL_VITESS, version),
        _ if version.to_ascii_lowercase().contains("vitess") => CHECK.fail(&MYSQL_VITESS, version),
        Fact::Read(false) => CHECK.pass("SHOW VITESS_TABLETS is not a known statement"),
        other => unanswered(&CHECK, other),
    }
}

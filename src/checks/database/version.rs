//! ClickPipes supports PostgreSQL 12; RDS has IAM authentication since MySQL 5.7 and MariaDB 10.6.

use crate::{
    checks::{
        Diagnostic,
        check::{ALL, Cause, Check, Judge},
        mysql, postgres,
    },
    facts::Version,
    target::Engine,
};

pub(crate) static CHECK: Check = Check::capability(
    "DB_VERSION",
    "engine version is supported by ClickPipes",
    ALL,
    Judge::Engines { postgres, mysql },
)
.expected("PostgreSQL 12 or newer; MySQL 5.7 and MariaDB 10.6, from which RDS has IAM, or newer")
.fix("upgrade the engine version")
.source("ClickPipes documentation, supported versions")
.causes(&[&DB_VERSION_TOO_OLD, &DB_VERSION_OLD, &DB_VERSION_UNREADABLE, &MARIADB_PARTIAL_ROW_EVENTS]);

pub(in crate::checks) static DB_VERSION_TOO_OLD: Cause =
    Cause::new("DB_VERSION_TOO_OLD", "ClickPipes does not support this version", "server_version_num");

pub(in crate::checks) static DB_VERSION_OLD: Cause =
    Cause::new("DB_VERSION_OLD", "RDS has no IAM authentication for this version", "version()");

pub(in crate::checks) static DB_VERSION_UNREADABLE: Cause =
    Cause::new("DB_VERSION_UNREADABLE", "the version cannot be parsed", "its text is in the report");

pub(in crate::checks) static MARIADB_PARTIAL_ROW_EVENTS: Cause = Cause::new(
    "MARIADB_PARTIAL_ROW_EVENTS",
    "MariaDB can split long rows into several events, which ClickPipes does not read",
    "version 12.3 or newer",
)
.fix("keep rows short, or use an older version");

/// The oldest version ClickPipes reads (ClickPipes documentation, "Supported Postgres versions").
const OLDEST: u32 = 12;

fn postgres(server: &postgres::Server<'_>) -> Diagnostic {
    let number = &server.facts.version_number;
    match number.read() {
        None => postgres::unanswered(&CHECK, number),
        Some(number) if number / 10_000 < OLDEST => CHECK
            .fail(&DB_VERSION_TOO_OLD, format!("PostgreSQL {}", postgres::dotted(*number)))
            .expected(format!("PostgreSQL {OLDEST} or newer")),
        Some(number) => CHECK.pass(postgres::dotted(*number)),
    }
}

/// RDS has IAM logins since MySQL 5.7 and MariaDB 10.6 (RDS User Guide, "IAM database authentication"). An older server
/// that accepted the token is a warning, not a failure.
fn mysql(server: &mysql::Server<'_>) -> Diagnostic {
    let text = server.get("version").unwrap_or_default();
    let Some(version) = server.version else {
        return CHECK.unknown(&DB_VERSION_UNREADABLE, format!("`{text}`"));
    };
    let oldest = if server.is_mariadb() { Version(10, 6, 0) } else { Version(5, 7, 0) };
    if version < oldest {
        return CHECK
            .warn(&DB_VERSION_OLD, text)
            .expected(format!(
                "{} {}.{} or newer",
                if server.is_mariadb() { Engine::Mariadb.name() } else { Engine::Mysql.name() },
                oldest.0,
                oldest.1
            ))
            .remedy("RDS offers IAM authentication from that version on; upgrade before relying on it");
    }
    if server.is_mariadb() && version >= Version(12, 3, 0) && server.target.pipe.follows_changes() {
        return CHECK
            .warn(&MARIADB_PARTIAL_ROW_EVENTS, text)
            .expected("MariaDB before 12.3, or rows that are too short to be split into several events")
            .remedy("ClickPipes does not read the partial row events of MariaDB 12.3 and newer");
    }
    CHECK.pass(text)
}

//! ClickPipes rejects a pipe whose type is not the engine of the server.

use crate::{
    checks::{
        Diagnostic,
        check::{ALL, Cause, Check, Judge},
        mysql,
        mysql::binary_log::MYSQL_UNANSWERED,
        postgres,
    },
    target::{Engine, SourceType},
};

pub(crate) static CHECK: Check =
    Check::capability("DB_ENGINE", "database engine is {engine}", ALL, Judge::Engines { postgres, mysql })
        .expected("the engine of the target's type, and not a compatible one (YugabyteDB)")
        .source("validation of ClickPipes' engine")
        .causes(&[&DB_WRONG_ENGINE, &DB_STAND_IN, &DB_IS_AURORA, &DB_NOT_AURORA]);

pub(in crate::checks) static DB_WRONG_ENGINE: Cause =
    Cause::new("DB_WRONG_ENGINE", "the server is MariaDB instead of MySQL, or the reverse", "its version")
        .fix("set type = {type}: ClickPipes rejects a pipe with the wrong engine");

pub(in crate::checks) static DB_STAND_IN: Cause = Cause::new(
    "DB_STAND_IN",
    "the server is a compatible product, not PostgreSQL",
    "its version names YugabyteDB",
)
.fix("use PostgreSQL; ClickPipes does not support compatible products such as YugabyteDB");

pub(in crate::checks) static DB_IS_AURORA: Cause =
    Cause::new("DB_IS_AURORA", "the server is Aurora, but the type says RDS", "aurora_version")
        .fix("set type = {type}: the settings of Aurora are in the DB cluster parameter group");

pub(in crate::checks) static DB_NOT_AURORA: Cause = Cause::new(
    "DB_NOT_AURORA",
    "the server is RDS, but the type says Aurora",
    "aurora_version does not exist",
)
.fix("if this is RDS and not Aurora, set type = {type}");

fn postgres(server: &postgres::Server<'_>) -> Diagnostic {
    let facts = server.facts;
    let Some(version) = facts.version.read() else {
        return postgres::unanswered(&CHECK, &facts.version);
    };
    if version.contains("YugabyteDB") || version.contains("-YB-") {
        return CHECK.fail(&DB_STAND_IN, version);
    }
    let short = version.split(',').next().unwrap_or(version);
    match (facts.is_aurora.read(), server.target.source_type.is_aurora()) {
        (Some(false), true) => CHECK
            .warn(&DB_NOT_AURORA, format!("{short}, without aurora_version()"))
            .filled(&[("{type}", "\"rdspostgres\"")]),
        (Some(true), false) => CHECK
            .warn(&DB_IS_AURORA, format!("{short}, with aurora_version()"))
            .filled(&[("{type}", "\"aurorapostgres\"")]),
        _ => CHECK.pass(short),
    }
}

fn mysql(server: &mysql::Server<'_>) -> Diagnostic {
    let Some(version) = server.get("version") else {
        return CHECK.unknown(&MYSQL_UNANSWERED, "the server gave no version");
    };
    let comment = server.get("version_comment").map(|c| format!(" ({})", c.trim_matches(['(', ')'])));
    let comment = comment.unwrap_or_default();
    let found = format!("{version}{comment}");
    let runs = if server.is_mariadb() { Engine::Mariadb } else { Engine::Mysql };
    if runs != server.target.engine() {
        let right =
            if runs == Engine::Mariadb { "\"rdsmariadb\"" } else { "\"rdsmysql\" or \"auroramysql\"" };
        return CHECK
            .fail(&DB_WRONG_ENGINE, found)
            .expected(server.target.engine().name())
            .filled(&[("{type}", right)]);
    }
    match (server.get("aurora_version"), server.target.source_type) {
        (None, SourceType::AuroraMysql) => CHECK
            .warn(&DB_NOT_AURORA, format!("{found}, without aurora_version"))
            .filled(&[("{type}", "\"rdsmysql\"")]),
        (Some(aurora), SourceType::RdsMysql) => CHECK
            .warn(&DB_IS_AURORA, format!("{found}, Aurora {aurora}"))
            .filled(&[("{type}", "\"auroramysql\"")]),
        _ => CHECK.pass(found),
    }
}

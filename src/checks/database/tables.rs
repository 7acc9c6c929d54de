//! The initial load reads every column of every table with SELECT.

use crate::{
    checks::{
        Diagnostic, Found,
        check::{ALL, Cause, Check, Judge},
        found::SHOWN,
        mysql, postgres,
        tables::{Candidates, Failing, counted, is_dotted},
        unanswered,
    },
    connection::Refusal,
    diagnostic::Outcome,
    facts::{Fact, Table, Tables},
    sql,
    sql::ServerText,
    target::{Engine, Target},
};

pub(crate) static CHECK: Check = Check::capability(
    "DB_TABLES_READ",
    "SELECT privilege on the tables",
    ALL,
    Judge::Engines { postgres, mysql },
)
.expected("SELECT on every column of every table that is to be replicated")
.source("ClickPipes documentation, source setup")
.causes(&[&DB_TABLES_UNREADABLE, &DB_TABLES_MISSING, &DB_NO_TABLES, &DB_TABLES_UNKNOWN, &DB_TABLE_NAME_DOT]);

pub(in crate::checks) static DB_TABLES_UNREADABLE: Cause = Cause::new(
    "DB_TABLES_UNREADABLE",
    "the user lacks the SELECT privilege on a table or a column",
    "SELECT * … LIMIT 0 fails; the server's message is in the report",
)
.fix("GRANT SELECT (and USAGE on the schema, in PostgreSQL)");

pub(in crate::checks) static DB_TABLES_MISSING: Cause = Cause::new(
    "DB_TABLES_MISSING",
    "a named table does not exist",
    "the catalog has no such table that the user can see",
)
.fix("check --table: SCHEMA.TABLE");

pub(in crate::checks) static DB_NO_TABLES: Cause =
    Cause::new("DB_NO_TABLES", "there are no tables", "the catalog has no table that the user can see")
        .fix("create the tables, or grant SELECT on them");

pub(in crate::checks) static DB_TABLES_UNKNOWN: Cause = Cause::new(
    "DB_TABLES_UNKNOWN",
    "whether all tables can be read is not known",
    "a lock, no response, a refused catalog query, or more tables than can be tried",
)
.fix("try again; if there are too many tables, name those of the pipe (--table)");

pub(in crate::checks) static DB_TABLE_NAME_DOT: Cause = Cause::new(
    "DB_TABLE_NAME_DOT",
    "ClickPipes cannot replicate a table whose name or schema contains a dot",
    "the name",
)
.fix("rename the table, or leave it out: name the tables of the pipe (--table)");

const NAME_TABLES: &str = "name the tables of the pipe (--table), so that each of them is tried";

fn postgres(server: &postgres::Server<'_>) -> Diagnostic {
    let tables = server.facts.tables.read().map(|tables| tables.seen.as_slice()).unwrap_or_default();
    let usage_missing: Vec<ServerText> =
        tables.iter().filter(|t| !t.usage).map(|t| t.table.schema.clone()).collect();
    read(server.target, &server.facts.tables, tables.iter().map(|t| &t.table), &usage_missing)
}

fn mysql(server: &mysql::Server<'_>) -> Diagnostic {
    read(server.target, &server.facts.tables, mysql::seen(server.facts).iter(), &[])
}

/// SELECT on every table. `usage_missing`: schemas that the user may not even enter.
fn read<'a>(
    target: &Target,
    facts: &Fact<Tables<impl Sized>>,
    tables: impl Iterator<Item = &'a Table>,
    usage_missing: &[ServerText],
) -> Diagnostic {
    let total = match facts {
        Fact::Read(tables) => tables.total,
        _ => return unanswered(&CHECK, &DB_TABLES_UNKNOWN, facts),
    };
    let tables: Vec<&Table> = tables.collect();
    let patterns = &target.pipe.tables;
    // Those that were named exactly come first, so that they are among those that were looked at.
    let beyond = total > tables.len();
    let unmatched =
        patterns.iter().filter(|p| (p.is_exact() || !beyond) && !tables.iter().any(|t| t.matches(p)));
    let missing: Vec<String> = unmatched
        .map(|pattern| crate::diagnostic::printable(&pattern.to_string()))
        .chain(
            tables
                .iter()
                .filter(|t| t.select.as_ref().is_err_and(|refusal| does_not_exist(refusal)))
                .map(|t| t.full_name()),
        )
        .collect();
    if !missing.is_empty() {
        return CHECK.fail(&DB_TABLES_MISSING,
            Found::from(format!("no table{} is called ", in_database(target))).list(&missing),
        )
        .remedy(format!(
            "{}give tables that exist, as SCHEMA.TABLE; a table that the user is not allowed to see counts as missing, \
             and views are not tables",
            name_the_database(target)
        ));
    }
    if tables.is_empty() {
        let grant = grants(target, &[ServerText::new("<schema>")], usage_missing);
        let found = format!("there is no table{} that the user can see", in_database(target));
        return CHECK.fail(&DB_NO_TABLES, found).remedy(format!(
            "{}create the tables, or let the user see them: {grant}",
            name_the_database(target)
        ));
    }
    let candidates = Candidates::of(target, tables.iter().copied());
    let unreadable = unreadable(&candidates, &tables, total, usage_missing);
    let found = [unreadable, dotted(&candidates, &tables)].into_iter().flatten().reduce(both);
    found.unwrap_or_else(|| {
        let seen = counted(tables.len());
        match beyond {
            false => CHECK.pass(format!("every column of {seen}")),
            true => CHECK
                .warn(&DB_TABLES_UNKNOWN, format!("only {seen} of {total} were tried"))
                .remedy(NAME_TABLES),
        }
    })
}

/// The more serious one decides, and both are shown.
fn both(first: Diagnostic, second: Diagnostic) -> Diagnostic {
    let is_worse = second.outcome == Outcome::Fail && first.outcome != Outcome::Fail;
    let (main, other) = if is_worse { (second, first) } else { (first, second) };
    let found = Found::join([main.found(), other.found()], "; ");
    let remedies: Vec<&str> =
        [&main.remedy, &other.remedy].into_iter().filter_map(|remedy| remedy.as_deref()).collect();
    let remedies = remedies.join("; ");
    main.with_found(found).remedy(remedies)
}

fn dotted(candidates: &Candidates<'_>, tables: &[&Table]) -> Option<Diagnostic> {
    let names: Vec<String> = tables.iter().copied().filter(|t| is_dotted(t)).map(Table::full_name).collect();
    let failing = Failing { names, all: tables.len() };
    (!failing.names.is_empty())
        .then(|| candidates.judge(&CHECK, &DB_TABLE_NAME_DOT, &failing, "a dot in the name of"))
}

fn unreadable(
    candidates: &Candidates<'_>,
    tables: &[&Table],
    total: usize,
    usage_missing: &[ServerText],
) -> Option<Diagnostic> {
    let target = candidates.target;
    let refused: Vec<(&Table, &Refusal)> =
        tables.iter().filter_map(|t| t.select.as_ref().err().map(|refusal| (*t, &**refusal))).collect();
    let (first, words) = refused.first()?;
    let unnamed = target.pipe.tables.is_empty();
    if refused.iter().all(|(_, refusal)| is_passing(refusal)) {
        let found = format!("{}: {words}", first.full_name());
        let cause = &DB_TABLES_UNKNOWN;
        let diagnostic = match unnamed && !candidates.is_empty() {
            true => CHECK.warn(cause, found),
            false => CHECK.unknown(cause, found),
        };
        return Some(diagnostic.remedy("try again: the table was locked, or the server slow to answer"));
    }
    if total > tables.len() && unnamed && refused.len() == tables.len() {
        let found =
            format!("none of the {} of {total} that were tried can be read: {words}", counted(tables.len()));
        let diagnostic = CHECK.unknown(&DB_TABLES_UNKNOWN, found).remedy(NAME_TABLES);
        return Some(diagnostic);
    }
    let names: Vec<String> = refused.iter().map(|(table, _)| table.full_name()).collect();
    let mut schemas: Vec<ServerText> = refused.iter().map(|(table, _)| table.schema.clone()).collect();
    schemas.sort();
    schemas.dedup();
    let failing = Failing { names, all: tables.len() };
    let diagnostic = candidates.judge(&CHECK, &DB_TABLES_UNREADABLE, &failing, "not allowed to read");
    let found = diagnostic.found().text(format!("; the server says: {words}"));
    Some(diagnostic.with_found(found).remedy(grants(target, &schemas, usage_missing)))
}

/// A session of PostgreSQL sees the tables of one database only.
fn in_database(target: &Target) -> String {
    opened(target).map(|name| format!(" in database {name}")).unwrap_or_default()
}

fn name_the_database(target: &Target) -> String {
    opened(target)
        .map(|name| format!("set `database` (--database) to the database of the pipe; if that is {name}, "))
        .unwrap_or_default()
}

fn opened(target: &Target) -> Option<String> {
    let name = target.database.as_deref().filter(|_| target.engine() == Engine::Postgres)?;
    Some(crate::diagnostic::printable(&sql::postgres::identifier(name)))
}

/// PostgreSQL 42P01; MySQL and MariaDB 1146 (no such table), 1049 (no such database).
fn does_not_exist(refusal: &Refusal) -> bool {
    matches!(refusal.code.as_str(), "42P01" | "1146" | "1049")
}

/// Nothing about rights: a lock (PostgreSQL 55P03, MySQL 1205) or silence.
fn is_passing(refusal: &Refusal) -> bool {
    refusal.is_silence() || matches!(refusal.code.as_str(), "55P03" | "1205")
}

fn grants(target: &Target, schemas: &[ServerText], usage_missing: &[ServerText]) -> String {
    let user = target.user.as_str();
    let one = |schema: &ServerText| match target.engine() {
        Engine::Postgres => {
            let (user, name) = (sql::postgres::identifier(user), sql::postgres::identifier(schema.raw()));
            let usage = match usage_missing.contains(schema) {
                true => format!("GRANT USAGE ON SCHEMA {name} TO {user}; "),
                false => String::new(),
            };
            format!("{usage}GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {user};")
        }
        Engine::Mysql | Engine::Mariadb => {
            let schema = sql::mysql::identifier(&schema.to_string());
            format!("GRANT SELECT ON {schema}.* TO {};", sql::mysql::literal(user))
        }
    };
    schemas.iter().take(SHOWN).map(one).collect::<Vec<_>>().join(" ")
}

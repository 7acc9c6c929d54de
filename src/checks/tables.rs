//! What holds for the tables a pipe is to replicate. Tables that were named must be in order, every
//! one; where none was named, a pipe can be made from those that pass every check, and the others are worth a warning.

use std::collections::BTreeSet;

use crate::{
    connection::Refusal,
    diagnostic::{CheckId, Diagnostic, Outcome},
    facts::{Fact, Table, Tables},
    sql::{self, ServerText},
    target::{Engine, Target},
};

/// Names that fit in a line or two.
const SHOWN: usize = 3;

/// `a, b, c and 4 more`.
pub(super) fn some_of<S: AsRef<str>>(names: &[S]) -> String {
    let shown = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The tables that a pipe could still use. Where no table was named, a check that some tables fail only warns, as long as
/// a table remains that passed this check and those before it: the pipe can be made for that one.
pub(super) struct Candidates<'a> {
    target: &'a Target,
    left: BTreeSet<String>,
}

/// The tables that fail a check, among `all` that it looked at.
pub(super) struct Failing {
    pub names: Vec<String>,
    pub all: usize,
}

impl<'a> Candidates<'a> {
    /// The tables that can be copied.
    pub(super) fn of<'t>(target: &'a Target, tables: impl Iterator<Item = &'t Table>) -> Self {
        let left = tables.filter(|table| table.select.is_ok() && !is_dotted(table)).map(Table::full_name);
        Self { target, left: left.collect() }
    }

    pub(super) fn contain(&self, table: &Table) -> bool {
        self.left.contains(&table.full_name())
    }

    /// Judges a check, and removes the tables that fail it.
    pub(super) fn judge(
        &mut self,
        (check, cause): (CheckId, &'static str),
        failing: &Failing,
        words: &str,
    ) -> Diagnostic {
        if failing.names.is_empty() {
            return Diagnostic::pass(check, counted(failing.all));
        }
        self.left.retain(|name| !failing.names.contains(name));
        let found = format!("{words}: {}", some_of(&failing.names));
        match self.target.pipe.tables.is_empty() && !self.left.is_empty() {
            true => Diagnostic::warn(
                check,
                cause,
                format!(
                    "{found} (of {}); name the tables the pipe is for with --table",
                    counted(failing.all)
                ),
            ),
            false => Diagnostic::fail(check, cause, found),
        }
    }
}

pub(super) fn counted(tables: usize) -> String {
    if tables == 1 { "1 table".to_owned() } else { format!("{tables} tables") }
}

/// SELECT on every table. `usage_missing`: schemas that the user may not even enter.
pub(super) fn read<'a>(
    target: &Target,
    facts: &Fact<Tables<impl Sized>>,
    tables: impl Iterator<Item = &'a Table>,
    usage_missing: &[ServerText],
) -> Diagnostic {
    let check = CheckId::Tables;
    let total = match facts {
        Fact::Read(tables) => tables.total,
        _ => return super::unanswered(check, "DB_TABLES_UNKNOWN", facts),
    };
    let tables: Vec<&Table> = tables.collect();
    let patterns = &target.pipe.tables;
    // Those that were named exactly come first, so that they are among those that were looked at.
    let beyond = total > tables.len();
    let unmatched =
        patterns.iter().filter(|p| (p.is_exact() || !beyond) && !tables.iter().any(|t| t.matches(p)));
    let missing: Vec<String> = unmatched
        .map(|pattern| crate::diagnostic::printable(&pattern.to_string()))
        .chain(tables.iter().filter(|t| t.select.as_ref().is_err_and(does_not_exist)).map(|t| t.full_name()))
        .collect();
    if !missing.is_empty() {
        return Diagnostic::fail(
            check,
            "DB_TABLES_MISSING",
            format!("no table{} is called {}", in_database(target), some_of(&missing)),
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
        return Diagnostic::fail(check, "DB_NO_TABLES", found).remedy(format!(
            "{}create the tables, or let the user see them: {grant}",
            name_the_database(target)
        ));
    }
    let mut candidates = Candidates::of(target, tables.iter().copied());
    let unreadable = unreadable(&mut candidates, &tables, total, usage_missing);
    let found = [unreadable, dotted(&mut candidates, &tables)].into_iter().flatten().reduce(both);
    found.unwrap_or_else(|| {
        let seen = counted(tables.len());
        match beyond {
            false => Diagnostic::pass(check, format!("every column of {seen}")),
            true => {
                Diagnostic::warn(check, "DB_TABLES_UNKNOWN", format!("only {seen} of {total} were tried"))
                    .remedy("name the tables of the pipe (--table), so that each of them is tried")
            }
        }
    })
}

/// The more serious one decides, and both are shown.
fn both(first: Diagnostic, second: Diagnostic) -> Diagnostic {
    let is_worse = second.outcome == Outcome::Fail && first.outcome != Outcome::Fail;
    let (main, other) = if is_worse { (second, first) } else { (first, second) };
    let found = format!("{}; {}", main.found, other.found);
    let remedies: Vec<String> = [main.remedy, other.remedy].into_iter().flatten().collect();
    Diagnostic { found, remedy: Some(remedies.join("; ")), ..main }
}

/// ClickPipes' engine reads `schema.table` and rejects a second dot.
fn is_dotted(table: &Table) -> bool {
    table.schema.raw().contains('.') || table.name.raw().contains('.')
}

fn dotted(candidates: &mut Candidates<'_>, tables: &[&Table]) -> Option<Diagnostic> {
    let names: Vec<String> = tables.iter().copied().filter(|t| is_dotted(t)).map(Table::full_name).collect();
    let row = (CheckId::Tables, "DB_TABLE_NAME_DOT");
    let failing = Failing { names, all: tables.len() };
    (!failing.names.is_empty()).then(|| {
        candidates
            .judge(row, &failing, "a dot in the name of")
            .remedy("rename the table, or leave it out: name the tables of the pipe (--table)")
    })
}

fn unreadable(
    candidates: &mut Candidates<'_>,
    tables: &[&Table],
    total: usize,
    usage_missing: &[ServerText],
) -> Option<Diagnostic> {
    let (check, target) = (CheckId::Tables, candidates.target);
    let refused: Vec<(&Table, &Refusal)> =
        tables.iter().filter_map(|t| t.select.as_ref().err().map(|refusal| (*t, refusal))).collect();
    let (first, words) = refused.first()?;
    let unnamed = target.pipe.tables.is_empty();
    if refused.iter().all(|(_, refusal)| is_passing(refusal)) {
        let found = format!("{}: {words}", first.full_name());
        let cause = "DB_TABLES_UNKNOWN";
        let diagnostic = match unnamed && !candidates.left.is_empty() {
            true => Diagnostic::warn(check, cause, found),
            false => Diagnostic::unknown(check, cause, found),
        };
        return Some(diagnostic.remedy("try again: the table was locked, or the server slow to answer"));
    }
    if total > tables.len() && unnamed && refused.len() == tables.len() {
        let found =
            format!("none of the {} of {total} that were tried can be read: {words}", counted(tables.len()));
        let diagnostic = Diagnostic::unknown(check, "DB_TABLES_UNKNOWN", found)
            .remedy("name the tables of the pipe (--table), so that each of them is tried");
        return Some(diagnostic);
    }
    let names: Vec<String> = refused.iter().map(|(table, _)| table.full_name()).collect();
    let mut schemas: Vec<ServerText> = refused.iter().map(|(table, _)| table.schema.clone()).collect();
    schemas.sort();
    schemas.dedup();
    let failing = Failing { names, all: tables.len() };
    let diagnostic = candidates.judge((check, "DB_TABLES_UNREADABLE"), &failing, "not allowed to read");
    let found = format!("{}; the server says: {words}", diagnostic.found);
    Some(Diagnostic { found, ..diagnostic }.remedy(grants(target, &schemas, usage_missing)))
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

//! Whether the tables are published: by the publication that was named, by one that is there, or by one
//! that ClickPipes may create. Decided by reading privileges; nothing is written.

use super::{PARTITIONED_SINCE, Server, alter_identity, unanswered, with_columns};
use crate::{
    checks::{
        Diagnostic, Found,
        check::{Cause, Check, Judge, POSTGRES},
        sources::PG_SOURCE,
        tables::counted,
    },
    facts::{Fact, PostgresTable, Publication, PublishedTable},
    sql::{
        ServerText,
        postgres::{identifier, qualified},
    },
    target::Pipe,
};

pub(crate) static CHECK: Check =
    Check::changes("PG_PUBLICATION", "publication of the tables", POSTGRES, Judge::PostgresTables(judge))
        .expected(
            "a publication that contains every table, or the privilege to create one: CREATE on the \
         database, and ownership of the tables",
        )
        .source(PG_SOURCE)
        .causes(&[
            &PG_NO_PUBLICATION,
            &PG_PUBLICATION_VIA_ROOT,
            &PG_PUBLICATION_LACKS_TABLES,
            &PG_PUBLICATION_LACKS_CHILDREN,
            &PG_PUBLICATION_LEAVES_OUT,
            &PG_PUBLICATION_WITHOUT_DELETE,
            &PG_PUBLICATION_BREAKS_WRITES,
            &PG_PUBLICATION_ROW_FILTER,
            &PG_PUBLICATION_COLUMN_LIST,
            &PG_PUBLICATION_FIXED_COLUMNS,
        ]);

pub(in crate::checks) static PG_NO_PUBLICATION: Cause = Cause::new(
    "PG_NO_PUBLICATION",
    "no publication contains the tables, and the user cannot create one",
    "pg_publication, has_database_privilege and the owners of the tables; nothing is written",
)
.fix("CREATE PUBLICATION … FOR TABLE …; as the owner of the tables");

pub(in crate::checks) static PG_PUBLICATION_VIA_ROOT: Cause = Cause::new(
    "PG_PUBLICATION_VIA_ROOT",
    "the publication sends the changes of a partition as those of its partitioned table, which is not in the \
     pipe",
    "pg_publication.pubviaroot and pg_publication_tables",
)
.fix("name the partitioned table in the pipe, or ALTER PUBLICATION … SET (publish_via_partition_root = false);");

pub(in crate::checks) static PG_PUBLICATION_LACKS_TABLES: Cause = Cause::new(
    "PG_PUBLICATION_LACKS_TABLES",
    "the publication does not contain every table",
    "pg_publication_tables",
)
.fix("ALTER PUBLICATION … ADD TABLE …;");

pub(in crate::checks) static PG_PUBLICATION_LACKS_CHILDREN: Cause = Cause::new(
    "PG_PUBLICATION_LACKS_CHILDREN",
    "the initial load of a table contains the rows of its child tables (INHERITS), but the publication has no changes of these: they were \
     created later, or the table was published with ONLY",
    "pg_inherits and pg_publication_tables",
)
.fix("ALTER PUBLICATION … ADD TABLE …; with the child tables, and again after each CREATE TABLE … INHERITS");

pub(in crate::checks) static PG_PUBLICATION_LEAVES_OUT: Cause = Cause::new(
    "PG_PUBLICATION_LEAVES_OUT",
    "the publication leaves out inserts, updates or deletes",
    "pg_publication",
)
.fix("ALTER PUBLICATION … SET (publish = 'insert, update, delete, truncate');");

pub(in crate::checks) static PG_PUBLICATION_WITHOUT_DELETE: Cause = Cause::new(
    "PG_PUBLICATION_WITHOUT_DELETE",
    "the publication has no deletes, so ClickHouse keeps deleted rows",
    "pg_publication; the ClickPipes FAQ recommends this to keep history",
)
.fix("ALTER PUBLICATION … SET (publish = 'insert, update, delete, truncate');");

pub(in crate::checks) static PG_PUBLICATION_BREAKS_WRITES: Cause = Cause::new(
    "PG_PUBLICATION_BREAKS_WRITES",
    "UPDATE and DELETE of the application fail because of the publication",
    "pg_publication_tables, the partitions, and the replica identity of each published relation",
)
.fix("ALTER TABLE … REPLICA IDENTITY FULL; or publish the columns of the primary key");

pub(in crate::checks) static PG_PUBLICATION_ROW_FILTER: Cause = Cause::new(
    "PG_PUBLICATION_ROW_FILTER",
    "a row filter loses changes of rows that the initial load copied",
    "pg_publication_tables.rowfilter",
)
.fix("publish the table again without WHERE: ALTER PUBLICATION … DROP TABLE …; ALTER PUBLICATION … ADD TABLE …;");

pub(in crate::checks) static PG_PUBLICATION_COLUMN_LIST: Cause = Cause::new(
    "PG_PUBLICATION_COLUMN_LIST",
    "a column list loses changes of columns that the initial load copied",
    "pg_publication_tables.attnames",
)
.fix("publish the table again without a column list: ALTER PUBLICATION … DROP TABLE …; ALTER PUBLICATION … ADD TABLE …;");

pub(in crate::checks) static PG_PUBLICATION_FIXED_COLUMNS: Cause = Cause::new(
    "PG_PUBLICATION_FIXED_COLUMNS",
    "the publication has a column list with every column: columns that are added later are not published, and PostgreSQL refuses ALTER \
     TABLE … DROP COLUMN for a column in the list",
    "prattrs in pg_publication_rel",
)
.fix("publish the table without a column list");

/// Another check reports what cannot be published. Where no table was named, the pipe is for the candidates, if there
/// are any.
fn judge(server: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    let takes_partitioned = server.major().is_none_or(|major| major >= PARTITIONED_SINCE);
    let can_be = |t: &&PostgresTable| !t.unlogged && (takes_partitioned || !t.partitioned);
    let is_candidate = |t: &&PostgresTable| server.candidates.contain(&t.table);
    let only_candidates = server.target.pipe.tables.is_empty() && tables.iter().any(is_candidate);
    let tables: Vec<&PostgresTable> = match only_candidates {
        true => tables.iter().copied().filter(is_candidate).collect(),
        false => tables.iter().copied().filter(can_be).collect(),
    };
    if tables.is_empty() {
        return CHECK.skipped("there is no table that could be published");
    }
    let chosen = &server.target.pipe.publication;
    let owned = if may_create(server) { tables.iter().filter(|table| table.owned).count() } else { 0 };
    // A publication breaks writes even if the pipe does not use it.
    let breaks = |publication: &&Publication| !broken(publication, &tables, &server.target.pipe).is_empty();
    if chosen.is_none()
        && let Some(publication) = server.facts.publications.read().and_then(|all| all.iter().find(breaks))
    {
        return named(server, publication, &[], &tables);
    }
    if chosen.is_none() && owned == tables.len() {
        return CHECK.pass("the user can create one: it owns the tables");
    }
    let publications = match &server.facts.publications {
        Fact::Read(publications) => publications,
        other => return unanswered(&CHECK, other),
    };
    // ClickPipes' engine takes FOR ALL TABLES at its word, and finds the root of a partition itself.
    let lacking = |publication: &Publication| -> Vec<&PostgresTable> {
        let has = |t: &&PostgresTable| {
            publication.all_tables && !is_published_as_root(publication, t)
                || published(publication, t).is_some()
        };
        tables.iter().copied().filter(|t| !has(t)).collect()
    };
    if let Some(name) = chosen {
        return match publications.iter().find(|publication| publication.name == *name) {
            Some(publication) => named(server, publication, &lacking(publication), &tables),
            None => CHECK
                .fail(&PG_NO_PUBLICATION, format!("there is no publication {name}"))
                .remedy(create(server, name, &tables)),
        };
    }
    let best = publications.iter().min_by_key(|p| {
        (lacking(p).len(), problems(p, &tables, &server.target.pipe).len(), p.leaves_out.len(), p.all_tables)
    });
    match best.map(|publication| (publication, lacking(publication))) {
        Some((publication, lacking)) if lacking.len() < tables.len() => {
            named(server, publication, &lacking, &tables)
        }
        _ => none(server, &tables).remedy(create(server, "clickpipes_publication", &tables)),
    }
}

/// Where no table was named, a pipe can be made for those that the user owns.
fn none(server: &Server<'_>, tables: &[&PostgresTable]) -> Diagnostic {
    let (cause, none) = (&PG_NO_PUBLICATION, "no publication has the tables, and the user cannot create one");
    let (owned, others): (Vec<&PostgresTable>, Vec<&PostgresTable>) =
        tables.iter().copied().partition(|table| table.owned);
    if !server.target.pipe.tables.is_empty() || owned.is_empty() || !may_create(server) {
        return CHECK.fail(cause, none);
    }
    let others: Vec<String> = others.iter().map(|table| table.table.full_name()).collect();
    let found = Found::from(format!("{none} for tables that it does not own: ")).list(&others);
    CHECK.warn(cause, found)
}

/// A standby is read-only.
fn may_create(server: &Server<'_>) -> bool {
    server.facts.in_recovery == Fact::Read(false)
        && server.facts.may_create_in_database == Fact::Read(true)
        && server.facts.read_only_by_default != Fact::Read(true)
}

fn named(
    server: &Server<'_>,
    publication: &Publication,
    lacking: &[&PostgresTable],
    tables: &[&PostgresTable],
) -> Diagnostic {
    let (name, all) = (&publication.name, tables.len());
    let mut problems = problems(publication, tables, &server.target.pipe);
    let mut notes = Vec::new();
    if !lacking.is_empty() {
        // Where no table was named, a pipe can be made for those that are published.
        let is_note = server.target.pipe.tables.is_empty() && lacking.len() < all;
        let into = if is_note { &mut notes } else { &mut problems };
        let (by_root, others): (Vec<_>, Vec<_>) =
            lacking.iter().copied().partition(|table| is_published_as_root(publication, table));
        into.extend((!by_root.is_empty()).then(|| sends_as_root(name, &by_root)));
        into.extend((!others.is_empty()).then(|| lacks(name, &others, all)));
    }
    match left_out(publication, tables) {
        Some(problem) if problem.cause == &PG_PUBLICATION_WITHOUT_DELETE => notes.push(problem),
        Some(problem) => problems.push(problem),
        None => {}
    }
    notes.extend(complete_column_lists(publication, tables));
    let parts = problems.iter().chain(&notes);
    let found = Found::join(parts.clone().map(|problem| problem.found.clone()), "; ");
    let found = Found::join([format!("the publication {name} ").into(), found], "");
    let remedy = parts.map(|problem| problem.remedy.as_str()).collect::<Vec<_>>().join(" ");
    if let Some(first) = problems.first() {
        return CHECK.fail(first.cause, found).remedy(remedy);
    }
    if let Some(first) = notes.first() {
        let diagnostic = CHECK.warn(first.cause, found);
        return match &server.target.pipe.publication {
            Some(_) => diagnostic.remedy(remedy),
            None => diagnostic.remedy(format!("choose it for the pipe (--publication {name}); {remedy}")),
        };
    }
    if publication.all_tables {
        let billed = "FOR ALL TABLES: ClickPipes bills the traffic of every table of the database";
        return CHECK.pass(format!("{name} has {} ({billed})", counted(all)));
    }
    match &server.target.pipe.publication {
        Some(_) => CHECK.pass(format!("{name} has {}", counted(all))),
        None => CHECK.pass(format!("{name} has {}; choose it for the pipe", counted(all))),
    }
}

fn create(server: &Server<'_>, name: &str, tables: &[&PostgresTable]) -> String {
    let by = match server.facts.in_recovery {
        Fact::Read(true) => "on the primary, as the owner of the tables",
        _ => "as the owner of the tables",
    };
    let via_root = match server.major() {
        Some(major) if major >= PARTITIONED_SINCE && tables.iter().any(|t| t.partitioned) => {
            " WITH (publish_via_partition_root = true)"
        }
        _ => "",
    };
    format!("{by}: CREATE PUBLICATION {} FOR TABLE {}{via_root};", identifier(name), listed(tables))
}

/// The entry of this table in the publication.
fn published<'a>(publication: &'a Publication, table: &PostgresTable) -> Option<&'a PublishedTable> {
    publication.tables.iter().find(|published| table.table.is_called(&published.name))
}

/// Why a pipe with this publication would lose data, or break writes of the application.
struct Problem {
    cause: &'static Cause,
    found: Found,
    remedy: String,
}

/// Relations with failing writes, without those that the check of the replica identity reports.
fn broken<'a>(publication: &'a Publication, tables: &[&PostgresTable], pipe: &Pipe) -> Vec<&'a ServerText> {
    // If no table was named, a few without an identity are only a warning there, because a pipe can leave them out. The
    // publication publishes them anyway.
    let fails = !pipe.tables.is_empty() || tables.iter().all(|table| !table.has_replica_identity());
    let is_reported = |name: &ServerText| {
        tables.iter().any(|table| {
            let own = qualified(table.table.schema.raw(), table.table.name.raw());
            (fails && !table.has_replica_identity() && name.raw() == own)
                || table.leaves_without_identity.contains(name)
        })
    };
    publication.breaks_writes_of.iter().filter(|name| !is_reported(name)).collect()
}

/// The most serious first.
fn problems(publication: &Publication, tables: &[&PostgresTable], pipe: &Pipe) -> Vec<Problem> {
    let mut problems = Vec::new();
    let broken: Vec<String> =
        broken(publication, tables, pipe).into_iter().map(ToString::to_string).collect();
    if !broken.is_empty() {
        problems.push(Problem {
            cause: &PG_PUBLICATION_BREAKS_WRITES,
            found: Found::from("makes UPDATE or DELETE fail in the application: it publishes ")
                .list(&broken)
                .text(" without the columns of a replica identity"),
            remedy: format!(
                "give each of them a primary key and publish its columns, or as its owner: {}",
                alter_identity(&broken, "FULL")
            ),
        });
    }
    let entries = || tables.iter().filter_map(|table| Some((table, published(publication, table)?)));
    let children: Vec<&ServerText> = entries().flat_map(|(_, entry)| &entry.children_left_out).collect();
    if !children.is_empty() {
        let names: Vec<String> = children.iter().map(ToString::to_string).collect();
        let parents: Vec<String> = entries()
            .filter(|(_, entry)| !entry.children_left_out.is_empty())
            .map(|(table, _)| table.table.full_name())
            .collect();
        problems.push(Problem {
            cause: &PG_PUBLICATION_LACKS_CHILDREN,
            found: Found::from("lacks child tables of ").list(&parents).text(": ").list(&names),
            remedy: format!(
                "as its owner: ALTER PUBLICATION {} ADD TABLE {};",
                identifier(&publication.name),
                children.iter().map(|name| name.raw()).collect::<Vec<_>>().join(", ")
            ),
        });
    }
    let filtered: Vec<String> = entries()
        .filter_map(|(table, entry)| {
            Some(format!("{} ({})", table.table.full_name(), entry.row_filter.as_ref()?))
        })
        .collect();
    if !filtered.is_empty() {
        problems.push(Problem {
            cause: &PG_PUBLICATION_ROW_FILTER,
            found: Found::from("has row filters, so changes of other rows are lost: ").list(&filtered),
            remedy: format!(
                "publish the table without WHERE, as the owner: {}",
                publish_again(publication, entries().filter(|(_, entry)| entry.row_filter.is_some()))
            ),
        });
    }
    let cut: Vec<String> = entries()
        .filter(|(_, entry)| !entry.columns_left_out.is_empty())
        .map(|(table, entry)| with_columns(table, &entry.columns_left_out))
        .collect();
    if !cut.is_empty() {
        problems.push(Problem {
            cause: &PG_PUBLICATION_COLUMN_LIST,
            found: Found::from("has column lists, so changes of other columns are lost: ").list(&cut),
            remedy: without_lists(publication, tables),
        });
    }
    problems
}

fn lacks(name: &str, lacking: &[&PostgresTable], all: usize) -> Problem {
    let names: Vec<String> = lacking.iter().map(|t| t.table.full_name()).collect();
    Problem {
        cause: &PG_PUBLICATION_LACKS_TABLES,
        found: Found::from("lacks ").list(&names).text(format!(" (of {})", counted(all))),
        remedy: add(name, lacking),
    }
}

fn is_published_as_root(publication: &Publication, table: &PostgresTable) -> bool {
    let name = qualified(table.table.schema.raw(), table.table.name.raw());
    publication.published_as_root.iter().any(|partition| partition.raw() == name)
}

fn sends_as_root(name: &str, partitions: &[&PostgresTable]) -> Problem {
    let names: Vec<String> = partitions.iter().map(|t| t.table.full_name()).collect();
    Problem {
        cause: &PG_PUBLICATION_VIA_ROOT,
        found: Found::from("publishes the changes of ")
            .list(&names)
            .text(" as those of the partitioned table"),
        remedy: format!(
            "name the partitioned table in the pipe instead, or as the owner: ALTER PUBLICATION {} SET \
             (publish_via_partition_root = false);",
            identifier(name)
        ),
    }
}

/// Without deletes, ClickHouse keeps deleted rows. The ClickPipes FAQ recommends this to keep history. Truncates do not count,
/// because the engine ignores them anyway.
fn left_out(publication: &Publication, tables: &[&PostgresTable]) -> Option<Problem> {
    let kinds = &publication.leaves_out;
    let names: Vec<String> = tables.iter().map(|t| t.table.full_name()).collect();
    let publish = format!(
        "as its owner: ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate');",
        identifier(&publication.name)
    );
    let (cause, remedy) = match kinds.iter().all(|kind| kind == "delete") {
        true => (
            &PG_PUBLICATION_WITHOUT_DELETE,
            format!("if deleted rows must be removed in ClickHouse, {publish}"),
        ),
        false => (&PG_PUBLICATION_LEAVES_OUT, publish),
    };
    (!kinds.is_empty()).then(|| Problem {
        cause,
        found: Found::from("leaves out every ").list(kinds).text(" of ").list(&names),
        remedy,
    })
}

/// Columns that are added later are not published.
fn complete_column_lists(publication: &Publication, tables: &[&PostgresTable]) -> Option<Problem> {
    let is_listed =
        |t: &&&PostgresTable| published(publication, t).is_some_and(|entry| entry.has_column_list);
    let names: Vec<String> = tables.iter().filter(is_listed).map(|t| t.table.full_name()).collect();
    (!names.is_empty()).then(|| Problem {
        cause: &PG_PUBLICATION_FIXED_COLUMNS,
        found: Found::from("has column lists, so columns that are added later are lost, and DROP COLUMN fails in the application: ").list(&names),
        remedy: without_lists(publication, tables),
    })
}

fn without_lists(publication: &Publication, tables: &[&PostgresTable]) -> String {
    let entries = tables.iter().filter_map(|table| Some((table, published(publication, table)?)));
    let listed = entries.filter(|(_, entry)| entry.has_column_list || !entry.columns_left_out.is_empty());
    format!("publish the table without a column list, as the owner: {}", publish_again(publication, listed))
}

/// In one transaction, so that no change is lost in between. `SET TABLE` would need every other table of the publication.
fn publish_again<'a>(
    publication: &Publication,
    entries: impl Iterator<Item = (&'a &'a PostgresTable, &'a PublishedTable)>,
) -> String {
    let name = identifier(&publication.name);
    let tables = entries
        .map(|(table, _)| qualified(table.table.schema.raw(), table.table.name.raw()))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "BEGIN; ALTER PUBLICATION {name} DROP TABLE {tables}; ALTER PUBLICATION {name} ADD TABLE {tables}; COMMIT;"
    )
}

fn add(publication: &str, lacking: &[&PostgresTable]) -> String {
    let name = identifier(publication);
    // A publication of partitions has their changes under their own names.
    match lacking.iter().all(|table| table.partitioned) {
        true => format!(
            "as its owner: ALTER PUBLICATION {name} SET (publish_via_partition_root = true); and ADD TABLE {} \
             where it is not in it",
            listed(lacking)
        ),
        false => format!("as its owner: ALTER PUBLICATION {name} ADD TABLE {};", listed(lacking)),
    }
}

fn listed(tables: &[&PostgresTable]) -> String {
    const SHOWN: usize = 5;
    let name = |t: &&PostgresTable| qualified(t.table.schema.raw(), t.table.name.raw());
    let mut names: Vec<String> = tables.iter().take(SHOWN).map(name).collect();
    if tables.len() > SHOWN {
        names.push("…".to_owned());
    }
    names.join(", ")
}

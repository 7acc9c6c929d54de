//! Whether the tables are published: by the publication that was named, by one that is there, or by one
//! that ClickPipes may create. Decided by reading privileges; nothing is written.

use super::{Server, counted, unanswered};
use crate::{
    checks::tables::some_of,
    diagnostic::{CheckId, Diagnostic},
    facts::{Fact, PostgresTable, Publication},
    sql::postgres::{identifier, qualified},
};

const CHECK: CheckId = CheckId::PostgresPublication;

impl Server<'_> {
    pub(super) fn publication(&self, tables: &[&PostgresTable]) -> Diagnostic {
        // What cannot be published has a row of its own.
        let takes_partitioned = self.major().is_none_or(|major| major >= super::PARTITIONED_SINCE);
        let can_be = |t: &&PostgresTable| !t.unlogged && (takes_partitioned || !t.partitioned);
        let tables: Vec<&PostgresTable> = tables.iter().copied().filter(can_be).collect();
        if tables.is_empty() {
            return Diagnostic::skipped(CHECK, "there is no table that could be published");
        }
        let chosen = &self.target.pipe.publication;
        let owned = if self.may_create() { tables.iter().filter(|table| table.owned).count() } else { 0 };
        if chosen.is_none() && owned == tables.len() {
            return Diagnostic::pass(CHECK, "the user may create one: it owns the tables");
        }
        let publications = match &self.facts.publications {
            Fact::Read(publications) => publications,
            other => return unanswered(CHECK, other),
        };
        // ClickPipes' engine takes FOR ALL TABLES at its word, and finds the root of a partition itself.
        let lacking = |publication: &Publication| -> Vec<&PostgresTable> {
            let has = |t: &&PostgresTable| {
                publication.all_tables || publication.tables.iter().any(|name| t.table.is_called(name))
            };
            tables.iter().copied().filter(|t| !has(t)).collect()
        };
        if let Some(name) = chosen {
            return match publications.iter().find(|publication| publication.name == *name) {
                Some(publication) => self.named(publication, &lacking(publication), tables.len()),
                None => {
                    Diagnostic::fail(CHECK, "PG_NO_PUBLICATION", format!("there is no publication {name}"))
                        .remedy(self.create(name, &tables))
                }
            };
        }
        let best = publications.iter().min_by_key(|p| (lacking(p).len(), leaves_out(p).len()));
        match best.map(|publication| (publication, lacking(publication))) {
            Some((publication, lacking)) if lacking.len() < tables.len() => {
                self.named(publication, &lacking, tables.len())
            }
            _ => self.none(owned).remedy(self.create("clickpipes_publication", &tables)),
        }
    }

    /// Where no table was named, a pipe can be made for those that the user owns.
    fn none(&self, owned: usize) -> Diagnostic {
        let (cause, none) =
            ("PG_NO_PUBLICATION", "no publication has the tables, and the user may not create one");
        match self.target.pipe.tables.is_empty() && owned > 0 {
            true => {
                Diagnostic::warn(CHECK, cause, format!("{none} for more than the {} it owns", counted(owned)))
            }
            false => Diagnostic::fail(CHECK, cause, none),
        }
    }

    /// A standby is read-only.
    fn may_create(&self) -> bool {
        self.facts.in_recovery == Fact::Read(false) && self.facts.may_create_in_database == Fact::Read(true)
    }

    fn named(&self, publication: &Publication, lacking: &[&PostgresTable], all: usize) -> Diagnostic {
        let name = &publication.name;
        let names: Vec<String> = lacking.iter().map(|t| t.table.full_name()).collect();
        if !lacking.is_empty() {
            let found = format!("the publication {name} lacks {}", some_of(&names));
            let cause = "PG_PUBLICATION_LACKS_TABLES";
            // Where no table was named, a pipe can be made for those that are published.
            let diagnostic = match self.target.pipe.tables.is_empty() && lacking.len() < all {
                true => Diagnostic::warn(CHECK, cause, format!("{found} (of {})", counted(all))),
                false => Diagnostic::fail(CHECK, cause, found),
            };
            return diagnostic.remedy(add(name, lacking));
        }
        let leaves_out = leaves_out(publication);
        if !leaves_out.is_empty() {
            let found = format!("the publication {name} leaves out every {}", some_of(&leaves_out));
            return Diagnostic::fail(CHECK, "PG_PUBLICATION_LEAVES_OUT", found).remedy(format!(
                "as its owner: ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate');",
                identifier(name)
            ));
        }
        match &self.target.pipe.publication {
            Some(_) => Diagnostic::pass(CHECK, format!("{name} has {}", counted(all))),
            None => Diagnostic::pass(CHECK, format!("{name} has {}; choose it for the pipe", counted(all))),
        }
    }

    fn create(&self, name: &str, tables: &[&PostgresTable]) -> String {
        let whom = match self.facts.in_recovery {
            Fact::Read(true) => "on the primary, as the owner of the tables",
            _ => "as the owner of the tables",
        };
        let via_root = match self.major() {
            Some(major) if major >= super::PARTITIONED_SINCE && tables.iter().any(|t| t.partitioned) => {
                " WITH (publish_via_partition_root = true)"
            }
            _ => "",
        };
        format!("{whom}: CREATE PUBLICATION {} FOR TABLE {}{via_root};", identifier(name), listed(tables))
    }
}

/// Truncation is not followed anyway.
fn leaves_out(publication: &Publication) -> Vec<&String> {
    publication.leaves_out.iter().filter(|kind| *kind != "truncate").collect()
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

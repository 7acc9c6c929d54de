//! The tables of a pipe over time: a table that leaves the publication, or loses its key, breaks a running pipe without an error on
//! the server.

use std::collections::{BTreeMap, btree_map::Entry};

use jiff::Timestamp;

use crate::{facts::PostgresFacts, target::Pipe};

/// Tables that a publication has or had, as `schema.table`.
pub type PublishedTables = BTreeMap<String, TableObservation>;

/// What was seen of a published table, and when last.
#[derive(Clone, Debug, PartialEq)]
pub struct TableObservation {
    /// The publication, and when it was in it.
    pub published: (String, Timestamp),
    /// When it had a replica identity.
    pub identified_at: Option<Timestamp>,
}

/// So many are remembered, if tables come and go.
const REMEMBERED: usize = 1000;

pub(super) fn published(facts: &PostgresFacts, pipe: &Pipe, at: Timestamp) -> PublishedTables {
    let tables = facts.tables.read().map(|tables| tables.seen.as_slice()).unwrap_or_default();
    let observed = tables.iter().filter_map(|table| {
        let publication = facts.publication_of(pipe, &table.table)?;
        let identified_at = table.has_replica_identity().then_some(at);
        Some((
            table.table.full_name(),
            TableObservation { published: (publication.to_owned(), at), identified_at },
        ))
    });
    observed.collect()
}

/// Adds what was seen earlier.
pub(super) fn remember(now: &mut PublishedTables, earlier: &PublishedTables) {
    for (name, before) in earlier {
        let is_full = now.len() >= REMEMBERED;
        match now.entry(name.clone()) {
            Entry::Occupied(mut entry) => {
                let observed = entry.get_mut();
                observed.identified_at = observed.identified_at.or(before.identified_at);
            }
            Entry::Vacant(entry) if !is_full => {
                entry.insert(before.clone());
            }
            Entry::Vacant(_) => {}
        }
    }
}

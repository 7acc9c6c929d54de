//! PostgreSQL: `templates/postgres.sql`.

use askama::Template;

use crate::{
    config::Setup,
    setup::{client, filters, quote::pg_name, rendered},
    target::{TablePattern, Target},
};

/// The publication of the ClickPipes guide.
const PUBLICATION: &str = "clickpipes_publication";

/// The publication of the pipe. The IAM user owns no table, so ClickPipes cannot create one.
pub(in crate::setup) fn publication(target: &Target) -> &str {
    target.pipe.publication.as_deref().unwrap_or(PUBLICATION)
}

#[derive(Template)]
#[template(path = "postgres.sql", config = "src/setup/templates/askama.toml")]
struct Script<'a> {
    target: &'a Target,
    user: &'a str,
    database: &'a str,
    changes: bool,
    publication: &'a str,
    tables: &'a [TablePattern],
    has_patterns: bool,
    schemas: Vec<&'a str>,
    tag: String,
    client: Vec<String>,
}

impl Script<'_> {
    fn qualified(&self, table: &TablePattern) -> String {
        format!("{}.{}", pg_name(&table.schema), pg_name(&table.table))
    }
}

pub(super) fn script(plan: &Setup) -> String {
    let target = &plan.target;
    let tables = target.pipe.tables.as_slice();
    let mut schemas: Vec<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
    schemas.sort_unstable();
    schemas.dedup();
    rendered(&Script {
        target,
        user: target.user.as_str(),
        database: target.database.as_deref().unwrap_or_default(),
        changes: target.pipe.follows_changes(),
        publication: publication(target),
        tables,
        has_patterns: !tables.iter().all(TablePattern::is_exact),
        schemas,
        tag: tag(target),
        client: client::commands(plan),
    })
}

/// A dollar quote that no name contains.
fn tag(target: &Target) -> String {
    let tables = target.pipe.tables.iter().flat_map(|table| [&*table.schema, &*table.table]);
    let names: Vec<&str> = tables.chain([target.user.as_str(), publication(target)]).collect();
    let mut tag = "setup".to_owned();
    while names.iter().any(|name| name.contains(&format!("${tag}$"))) {
        tag.push('x');
    }
    tag
}

//! MySQL and MariaDB: `templates/mysql.sql`. Every statement commits on its own.

use askama::Template;

use crate::{
    config::Setup,
    setup::{client, filters, quote::mysql_name, rendered},
    target::{Engine, TablePattern, Target},
};

/// In place of a schema. Not quoted, so that the server refuses it.
pub(in crate::setup) const SCHEMA: &str = "<schema>";

#[derive(Template)]
#[template(path = "mysql.sql", config = "src/setup/templates/askama.toml")]
struct Script<'a> {
    target: &'a Target,
    user: &'a str,
    is_mariadb: bool,
    changes: bool,
    objects: Vec<Object>,
    has_loose_grant: bool,
    client: Vec<String>,
}

pub(super) fn script(plan: &Setup) -> String {
    let target = &plan.target;
    let objects = objects(plan);
    rendered(&Script {
        target,
        user: target.user.as_str(),
        is_mariadb: target.engine() == Engine::Mariadb,
        changes: target.pipe.follows_changes(),
        has_loose_grant: objects.iter().any(|object| object.is_loose),
        objects,
        client: client::commands(plan),
    })
}

/// What SELECT is granted on.
#[derive(Debug, PartialEq, Eq)]
struct Object {
    name: String,
    /// A whole schema whose name contains `_` or `%`, which are patterns in a grant.
    is_loose: bool,
}

fn objects(plan: &Setup) -> Vec<Object> {
    let target = &plan.target;
    let schema = |name: &str| Object {
        // A grant has patterns for schemas, none for tables.
        name: format!("{}.*", mysql_name(&name.replace('*', "%"))),
        is_loose: name.contains(['_', '%']),
    };
    let mut objects: Vec<Object> = match (target.pipe.tables.as_slice(), &target.database) {
        ([], Some(database)) => vec![schema(database)],
        ([], None) => vec![Object { name: format!("{SCHEMA}.*"), is_loose: false }],
        (tables, _) => tables
            .iter()
            .map(|pattern: &TablePattern| match pattern.is_exact() {
                true => Object {
                    name: format!("{}.{}", mysql_name(&pattern.schema), mysql_name(&pattern.table)),
                    is_loose: false,
                },
                false => schema(&pattern.schema),
            })
            .collect(),
    };
    objects.dedup();
    objects
}

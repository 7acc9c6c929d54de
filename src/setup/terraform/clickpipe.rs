//! The pipe: `templates/clickpipe.tf`.

use askama::Template;

use crate::{
    config::Setup,
    setup::{filters, publication, rendered},
    target::{Engine, ReplicationMechanism, ReplicationMode, RoleArn, TablePattern, Target},
};

#[derive(Template)]
#[template(path = "clickpipe.tf", config = "src/setup/templates/askama.toml")]
struct File<'a> {
    target: &'a Target,
    role: &'a RoleArn,
    is_postgres: bool,
    database: &'a str,
    mode: &'static str,
    publication: &'a str,
    all_named: bool,
}

impl File<'_> {
    fn tables_text(&self) -> String {
        let patterns: Vec<String> = self.target.pipe.tables.iter().map(ToString::to_string).collect();
        let text = "Tables to replicate, each with the schema it is in";
        match patterns.is_empty() {
            true => text.to_owned(),
            false => format!("{text}: {}", patterns.join(", ")),
        }
    }
}

pub(in crate::setup) fn clickpipe(plan: &Setup) -> String {
    let target = &plan.target;
    let Some(role) = target.access.roles.last() else { return String::new() };
    let tables = &target.pipe.tables;
    rendered(&File {
        target,
        role,
        is_postgres: target.engine() == Engine::Postgres,
        database: target.database.as_deref().unwrap_or_default(),
        mode: target.pipe.mode.map(ReplicationMode::name).unwrap_or_default(),
        publication: publication(target),
        all_named: !tables.is_empty() && tables.iter().all(TablePattern::is_exact),
    })
}

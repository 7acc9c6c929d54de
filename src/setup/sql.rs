//! SQL for the database: the user, its grants, and what CDC needs.

mod mysql;
mod postgres;

pub(super) use mysql::SCHEMA;
pub(super) use postgres::publication;

use crate::{config::Setup, target::Engine};

pub(super) fn of(plan: &Setup) -> String {
    match plan.target.engine() {
        Engine::Postgres => postgres::script(plan),
        Engine::Mysql | Engine::Mariadb => mysql::script(plan),
    }
}

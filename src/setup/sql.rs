//! What the database has to be told: the user, what it may read, and what it needs to follow changes.

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

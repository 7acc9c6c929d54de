//! What is checked on every engine.

pub(super) mod engine;
pub(super) mod version;
pub(super) mod tables;
pub(super) mod columns;
pub(super) mod endpoint;
pub(super) mod excluded_key;
pub(super) mod free_connections;
pub(super) mod row_key;
pub(super) mod sorting_keys;
pub(super) mod table_engine;

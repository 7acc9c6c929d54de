//! The lab: real PostgreSQL, MariaDB and MySQL servers on loopback that verify RDS IAM tokens, and an AWS stand-in.
//!
//! ```text
//! ServerVersion ─ obtain ─▶ Installed ─ template ─┐
//!                                                 ▼
//! Lab::start ─▶ Aws ◀─ verifier ◀─ Instance (a server with its plugin) ◀─ the client under test
//! ```
//!
//! A [`ServerVersion`] is a server of one major version. [`obtain`] finds its programs: from the machine's packages, or from the
//! cache that `cargo lab setup` filled with packages of newer releases. [`Lab::start`] creates certificates, an AWS stand-in
//! and one data directory per server (copied from a template), and starts everything in about a second. A client then does
//! the same as with RDS: it assumes a role, signs a token and logs in over TLS. The server passes the token to its plugin,
//! the plugin to the verifier, and the verifier recomputes the signature and evaluates the policy. Dropping the [`Lab`] removes
//! everything. A supervisor does so if the process is killed.
//!
//! [`Lab::standby`] adds a read replica. A [`Consumer`] reads a server's tables, or the stream of their changes, as
//! ClickPipes does. Tests compare verdicts with its results.
//!
//! [`service`] runs the parts of the lab separately, for docker-compose.yml: AWS in one container, each database in another, with the
//! server of its image. [`containers`] runs that file on images that need no registry.
//!
//! Known differences from RDS:
//!
//! - MySQL is 9.7, because no Debian release has 8.x packages. Nothing here represents RDS MySQL 8.
//! - With `rds.iam_auth_for_replication` off, RDS checks the token as a password; here PAM refuses it. Both are SQLSTATE class
//!   28, with different messages.
//! - Outside RDS, a granted `rds_replication` does not allow a WAL sender, so the user also has REPLICATION.
//! - MySQL 9.7 and MariaDB 10.11 pass the token to their plugin before they check `require_secure_transport`.
//! - Superusers exist, but only on the Unix socket.

#![allow(clippy::missing_errors_doc, reason = "an error ends the test run with its message")]

// The server versions and their programs.
mod account;
mod cache;
mod files;
mod installed;
mod server_version;
mod programs;

// Downloading what is missing.
mod apt;
mod cargo_tool;
mod exporters;
mod relays;
mod fetch;
mod mirror;
pub mod policy;
mod python;
mod readers;
pub mod setup;
mod tool;

// What a server needs.
mod certificates;
mod guide;
mod plugins;
mod random;
mod naming;
mod target;
mod fixture;

// Running one.
mod supervisor;
mod mysql;
mod postgres;
mod deployment;
mod template;

// The lab as a value.
mod instance;
mod standby;

mod lab;

// The parts of the lab as separate services.
pub mod containers;
pub mod service;

// AWS implementations by others.
mod moto;

// Real consumers of a database.
mod consumer;
mod holder;
pub mod truth;

pub use cache::folder as cache_folder;
pub use certificates::Certificate;
pub use consumer::{Changes, Consumer, Copied, Followed};
pub use exporters::exporter;
pub use fixture::{
    ACCESS_ROLE, CALLER, CALLER_ACCESS_KEY_ID, CUSTOMER_ACCOUNT, OPERATOR, OPERATOR_ACCESS_KEY_ID,
    OPERATOR_PROFILE, REGION, SERVICE_ROLE, WRONG_RESOURCE, WRONG_ROLE, access_role, allow_aws_diagnostics,
    connect_policy, trust_policy,
};
pub use guide::{
    DATABASE, MARIADB_BEYOND_THE_GUIDE, MYSQL_GRANTS, MYSQL_USER, POSTGRES_GRANTS, POSTGRES_USER, USER,
};
pub use holder::Holder;
pub use installed::{Installed, Skipped, obtain};
pub use instance::Instance;
pub use lab::Lab;
pub use moto::{Ministack, Moto};
pub use python::{python, python as oracle_python};
pub use readers::reader;
pub use relays::{client, relay};
pub use server_version::{Engine, ServerVersion};
pub use standby::Standby;
pub use tool::Tool;

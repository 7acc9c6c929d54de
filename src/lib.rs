//! # pipeprobe
//!
//! Can ClickPipes use this RDS or Aurora database with IAM authentication, and for what: Initial Load Only, or CDC?
//!
//! ```text
//! argv, env, file, plan → Config → Target ─┬→ Identity → AuthToken ─┐
//!                                          └→ PendingAuth ──────────┴→ Session → Facts
//!                            all results → Diagnostics → Verdict → Report → text, JSON, …
//!                            AwsRecords (optional) ┘ only rank the causes of a failure
//! ```
//!
//! A target is parsed once. AssumeRole and the connection up to the authentication request (DNS, TCP, TLS) run in
//! parallel. The token is signed and sent only if the server requests it over verified TLS. Then the server is queried,
//! and pure code judges all results: one diagnostic for each check, and a verdict from them. A check that was not
//! reached counts as failed. Each check has one file in [`checks`], with its texts, its causes and its judge.
//!
//! [`verify`] runs one target, for [`run`]'s `check`. [`serve`] runs many targets continuously, keeps their results and
//! answers over HTTP. [`aws`] reads RDS and IAM records on request: they are evidence for the cause of a failure and
//! never change a verdict. [`clickhouse_cloud`] asks for the pipes of a service, whose answers [`sources`] reads as it reads a
//! Terraform plan.
//!
//! [`agent`] gives a client a local endpoint that logs in with a token, on the same path: its client speaks to the database
//! itself, and no query is sent by this program.
//!
//! Three modules connect to no server: [`setup`] creates from a target what must exist before a check can pass,
//! [`lint`] judges IAM policies, and [`ship`] contains files for operators.
//!
//! The modules are listed in flow order. A module uses only modules above it, and each external crate is used only in
//! its files; `tests/architecture.rs` checks both.

#![forbid(unsafe_code)]

// Basic types.
pub mod secret;
pub mod evidence;
pub mod static_ips;
pub mod target;
pub mod clickpipes;
pub mod diagnostic;
pub mod local_failure;
pub mod sql;
pub mod policy;
pub mod lint;
pub mod trust;

// Command line and files → configuration.
pub mod cli;
pub mod sources;
pub mod config;

// Identity and token.
pub mod identity;
pub mod token;
pub mod aws;
pub mod clickhouse_cloud;

// The database: connection and facts.
pub mod connection;
pub mod facts;

// Judgement.
pub mod checks;
pub mod verdict;
pub mod report;

// Setup of AWS and database; files for operators.
pub mod setup;
pub mod ship;

// One run, continuous runs, local endpoints, and the commands.
pub mod verify;
pub mod service;
pub mod agent;
pub mod serve;
pub mod run;

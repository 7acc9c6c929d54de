//! # pipeprobe
//!
//! Can ClickPipes use this RDS or Aurora database with IAM, and for what: Initial Load Only, or CDC?
//!
//! ```text
//! argv, env, file → Config → Target ─┬→ Identity → AuthToken ─┐
//!                                    └→ Door ─────────────────┴→ Session → Facts
//!                                       each outcome → Finding… → Verdict → Report → text | json
//!                                       Look (operator) ┘ only ranks what a finding could be
//! ```
//!
//! A target is parsed once. Assuming its access role and climbing to its door (resolve, dial, TLS,
//! what authentication is asked) happen side by side; the token is signed and sent only where the
//! door asks for it. The server is then asked facts, and pure code judges everything that was seen:
//! a row of [`checks::CHECKS`] each, and from the rows the verdict. What was not reached denies as a
//! failure does.
//!
//! [`operator`] looks, where it is asked to, at what RDS and IAM have on record: evidence about the cause of a
//! failure, and never a verdict.
//! [`verify`] tells that story once, for [`run`]'s `check`. [`serve`] tells it for many targets for ever, keeps
//! what is known of each and answers over HTTP; its runs are [given](verify::Given) what earlier ones found.
//!
//! Three rooms stand beside that flow and touch no server. [`setup`] goes the other way: from a target alone
//! it makes what has to exist before all of that holds. [`lint`] judges the policies there are. [`ship`] has the
//! files that operators put around it.
//!
//! The modules stand in the order of that flow. Each names only those above it (tests/architecture.rs
//! holds it so), and each outside crate has one door.

// The words everything is said in.
pub mod secret;
pub mod target;
pub mod diagnostic;
pub mod policy;
pub mod lint;

// What is typed and written → what is meant.
pub mod cli;
pub mod trust;
pub mod config;

// Who we are, and what we send.
pub mod identity;
pub mod token;
pub mod aws;

// The database: how it is reached, what it says.
pub mod connection;
pub mod facts;

// What it means.
pub mod checks;
pub mod verdict;
pub mod report;

// What has to exist first, and what stands around it.
pub mod setup;
pub mod ship;

// The story of one target, of many for ever, and what a command makes of them.
pub mod verify;
pub mod serve;
pub mod run;

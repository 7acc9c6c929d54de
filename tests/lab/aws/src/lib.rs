//! The lab's AWS: enough of STS and of RDS's IAM check to judge a client that was written for the real ones.
//!
//! ```text
//! World ─────────────┬──────────────────────────────┐
//!                    ▼                              ▼
//! client ─ HTTP ─▶ sts ─ authenticate ─ assume_role ─▶ sessions      (and rds, iam: what is on record)
//!                    │    (sigv4)        (policy)        │
//!                    ▼                                   ▼
//! database ─ Unix socket ─▶ verifier ─ token (sigv4) ─ policy ─▶ accept | refuse
//! ```
//!
//! A [`World`] says which users, roles and databases exist. [`Aws::start`] serves it: `AssumeRole` and
//! `GetCallerIdentity`, and what RDS and IAM have on record, on loopback, with AWS's codes and words.
//! [`Aws::verify_on`] gives a database the other half: the socket its login
//! plugin asks whether a token may log in. Both sides share one clock, one store of sessions and one policy engine;
//! neither shares a line with the product, so agreement between the two means something.
//!
//! Everything that was asked and answered is kept in two ledgers, [`Aws::calls`] and [`Verifier::decisions`]. No
//! secret, session token or database token enters them.
//!
//! What is invented: AWS does not publish how it packs session policies and tags, nor the shape of session tokens.
//! Both only have believable sizes here. Service control policies, tags on users and roles, and federation do not
//! exist; nor does anything of RDS and IAM but the calls that read the record of a database and of a role.

// What exists, and what time it is there.
mod clock;
mod guide;
mod record;
mod world;

// Pure: who may do what.
mod condition;
mod pattern;
mod policy;
mod sigv4;

// Who is behind an access key.
mod caller;
mod session;

// STS, RDS's records and IAM's, over one protocol.
mod assume_role;
mod authenticate;
mod error;
mod fault;
mod iam;
mod rds;
mod service;
mod state;
mod xml;

mod sts;

// The database's side of IAM.
mod refusal;
mod token;
mod verifier;

// All of it put to work.
mod http;

mod aws;

pub use aws::Aws;
pub use fault::Fault;
pub use guide::{connect_policy, may_assume, trust_policy};
pub use record::{DbCluster, DbInstance, DbProxy, ManagedPolicy};
pub use refusal::Refusal;
pub use service::Service;
pub use session::{Credentials, Tag};
pub use sts::Call;
pub use verifier::{Decision, Verifier};
pub use world::{Database, Role, User, World};

#[cfg(test)]
mod client;

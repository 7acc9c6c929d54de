//! The lab's AWS stand-in: the parts of STS and of RDS's IAM check that a client needs.
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
//! A [`World`] defines users, roles and databases. [`Aws::start`] serves it: `AssumeRole` and
//! `GetCallerIdentity`, and the records of RDS and IAM, on loopback, with AWS's error codes and messages.
//! [`Aws::verify_on`] gives a database the other half: the socket its login
//! plugin asks whether a token may log in. Both sides share one clock, one store of sessions and one policy engine;
//! neither shares code with the product, so that agreement is meaningful.
//!
//! All requests and responses are recorded in [`Aws::calls`] and [`Verifier::decisions`]. They contain no
//! secret, session token or database token.
//!
//! Invented parts: AWS does not publish how it packs session policies and tags, nor the format of session tokens.
//! Here they only have realistic sizes. Service control policies, tags on users and roles, and federation do not
//! exist. Of RDS and IAM only the calls exist that read the record of a database or a role.

// Content and clock.
mod clock;
mod guide;
mod record;
mod world;

// Pure: authorization.
mod condition;
mod pattern;
mod policy;
mod sigv4;

// Authentication.
mod caller;
mod session;

// STS, RDS and IAM over one protocol.
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

// The database side of IAM.
mod refusal;
mod token;
mod verifier;

// The running server.
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

//! The lab's AWS: enough of STS and of RDS's IAM check to judge a client that was written for the real ones.
//!
//! ```text
//! World ─────────────┬──────────────────────────────┐
//!                    ▼                              ▼
//! client ─ HTTP ─▶ sts ─ authenticate ─ assume_role ─▶ sessions
//!                    │    (sigv4)        (policy)        │
//!                    ▼                                   ▼
//! database ─ Unix socket ─▶ verifier ─ token (sigv4) ─ policy ─▶ accept | refuse
//! ```
//!
//! A [`World`] says which users and roles exist. [`Aws::start`] serves it: `AssumeRole` and `GetCallerIdentity` on
//! loopback, with AWS's codes and words. [`Aws::verify_on`] gives a database the other half: the socket its login
//! plugin asks whether a token may log in. Both sides share one clock, one store of sessions and one policy engine;
//! neither shares a line with the product, so agreement between the two means something.
//!
//! Everything that was asked and answered is kept in two ledgers, [`Aws::calls`] and [`Verifier::decisions`]. No
//! secret, session token or database token enters them.
//!
//! What is invented: AWS does not publish how it packs session policies and tags, nor the shape of session tokens.
//! Both only have believable sizes here. Service control policies, permission boundaries, tags on users and roles,
//! managed policies and federation do not exist.

// What exists, and what time it is there.
mod clock;
mod guide;
mod world;

// Pure: who may do what.
mod condition;
mod pattern;
mod policy;
mod sigv4;

// Who is behind an access key.
mod caller;
mod session;

// STS.
mod assume_role;
mod authenticate;
mod error;
mod fault;
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
pub use refusal::Refusal;
pub use session::{Credentials, Tag};
pub use sts::Call;
pub use verifier::{Decision, Verifier};
pub use world::{Database, Role, User, World};

#[cfg(test)]
mod client;

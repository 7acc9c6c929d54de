//! The whole way, from credentials to verdict, on real servers that check the token themselves.
//!
//! Needs what `cargo lab setup` prepares; `cargo lab test` does both. A lane that cannot be had is
//! skipped, loudly, by name; PostgreSQL 15 and MariaDB 10.11 never are.

#![expect(clippy::disallowed_methods, reason = "tests stand where main.rs does")]

#[path = "end_to_end/support.rs"]
mod support;

#[path = "end_to_end/capability.rs"]
mod capability;
#[path = "end_to_end/faults.rs"]
mod faults;
#[path = "end_to_end/hostile.rs"]
mod hostile;
#[path = "end_to_end/identity.rs"]
mod identity;
#[cfg(feature = "aws-diagnostics")]
#[path = "end_to_end/aws_records.rs"]
mod aws_records;
#[path = "end_to_end/operators.rs"]
mod operators;
#[path = "end_to_end/oracles.rs"]
mod oracles;
#[path = "end_to_end/outputs.rs"]
mod outputs;
#[path = "end_to_end/refusals.rs"]
mod refusals;
#[path = "end_to_end/second_looks.rs"]
mod second_looks;
#[path = "end_to_end/secrets.rs"]
mod secrets;
#[path = "end_to_end/serve.rs"]
mod serve;
#[path = "end_to_end/setup.rs"]
mod setup;
#[path = "end_to_end/sources.rs"]
mod sources;
#[path = "end_to_end/tls.rs"]
mod tls;
#[path = "end_to_end/verdicts.rs"]
mod verdicts;
#[path = "end_to_end/waiting.rs"]
mod waiting;

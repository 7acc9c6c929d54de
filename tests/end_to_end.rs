//! End-to-end tests: from credentials to verdict, on real servers that verify the token.
//!
//! They need `cargo lab setup`; `cargo lab test` runs both. A server that is not available is
//! skipped, by name, on stderr. PostgreSQL 15 and MariaDB 10.11 are never skipped.

#![expect(clippy::disallowed_methods, reason = "tests stand where main.rs does")]

#[path = "end_to_end/support.rs"]
mod support;

#[path = "end_to_end/agent.rs"]
mod agent;
#[path = "end_to_end/agent_mysql.rs"]
mod agent_mysql;
#[path = "end_to_end/agent/limits.rs"]
mod agent_limits;
#[path = "end_to_end/agent/network.rs"]
mod agent_network;
#[path = "end_to_end/agent/pitfalls.rs"]
mod agent_pitfalls;
#[path = "end_to_end/agent/service.rs"]
mod agent_service;
#[path = "end_to_end/agent/token_socket.rs"]
mod agent_token_socket;
#[path = "end_to_end/agent_replication.rs"]
mod agent_replication;
#[path = "end_to_end/agent_tcp.rs"]
mod agent_tcp;
#[path = "end_to_end/capability.rs"]
mod capability;
#[path = "end_to_end/clickhouse_cloud.rs"]
mod clickhouse_cloud;
#[path = "end_to_end/estimate.rs"]
mod estimate;
#[path = "end_to_end/faults.rs"]
mod faults;
#[path = "end_to_end/handover.rs"]
mod handover;
#[path = "end_to_end/hostile.rs"]
mod hostile;
#[path = "end_to_end/identity.rs"]
mod identity;
#[cfg(feature = "aws-diagnostics")]
#[path = "end_to_end/aws_records.rs"]
mod aws_records;
#[path = "end_to_end/operators.rs"]
mod operators;
#[path = "end_to_end/independent_checks.rs"]
mod independent_checks;
#[path = "end_to_end/local_failures.rs"]
mod local_failures;
#[path = "end_to_end/known_faults.rs"]
mod known_faults;
#[path = "end_to_end/languages.rs"]
mod languages;
#[path = "end_to_end/other_aws.rs"]
mod other_aws;
#[path = "end_to_end/outputs.rs"]
mod outputs;
#[path = "end_to_end/pipe.rs"]
mod pipe;
#[path = "end_to_end/pipe_settings.rs"]
mod pipe_settings;
#[path = "end_to_end/refusals.rs"]
mod refusals;
#[path = "end_to_end/remedies.rs"]
mod remedies;
#[path = "end_to_end/retries.rs"]
mod retries;
#[path = "end_to_end/screens.rs"]
mod screens;
#[path = "end_to_end/secrets.rs"]
mod secrets;
#[path = "end_to_end/serve.rs"]
mod serve;
#[path = "end_to_end/setup.rs"]
mod setup;
#[path = "end_to_end/sources.rs"]
mod sources;
#[path = "end_to_end/terraform.rs"]
mod terraform;
#[path = "end_to_end/tls.rs"]
mod tls;
#[path = "end_to_end/verdicts.rs"]
mod verdicts;
#[path = "end_to_end/waiting.rs"]
mod waiting;

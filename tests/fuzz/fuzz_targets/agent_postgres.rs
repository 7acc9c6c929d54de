//! What a client of PostgreSQL says first to the agent.

#![no_main]

use pipeprobe::agent::fuzzing::postgres_client;
use pipeprobe_fuzz::runtime;
use tokio::runtime::Runtime;

thread_local!(static RUNTIME: Runtime = runtime());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    RUNTIME.with(|runtime| runtime.block_on(postgres_client(bytes)));
});

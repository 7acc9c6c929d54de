//! What a PostgreSQL server says from the StartupMessage on, up to where it is ready or has broken off.

#![no_main]

use pipeprobe::connection::postgres_fuzzing::connect;
use pipeprobe_fuzz::{POSTGRES, Says, runtime, token};
use tokio::runtime::Runtime;

thread_local!(static RUNTIME: Runtime = runtime());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    RUNTIME
        .with(|runtime| runtime.block_on(async { drop(connect(Says::new(bytes), &POSTGRES, &token()).await) }));
});

//! What a PostgreSQL server answers to every question, and the report that is made of it.

#![no_main]

use pipeprobe::connection::{Session, postgres_fuzzing::connect};
use pipeprobe_fuzz::{POSTGRES, Says, report, runtime, token};
use tokio::runtime::Runtime;

thread_local!(static RUNTIME: Runtime = runtime());

/// AuthenticationCleartextPassword, AuthenticationOk, ReadyForQuery.
const LOGIN: &[u8] = b"R\0\0\0\x08\0\0\0\x03R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let says = Says::new(&[LOGIN, bytes].concat());
            if let Ok(session) = connect(says, &POSTGRES, &token()).await {
                report(Session::Postgres(session), &POSTGRES).await;
            }
        });
    });
});

//! What a MySQL or MariaDB server says from its greeting on, TLS left out, up to the answer to the token.

#![no_main]

use pipeprobe::connection::mysql_fuzzing::connect;
use pipeprobe_fuzz::{MYSQL, Says, runtime, token};
use tokio::runtime::Runtime;

thread_local!(static RUNTIME: Runtime = runtime());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    RUNTIME.with(|runtime| runtime.block_on(async { drop(connect(Says::new(bytes), &MYSQL, &token()).await) }));
});

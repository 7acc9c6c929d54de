//! What a client of MySQL or MariaDB says to the agent.

#![no_main]

use pipeprobe::agent::fuzzing::mysql_client;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    mysql_client(bytes);
});

//! What a MySQL server answers to every question, and the report that is made of it. mysql_async may
//! panic on it, which is contained; the process may not end, and memory not run out.

#![no_main]

use std::sync::Once;

use pipeprobe::connection::{Session, mysql_fuzzing::connect};
use pipeprobe_fuzz::{MYSQL, Says, report, runtime, token};
use tokio::runtime::Runtime;

thread_local!(static RUNTIME: Runtime = runtime());

/// Greeting, AuthSwitchRequest, OK.
const LOGIN: &[u8] =
    b"\x4a\0\0\0\x0a8.0.39\0\x01\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0\
    ijklmnopqrst\0caching_sha2_password\0\x16\0\0\x02\xfemysql_clear_password\0\x07\0\0\x04\0\0\0\x02\0\0\0";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // libFuzzer's hook ends the process at a panic that verify.rs contains; ours, at one that it does not.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let session = connect(Says::new(&[LOGIN, bytes].concat()), &MYSQL, &token()).await;
            let auth_request = tokio::spawn(async move { report(Session::Mysql(session.unwrap()), &MYSQL).await });
            if let Err(panic) = auth_request.await {
                let panic = panic.into_panic();
                let words = panic.downcast_ref::<String>().map(String::as_str);
                let words = words.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
                if words.contains("assertion") {
                    eprintln!("{words}");
                    std::process::abort();
                }
            }
        });
    });
});

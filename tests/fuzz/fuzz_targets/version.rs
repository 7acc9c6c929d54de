//! A server's version, and any words of its: printed, they drive no terminal.

#![no_main]

use pipeprobe::{facts::Version, diagnostic::printable};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Version::parse(text);
    let printed = printable(text);
    assert!(!printed.contains(char::is_control) && printed.chars().count() <= 1000);
});

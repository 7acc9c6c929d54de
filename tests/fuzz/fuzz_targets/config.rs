//! A configuration file: it is read, or refused in words.

#![no_main]

use std::path::Path;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(invalid) = pipeprobe::config::file::parse(Path::new("/etc/pipeprobe.toml"), text) {
        assert!(invalid.field.starts_with("/etc/pipeprobe.toml"));
    }
});

//! The certificate that is shown, read before it is believed: no panic, and nothing that drives a terminal.

#![no_main]

libfuzzer_sys::fuzz_target!(|der: &[u8]| {
    if let Some(said) = pipeprobe::connection::certificate_summary(der) {
        for text in said.names.iter().chain([&said.subject, &said.issuer]) {
            assert!(!text.contains(char::is_control));
        }
    }
});

//! Bodies of a peer's messages, chosen by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::wire_payload(data));

//! Requests of control clients, chosen by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::control_request(data));

//! Lines that are or are not flows, written by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::flow_line(data));

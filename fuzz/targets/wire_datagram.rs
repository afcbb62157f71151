//! Datagrams of a peer, chosen by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::wire_datagram(data));

//! Datagrams of the kernel, chosen by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::ctnetlink_datagram(data));

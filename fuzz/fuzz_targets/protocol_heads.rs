//! Checks `laws::protocol_heads`: any bytes as a request head.
#![no_main]

libfuzzer_sys::fuzz_target!(|head: &[u8]| gabion_testkit::laws::protocol_heads(head));

//! Any bytes, read as the head of a request: see the laws.
#![no_main]

libfuzzer_sys::fuzz_target!(|head: &[u8]| gabion_testkit::laws::protocol_heads(head));

//! Any bytes, watched as what one side of a WebSocket sends: see the laws.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gabion_testkit::laws::frames(input));

//! Checks `laws::frames`: any bytes as one side of a WebSocket.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| gabion_testkit::laws::frames(input));

//! Any peer, and anything that it says: see the laws.
#![no_main]

use gabion_testkit::laws;

libfuzzer_sys::fuzz_target!(|claim: laws::Claim<'_>| laws::client_identity(&claim));

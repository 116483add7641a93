//! Checks [`laws::client_identity`]: any peer, client rules and header lines.
#![no_main]

use gabion_testkit::laws;

libfuzzer_sys::fuzz_target!(|input: laws::ClientInput<'_>| laws::client_identity(&input));

//! Checks [`laws::chain`]: any policy and any request.
#![no_main]

use gabion_testkit::laws;

libfuzzer_sys::fuzz_target!(|ask: laws::Ask<'_>| laws::chain(&ask));

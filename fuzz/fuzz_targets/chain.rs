//! Checks [`laws::chain`]: any policy and any request.
#![no_main]

use gabion_testkit::laws;

libfuzzer_sys::fuzz_target!(|input: laws::ChainInput<'_>| laws::chain(&input));

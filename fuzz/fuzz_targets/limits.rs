//! Checks [`laws::limits`]: any rate limit and any series of requests.
#![no_main]

use gabion_testkit::laws;

libfuzzer_sys::fuzz_target!(|input: laws::LimitInput| laws::limits(&input));

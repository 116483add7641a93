//! Any limit, and anyone who asks: see the laws.
#![no_main]

use gabion_testkit::laws;

libfuzzer_sys::fuzz_target!(|plan: laws::Plan| laws::limits(&plan));

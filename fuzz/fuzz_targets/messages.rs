//! Checks [`laws::messages`]: any message rules and any message.
#![no_main]

use gabion_testkit::laws;

libfuzzer_sys::fuzz_target!(|input: laws::MessageInput<'_>| laws::messages(&input));

//! Any text, read as a policy: see the laws.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| gabion_testkit::laws::policy_document(text));

//! Checks `laws::policy_document`: any text as a policy.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| gabion_testkit::laws::policy_document(text));

//! Checks `laws::list_files`: any text as a list of networks.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| gabion_testkit::laws::list_files(text));

//! Any text, read as a list of networks: see the laws.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| gabion_testkit::laws::list_files(text));

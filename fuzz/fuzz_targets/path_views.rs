//! Any bytes, read as a path: see the laws.
#![no_main]

libfuzzer_sys::fuzz_target!(|path: &[u8]| gabion_testkit::laws::path_views(path));

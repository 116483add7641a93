//! Checks `laws::path_views`: any bytes as a path.
#![no_main]

libfuzzer_sys::fuzz_target!(|path: &[u8]| gabion_testkit::laws::path_views(path));

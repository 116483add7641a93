//! Any bytes, read as the head of a request and weighed: see the laws. Tells each costlier one.
#![no_main]

use std::sync::atomic::{AtomicU64, Ordering};

static WORST: AtomicU64 = AtomicU64::new(0);

libfuzzer_sys::fuzz_target!(|head: &[u8]| {
    let Some(weight) = gabion_testkit::laws::cost(head) else {
        return;
    };
    if WORST.fetch_max(weight.per_kib(), Ordering::Relaxed) < weight.per_kib() {
        eprintln!("{weight}: {}", head.escape_ascii());
    }
});

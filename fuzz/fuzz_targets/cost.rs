//! Checks `laws::cost`: any bytes as a request head. Prints each head that takes more time per KiB than all
//! before.
#![no_main]

use std::sync::atomic::{AtomicU64, Ordering};

static SLOWEST: AtomicU64 = AtomicU64::new(0);

libfuzzer_sys::fuzz_target!(|head: &[u8]| {
    let Some(weight) = gabion_testkit::laws::cost(head) else {
        return;
    };
    if SLOWEST.fetch_max(weight.per_kib(), Ordering::Relaxed) < weight.per_kib() {
        eprintln!("{weight}: {}", head.escape_ascii());
    }
});

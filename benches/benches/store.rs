//! The store of bans: restored bans, durable bans per second, and the cost of an update to its caller.
//!
//! `cargo bench -p gabion-benches --bench store`
//!
//! The folder is under the system's folder for temporary files; set `TMPDIR` to measure another disk.

#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a bench may panic, and reads the clock"
)]

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use gabion_benches::{TempDir, is_test};
use gabion_core::{BanRecord, BanUpdate, ChangeListener, RuleId, UpdateOrigin};
use gabion_store::{Store, StoreOptions};
use gabion_testkit::Recorder;

const LONG: Duration = Duration::from_mins(5);

fn main() {
    let (bans, singles) = if is_test() {
        (1_000, 10)
    } else {
        (100_000, 1_000)
    };
    let folder = TempDir::new("store-bench");
    let store = open(&folder, bans);
    let updates: Vec<_> = (0..bans).map(ban).collect();

    let began = Instant::now();
    for update in updates.iter().take(singles) {
        store.on_ban_update(update, UpdateOrigin::Rule);
        store.sync(LONG).unwrap();
    }
    let took = began.elapsed();
    println!(
        "durable, one by one: {:.0} bans/s, {:.2} ms each",
        singles as f64 / took.as_secs_f64(),
        took.as_secs_f64() * 1e3 / singles as f64
    );

    let began = Instant::now();
    for update in &updates {
        store.on_ban_update(update, UpdateOrigin::Rule);
    }
    let queued = began.elapsed();
    store.sync(LONG).unwrap();
    let took = began.elapsed();
    println!(
        "durable, grouped: {:.0} bans/s; an update costs its caller {:.0} ns",
        bans as f64 / took.as_secs_f64(),
        queued.as_secs_f64() * 1e9 / bans as f64
    );
    println!(
        "bytes: {:?}",
        [store.status().bans.bytes, store.status().events.bytes]
    );
    drop(store);

    for _ in 0..3 {
        let began = Instant::now();
        let store = open(&folder, bans);
        let restored = store.restored();
        let took = began.elapsed();
        assert_eq!(restored.bans.len(), bans);
        println!(
            "restored: {bans} bans in {:.0} ms",
            took.as_secs_f64() * 1e3
        );
    }
}

fn open(folder: &TempDir, bans: usize) -> Store {
    let options = StoreOptions::new(folder.path()).with_queue(bans + 1);
    Store::open(options, Arc::new(Recorder::default())).unwrap()
}

fn ban(n: usize) -> BanUpdate {
    let since = SystemTime::now();
    // Neighboring numbers are no neighboring networks.
    let addr = u32::try_from(n).unwrap().wrapping_mul(0x9e37_79b1);
    BanUpdate::Banned(BanRecord {
        network: IpAddr::V4(Ipv4Addr::from(addr)).into(),
        by: RuleId::builtin("dotfiles"),
        reason: None,
        since,
        until: since + Duration::from_mins(10),
        offenses: 1,
    })
}

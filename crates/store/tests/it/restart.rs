//! What a store restores after a restart.

use std::time::Duration;

use gabion_core::{AllowRecord, BanUpdate, ChangeListener, UpdateOrigin};
use gabion_store::PartState;
use gabion_testkit::TempFolder;

use crate::support::{LONG, ban, ban_for, client, now, open, stored};

#[test]
fn bans_exemptions_and_offenses_survive_a_restart() {
    let folder = TempFolder::new("store-restart");
    let (store, recorder) = open(&folder);
    assert_eq!(store.status().bans.state, PartState::Ready);
    let BanUpdate::Banned(banned) = ban(1) else {
        unreachable!()
    };
    let allowed = AllowRecord {
        network: client(2),
        reason: Some("the office".into()),
        since: banned.since,
        until: banned.until,
    };
    store.on_ban_update(&ban(1), UpdateOrigin::Rule);
    store.on_ban_update(&ban(3), UpdateOrigin::Peer);
    store.on_ban_update(&BanUpdate::Allowed(allowed.clone()), UpdateOrigin::Operator);
    store.sync(LONG).unwrap();
    drop(store);
    assert_eq!(recorder.take_texts(), [""; 0]);

    let (store, _) = open(&folder);
    let restored = store.restored();
    let networks: Vec<_> = restored.bans.iter().map(|ban| ban.network).collect();
    assert_eq!(networks, [client(1), client(3)]);
    assert_eq!(restored.bans[0].by.as_str(), "dotfiles");
    assert_eq!(restored.bans[0].reason.as_deref(), Some("asked for .env"));
    assert_eq!(restored.allows.len(), 1);
    assert_eq!(restored.allows[0].reason, allowed.reason);
    assert_eq!(restored.offenses.len(), 2);
    assert_eq!(restored.offenses[0].offenses, 1);
    assert_eq!(restored.offenses[0].last, restored.bans[0].until);
    assert!(store.restored().bans.is_empty(), "restored twice");
}

#[test]
fn lifted_forgotten_and_expired_bans_do_not_return() {
    let folder = TempFolder::new("store-lifted");
    let (store, _) = open(&folder);
    for n in 1..=4 {
        store.on_ban_update(&ban(n), UpdateOrigin::Rule);
    }
    let expired = ban_for(client(5), Duration::ZERO);
    store.on_ban_update(&expired, UpdateOrigin::Rule);
    store.on_ban_update(&BanUpdate::Lifted(client(1)), UpdateOrigin::Operator);
    store.on_ban_update(&BanUpdate::Forgotten(client(2)), UpdateOrigin::Operator);
    drop(store);

    let (store, _) = open(&folder);
    let restored = store.restored();
    let bans: Vec<_> = restored.bans.iter().map(|ban| ban.network).collect();
    assert_eq!(bans, [client(3), client(4)]);
    let offenses: Vec<_> = restored.offenses.iter().map(|row| row.network).collect();
    assert_eq!(offenses, [client(1), client(3), client(4), client(5)]);
}

#[test]
fn restored_bans_are_not_written_again() {
    let folder = TempFolder::new("store-origin");
    let (store, _) = open(&folder);
    store.on_ban_update(&ban(1), UpdateOrigin::Store);
    store.sync(LONG).unwrap();
    drop(store);
    assert!(stored(&folder).is_empty());
}

#[test]
fn a_ban_is_durable_within_100_ms_without_a_sync() {
    let folder = TempFolder::new("store-latency");
    let (store, _) = open(&folder);
    let before = now();
    store.on_ban_update(&ban(1), UpdateOrigin::Rule);
    crate::support::wait_until("written", || {
        store.status().bans.last_sync.is_some_and(|at| at >= before)
    });
    let took = store
        .status()
        .bans
        .last_sync
        .unwrap()
        .duration_since(before)
        .unwrap();
    println!("durable after {took:?}");
    assert!(
        took < Duration::from_millis(100)
            || cfg!(debug_assertions) && took < Duration::from_secs(1)
    );
}

#[cfg(unix)]
#[test]
fn files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let parent = TempFolder::new("store-modes");
    let folder = parent.path().join("state");
    let options = gabion_store::StoreOptions::new(&folder);
    drop(crate::support::open_with(options.clone()));
    let mode = |name: &str| {
        let file = std::fs::metadata(folder.join(name)).unwrap();
        file.permissions().mode() & 0o777
    };
    let modes = ["", "bans.redb", "events.redb", "lock"].map(mode);
    assert_eq!(modes, [0o700, 0o600, 0o600, 0o600]);
    let readable = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.join("bans.redb"), readable).unwrap();
    drop(crate::support::open_with(options));
    assert_eq!(mode("bans.redb"), 0o600);
}

#[test]
fn bans_of_100_000_clients_are_restored() {
    let folder = TempFolder::new("store-many");
    let options = gabion_store::StoreOptions::new(folder.path()).with_queue(200_000);
    let (store, _) = crate::support::open_with(options);
    for n in 0..100_000 {
        store.on_ban_update(&ban(n), UpdateOrigin::Rule);
    }
    store.sync(Duration::from_mins(2)).unwrap();
    drop(store);
    let (store, _) = open(&folder);
    let restored = store.restored();
    assert_eq!(
        (restored.bans.len(), restored.offenses.len()),
        (100_000, 100_000)
    );
}

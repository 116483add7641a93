//! Files that are locked, damaged, deleted or of another version.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use gabion_core::{BanUpdate, ChangeListener, UpdateOrigin};
use gabion_store::{PartState, StoreProblem};
use gabion_testkit::TempFolder;
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::support::{LONG, Table, ban, client, open, stored, wait_for_state, wait_until};

fn write_bans(folder: &TempFolder, clients: std::ops::Range<u32>) {
    let (store, _) = open(folder);
    for n in clients {
        store.on_ban_update(&ban(n), UpdateOrigin::Rule);
    }
    store.sync(LONG).unwrap();
}

fn moved_aside(folder: &TempFolder) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.path()).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files
        .filter(|path| path.to_string_lossy().contains(".corrupt-"))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "a test damages a file")]
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, &bytes).unwrap();
    bytes
}

#[test]
fn a_second_process_degrades_and_takes_over() {
    let folder = TempFolder::new("store-locked");
    let (first, _) = open(&folder);
    let old = Table::with(&first);
    old.apply(&ban(1));
    old.apply(&ban(2));
    first.sync(LONG).unwrap();

    let (second, recorder) = open(&folder);
    let new = Table::with(&second);
    assert_eq!(
        second.status().bans.state,
        PartState::Degraded(StoreProblem::Locked)
    );
    let events = recorder.take_texts();
    assert!(
        events[0].contains("locked by another process"),
        "{events:?}"
    );
    assert_eq!(events.len(), 2, "{events:?}");
    new.apply(&ban(3));
    new.apply(&BanUpdate::Lifted(client(2)));
    let error = second.sync(LONG).unwrap_err().to_string();
    assert!(
        error.contains("bans.redb") && error.contains("locked"),
        "{error}"
    );

    old.apply(&ban(4));
    drop(first);
    wait_for_state(&second, PartState::Ready);
    // The bans of the first reach the second, but the one that was lifted there.
    assert_eq!(new.banned(), [client(1), client(3), client(4)]);
    second.sync(LONG).unwrap();
    let events = recorder.take_texts();
    assert!(
        events.iter().all(|event| event.contains("recovered")),
        "{events:?}"
    );
    assert_eq!(events.len(), 2, "{events:?}");
    drop(second);
    assert_eq!(stored(&folder), new.banned());
}

#[test]
fn damaged_files_are_moved_aside_and_replaced() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 5] = [
        ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
        ("a byte", |bytes| bytes.truncate(1)),
        ("zeros", |bytes| bytes.fill(0)),
        ("text", |bytes| *bytes = b"not a database".repeat(1_000)),
        ("flipped", |bytes| {
            for nth in 0..bytes.len() / 64 {
                bytes[nth * 64] ^= 0x5a;
            }
        }),
    ];
    for (name, damage) in damages {
        for file in ["bans.redb", "events.redb"] {
            let folder = TempFolder::new("store-corrupt");
            write_bans(&folder, 0..500);
            let original = change(&folder.path().join(file), damage);
            let (store, recorder) = open(&folder);
            let events = recorder.take_texts();
            assert!(events[0].contains("damaged"), "{name} {file}: {events:?}");
            let aside = moved_aside(&folder);
            assert_eq!(aside.len(), 1, "{name} {file}: {aside:?}");
            let kept = change(&aside[0], |_| {});
            if name != "flipped" && name != "truncated" {
                assert_eq!(kept, original, "{name} {file}");
            }
            assert_eq!(store.status().bans.state, PartState::Ready);
            store.on_ban_update(&ban(1_000), UpdateOrigin::Rule);
            store.sync(LONG).unwrap();
            drop(store);
            assert!(stored(&folder).contains(&client(1_000)), "{name} {file}");
        }
    }
}

/// Flips bits at random: the store starts, and has the true bans or reports the damage.
#[test]
fn flipped_bits_are_noticed_or_harmless() {
    let folder = TempFolder::new("store-flipped");
    write_bans(&folder, 0..300);
    let path = folder.path().join("bans.redb");
    let intact = change(&path, |_| {});
    let expected = stored(&folder);
    let (mut seed, mut noticed) = (7_u64, 0);
    for _ in 0..60 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(seed >> 33).unwrap() % intact.len();
        change(&path, |bytes| {
            bytes.clone_from(&intact);
            bytes[at] ^= 1 << (seed % 8);
        });
        let (store, recorder) = open(&folder);
        assert_eq!(store.status().bans.state, PartState::Ready, "byte {at}");
        let mut found: Vec<_> = store
            .restored()
            .bans
            .iter()
            .map(|ban| ban.network)
            .collect();
        found.sort_unstable();
        if recorder.take_texts().is_empty() {
            assert_eq!(found, expected, "byte {at}");
        } else {
            noticed += 1;
            assert!(found.is_empty(), "byte {at}");
        }
    }
    println!("{noticed} of 60 flipped bits are damage");
    assert!(noticed > 0);
}

#[test]
fn an_unknown_version_is_refused_untouched() {
    const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    let folder = TempFolder::new("store-version");
    write_bans(&folder, 0..3);
    let path = folder.path().join("bans.redb");
    let database = Database::open(&path).unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(META).unwrap().insert("version", 7).unwrap();
    txn.commit().unwrap();
    drop(database);
    let before = change(&path, |_| {});

    let (store, recorder) = open(&folder);
    assert_eq!(
        store.status().bans.state,
        PartState::Degraded(StoreProblem::Version)
    );
    assert_eq!(store.status().events.state, PartState::Ready);
    let events = recorder.take_texts();
    assert!(
        events[0].contains("another version of gabion (version 7)"),
        "{events:?}"
    );
    store.on_ban_update(&ban(9), UpdateOrigin::Rule);
    assert!(store.sync(LONG).is_err());
    drop(store);
    assert_eq!(change(&path, |_| {}), before);
    assert!(moved_aside(&folder).is_empty());
    let database = Database::open(&path).unwrap();
    assert!(database.begin_read().is_ok());
}

#[test]
fn a_folder_that_cannot_be_created_degrades_and_recovers() {
    let parent = TempFolder::new("store-no-folder");
    let in_the_way = parent.write("state", "a file, where the folder should be");
    let options = gabion_store::StoreOptions::new(&in_the_way);
    let (store, _) = crate::support::open_with(options);
    let table = Table::with(&store);
    assert!(matches!(store.status().bans.state, PartState::Degraded(_)));
    table.apply(&ban(1));
    assert!(store.sync(LONG).is_err());
    fs::remove_file(&in_the_way).unwrap();
    wait_for_state(&store, PartState::Ready);
    store.sync(LONG).unwrap();
    drop(store);
    let options = gabion_store::StoreOptions::new(&in_the_way);
    let (store, _) = crate::support::open_with(options);
    assert_eq!(store.restored().bans.len(), 1);
}

#[test]
fn a_source_that_is_attached_late_gets_what_was_not_taken() {
    let folder = TempFolder::new("store-late");
    write_bans(&folder, 0..10);
    let (store, _) = open(&folder);
    let table = Arc::new(Table::default());
    table.connect(&store);
    wait_until("restored", || table.banned().len() == 10);
    assert!(store.restored().bans.is_empty());
    assert!(
        store
            .events(SystemTime::UNIX_EPOCH, 1, LONG)
            .unwrap()
            .is_empty()
    );
}

//! Updates that find the queue full.

use gabion_core::BanUpdate;
use gabion_store::{PartState, StoreOptions};
use gabion_testkit::TempFolder;

use crate::support::{LONG, Table, ban, client, open_with, stored};

#[test]
fn dropped_updates_are_written_from_a_snapshot() {
    let folder = TempFolder::new("store-overflow");
    let (store, recorder) = open_with(StoreOptions::new(folder.path()).with_queue(4));
    let table = Table::with(&store);
    for n in 0..3_000 {
        table.apply(&ban(n));
        if n % 3 == 0 {
            table.apply(&BanUpdate::Lifted(client(n)));
        }
    }
    store.sync(LONG).unwrap();
    assert!(store.status().dropped_updates > 0);
    assert_eq!(store.status().bans.state, PartState::Ready);
    assert_eq!(store.status().queued, 0);
    drop(store);
    assert_eq!(stored(&folder), table.banned());
    let events = recorder.take_texts();
    assert!(
        events[0].contains("updates found the queue full"),
        "{events:?}"
    );
}

#[test]
fn without_a_source_dropped_updates_are_not_called_durable() {
    let folder = TempFolder::new("store-no-source");
    let (store, _) = open_with(StoreOptions::new(folder.path()).with_queue(1));
    let table = Table::default();
    for n in 0..3_000 {
        let update = ban(n);
        table.apply(&update);
        gabion_core::ChangeListener::on_ban_update(
            &*store,
            &update,
            gabion_core::UpdateOrigin::Rule,
        );
    }
    let error = store.sync(LONG).unwrap_err().to_string();
    assert!(error.contains("no source of bans is attached"), "{error}");
    assert_eq!(store.status().bans.state, PartState::Incomplete);
    let table = std::sync::Arc::new(table);
    table.connect(&store);
    store.sync(LONG).unwrap();
    drop(store);
    assert_eq!(stored(&folder), table.banned());
}

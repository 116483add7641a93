//! Events for reports.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use gabion_core::{BanUpdate, ChangeListener, UpdateOrigin};
use gabion_store::{Store, StoreOptions, StoredEvent};
use gabion_testkit::TempFolder;
use ipnet::IpNet;

use crate::support::{LONG, ban, client, now, open, open_with};

const HOUR: Duration = Duration::from_hours(1);

fn event(age: Duration, network: Option<IpNet>, text: &str) -> StoredEvent {
    StoredEvent {
        at: now() - age,
        kind: "denied".into(),
        network,
        rule: Some("dotfiles".into()),
        text: text.into(),
    }
}

fn texts(store: &Store, since: SystemTime, limit: usize) -> Vec<Arc<str>> {
    let events = store.events(since, limit, LONG).unwrap();
    events.into_iter().map(|event| event.text).collect()
}

#[test]
fn events_are_read_latest_first_within_bounds() {
    let folder = TempFolder::new("store-events");
    let (store, _) = open(&folder);
    for hours in [3, 1, 2] {
        store.record_event(event(HOUR * hours, Some(client(1)), &format!("{hours} h")));
    }
    assert_eq!(
        &*texts(&store, SystemTime::UNIX_EPOCH, 10).join(" "),
        "1 h 2 h 3 h"
    );
    assert_eq!(&*texts(&store, SystemTime::UNIX_EPOCH, 1).join(" "), "1 h");
    assert_eq!(
        &*texts(&store, now() - HOUR * 5 / 2, 10).join(" "),
        "1 h 2 h"
    );
    drop(store);
    let (store, _) = open(&folder);
    let read = store.events(SystemTime::UNIX_EPOCH, 1, LONG).unwrap();
    assert_eq!(read[0].network, Some(client(1)));
    assert_eq!(
        (&*read[0].kind, read[0].rule.as_deref()),
        ("denied", Some("dotfiles"))
    );
}

#[test]
fn events_of_one_microsecond_are_all_kept() {
    let folder = TempFolder::new("store-same-time");
    let (store, _) = open(&folder);
    let same = event(HOUR, None, "same");
    for _ in 0..100 {
        store.record_event(same.clone());
    }
    assert_eq!(texts(&store, SystemTime::UNIX_EPOCH, 1_000).len(), 100);
}

#[test]
fn forgotten_clients_leave_no_event() {
    let folder = TempFolder::new("store-forget");
    let (store, _) = open(&folder);
    store.record_event(event(HOUR, Some(client(1)), "durable"));
    store.sync(LONG).unwrap();
    store.record_event(event(HOUR, Some(client(1)), "queued"));
    store.record_event(event(HOUR, Some(client(2)), "other"));
    store.on_ban_update(&ban(1), UpdateOrigin::Rule);
    store.on_ban_update(&BanUpdate::Forgotten(client(1)), UpdateOrigin::Operator);
    store.sync(LONG).unwrap();
    assert_eq!(
        &*texts(&store, SystemTime::UNIX_EPOCH, 10).join(" "),
        "other"
    );
    // A network erases the clients within it.
    let network: IpNet = "203.0.0.0/24".parse().unwrap();
    store.on_ban_update(&BanUpdate::Forgotten(network), UpdateOrigin::Operator);
    assert!(texts(&store, SystemTime::UNIX_EPOCH, 10).is_empty());
    drop(store);
    let (store, _) = open(&folder);
    assert!(store.restored().offenses.is_empty());
}

#[test]
fn the_number_of_events_is_bounded() {
    let folder = TempFolder::new("store-max");
    let (store, _) = open_with(StoreOptions::new(folder.path()).with_max_events(50));
    for n in 0..200 {
        store.record_event(event(
            HOUR.saturating_sub(Duration::from_secs(n)),
            Some(client(1)),
            &n.to_string(),
        ));
    }
    let texts = texts(&store, SystemTime::UNIX_EPOCH, 1_000);
    assert_eq!((texts.len(), &*texts[0], &*texts[49]), (50, "199", "150"));
}

/// Expired rows are deleted after the start, and a file that is mostly free is compacted at the next one.
#[test]
fn old_events_and_offenses_are_deleted_and_their_space_returned() {
    let folder = TempFolder::new("store-retention");
    let day = Duration::from_hours(24);
    let options = StoreOptions::new(folder.path());
    let lenient = options.clone().with_event_retention(1_000 * day);
    let lenient = lenient.with_offense_retention(1_000 * day);
    let (store, _) = open_with(lenient.clone());
    let long = "x".repeat(2_000);
    for n in 0..5_000 {
        let text = event(31 * day, Some(client(n)), &long);
        store.record_event(text);
    }
    store.record_event(event(29 * day, Some(client(1)), "young"));
    store.on_ban_update(&ban(1), UpdateOrigin::Rule);
    drop(store);
    let (store, _) = open_with(lenient);
    assert_eq!(texts(&store, SystemTime::UNIX_EPOCH, 10_000).len(), 5_001);
    let before = store.status().events.bytes;
    drop(store);
    let (store, _) = open_with(options.clone());
    assert_eq!(store.restored().offenses.len(), 1);
    crate::support::wait_until("deleted", || {
        texts(&store, SystemTime::UNIX_EPOCH, 10_000).len() == 1
    });
    drop(store);
    let (store, _) = open_with(options);
    let after = store.status().events.bytes;
    assert!(after < before / 4, "{before} bytes before, {after} after");
    assert_eq!(
        &*texts(&store, SystemTime::UNIX_EPOCH, 10).join(" "),
        "young"
    );
}

#[test]
fn events_that_find_the_queue_full_are_counted() {
    let folder = TempFolder::new("store-dropped");
    let (store, _) = open_with(StoreOptions::new(folder.path()).with_queue(10));
    for n in 0..50_000 {
        store.record_event(event(HOUR, None, &n.to_string()));
    }
    let kept = texts(&store, SystemTime::UNIX_EPOCH, 10_000).len();
    let dropped = store.status().dropped_events;
    assert_eq!(kept as u64 + dropped, 50_000);
    assert!(dropped > 0);
}

#[test]
fn long_values_are_cut() {
    let folder = TempFolder::new("store-long");
    let (store, _) = open(&folder);
    store.record_event(event(HOUR, None, &"é".repeat(10_000)));
    assert_eq!(
        texts(&store, SystemTime::UNIX_EPOCH, 1)[0].len(),
        StoredEvent::MAX_TEXT
    );
}

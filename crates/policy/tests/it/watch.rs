//! Files that change are taken up, however they are changed.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gabion_core::PolicySource as _;
use gabion_policy::{PolicyHandle, PolicyOptions, Watch, WatchOptions};

use crate::{
    handle::{Ear, denies},
    scratch::Scratch,
};

const QUIET: Duration = Duration::from_millis(100);
/// Longer than anything takes that is going to happen.
const LONG: Duration = Duration::from_secs(10);
/// Longer than what must not happen would take.
const SHORT: Duration = Duration::from_millis(400);

fn policy(rules: &[&str]) -> String {
    let rules = rules
        .iter()
        .map(|rule| format!("[[deny]]\nid = '{rule}'\nprefix = '/{rule}'\n"));
    format!("version = 1\n{}", rules.collect::<String>())
}

/// A watched policy that denies `/a`.
struct Room {
    scratch: Scratch,
    live: PolicyHandle,
    ear: Arc<Ear>,
    watch: Watch,
}

impl Room {
    fn new() -> Self {
        let scratch = Scratch::new();
        let path = scratch.write("policy.toml", policy(&["a"]));
        Self::open(scratch, path, LONG * 6)
    }

    fn open(scratch: Scratch, path: PathBuf, poll: Duration) -> Self {
        let ear = Arc::new(Ear::default());
        let live = PolicyHandle::open(path, PolicyOptions::new(ear.clone())).unwrap();
        let mut options = WatchOptions::default();
        options.quiet = QUIET;
        options.poll = poll;
        let watch = Watch::spawn(live.clone(), options).unwrap();
        // The first look is taken at once: what a test does is to be seen by a later one.
        assert_eq!(ear.wait(1, QUIET * 3), []);
        Self {
            scratch,
            live,
            ear,
            watch,
        }
    }

    fn denies(&self, request: &str) -> bool {
        denies(&self.live.current(), request)
    }

    /// Waits for as many events, and for a moment longer: there are no more.
    #[track_caller]
    fn hears(&self, events: &[(bool, u64)]) {
        self.ear.wait(events.len(), LONG);
        assert_eq!(self.ear.wait(events.len() + 1, SHORT), events);
    }
}

#[test]
fn file_written_in_place_is_taken_up() {
    let room = Room::new();
    room.scratch.write("policy.toml", policy(&["b"]));
    room.hears(&[(true, 1)]);
    assert!(room.denies("/b"));
}

#[test]
fn file_renamed_over_is_taken_up_again_and_again() {
    let room = Room::new();
    for (generation, rule) in ["b", "c", "d"].iter().enumerate() {
        room.scratch.write(".policy.toml.swp", policy(&[rule]));
        room.scratch.rename(".policy.toml.swp", "policy.toml");
        assert_eq!(room.ear.wait(generation + 1, LONG).len(), generation + 1);
        assert!(room.denies(&format!("/{rule}")));
    }
}

#[test]
fn file_written_in_two_chunks_is_taken_up_once() {
    let room = Room::new();
    let text = policy(&["b", "c", "d"]);
    let (head, tail) = text.split_at(text.find("[[deny]]\nid = 'd'").unwrap());
    room.scratch.write("policy.toml", head);
    room.ear.wait(1, QUIET / 4);
    room.scratch.append("policy.toml", tail);
    room.hears(&[(true, 1)]);
    assert!(room.denies("/d"));
}

#[test]
fn file_written_bit_by_bit_is_taken_up_once() {
    let room = Room::new();
    room.scratch.write("policy.toml", "");
    for bit in policy(&["b", "c", "d"]).as_bytes().chunks(2) {
        room.scratch
            .append("policy.toml", str::from_utf8(bit).unwrap());
        room.ear.wait(1, QUIET / 50);
    }
    room.hears(&[(true, 1)]);
    assert!(room.denies("/d"));
}

#[test]
fn half_a_file_is_refused_until_it_is_whole() {
    let room = Room::new();
    let text = policy(&["b", "c"]);
    let (head, tail) = text.split_at(text.len() - 4);
    room.scratch.write("policy.toml", head);
    room.hears(&[(false, 0)]);
    assert!(room.denies("/a"));
    room.scratch.append("policy.toml", tail);
    room.hears(&[(false, 0), (true, 1)]);
    assert!(room.denies("/c"));
}

#[test]
fn emptied_file_is_refused() {
    let room = Room::new();
    room.scratch.write("policy.toml", "version = 1\n");
    room.hears(&[(false, 0)]);
    assert!(
        room.ear
            .why()
            .contains("this would lose 1 of 1 deny rules: `a`")
    );
    assert!(room.denies("/a"));
}

#[test]
fn bad_document_is_told_once() {
    let scratch = Scratch::new();
    let path = scratch.write("policy.toml", policy(&["a"]));
    let room = Room::open(scratch, path, QUIET);
    room.scratch.write("policy.toml", "version = 2\n");
    room.hears(&[(false, 0)]);
    room.scratch
        .write("else", "what stands beside it does not matter");
    room.hears(&[(false, 0)]);
}

#[test]
fn file_missing_for_a_moment_is_told_once_and_forgiven() {
    let room = Room::new();
    room.scratch.rename("policy.toml", "away");
    room.hears(&[(false, 0)]);
    room.scratch.rename("away", "policy.toml");
    room.hears(&[(false, 0)]);
    assert!(room.denies("/a"));
    room.scratch.write("policy.toml", policy(&["b"]));
    room.hears(&[(false, 0), (true, 1)]);
}

#[test]
fn nothing_new_is_nothing() {
    let room = Room::new();
    room.scratch.write("policy.toml", policy(&["a"]));
    room.scratch.write("else", "");
    room.hears(&[]);
}

/// As the kubelet does: `policy.toml -> ..data/policy.toml`, `..data -> ..1`, and a rename over
/// `..data` that swaps all files at once.
fn mount(scratch: &Scratch) -> PathBuf {
    scratch.write("cm/..1/policy.toml", policy(&["a"]));
    scratch.link("..1", "cm/..data");
    scratch.link("..data/policy.toml", "cm/policy.toml");
    scratch.path("cm/policy.toml")
}

fn swap(scratch: &Scratch, version: &str, rule: &str) {
    scratch.write(&format!("cm/{version}/policy.toml"), policy(&[rule]));
    scratch.link(version, "cm/..data_tmp");
    scratch.rename("cm/..data_tmp", "cm/..data");
}

#[test]
fn swap_of_a_mounted_config_map_is_taken_up() {
    let scratch = Scratch::new();
    let path = mount(&scratch);
    let room = Room::open(scratch, path, LONG * 6);
    for (generation, version, rule) in [(1, "..2", "b"), (2, "..3", "c")] {
        swap(&room.scratch, version, rule);
        assert_eq!(room.ear.wait(generation, LONG).len(), generation);
        assert!(room.denies(&format!("/{rule}")));
    }
}

#[test]
fn swap_behind_a_link_to_the_mount_is_taken_up() {
    let scratch = Scratch::new();
    let target = mount(&scratch);
    scratch.write("etc/else", "");
    scratch.link(target, "etc/policy.toml");
    let path = scratch.path("etc/policy.toml");
    let room = Room::open(scratch, path, LONG * 6);
    swap(&room.scratch, "..2", "b");
    room.hears(&[(true, 1)]);
}

#[test]
fn target_of_a_swapped_link_is_watched() {
    let scratch = Scratch::new();
    let path = mount(&scratch);
    let room = Room::open(scratch, path, LONG * 6);
    swap(&room.scratch, "..2", "b");
    room.hears(&[(true, 1)]);
    room.scratch.write("cm/..2/policy.toml", policy(&["c"]));
    room.hears(&[(true, 1), (true, 2)]);
}

#[test]
fn polling_finds_what_no_event_told() {
    let scratch = Scratch::new();
    mount(&scratch);
    let path = scratch.path("cm/..data/policy.toml");
    let room = Room::open(scratch, path, QUIET);
    swap(&room.scratch, "..2", "b");
    room.hears(&[(true, 1)]);
}

#[test]
fn list_in_a_new_place_is_watched_after_a_reload() {
    let room = Room::new();
    room.scratch.write("far/drop", "198.51.100.0/24\n");
    room.scratch.write(
        "policy.toml",
        format!("{}[ban]\nfiles = 'far/drop'\n", policy(&["a"])),
    );
    room.hears(&[(true, 1)]);
    room.scratch.append("far/drop", "192.0.2.0/24\n");
    room.hears(&[(true, 1), (true, 2)]);
    assert!(room.denies("/"), "a probe comes from 192.0.2.1");
}

#[test]
fn list_that_arrives_late_is_waited_for() {
    let room = Room::new();
    room.scratch.write("far/else", "");
    room.scratch.write(
        "policy.toml",
        format!("{}[ban]\nfiles = 'far/drop'\n", policy(&["a"])),
    );
    room.hears(&[(false, 0)]);
    room.scratch.write("far/drop", "192.0.2.0/24\n");
    room.hears(&[(false, 0), (true, 1)]);
}

#[test]
fn poke_reloads_what_has_not_changed() {
    let room = Room::new();
    room.watch.poke();
    room.hears(&[(true, 1)]);
}

#[test]
fn dropped_watch_watches_no_more() {
    let room = Room::new();
    drop(room.watch);
    room.scratch.write("policy.toml", policy(&["b"]));
    assert_eq!(room.ear.wait(1, SHORT), []);
}

#[test]
fn policy_that_is_not_a_file_is_not_watched() {
    let options = PolicyOptions::new(Arc::new(Ear::default()));
    let live = PolicyHandle::from_document("version = 1", "policy.toml", options).unwrap();
    let error = Watch::spawn(live, WatchOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a policy that is not a file cannot be watched"
    );
}

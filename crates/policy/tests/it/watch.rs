//! Reloading when files change, in all the ways in which they are changed.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use gabion_core::PolicySource as _;
use gabion_policy::{PolicyHandle, PolicyOptions, Watch, WatchOptions};

use crate::{
    handle::{EventLog, denies},
    scratch::ScratchDir,
};

const QUIET: Duration = Duration::from_millis(100);
/// Longer than any expected event takes.
const LONG: Duration = Duration::from_secs(10);
/// The time in which an unexpected event would come, in quiet times.
const SHORT: u32 = 4;

fn policy(rules: &[&str]) -> String {
    let rules = rules
        .iter()
        .map(|rule| format!("[[deny]]\nid = '{rule}'\nprefix = '/{rule}'\n"));
    format!("version = 1\n{}", rules.collect::<String>())
}

/// A watched policy that denies `/a`.
struct WatchedPolicy {
    scratch: ScratchDir,
    policy: PolicyHandle,
    events: Arc<EventLog>,
    watch: Watch,
    quiet: Duration,
}

impl WatchedPolicy {
    fn new() -> Self {
        Self::with_quiet(QUIET)
    }

    /// With a quiet time that is much longer than the pauses between writes, also on a busy machine.
    fn with_quiet(quiet: Duration) -> Self {
        let scratch = ScratchDir::new();
        let path = scratch.write("policy.toml", policy(&["a"]));
        Self::open_with(scratch, path, (quiet, LONG * 6))
    }

    fn open(scratch: ScratchDir, path: PathBuf, poll: Duration) -> Self {
        Self::open_with(scratch, path, (QUIET, poll))
    }

    fn open_with(scratch: ScratchDir, path: PathBuf, (quiet, poll): (Duration, Duration)) -> Self {
        let events = Arc::new(EventLog::default());
        let policy = PolicyHandle::open(path, PolicyOptions::new(events.clone())).unwrap();
        let options = WatchOptions::default().with_quiet(quiet).with_poll(poll);
        let watch = policy.watch(options).unwrap();
        // The thread reads the files once at start; changes by the test come later.
        assert_eq!(events.wait(1, quiet * 3), []);
        Self {
            scratch,
            policy,
            events,
            watch,
            quiet,
        }
    }

    fn denies(&self, request: &str) -> bool {
        denies(&self.policy.current(), request)
    }

    /// Waits for these outcomes, and then checks that no more follow.
    #[track_caller]
    fn expect_outcomes(&self, events: &[(bool, u64)]) {
        self.events.wait(events.len(), LONG);
        assert_eq!(
            self.events.wait(events.len() + 1, self.quiet * SHORT),
            events
        );
    }
}

#[test]
fn file_written_in_place_is_reloaded() {
    let watched = WatchedPolicy::new();
    watched.scratch.write("policy.toml", policy(&["b"]));
    watched.expect_outcomes(&[(true, 1)]);
    assert!(watched.denies("/b"));
}

#[test]
fn file_replaced_by_rename_is_reloaded_each_time() {
    let watched = WatchedPolicy::new();
    for (generation, rule) in ["b", "c", "d"].iter().enumerate() {
        watched.scratch.write(".policy.toml.swp", policy(&[rule]));
        watched.scratch.rename(".policy.toml.swp", "policy.toml");
        assert_eq!(
            watched.events.wait(generation + 1, LONG).len(),
            generation + 1
        );
        assert!(watched.denies(&format!("/{rule}")));
    }
}

#[test]
fn file_written_in_two_chunks_is_reloaded_once() {
    let watched = WatchedPolicy::with_quiet(QUIET * 6);
    let text = policy(&["b", "c", "d"]);
    let (head, tail) = text.split_at(text.find("[[deny]]\nid = 'd'").unwrap());
    watched.scratch.write("policy.toml", head);
    watched.events.wait(1, QUIET / 4);
    watched.scratch.append("policy.toml", tail);
    watched.expect_outcomes(&[(true, 1)]);
    assert!(watched.denies("/d"));
}

#[test]
fn file_written_in_small_pieces_is_reloaded_once() {
    let watched = WatchedPolicy::with_quiet(QUIET * 6);
    watched.scratch.write("policy.toml", "");
    for bit in policy(&["b", "c", "d"]).as_bytes().chunks(2) {
        watched
            .scratch
            .append("policy.toml", str::from_utf8(bit).unwrap());
        watched.events.wait(1, QUIET / 50);
    }
    watched.expect_outcomes(&[(true, 1)]);
    assert!(watched.denies("/d"));
}

#[test]
fn incomplete_file_is_refused_until_it_is_complete() {
    let watched = WatchedPolicy::new();
    let text = policy(&["b", "c"]);
    let (head, tail) = text.split_at(text.len() - 4);
    watched.scratch.write("policy.toml", head);
    watched.expect_outcomes(&[(false, 0)]);
    assert!(watched.denies("/a"));
    watched.scratch.append("policy.toml", tail);
    watched.expect_outcomes(&[(false, 0), (true, 1)]);
    assert!(watched.denies("/c"));
}

#[test]
fn emptied_file_is_refused() {
    let watched = WatchedPolicy::new();
    watched.scratch.write("policy.toml", "version = 1\n");
    watched.expect_outcomes(&[(false, 0)]);
    assert!(
        watched
            .events
            .last_refusal()
            .contains("this edit removes 1 of 1 deny rules (`a`); ")
    );
    assert!(watched.denies("/a"));
}

#[test]
fn invalid_document_is_reported_once() {
    let scratch = ScratchDir::new();
    let path = scratch.write("policy.toml", policy(&["a"]));
    let watched = WatchedPolicy::open(scratch, path, QUIET);
    // A rename is atomic: a poll never reads an empty file, which would be reported too.
    watched.scratch.write("next.toml", "version = 2\n");
    watched.scratch.rename("next.toml", "policy.toml");
    watched.expect_outcomes(&[(false, 0)]);
    watched.scratch.write("else", "other files are ignored");
    watched.expect_outcomes(&[(false, 0)]);
}

#[test]
fn file_missing_for_a_moment_is_reported_once() {
    let watched = WatchedPolicy::new();
    watched.scratch.rename("policy.toml", "away");
    watched.expect_outcomes(&[(false, 0)]);
    watched.scratch.rename("away", "policy.toml");
    watched.expect_outcomes(&[(false, 0), (true, 0)]);
    assert!(watched.denies("/a"));
    watched.scratch.write("policy.toml", policy(&["b"]));
    watched.expect_outcomes(&[(false, 0), (true, 0), (true, 1)]);
}

/// Writes a line to a file next to the policy, over and over, until it is dropped.
struct Logging {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Logging {
    fn start(watched: &WatchedPolicy) -> Self {
        let path = watched.scratch.write("access.log", "");
        let stop: Arc<AtomicBool> = Arc::default();
        let is_over = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            #[expect(clippy::disallowed_methods, reason = "another program's log")]
            let mut log = OpenOptions::new().append(true).open(path).unwrap();
            // Ends by itself, in case that the test does not.
            for _ in 0..4_000 {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                log.write_all(b"GET / 200\n").unwrap();
                thread::park_timeout(QUIET / 10);
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

#[test]
fn other_file_in_the_directory_that_is_written_all_the_time_delays_no_reload() {
    // Continuous events delay a reload by 20 times the quiet time.
    let watched = WatchedPolicy::with_quiet(QUIET * 10);
    let _logging = Logging::start(&watched);
    watched.scratch.write("policy.toml", policy(&["b"]));
    assert_eq!(watched.events.wait(1, LONG), [(true, 1)]);
    assert!(watched.denies("/b"));
}

#[test]
fn unchanged_content_is_not_reloaded() {
    let watched = WatchedPolicy::new();
    watched.scratch.write("policy.toml", policy(&["a"]));
    watched.scratch.write("else", "");
    watched.expect_outcomes(&[]);
}

/// The layout of the kubelet: `policy.toml -> ..data/policy.toml`, `..data -> ..1`, and a rename over
/// `..data` that swaps all files at once.
fn mount_config_map(scratch: &ScratchDir) -> PathBuf {
    scratch.write("cm/..1/policy.toml", policy(&["a"]));
    scratch.link("..1", "cm/..data");
    scratch.link("..data/policy.toml", "cm/policy.toml");
    scratch.path("cm/policy.toml")
}

fn swap_version(scratch: &ScratchDir, version: &str, rule: &str) {
    scratch.write(&format!("cm/{version}/policy.toml"), policy(&[rule]));
    scratch.link(version, "cm/..data_tmp");
    scratch.rename("cm/..data_tmp", "cm/..data");
}

#[test]
fn updated_config_map_is_reloaded() {
    let scratch = ScratchDir::new();
    let path = mount_config_map(&scratch);
    let watched = WatchedPolicy::open(scratch, path, LONG * 6);
    for (generation, version, rule) in [(1, "..2", "b"), (2, "..3", "c")] {
        swap_version(&watched.scratch, version, rule);
        assert_eq!(watched.events.wait(generation, LONG).len(), generation);
        assert!(watched.denies(&format!("/{rule}")));
    }
}

#[test]
fn updated_config_map_behind_a_symlink_is_reloaded() {
    let scratch = ScratchDir::new();
    let target = mount_config_map(&scratch);
    scratch.write("etc/else", "");
    scratch.link(target, "etc/policy.toml");
    let path = scratch.path("etc/policy.toml");
    let watched = WatchedPolicy::open(scratch, path, LONG * 6);
    swap_version(&watched.scratch, "..2", "b");
    watched.expect_outcomes(&[(true, 1)]);
}

#[test]
fn new_target_of_a_symlink_is_watched() {
    let scratch = ScratchDir::new();
    let path = mount_config_map(&scratch);
    let watched = WatchedPolicy::open(scratch, path, LONG * 6);
    swap_version(&watched.scratch, "..2", "b");
    watched.expect_outcomes(&[(true, 1)]);
    watched.scratch.write("cm/..2/policy.toml", policy(&["c"]));
    watched.expect_outcomes(&[(true, 1), (true, 2)]);
}

#[test]
fn polling_finds_changes_without_events() {
    let scratch = ScratchDir::new();
    mount_config_map(&scratch);
    let path = scratch.path("cm/..data/policy.toml");
    let watched = WatchedPolicy::open(scratch, path, QUIET);
    swap_version(&watched.scratch, "..2", "b");
    watched.expect_outcomes(&[(true, 1)]);
}

#[test]
fn list_in_a_new_directory_is_watched_after_a_reload() {
    let watched = WatchedPolicy::new();
    watched.scratch.write("far/drop", "198.51.100.0/24\n");
    watched.scratch.write(
        "policy.toml",
        format!("{}[ban]\nfiles = 'far/drop'\n", policy(&["a"])),
    );
    watched.expect_outcomes(&[(true, 1)]);
    watched.scratch.append("far/drop", "192.0.2.0/24\n");
    watched.expect_outcomes(&[(true, 1), (true, 2)]);
    assert!(watched.denies("/"), "a sample request comes from 192.0.2.1");
}

#[test]
fn missing_list_is_loaded_when_it_appears() {
    let watched = WatchedPolicy::new();
    watched.scratch.write("far/else", "");
    watched.scratch.write(
        "policy.toml",
        format!("{}[ban]\nfiles = 'far/drop'\n", policy(&["a"])),
    );
    watched.expect_outcomes(&[(false, 0)]);
    watched.scratch.write("far/drop", "192.0.2.0/24\n");
    watched.expect_outcomes(&[(false, 0), (true, 1)]);
}

/// The policy of [`policy`] with a list.
fn policy_with_list(rule: &str, list: &str) -> String {
    format!("{}[ban]\nfiles = '{list}'\n", policy(&[rule]))
}

/// Watches a policy with the list `drop`, and reads its files all the time.
fn poll_policy_with_list(list: &str) -> WatchedPolicy {
    let scratch = ScratchDir::new();
    scratch.write("drop", list);
    let path = scratch.write("policy.toml", policy_with_list("a", "drop"));
    WatchedPolicy::open(scratch, path, QUIET / 4)
}

impl WatchedPolicy {
    /// Replaces a file at once, so that no poll reads a part of it.
    fn swap(&self, name: &str, content: impl AsRef<[u8]>) {
        self.scratch.write("next", content);
        self.scratch.rename("next", name);
    }
}

#[test]
fn polling_does_not_reload_unchanged_files_of_any_size() {
    let line = "198.51.100.0/24 # the same network again\n";
    let watched = poll_policy_with_list(&line.repeat(10_000));
    watched.expect_outcomes(&[]);
    watched.swap("drop", line.repeat(10_000) + " ");
    watched.expect_outcomes(&[(true, 1)]);
}

#[test]
fn invalid_list_is_reported_once_and_again_after_a_valid_one() {
    let watched = poll_policy_with_list("198.51.100.0/24\n");
    watched.swap("drop", "lan\n");
    watched.expect_outcomes(&[(false, 0)]);
    watched.swap("drop", "198.51.100.0/24\n");
    watched.expect_outcomes(&[(false, 0), (true, 0)]);
    watched.swap("drop", "lan\n");
    watched.expect_outcomes(&[(false, 0), (true, 0), (false, 0)]);
}

#[test]
fn restored_document_is_not_reloaded_and_its_list_is_watched_again() {
    let watched = poll_policy_with_list("198.51.100.0/24\n");
    watched.swap("policy.toml", policy_with_list("b", "missing"));
    watched.expect_outcomes(&[(false, 0)]);
    watched.swap("policy.toml", policy_with_list("a", "drop"));
    watched.expect_outcomes(&[(false, 0), (true, 0)]);
    watched.swap("drop", "203.0.113.0/24\n");
    watched.expect_outcomes(&[(false, 0), (true, 0), (true, 1)]);
}

#[test]
fn document_restored_with_another_list_content_is_reloaded() {
    let watched = poll_policy_with_list("198.51.100.0/24\n");
    watched.swap("policy.toml", "version = 2\n");
    watched.expect_outcomes(&[(false, 0)]);
    watched.swap("drop", "203.0.113.0/24\n");
    watched.expect_outcomes(&[(false, 0)]);
    watched.swap("policy.toml", policy_with_list("a", "drop"));
    watched.expect_outcomes(&[(false, 0), (true, 1)]);
}

#[test]
fn unreadable_file_is_reported_once() {
    for (name, content) in [
        ("policy.toml", vec![b'#'; (4 << 20) + 1]),
        ("policy.toml", b"version = 1\n# caf\xe9\n".to_vec()),
        ("drop", b"# caf\xe9\n".to_vec()),
    ] {
        let watched = poll_policy_with_list("198.51.100.0/24\n");
        watched.swap(name, content);
        watched.expect_outcomes(&[(false, 0)]);
    }
    for name in ["policy.toml", "drop"] {
        let watched = poll_policy_with_list("198.51.100.0/24\n");
        watched.scratch.remove(name);
        watched.expect_outcomes(&[(false, 0)]);
    }
}

#[test]
fn reload_now_reloads_unchanged_files() {
    let watched = WatchedPolicy::new();
    watched.watch.reload_now();
    watched.expect_outcomes(&[(true, 1)]);
}

#[test]
fn dropped_watch_stops() {
    let watched = WatchedPolicy::new();
    drop(watched.watch);
    watched.scratch.write("policy.toml", policy(&["b"]));
    assert_eq!(watched.events.wait(1, QUIET * SHORT), []);
}

#[test]
fn policy_without_a_file_cannot_be_watched() {
    let scratch = ScratchDir::new();
    let list = scratch.write("drop", "198.51.100.0/24\n");
    for text in [
        "version = 1".to_owned(),
        policy_with_list("a", list.to_str().unwrap()),
    ] {
        let options = PolicyOptions::new(Arc::new(EventLog::default()));
        let policy = PolicyHandle::from_document(&text, "policy.toml", options).unwrap();
        let error = policy.watch(WatchOptions::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot watch a policy that was not loaded from a file"
        );
    }
}

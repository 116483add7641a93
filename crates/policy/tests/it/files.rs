//! Reading the files of a policy, and errors about them.

use std::sync::Arc;

use gabion_core::PolicySource as _;
use gabion_policy::{PolicyHandle, PolicyOptions};

use crate::{
    handle::{EventLog, denies},
    scratch::ScratchDir,
};

const POLICY: &str = "version = 1
[ban]
files = ['lists/drop.netset']
[[deny]]
id = 'a'
prefix = '/a'
";

fn open(
    scratch: &ScratchDir,
    text: impl AsRef<[u8]>,
) -> Result<(PolicyHandle, Arc<EventLog>), String> {
    let events = Arc::new(EventLog::default());
    let path = scratch.write("policy.toml", text);
    let policy = PolicyHandle::open(path, PolicyOptions::new(events.clone()))
        .map_err(|error| error.to_string())?;
    Ok((policy, events))
}

#[test]
fn list_is_read_relative_to_the_document() {
    let scratch = ScratchDir::new();
    scratch.write("lists/drop.netset", "# drop\n192.0.2.0/24\n");
    let (policy, _events) = open(&scratch, POLICY).unwrap();
    assert!(
        denies(&policy.current(), "/"),
        "a sample request comes from 192.0.2.1"
    );
}

#[test]
fn missing_list_is_reported_at_its_entry() {
    let scratch = ScratchDir::new();
    let error = open(&scratch, POLICY).unwrap_err();
    assert!(error.contains("policy.toml:3:10\n"), "{error}");
    assert!(
        error.contains("cannot read list `lists/drop.netset`: No such file"),
        "{error}"
    );
}

#[test]
fn invalid_list_is_reported_at_its_entry_with_its_own_line() {
    let scratch = ScratchDir::new();
    scratch.write("lists/drop.netset", "# drop\n192.0.2.0/24\n  lan\n");
    let error = open(&scratch, POLICY).unwrap_err();
    assert!(error.contains("policy.toml:3:10\n"), "{error}");
    assert!(error.contains("error: lists/drop.netset:3:3: "), "{error}");
}

#[test]
fn removed_list_keeps_the_previous_policy() {
    let scratch = ScratchDir::new();
    scratch.write("lists/drop.netset", "192.0.2.0/24\n");
    let (policy, events) = open(&scratch, POLICY).unwrap();
    scratch.remove("lists/drop.netset");
    policy.reload().unwrap_err();
    assert!(denies(&policy.current(), "/"));
    assert_eq!(events.outcomes(), [(false, 0)]);
}

#[test]
fn truncated_list_is_refused() {
    let scratch = ScratchDir::new();
    scratch.write(
        "lists/drop.netset",
        "192.0.2.0/24\n198.51.100.0/24\n203.0.113.0/24\n",
    );
    let (policy, _events) = open(&scratch, POLICY).unwrap();
    scratch.write("lists/drop.netset", "192.0.2.0/24\n");
    let error = policy.reload().unwrap_err().to_string();
    assert!(
        error.contains("this edit removes 2 of 3 networks from [ban]"),
        "{error}"
    );
}

#[test]
fn unreadable_file_is_refused() {
    let scratch = ScratchDir::new();
    for (files, message) in [
        ("lists", "cannot read list `lists`: not a regular file"),
        (
            "/dev/zero",
            "cannot read list `/dev/zero`: not a regular file",
        ),
        (
            "lists/latin1",
            "cannot read list `lists/latin1`: invalid UTF-8 in line 1",
        ),
    ] {
        scratch.write("lists/latin1", b"# \xe9\n");
        let error = open(&scratch, POLICY.replace("lists/drop.netset", files)).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    let error = PolicyHandle::open(
        scratch.path("none.toml"),
        PolicyOptions::new(Arc::new(EventLog::default())),
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("cannot read the document: No such file"),
        "{error}"
    );
}

#[test]
fn invalid_utf8_in_a_document_is_reported_with_its_position() {
    let scratch = ScratchDir::new();
    let error = open(&scratch, b"version = 1\n# caf\xe9\n").unwrap_err();
    assert!(
        error.contains("error: invalid UTF-8 in the document\n"),
        "{error}"
    );
    assert!(error.contains("policy.toml:2:6\n"), "{error}");
}

#[test]
fn relative_list_of_a_policy_without_a_file_is_refused() {
    let options = PolicyOptions::new(Arc::new(EventLog::default()));
    let error = PolicyHandle::from_document(POLICY, "policy.toml", options).unwrap_err();
    assert!(
        error.to_string().contains("its path must be absolute"),
        "{error}"
    );
}

//! The files of a policy: read whole, or refused by name.

use std::sync::Arc;

use gabion_core::PolicySource as _;
use gabion_policy::{PolicyHandle, PolicyOptions};

use crate::{
    handle::{Ear, denies},
    scratch::Scratch,
};

const POLICY: &str = "version = 1
[ban]
files = ['lists/drop.netset']
[[deny]]
id = 'a'
prefix = '/a'
";

fn open(scratch: &Scratch, text: impl AsRef<[u8]>) -> Result<(PolicyHandle, Arc<Ear>), String> {
    let ear = Arc::new(Ear::default());
    let path = scratch.write("policy.toml", text);
    let live = PolicyHandle::open(path, PolicyOptions::new(ear.clone()))
        .map_err(|error| error.to_string())?;
    Ok((live, ear))
}

#[test]
fn list_is_read_beside_the_document() {
    let scratch = Scratch::new();
    scratch.write("lists/drop.netset", "# drop\n192.0.2.0/24\n");
    let (live, _ear) = open(&scratch, POLICY).unwrap();
    assert!(denies(&live.current(), "/"), "a probe comes from 192.0.2.1");
}

#[test]
fn missing_list_is_told_at_its_entry() {
    let scratch = Scratch::new();
    let error = open(&scratch, POLICY).unwrap_err();
    assert!(error.contains("policy.toml:3:10\n"), "{error}");
    assert!(
        error.contains("list `lists/drop.netset` cannot be read: No such file"),
        "{error}"
    );
}

#[test]
fn bad_list_is_told_at_its_entry_with_its_own_place() {
    let scratch = Scratch::new();
    scratch.write("lists/drop.netset", "# drop\n192.0.2.0/24\n  lan\n");
    let error = open(&scratch, POLICY).unwrap_err();
    assert!(error.contains("policy.toml:3:10\n"), "{error}");
    assert!(error.contains("error: lists/drop.netset:3:3: "), "{error}");
}

#[test]
fn list_that_goes_missing_keeps_the_old_policy() {
    let scratch = Scratch::new();
    scratch.write("lists/drop.netset", "192.0.2.0/24\n");
    let (live, ear) = open(&scratch, POLICY).unwrap();
    scratch.remove("lists/drop.netset");
    live.reload().unwrap_err();
    assert!(denies(&live.current(), "/"));
    assert_eq!(ear.heard(), [(false, 0)]);
}

#[test]
fn emptied_list_is_a_loss() {
    let scratch = Scratch::new();
    scratch.write(
        "lists/drop.netset",
        "192.0.2.0/24\n198.51.100.0/24\n203.0.113.0/24\n",
    );
    let (live, _ear) = open(&scratch, POLICY).unwrap();
    scratch.write("lists/drop.netset", "192.0.2.0/24\n");
    let error = live.reload().unwrap_err().to_string();
    assert!(
        error.contains("this would lose 2 of 3 entries of ban lists"),
        "{error}"
    );
}

#[test]
fn what_is_no_readable_file_is_refused() {
    let scratch = Scratch::new();
    for (files, why) in [
        (
            "lists",
            "list `lists` cannot be read: it is not a regular file",
        ),
        (
            "/dev/zero",
            "list `/dev/zero` cannot be read: it is not a regular file",
        ),
        (
            "lists/latin1",
            "list `lists/latin1` cannot be read: byte 2 is not UTF-8",
        ),
    ] {
        scratch.write("lists/latin1", b"# \xe9\n");
        let error = open(&scratch, POLICY.replace("lists/drop.netset", files)).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let error = PolicyHandle::open(
        scratch.path("none.toml"),
        PolicyOptions::new(Arc::new(Ear::default())),
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("the document cannot be read: No such file"),
        "{error}"
    );
}

#[test]
fn document_that_is_not_utf8_is_told_where() {
    let scratch = Scratch::new();
    let error = open(&scratch, b"version = 1\n# caf\xe9\n").unwrap_err();
    assert!(
        error.contains("error: the document is not UTF-8 here\n"),
        "{error}"
    );
    assert!(error.contains("policy.toml:2:6\n"), "{error}");
}

#[test]
fn policy_that_is_not_a_file_has_no_place_for_lists() {
    let options = PolicyOptions::new(Arc::new(Ear::default()));
    let error = PolicyHandle::from_document(POLICY, "policy.toml", options).unwrap_err();
    assert!(
        error.to_string().contains("needs absolute names of lists"),
        "{error}"
    );
}

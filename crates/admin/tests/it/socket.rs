//! The file of the Unix socket.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net},
};

use gabion_admin::{Existing, ListenError, UnixListener};
use gabion_testkit::TempFolder;

use crate::support::Served;

#[test]
fn socket_is_of_its_owner_only() {
    let served = Served::start();
    let mode = fs::metadata(served.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let files = fs::read_dir(served.folder.path()).unwrap().count();
    assert_eq!(files, 1, "nothing else is left");
    let (_, status) = served.get("/v1/status");
    assert_eq!(status["store"]["kind"], "none");
}

#[test]
fn socket_of_a_dead_process_is_replaced_and_that_of_a_live_one_is_not() {
    let folder = TempFolder::new("admin-socket");
    let path = folder.path().join("admin.sock");
    drop(net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "the file of a dead process");
    let first = UnixListener::bind(&path, Existing::Refuse).unwrap();
    let second = UnixListener::bind(&path, Existing::Refuse);
    assert!(
        matches!(second, Err(ListenError::InUse { .. })),
        "{second:?}"
    );

    let successor = UnixListener::bind(&path, Existing::Replace).unwrap();
    drop(first);
    assert!(path.exists(), "the file is that of the successor");
    drop(successor);
    assert!(!path.exists());

    folder.write("admin.sock", "a file");
    let other = UnixListener::bind(&path, Existing::Replace);
    assert!(
        matches!(other, Err(ListenError::NotASocket { .. })),
        "{other:?}"
    );
}

#[test]
fn caller_is_known_by_its_uid() {
    let served = Served::start();
    let body = r#"{"address": "203.0.113.9", "for": "1h", "reason": "forms"}"#;
    served.post("/v1/bans", body);
    let events = served.events.take_texts();
    let own = fs::metadata(served.socket()).map(|file| {
        use std::os::unix::fs::MetadataExt as _;
        file.uid()
    });
    let expected = format!(
        "operator (unix uid {}): ban 203.0.113.9/32: until ",
        own.unwrap()
    );
    assert!(events[1].starts_with(&expected), "{events:?}");
    assert!(events[1].ends_with(": forms"), "{events:?}");
}

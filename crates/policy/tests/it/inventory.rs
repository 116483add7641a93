//! A policy that shrinks by accident is refused.

use std::sync::Arc;

use gabion_policy::{PolicyHandle, PolicyOptions, ShrinkGuard};

use crate::handle::Ear;

const OLD: &str = "version = 1
[client]
trusted_proxies = ['10.0.0.0/8', '172.16.0.0/12']
[allow]
networks = ['192.0.2.1']
paths = ['/acme']
[ban]
networks = ['198.51.100.1', '198.51.100.2', '198.51.100.3', '198.51.100.4']
[[deny]]
id = 'a'
names = 'a'
[[deny]]
id = 'b'
names = 'b'
[[deny]]
id = 'c'
names = 'c'
";

fn replace(shrink: ShrinkGuard, text: &str) -> Result<(), String> {
    let options = PolicyOptions::new(Arc::new(Ear::default())).with_shrink_guard(shrink);
    let live = PolicyHandle::from_document(OLD, "policy.toml", options).unwrap();
    live.replace(text)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[test]
fn loss_is_refused_and_named() {
    let without = |from: &str, to: &str| {
        assert!(OLD.contains(from), "{from}");
        OLD.replace(from, to)
    };
    for (text, lost) in [
        (
            without(", '172.16.0.0/12'", ""),
            "trusted proxies: `172.16.0.0/12`",
        ),
        (
            without("networks = ['192.0.2.1']", ""),
            "entries of [allow]: `192.0.2.1`",
        ),
        (
            without("paths = ['/acme']", ""),
            "entries of [allow]: `/acme`",
        ),
        (
            without("'198.51.100.2', '198.51.100.3', '198.51.100.4'", ""),
            "3 of 4 entries of ban lists",
        ),
        (
            without(
                "[[deny]]\nid = 'b'\nnames = 'b'\n[[deny]]\nid = 'c'\nnames = 'c'\n",
                "",
            ),
            "2 of 3 deny rules: `b`, `c`",
        ),
    ] {
        let error = replace(ShrinkGuard::Refuse, &text).expect_err(lost);
        assert!(
            error.contains(&format!("this would lose {lost}\n")),
            "{error}"
        );
        assert!(error.contains("--accept-shrink"), "{error}");
        assert_eq!(replace(ShrinkGuard::Accept, &text), Ok(()));
    }
}

#[test]
fn all_losses_are_told_at_once() {
    let error = replace(ShrinkGuard::Refuse, "version = 1").unwrap_err();
    assert_eq!(error.matches("this would lose").count(), 4, "{error}");
}

#[test]
fn smaller_change_is_taken() {
    for (from, to) in [
        ("[[deny]]\nid = 'c'\nnames = 'c'\n", ""),
        ("'198.51.100.3', '198.51.100.4'", ""),
        ("id = 'a'", "id = 'renamed'"),
        ("'192.0.2.1'", "'192.0.2.1', '192.0.2.2'"),
    ] {
        assert_eq!(
            replace(ShrinkGuard::Refuse, &OLD.replace(from, to)),
            Ok(()),
            "{to}"
        );
    }
}

#[test]
fn bad_document_is_not_blamed_for_what_was_not_read() {
    let error = replace(ShrinkGuard::Refuse, &OLD.replace("paths =", "pahts =")).unwrap_err();
    assert!(
        error.contains("unknown key `pahts`") && !error.contains("would lose"),
        "{error}"
    );
}

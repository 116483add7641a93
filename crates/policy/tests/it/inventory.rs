//! Policies that lose entries by accident are refused.

use std::sync::Arc;

use gabion_policy::{PolicyHandle, PolicyOptions, ShrinkGuard};

use crate::handle::EventLog;

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
    let options = PolicyOptions::new(Arc::new(EventLog::default())).with_shrink_guard(shrink);
    let policy = PolicyHandle::from_document(OLD, "policy.toml", options).unwrap();
    policy
        .replace(text)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[test]
fn removed_entries_are_refused_and_named() {
    let without = |from: &str, to: &str| {
        assert!(OLD.contains(from), "{from}");
        OLD.replace(from, to)
    };
    for (text, removed) in [
        (
            without(", '172.16.0.0/12'", ""),
            "172.16.0.0/12 from [client] trusted_proxies",
        ),
        (
            without("networks = ['192.0.2.1']", ""),
            "192.0.2.1 from [allow]",
        ),
        (without("paths = ['/acme']", ""), "`/acme` from [allow]"),
        (
            without("'198.51.100.2', '198.51.100.3', '198.51.100.4'", ""),
            "3 of 4 networks from [ban]",
        ),
        (
            without(
                "[[deny]]\nid = 'b'\nnames = 'b'\n[[deny]]\nid = 'c'\nnames = 'c'\n",
                "",
            ),
            "2 of 3 deny rules (`b`, `c`)",
        ),
    ] {
        let error = replace(ShrinkGuard::Refuse, &text).expect_err(removed);
        assert!(
            error.contains(&format!(
                "this edit removes {removed}; to accept it, send SIGUSR2 to guard or start it with --accept-shrink\n"
            )),
            "{error}"
        );
        assert_eq!(replace(ShrinkGuard::Accept, &text), Ok(()));
    }
}

#[test]
fn all_losses_are_reported_at_once() {
    let error = replace(ShrinkGuard::Refuse, "version = 1").unwrap_err();
    assert_eq!(error.matches("this edit removes").count(), 4, "{error}");
}

#[test]
fn loss_hides_no_failing_test_and_no_other_error() {
    let text = OLD.replace("networks = ['192.0.2.1']", "");
    let failing = "[[expect]]\nrequest = '/a'\nverdict = 'pass'\n";
    let error = replace(ShrinkGuard::Refuse, &format!("{text}{failing}")).unwrap_err();
    for words in ["this edit removes 192.0.2.1", "[[expect]] test failed"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    let invalid = "[[deny]]\nid = 'd'\nregex = '('\n";
    let error = replace(ShrinkGuard::Refuse, &format!("{text}{invalid}")).unwrap_err();
    for words in ["this edit removes 192.0.2.1", "unclosed group"] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn smaller_change_is_accepted() {
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
fn invalid_document_reports_no_losses() {
    let error = replace(ShrinkGuard::Refuse, &OLD.replace("paths =", "pahts =")).unwrap_err();
    assert!(
        error.contains("unknown key `pahts`") && !error.contains("this edit removes"),
        "{error}"
    );
}

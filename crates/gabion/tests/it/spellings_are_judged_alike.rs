//! Every kind of rule with a path applies to the same spellings of it, and `[allow]` to fewer.

use std::sync::Arc;

use gabion::inspect::{MessageDenials, MessageFacts, Now, PathViews};
use gabion_core::{PolicySource as _, Snapshot};
use gabion_policy::{PolicyHandle, PolicyOptions};
use gabion_testkit::{Recorder, client_at};

use crate::support::in_process::{get, guarded};

/// Spellings of paths; whether rules for `/chat` apply to each, and whether `/chat` in `[allow]` does.
const SPELLINGS: [(&str, bool, bool); 53] = [
    ("/chat", true, true),
    ("/chat/", true, true),
    ("/chat/room", true, true),
    ("/chat/%72oom", true, true),
    ("/chat/room;v=1", true, true),
    ("/chat//room", true, true),
    ("/chat/room/../x", true, true),
    ("/chat/room%3fx", true, true),
    // Some routers neither merge slashes nor resolve dot segments.
    ("//chat", true, false),
    ("/x/../chat", true, false),
    ("/./chat/.", true, false),
    ("/chat/..", true, false),
    ("/chat/../x", true, false),
    // Some servers resolve dot segments, but do not merge slashes.
    ("/chat//../room", true, false),
    // Some proxies decode a path before they write it into the next request.
    ("/chat%3f", true, false),
    ("/chat%3Fv=1", true, false),
    ("/chat%253fv=1", true, false),
    ("/chat%23v=1", true, false),
    ("/CHAT", true, false),
    ("/Chat/room", true, false),
    ("/%63hat", true, false),
    ("/%2563hat", true, false),
    ("/c%48at/room", true, false),
    ("/chat.", true, false),
    ("/chat.../room", true, false),
    ("/chat%2e", true, false),
    ("/chat%20", true, false),
    ("/chat%20.%20/room", true, false),
    ("/chat%c2%a0", true, false),
    ("/chat;v=1", true, false),
    ("/chat;v=1/room", true, false),
    ("/chat.;v=1", true, false),
    ("/chat%3bv=1", true, false),
    ("/chat::$DATA", true, false),
    ("/chat::$INDEX_ALLOCATION/room", true, false),
    ("/chat:$I30:$INDEX_ALLOCATION/room", true, false),
    ("/chat%2froom", true, false),
    ("/x/%2e%2e/chat", true, false),
    ("/x/..;/chat", true, false),
    ("/x%5c..%5cchat", true, false),
    ("/;/chat", true, false),
    ("/chat/%2e%2e/x", true, false),
    ("/chatter", false, false),
    ("/chat-room", false, false),
    ("/chat.html", false, false),
    ("/.chat", false, false),
    ("/ch.at", false, false),
    ("/x/chat", false, false),
    ("/chatter%3f", false, false),
    ("/chatter/../x", false, false),
    ("/chat:room", false, false),
    ("/x%3f/chat", false, false),
    ("/", false, false),
];

#[track_caller]
fn check(kind: &str, applies: impl Fn(&str) -> bool) {
    for (path, expected, _) in SPELLINGS {
        assert_eq!(applies(path), expected, "{kind}: {path}");
    }
}

fn snapshot(policy: &str) -> Arc<Snapshot> {
    let options = PolicyOptions::new(Arc::new(Recorder::default()));
    let policy = PolicyHandle::from_document(policy, "policy.toml", options);
    policy.unwrap_or_else(|error| panic!("{error}")).current()
}

#[test]
fn deny_rules() {
    let server = guarded("version = 1\n[[deny]]\nid = 'chat'\nprefix = '/chat'");
    check("prefix", |path| server.verdict(get(path)) == "403 chat");
    let server = guarded("version = 1\n[[deny]]\nid = 'chat'\nexact = '/chat'");
    for (path, applies, _) in SPELLINGS {
        let ends = ["oom", "/room;v=1", "/room%3fx", "/x", "/.."];
        let is_below = ends.iter().any(|end| path.ends_with(end));
        let is_denied = server.verdict(get(path)) == "403 chat";
        assert_eq!(is_denied, applies && !is_below, "exact: {path}");
    }
}

#[test]
fn limits() {
    let policy = "version = 1\n[[limit]]\nid = 'chat'\npaths = '/chat'\nkey = 'global'\nrate = '1/m'\n\
        mode = 'enforce'";
    check("limit", |path| {
        let server = guarded(policy);
        server.verdict(get(path));
        server.verdict(get(path)) == "429 chat"
    });
}

#[test]
fn upgrade_routes() {
    let policy = "version = 1\n[[upgrade.route]]\npath = '/chat'\nonly = true";
    let server = guarded(policy);
    check("handshake", |path| {
        server.verdict(get(path)) == "426 upgrade/plain"
    });
    let snapshot = snapshot(policy);
    check("session limits", |path| {
        let limits = snapshot.routes.for_path(&PathViews::new(path.as_bytes()));
        &*limits.unwrap().route == "/chat"
    });
}

#[test]
fn message_rules() {
    let snapshot = snapshot(
        "version = 1\n[[message]]\nid = 'chat'\npaths = '/chat'\ncontains = 'attack'\n[upgrade]",
    );
    let client = client_at("203.0.113.9");
    check("message", |path| {
        let mut denials = MessageDenials::default();
        let message = MessageFacts {
            client: &client,
            path,
            is_text: true,
            payload: b"attack",
            offset: 0,
            now: Now::new(std::time::Duration::ZERO, std::time::UNIX_EPOCH),
        };
        let messages = snapshot.messages.as_ref().unwrap();
        messages.inspect_message(&message, &mut denials);
        denials.into_parts().1.is_some()
    });
}

/// An allowed path is not judged, so that each view must lie below it, byte for byte.
#[test]
fn allow_applies_only_to_what_every_server_reads_alike() {
    let server =
        guarded("version = 1\n[allow]\npaths = '/chat'\n[[deny]]\nid = 'all'\nprefix = '/'");
    for (path, is_restricted, is_allowed) in SPELLINGS {
        let expected = if is_allowed {
            "200 allow/path"
        } else {
            "403 all"
        };
        assert_eq!(server.verdict(get(path)), expected, "{path}");
        assert!(is_restricted || !is_allowed, "{path}");
    }
}

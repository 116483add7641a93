//! What a document says of WebSockets: which terms hold where, and which messages are refused.

use std::{sync::Arc, time::Duration};

use gabion_core::{
    Facts, Inspect, MessageKinds, Mode, PathViews, PolicySource, RequestState, SessionLimits,
    Verdict,
};
use gabion_policy::{Document, PolicyError, PolicyHandle, PolicyOptions, ShrinkGuard, check};

use crate::handle::Ear;

fn live(text: &str) -> Result<PolicyHandle, PolicyError> {
    let text = format!("version = 1\n{text}");
    PolicyHandle::from_document(
        &text,
        "policy.toml",
        PolicyOptions::new(Arc::new(Ear::default())),
    )
}

fn session_limits(text: &str, path: &str) -> Arc<SessionLimits> {
    let snapshot = live(text).unwrap().current();
    let session_limits = snapshot.routes.for_path(&PathViews::new(path.as_bytes()));
    Arc::clone(session_limits.expect("there are always terms"))
}

#[test]
fn sockets_are_only_kept_open_where_nothing_is_said() {
    let ping = Some(Duration::from_secs(25));
    let expected = SessionLimits {
        ping,
        ..SessionLimits::default()
    };
    assert_eq!(*session_limits("", "/ws"), expected);
    assert_eq!(expected.mode, Mode::Observe);
}

#[test]
fn section_has_its_defaults() {
    let session_limits = session_limits("[upgrade]\n", "/ws");
    assert_eq!(session_limits.mode, Mode::Enforce);
    assert_eq!(session_limits.max_message, 1 << 20);
    assert_eq!(session_limits.write_stall, Some(Duration::from_secs(30)));
    assert_eq!(session_limits.ping, Some(Duration::from_secs(25)));
    assert_eq!(
        (
            session_limits.message_kinds,
            session_limits.holds,
            session_limits.inflates
        ),
        (MessageKinds::None, false, false)
    );
}

const RULE: &str = "[[message]]\nid = 'evil'\npaths = '/chat'\ncontains = 'evil'\n";

#[test]
fn rules_about_messages_bring_the_defaults_of_the_section() {
    let session_limits = session_limits(RULE, "/chat");
    assert_eq!(
        (session_limits.message_kinds, session_limits.holds),
        (MessageKinds::Text, true)
    );
    assert_eq!(
        (session_limits.max_message, session_limits.mode),
        (1 << 20, Mode::Enforce)
    );
    // Who may open a socket is asked by the section alone.
    let case = "[[expect]]\nrequest = '/chat'\nverdict = 'pass'\nheaders = { connection = 'upgrade', \
                upgrade = 'websocket', sec-websocket-version = '13', cookie = 'a=b', \
                sec-websocket-key = 'dGhlIHNhbXBsZSBub25jZQ==', origin = 'https://other' }\n";
    check(&format!("version = 1\n{RULE}{case}"), "policy.toml", None).unwrap();
    let with = format!("version = 1\n{RULE}[upgrade]\n{case}");
    let error = check(&with, "policy.toml", None).unwrap_err().to_string();
    assert!(error.contains("upgrade/origin"), "{error}");
}

#[test]
fn messages_are_read_on_the_routes_that_rules_are_about() {
    let routes = format!(
        "[upgrade]\n[[upgrade.route]]\npath = '/open'\n[[upgrade.route]]\npath = '/chat/a'\n\
         compression = 'inflate'\n{RULE}"
    );
    for (path, message_kinds) in [
        ("/open", MessageKinds::None),
        ("/chat/a", MessageKinds::Text),
        ("/chat/b", MessageKinds::Text),
        // The rest is read as a whole: a rule is about some of it.
        ("/other", MessageKinds::Text),
        // What some server reads as the other is read.
        ("/open/..;/chat/a", MessageKinds::Text),
    ] {
        let session_limits = session_limits(&routes, path);
        assert_eq!(
            (session_limits.message_kinds, session_limits.holds),
            (message_kinds, message_kinds == MessageKinds::Text),
            "{path}"
        );
    }
    assert!(session_limits(&routes, "/chat/a").inflates);
    assert!(!session_limits(&routes, "/chat/b").inflates);
}

#[test]
fn document_that_observes_holds_nothing() {
    let session_limits = session_limits(&format!("mode = 'observe'\n[upgrade]\n{RULE}"), "/chat");
    assert_eq!(
        (session_limits.message_kinds, session_limits.holds),
        (MessageKinds::Text, false)
    );
    assert_eq!(session_limits.mode, Mode::Observe);
}

#[test]
fn case_may_be_about_a_message() {
    let case = |case: &str| {
        let text =
            format!("version = 1\n[allow]\nnetworks = ['198.51.100.1']\n{RULE}[[expect]]\n{case}");
        check(&text, "policy.toml", None)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    for holds in [
        "request = '/chat'\nmessage = 'evil'\nverdict = 'deny'",
        "request = '/chat'\nmessage = 'evil'\nverdict = 'deny'\nrule = 'evil'",
        "request = '/chat'\nmessage = 'good'\nverdict = 'pass'",
        "request = '/other'\nmessage = 'evil'\nverdict = 'pass'",
        "request = '/chat'\nfrom = '198.51.100.1'\nmessage = 'evil'\nverdict = 'pass'",
    ] {
        assert_eq!(case(holds), Ok(()), "{holds}");
    }
    for (fails, told) in [
        (
            "request = '/chat'\nmessage = 'evil'\nverdict = 'pass'",
            "rule evil: the message holds",
        ),
        (
            "request = '/chat'\nmessage = 'good'\nverdict = 'deny'",
            "gets another verdict: pass",
        ),
        (
            "request = '/chat'\nmessage = 'evil'\nverdict = 'deny'\nrule = 'x'",
            "rule evil: ",
        ),
    ] {
        let error = case(fails).expect_err(fails);
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn ban_for_a_message_wants_origins() {
    let rule = format!("version = 1\n{RULE}then = 'ban'\n");
    let warned = |text: &str| check(text, "policy.toml", None).unwrap().to_string();
    let told = warned(&rule);
    assert!(
        told.contains("policy.toml:6:8") && told.contains("any page could"),
        "{told}"
    );
    assert!(
        !warned(&format!("{rule}[upgrade]\norigins = 'https://a.example'")).contains("warning")
    );
    assert!(!warned(&format!("version = 1\n{RULE}")).contains("warning"));
}

#[test]
fn bad_rules_are_told_at_their_place() {
    let text = "version = 1
[[message]]
id = 'a'
matches = ['ok', '(']
[[message]]
id = 'b'
[[message]]
id = 'c'
contians = 'x'
kinds = ['text', 'blob']
[[message]]
id = 'd'
contains = 'x'
then = '403'
";
    let refused = check(text, "policy.toml", None).unwrap_err();
    let places: Vec<_> = refused
        .diagnostics()
        .iter()
        .map(|one| {
            (
                one.line(),
                one.column(),
                one.message().split('`').nth(1).unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [
        (4, 18, "("),
        (5, 1, "b"),
        (9, 1, "contians"),
        (10, 18, "blob"),
        (14, 8, "403"),
    ];
    assert_eq!(
        places,
        expected.map(|(line, column, what)| (line, column, what.to_owned()))
    );
}

#[test]
fn loss_of_rules_is_refused() {
    let rule = |id: &str| format!("[[message]]\nid = '{id}'\ncontains = 'evil'\n");
    let old = format!("version = 1\n{}{}{}", rule("a"), rule("b"), rule("c"));
    let replace = |shrink, text: &str| {
        let options = PolicyOptions::new(Arc::new(Ear::default())).with_shrink_guard(shrink);
        let live = PolicyHandle::from_document(&old, "policy.toml", options).unwrap();
        live.replace(text)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let one = format!("version = 1\n{}", rule("a"));
    let error = replace(ShrinkGuard::Refuse, &one).unwrap_err();
    assert!(
        error.contains("2 of 3 rules about messages: `b`, `c`"),
        "{error}"
    );
    assert_eq!(replace(ShrinkGuard::Accept, &one), Ok(()));
    let two = format!("{one}{}", rule("b"));
    assert_eq!(replace(ShrinkGuard::Refuse, &two), Ok(()));
}

#[test]
fn document_prints_and_reads_back() {
    let text = "version = 1
[upgrade]
origins = 'https://a.example'
ping = 'off'
client_bytes = '2MiB/s'
compression = 'inflate'
[[upgrade.route]]
path = '/chat'
only = true
ping = '200ms'
[[message]]
id = 'a'
paths = '/chat'
kinds = ['text', 'binary']
contains = ['x']
ignore_case = true
json_depth = 32
longer_than = '64KiB'
then = 'ban 1h'
mode = 'observe'
[[expect]]
request = '/chat'
message = 'x'
verdict = 'pass'
";
    let document = Document::parse(text, "policy.toml").unwrap();
    let again = Document::parse(&document.to_string(), "again.toml").unwrap();
    assert_eq!(document, again);
    check(text, "policy.toml", None).unwrap();
}

/// A rule of one's own that wants to be asked about messages of some kind.
struct Reader(MessageKinds);

impl Inspect for Reader {
    fn name(&self) -> &'static str {
        "reader"
    }

    fn inspect(&self, _facts: &Facts<'_>, _trace: &mut RequestState) -> Verdict {
        Verdict::Pass
    }

    fn message_kinds(&self) -> MessageKinds {
        self.0
    }
}

#[test]
fn messages_are_read_where_a_rule_of_ones_own_asks_for_them() {
    let session_limits = |text: &str, message_kinds: MessageKinds| {
        let options =
            PolicyOptions::new(Arc::new(Ear::default())).add_rule(Arc::new(Reader(message_kinds)));
        let text = format!("version = 1\n{text}");
        let live = PolicyHandle::from_document(&text, "policy.toml", options).unwrap();
        let routes = &live.current().routes;
        let session_limits = Arc::clone(routes.for_path(&PathViews::new(b"/ws")).unwrap());
        (
            session_limits.message_kinds,
            session_limits.holds,
            session_limits.max_message == 1 << 20,
        )
    };
    assert_eq!(
        session_limits("", MessageKinds::None),
        (MessageKinds::None, false, false)
    );
    assert_eq!(
        session_limits("", MessageKinds::Text),
        (MessageKinds::Text, true, true)
    );
    assert_eq!(
        session_limits("", MessageKinds::All),
        (MessageKinds::All, true, true)
    );
    assert_eq!(
        session_limits(RULE, MessageKinds::All),
        (MessageKinds::All, true, true)
    );
    assert_eq!(
        session_limits("mode = 'observe'", MessageKinds::Text),
        (MessageKinds::Text, false, true)
    );
    let route = "[upgrade]\n[[upgrade.route]]\npath = '/ws'\n";
    assert_eq!(
        session_limits(route, MessageKinds::Text),
        (MessageKinds::Text, true, true)
    );
    assert_eq!(
        session_limits(route, MessageKinds::None),
        (MessageKinds::None, false, true)
    );
}

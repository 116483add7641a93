//! The WebSocket sections: session limits per route, and message rules.

use std::{sync::Arc, time::Duration};

use gabion_core::{
    InspectMessage, MessageDenials, MessageFacts, MessageKinds, Mode, Now, PathViews, PolicySource,
    SessionLimits,
};
use gabion_policy::{
    Document, PolicyError, PolicyHandle, PolicyOptions, SampleRequest, ShrinkGuard, check, explain,
};

use crate::handle::EventLog;

fn compile(text: &str) -> Result<PolicyHandle, PolicyError> {
    let text = format!("version = 1\n{text}");
    PolicyHandle::from_document(
        &text,
        "policy.toml",
        PolicyOptions::new(Arc::new(EventLog::default())),
    )
}

fn session_limits(text: &str, path: &str) -> Arc<SessionLimits> {
    let snapshot = compile(text).unwrap().current();
    let session_limits = snapshot.routes.for_path(&PathViews::new(path.as_bytes()));
    Arc::clone(session_limits.expect("every path has session limits"))
}

#[test]
fn without_a_section_sockets_only_get_pings() {
    let ping = Some(Duration::from_secs(25));
    let expected = SessionLimits {
        ping,
        ..SessionLimits::default()
    };
    assert_eq!(*session_limits("", "/ws"), expected);
    assert_eq!(expected.mode, Mode::Observe);
}

#[test]
fn section_has_default_limits() {
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

#[test]
fn cross_origin_handshake_is_observed_without_a_section_and_refused_with_one() {
    let judge = |text: &str, origin: &str| {
        let sample = SampleRequest::new("GET /ws").unwrap();
        let headers = [
            ("host", "app.example"),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("cookie", "a=1"),
            ("origin", origin),
        ];
        let sample = headers.iter().fold(sample, |sample, (name, value)| {
            sample.with_header(name, value).unwrap()
        });
        let now = Now::new(Duration::ZERO, std::time::UNIX_EPOCH);
        let explained = explain(&compile(text).unwrap().current(), &sample, now);
        let observed = explained.observed.iter();
        let observed: Vec<_> = observed
            .map(|denial| denial.cause.rule.to_string())
            .collect();
        (explained.verdict.refuses(), observed.concat())
    };
    let none = (false, String::new());
    let hosts = "[server]\nhosts = ['app.example', 'www.example']\n";
    let with_hosts = format!("[upgrade]\n{hosts}");
    for text in ["", "[upgrade]\n", RULE, hosts, &with_hosts] {
        assert_eq!(judge(text, "https://app.example"), none, "{text}");
        let is_enforced = text.contains("[upgrade]");
        let observed = if is_enforced { "" } else { "upgrade/origin" };
        let expected = (is_enforced, observed.to_owned());
        assert_eq!(judge(text, "https://evil.example"), expected, "{text}");
        let of_server = if text.contains("hosts") {
            none.clone()
        } else {
            expected
        };
        assert_eq!(judge(text, "https://www.example"), of_server, "{text}");
    }
}

const RULE: &str = "[[message]]\nid = 'evil'\npaths = '/chat'\ncontains = 'evil'\n";

#[test]
fn message_rules_alone_bring_the_default_limits() {
    let session_limits = session_limits(RULE, "/chat");
    assert_eq!(
        (session_limits.message_kinds, session_limits.holds),
        (MessageKinds::Text, true)
    );
    assert_eq!(
        (session_limits.max_message, session_limits.mode),
        (1 << 20, Mode::Enforce)
    );
    // Only the [upgrade] section refuses a handshake for its origin.
    let case = "[[expect]]\nrequest = '/chat'\nverdict = 'pass'\nheaders = { connection = 'upgrade', \
                upgrade = 'websocket', sec-websocket-version = '13', cookie = 'a=b', \
                sec-websocket-key = 'dGhlIHNhbXBsZSBub25jZQ==', origin = 'https://other' }\n";
    check(&format!("version = 1\n{RULE}{case}"), "policy.toml", None).unwrap();
    let with = format!("version = 1\n{RULE}[upgrade]\n{case}");
    let error = check(&with, "policy.toml", None).unwrap_err().to_string();
    assert!(error.contains("upgrade/origin"), "{error}");
}

#[test]
fn messages_are_read_on_the_routes_that_rules_cover() {
    let routes = format!(
        "[upgrade]\n[[upgrade.route]]\npath = '/open'\n[[upgrade.route]]\npath = '/chat/a'\n\
         compression = 'inflate'\n{RULE}"
    );
    for (path, message_kinds) in [
        ("/open", MessageKinds::None),
        ("/chat/a", MessageKinds::Text),
        ("/chat/b", MessageKinds::Text),
        // All other paths share one route, and a rule covers some of them.
        ("/other", MessageKinds::Text),
        // Some servers map this path to the other route.
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
fn inflated_messages_have_a_default_rate_per_client() {
    let client_bytes =
        |upgrade: &str| session_limits(&format!("[upgrade]\n{upgrade}\n{RULE}"), "/chat");
    let client_bytes = |upgrade: &str| client_bytes(upgrade).client_bytes;
    let inflate = "compression = 'inflate'";
    for (upgrade, expected) in [
        ("", None),
        (inflate, Some(16 << 20)),
        (
            &format!("{inflate}\nclient_bytes = '2MiB/s'"),
            Some(2 << 20),
        ),
        (
            &format!("{inflate}\nclient_bytes = '64MiB/s'"),
            Some(64 << 20),
        ),
        (&format!("{inflate}\nclient_bytes = 'off'"), None),
        (&format!("{inflate}\nmax_message = '20MiB'"), Some(20 << 20)),
    ] {
        assert_eq!(client_bytes(upgrade), expected, "{upgrade}");
    }
    // A route may differ, and where no message is read, none is inflated.
    let routes = format!(
        "[upgrade]\n{inflate}\n[[upgrade.route]]\npath = '/open'\n\
         [[upgrade.route]]\npath = '/chat/a'\nclient_bytes = 'off'\n{RULE}"
    );
    let of = |path| session_limits(&routes, path).client_bytes;
    assert_eq!(
        [of("/open"), of("/chat/a"), of("/chat/b")],
        [None, None, Some(16 << 20)]
    );
}

#[test]
fn memory_of_messages_has_a_default_and_holds_two_messages() {
    let limits = |upgrade: &str| session_limits(&format!("[upgrade]\n{upgrade}\n{RULE}"), "/chat");
    for (upgrade, expected) in [
        ("", 64_u64 << 20),
        ("max_message = '16MiB'", 128 << 20),
        ("max_buffered = '2MiB'", 2 << 20),
    ] {
        assert_eq!(limits(upgrade).max_buffered, expected, "{upgrade}");
    }
    let text = "version = 1\n[upgrade]\nmax_buffered = '1MiB'\n";
    let error = check(text, "policy.toml", None).unwrap_err().to_string();
    assert!(
        error.contains("less than twice the size of one message (`max_message`)"),
        "{error}"
    );
    let route = "version = 1\n[[upgrade.route]]\npath = '/a'\nmax_buffered = '4MiB'\n";
    assert!(
        check(route, "policy.toml", None).is_err(),
        "it is no key of a route"
    );
}

#[test]
fn document_in_observe_mode_does_not_hold_messages() {
    let session_limits = session_limits(&format!("mode = 'observe'\n[upgrade]\n{RULE}"), "/chat");
    assert_eq!(
        (session_limits.message_kinds, session_limits.holds),
        (MessageKinds::Text, false)
    );
    assert_eq!(session_limits.mode, Mode::Observe);
}

#[test]
fn expect_test_can_send_a_message() {
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
    for (fails, report) in [
        (
            "request = '/chat'\nmessage = 'evil'\nverdict = 'pass'",
            "rule evil: message contains",
        ),
        (
            "request = '/chat'\nmessage = 'good'\nverdict = 'deny'",
            "for the message on `/chat`, got: pass",
        ),
        (
            "request = '/chat'\nmessage = 'evil'\nverdict = 'deny'\nrule = 'x'",
            "rule evil: ",
        ),
    ] {
        let error = case(fails).expect_err(fails);
        assert!(error.contains(report), "{error}");
    }
}

#[test]
fn message_ban_without_origins_gets_a_warning() {
    let rule = format!("version = 1\n{RULE}then = 'ban'\n");
    let report_of = |text: &str| check(text, "policy.toml", None).unwrap().to_string();
    let report = report_of(&rule);
    assert!(
        report.contains("policy.toml:6:8") && report.contains("any page could"),
        "{report}"
    );
    assert!(
        !report_of(&format!("{rule}[upgrade]\norigins = 'https://a.example'")).contains("warning")
    );
    assert!(!report_of(&format!("version = 1\n{RULE}")).contains("warning"));
}

#[test]
fn errors_of_message_rules_are_reported_at_their_positions() {
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
fn removal_of_most_message_rules_is_refused() {
    let rule = |id: &str| format!("[[message]]\nid = '{id}'\ncontains = 'evil'\n");
    let old = format!("version = 1\n{}{}{}", rule("a"), rule("b"), rule("c"));
    let replace = |shrink, text: &str| {
        let options = PolicyOptions::new(Arc::new(EventLog::default())).with_shrink_guard(shrink);
        let policy = PolicyHandle::from_document(&old, "policy.toml", options).unwrap();
        policy
            .replace(text)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let one = format!("version = 1\n{}", rule("a"));
    let error = replace(ShrinkGuard::Refuse, &one).unwrap_err();
    assert!(
        error.contains("2 of 3 [[message]] rules (`b`, `c`)"),
        "{error}"
    );
    assert_eq!(replace(ShrinkGuard::Accept, &one), Ok(()));
    let two = format!("{one}{}", rule("b"));
    assert_eq!(replace(ShrinkGuard::Refuse, &two), Ok(()));
}

#[test]
fn printed_document_parses_to_the_same_document() {
    let text = "version = 1
[upgrade]
origins = 'https://a.example'
ping = 'off'
client_bytes = '2MiB/s'
max_inflate_ratio = 100
max_buffered = '8MiB'
compression = 'inflate'
[[upgrade.route]]
path = '/chat'
only = true
client_bytes = 'off'
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

/// An own rule that reads messages of one kind.
struct Reader(MessageKinds);

impl InspectMessage for Reader {
    fn message_kinds(&self) -> MessageKinds {
        self.0
    }

    fn inspect_message(&self, _: &MessageFacts<'_>, _: &mut MessageDenials) {}
}

#[test]
fn messages_are_read_if_an_own_rule_reads_them() {
    let session_limits = |text: &str, message_kinds: MessageKinds| {
        let options = PolicyOptions::new(Arc::new(EventLog::default()))
            .add_message_rule(Arc::new(Reader(message_kinds)));
        let text = format!("version = 1\n{text}");
        let policy = PolicyHandle::from_document(&text, "policy.toml", options).unwrap();
        let routes = &policy.current().routes;
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

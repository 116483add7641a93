//! Property tests over documents.

use std::collections::BTreeMap;

use gabion_core::{Claim, ForwardedHeader, Mode, OnFault};
use gabion_inspect::{Action, ByteSize, DenyRule, Period, ProtocolConfig};
use gabion_policy::{ClientSection, Document, Expect, Expected, check};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::{Index, select},
};

const GOOD: &str = r#"version = 1
mode = "observe"
on_fault = "pass"

[client]
trusted_proxies = ["10.0.0.0/8", "2001:db8::/32"]
header = "forwarded"
ipv6_prefix = 56
private = true

[allow]
networks = ["203.0.113.7"]
paths = ["/.well-known/acme-challenge/"]

[ban]
networks = ["198.51.100.0/24"]
first = "10m"

[[deny]]
id = "php"
extensions = ["php", "phtml"]
regex = "(?i)^/ünïcode$"

[[deny]]
id = "dotfiles"
names = [".env", ".git"]
then = "ban 1h"

[[expect]]
request = "GET /index.php"
headers = { host = "example.com", "x-y" = "z" }
verdict = "deny"
rule = "php"
"#;

/// Text that a typing error or a failed merge inserts into a document.
const INSERTIONS: [&str; 24] = [
    "",
    "\n",
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "#",
    " = 1",
    "\u{1b}",
    "\0",
    "é",
    "\r\n",
    "[deny]\n",
    "[[deny]]\nid = 1\n",
    "version = 1\n",
    "\u{202e}",
    "'''",
];

proptest! {
    #[test]
    fn positions_of_errors_are_in_the_document(
        edits in vec((any::<Index>(), 0_usize..12, select(&INSERTIONS[..])), 1..6),
    ) {
        let mut text = GOOD.to_owned();
        for (at, cut, insertion) in edits {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.ceil_char_boundary(start + cut);
            text.replace_range(start..end.min(text.len()), insertion);
            if text.is_empty() {
                break;
            }
        }
        if let Err(error) = check(&text, "policy.toml", None) {
            prop_assert!(!error.diagnostics().is_empty());
            let has_control = error.to_string().contains(['\u{1b}', '\0', '\u{202e}']);
            prop_assert!(!has_control, "{error}");
            for diagnostic in error.diagnostics() {
                prop_assert!(text.get(diagnostic.span()).is_some(), "{diagnostic:?}");
                let line = text.split('\n').nth(diagnostic.line() - 1);
                prop_assert!(line.is_some_and(|line| diagnostic.column() <= line.chars().count() + 1), "{diagnostic:?}");
            }
        }
    }

    #[test]
    fn printed_document_parses_to_the_same_document(document in documents()) {
        let text = toml::to_string(&document).unwrap();
        prop_assert_eq!(Document::parse(&text, "printed").map_err(|e| e.to_string()), Ok(document));
    }
}

#[test]
fn valid_document_is_accepted() {
    check(GOOD, "policy.toml", None).unwrap_or_else(|error| panic!("{error}"));
}

fn documents() -> impl Strategy<Value = Document> {
    let mode = || option::of(select(&[Mode::Enforce, Mode::Observe][..]));
    let client = (
        select(&ForwardedHeader::ALL[..]),
        32_u8..=128,
        any::<bool>(),
        vec(networks(), 0..3),
        vec(select(Claim::ALL), 0..4),
    );
    let client = client.prop_map(|(header, bits, private, trusted, claims)| {
        let mut client = ClientSection::default();
        client.trusted_proxies = trusted;
        client.ipv6_prefix = bits;
        client.private = private;
        client.header = header;
        client.trusted_headers = claims;
        client
    });
    let lists = (
        vec(networks(), 0..3),
        vec(networks(), 0..3),
        vec("\\PC{0,8}", 0..3),
        0_u64..1 << 40,
    );
    let parts = (
        mode(),
        any::<bool>(),
        (client, heads()),
        lists,
        vec(rules(mode()), 0..4),
        vec(expect_tests(), 0..4),
    );
    parts.prop_map(
        |(mode, pass, (client, protocol), (allow, ban, paths, secs), deny, expect)| {
            let mut document = Document::default();
            document.mode = mode;
            document.on_fault = if pass { OnFault::Pass } else { OnFault::Refuse };
            document.client = client;
            document.protocol = protocol;
            document.allow.networks = allow;
            document.allow.paths = paths.iter().cloned().collect();
            document.ban.networks = ban;
            document.ban.files = paths.into_iter().collect();
            document.ban.first = Period(std::time::Duration::from_secs(secs));
            document.deny = deny;
            document.expect = expect;
            document
        },
    )
}

fn heads() -> impl Strategy<Value = ProtocolConfig> {
    let parts = (
        vec("\\PC{0,8}", 0..3),
        any::<u64>(),
        any::<std::num::NonZeroU32>(),
    );
    parts.prop_map(|(methods, bytes, max_headers)| {
        let mut config = ProtocolConfig::default();
        config.methods = methods.into_iter().collect();
        config.max_headers = max_headers;
        config.max_header_bytes = ByteSize(bytes.max(1));
        config
    })
}

fn networks() -> impl Strategy<Value = gabion_inspect::Network> {
    any::<std::net::IpAddr>().prop_map(|addr| addr.to_string().parse().unwrap())
}

fn rules(mode: impl Strategy<Value = Option<Mode>>) -> impl Strategy<Value = DenyRule> {
    let then = prop_oneof![
        Just(Action::Forbid),
        Just(Action::NotFound),
        Just(Action::Ban(None)),
        (1_u64..1 << 40).prop_map(|n| Action::Ban(Some(Period(std::time::Duration::from_secs(n))))),
    ];
    let texts = || vec(".{0,8}", 0..3);
    (".{0,8}", texts(), texts(), texts(), then, mode).prop_map(
        |(id, exact, names, regex, then, mode)| {
            let mut rule = DenyRule::new(id)
                .exact(exact.clone())
                .prefix(exact)
                .agents(names.clone())
                .names(names.clone())
                .extensions(names)
                .regex(regex)
                .then(then);
            rule.mode = mode;
            rule
        },
    )
}

fn expect_tests() -> impl Strategy<Value = Expect> {
    let verdict = select(&[Expected::Pass, Expected::Allow, Expected::Deny][..]);
    let headers = btree_map(".{0,8}", ".{0,8}", 0..3);
    let parts = (
        ".{0,8}",
        any::<std::net::IpAddr>(),
        headers,
        verdict,
        option::of(".{0,8}"),
    );
    parts.prop_map(
        |(request, from, headers, verdict, rule): (_, _, BTreeMap<_, _>, _, _)| {
            let mut case = Expect::new(request, verdict);
            case.from = from;
            case.headers = headers;
            case.rule = rule;
            case
        },
    )
}

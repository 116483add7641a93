//! Origins in every form, the names of the server, and suggested lines.

use super::*;

#[test]
fn without_configured_origins_pages_of_the_server_itself_pass_by_any_of_its_names() {
    let server: crate::ServerConfig =
        toml::from_str("hosts = ['app.example', '*.shop.example', '2001:db8::a']").unwrap();
    let context = Context::new(&State::scratch());
    let (hosts, _) = server.compile(&context).unwrap();
    let handshake = handshake("").with_hosts(Arc::new(hosts));
    let rules = ClientRules::default()
        .with_trusted(["10.0.0.0/8".parse().unwrap()])
        .unwrap();
    let forwarded = ("x-forwarded-host", "www.example");
    let site = |value| ("sec-fetch-site", value);
    for (peer, more, origin, is_denied) in [
        ("203.0.113.9", None, "http://upstream:8000", false),
        ("203.0.113.9", None, "https://app.example", false),
        ("203.0.113.9", None, "https://app.example:8443", false),
        ("203.0.113.9", None, "https://a.shop.example", false),
        ("203.0.113.9", None, "https://[2001:DB8:0::a]", false),
        ("203.0.113.9", None, "https://shop.example", true),
        ("203.0.113.9", None, "https://app.example.evil", true),
        ("203.0.113.9", None, "app://app.example", true),
        ("203.0.113.9", None, "null", true),
        ("203.0.113.9", Some(forwarded), "https://www.example", true),
        ("10.0.0.1", Some(forwarded), "https://www.example", false),
        (
            "10.0.0.1",
            Some(forwarded),
            "https://WWW.example:8443",
            false,
        ),
        (
            "10.0.0.1",
            Some(("x-forwarded-host", "a, www.example:443")),
            "https://www.example",
            false,
        ),
        ("10.0.0.1", Some(forwarded), "https://evil.example", true),
        ("10.0.0.1", None, "https://www.example", true),
        (
            "203.0.113.9",
            Some(site("same-origin")),
            "https://www.example",
            false,
        ),
        (
            "203.0.113.9",
            Some(site("same-site")),
            "https://www.example",
            true,
        ),
        (
            "203.0.113.9",
            Some(site("cross-site")),
            "https://www.example",
            true,
        ),
        ("203.0.113.9", Some(site("same-origin")), "null", true),
    ] {
        let head = request("/ws").host("upstream:3000").header("cookie", "a=1");
        let head = head.header("origin", origin).from(peer);
        let head = match more {
            Some((name, value)) => head.header(name, value),
            None => head,
        };
        let facts = head.facts(&rules);
        let verdict = handshake.inspect(&facts, &mut RequestState::new(&facts));
        assert_eq!(
            verdict.refuses(),
            is_denied,
            "{peer} {more:?} {origin}: {verdict}"
        );
        if more.is_some_and(|(name, _)| name == "x-forwarded-host") {
            let unlisted = rules.clone().with_trusted_headers([]);
            let facts = head.facts(&unlisted);
            let verdict = handshake.inspect(&facts, &mut RequestState::new(&facts));
            assert!(verdict.refuses(), "the proxy may have passed it on");
        }
        if is_denied && origin == "https://evil.example" {
            let line = r#"origins = ["http://upstream:3000", "http://www.example", "http://app.example", "https://evil.example"]"#;
            assert!(verdict.to_string().contains(line), "{verdict}");
        }
    }
}

/// Origins that browsers, apps and extensions send, and the forms in which people write them.
const ORIGINS: [&[&str]; 22] = [
    &[
        "https://app.example",
        "HTTPS://App.Example",
        "https://app.example:443",
        "https://app.example/",
    ],
    &["http://app.example", "http://app.example:80"],
    &["http://app.example:443", "http://app.example:0443"],
    &["http://localhost:3000"],
    &["http://my_app:8080"],
    &["http://tauri.localhost"],
    &["https://192.0.2.1:8443"],
    &["https://[2001:db8::a]", "https://[2001:DB8:0::A]:443"],
    &["https://[::1]:8443"],
    &["capacitor://localhost", "capacitor://localhost/"],
    &["ionic://localhost"],
    &["ionic://"],
    &["tauri://localhost"],
    &["tauri://"],
    &["app://."],
    &["app://obsidian.md"],
    &["file://", "file:///"],
    &["null"],
    &["chrome-extension://abcdefghijklmnopabcdefghijklmnop"],
    &["moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc"],
    &["vscode-webview://0u2iv8mhgmeq3ho3l1jtb5c0m8m1bkn2hqbnb3jmi3ebd2l9l4m8"],
    &["ms-browser-extension://EdgeExtension_8wekyb3d8bbwe"],
];

#[test]
fn every_form_of_an_origin_allows_every_form_of_it_and_no_other() {
    for (at, forms) in ORIGINS.iter().enumerate() {
        for form in *forms {
            let handshake = handshake(&format!("origins = '{form}'"));
            for (other, sent) in ORIGINS.iter().enumerate() {
                let rule = if other == at { "" } else { "upgrade/origin" };
                for origin in *sent {
                    check(&handshake, &request("/ws").header("origin", origin), rule);
                }
            }
        }
    }
}

/// Adds the origin that the denial of `head` suggests to the section. Returns `None` if it passes or
/// if nothing is suggested.
fn follow_advice(section: &UpgradeConfig, head: &OwnedHead) -> Option<UpgradeConfig> {
    let (handshake, _) = compile(section).expect("a valid section");
    let Verdict::Deny(denial) = judge(&handshake, head) else {
        return None;
    };
    let cause = denial.cause.to_string();
    let (_, line) = cause.split_once("set in [upgrade]: ")?;
    let (list, _) = line.split_once("\"]")?;
    Some(config(&format!("{list}\"]")))
}

#[test]
fn suggested_line_is_valid_and_allows_every_kind_of_origin() {
    for origin in ORIGINS.iter().copied().flatten() {
        let head = request("/ws").host("own.example").header("cookie", "a=1");
        let own = head.clone().header("origin", "http://own.example");
        let head = head.header("origin", origin);
        for section in ["", "origins = ['https://other.example', 'app://-']"] {
            let section = config(section);
            let changed = follow_advice(&section, &head).expect(origin);
            let (handshake, _) = compile(&changed).expect(origin);
            check(&handshake, &head, "");
            if section.origins.is_empty() {
                check(&handshake, &own, "");
            }
            for kept in section.origins.iter() {
                assert!(changed.origins.contains(kept), "{origin}: {changed:?}");
            }
        }
    }
}

#[test]
fn suggestion_beside_many_origins_names_the_new_one_only() {
    let many: Vec<_> = (0..20).map(|n| format!("'https://{n}.example'")).collect();
    let handshake = handshake(&format!("origins = [{}]", many.join(", ")));
    let head = request("/ws").header("origin", "HTTPS://new.example:443");
    let verdict = judge(&handshake, &head).to_string();
    let advice = r#"to allow this origin, add to origins in [upgrade]: "https://new.example""#;
    assert!(verdict.contains(advice), "{verdict}");
}

#[test]
fn null_is_no_name_of_a_page() {
    for (section, names) in [
        ("origins = 'https://a.example'", true),
        ("origins = ['https://a.example', 'null']", false),
        ("origins = 'NULL'", false),
        ("", false),
        (
            "origins = 'https://a.example'\n[[route]]\npath = '/a'\norigins = 'null'",
            false,
        ),
        (
            "origins = 'https://a.example'\n[[route]]\npath = '/a'\norigins = []",
            false,
        ),
        (
            "origins = 'https://a.example'\n[[route]]\npath = '/a'\norigins = 'file://'",
            true,
        ),
    ] {
        assert_eq!(config(section).names_origins(), names, "{section}");
    }
    let head = request("/ws").header("origin", "null");
    let verdict = judge(&handshake("origins = 'https://a.example'"), &head).to_string();
    assert!(verdict.contains("any site can send"), "{verdict}");
}

#[test]
fn text_that_is_no_origin_is_not_valid() {
    let long = format!("app://{}", "a".repeat(400));
    for text in [
        "",
        "app.example",
        "https://",
        "https://:443",
        "https://a:",
        "https://a:x",
        "https://a:65536",
        "https://a:+1",
        "https://u@a",
        "https://a/b",
        "https://a?b",
        "https://[::1",
        "https://[a]",
        "https://a:1:2",
        "://a",
        "1a://b",
        "a b://c",
        "app://a b",
        "app://a/b",
        "app://\u{e9}",
        "null null",
        "https://a https://b",
        &long,
    ] {
        let config = UpgradeConfig {
            origins: [text].into_iter().collect(),
            ..UpgradeConfig::default()
        };
        assert!(compile(&config).is_err(), "{text}");
    }
}

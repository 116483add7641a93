mod origins;

use std::{sync::Arc, time::Duration};

use gabion_core::{
    ClientRules, Diagnosis, Explanation, Inspect, Mode, PathViews, RequestState, RouteLimits,
    Verdict,
};
use gabion_testkit::OwnedHead;
use http::{StatusCode, Version};

use super::*;
use crate::{Config as _, Context, State};
use crate::{ConfigErrors, LimitTable, Messages};

fn config(toml: &str) -> UpgradeConfig {
    toml::from_str(toml).unwrap()
}

fn compile(config: &UpgradeConfig) -> Result<(Handshake, RouteLimits), ConfigErrors> {
    let state = State::scratch().with_limits(LimitTable::new(100));
    let compiled = config.compile(&Context::new(&state))?;
    Ok(compiled.into_parts(&Messages::default()))
}

fn handshake(toml: &str) -> Handshake {
    compile(&config(toml)).unwrap().0
}

fn request(target: &str) -> OwnedHead {
    let head = OwnedHead::get(target).header("connection", "upgrade");
    head.header("upgrade", "websocket")
}

fn judge(handshake: &Handshake, head: &OwnedHead) -> Verdict {
    let facts = head.facts(&ClientRules::default());
    handshake.inspect(&facts, &mut RequestState::new(&facts))
}

/// Returns the rule that denies.
fn denying_rule(handshake: &Handshake, head: &OwnedHead) -> Option<String> {
    match judge(handshake, head) {
        Verdict::Deny(denial) => Some(denial.cause.rule.to_string()),
        _ => None,
    }
}

#[track_caller]
fn check(handshake: &Handshake, head: &OwnedHead, rule: &str) {
    let rule = Some(rule).filter(|rule| !rule.is_empty());
    assert_eq!(denying_rule(handshake, head).as_deref(), rule, "{head:?}");
}

#[test]
fn only_configured_origins_pass_if_any_are_configured() {
    let handshake = handshake("origins = ['https://app.example', 'http://localhost:3000']");
    for (origin, is_denied) in [
        ("https://app.example", false),
        ("HTTPS://App.Example", false),
        ("http://localhost:3000", false),
        ("http://app.example", true),
        ("https://app.example:8443", true),
        ("https://app.example.evil", true),
        ("https://evil/https://app.example", true),
        ("null", true),
        ("", true),
    ] {
        let head = request("/ws").host("api.example").header("origin", origin);
        check(
            &handshake,
            &head,
            if is_denied { "upgrade/origin" } else { "" },
        );
        check(
            &handshake,
            &OwnedHead::get("/").header("origin", origin),
            "",
        );
    }
    check(&handshake, &request("/ws"), "");
    let two = request("/ws").header("origin", "https://app.example");
    check(
        &handshake,
        &two.header("origin", "https://evil"),
        "upgrade/origin",
    );
}

#[test]
fn without_configured_origins_only_the_same_host_passes_with_credentials() {
    let handshake = handshake("");
    for (host, origin, is_denied) in [
        ("app.example", "https://app.example", false),
        ("app.example:8080", "https://APP.example", false),
        ("app.example", "http://app.example:3000", false),
        ("[::1]:80", "http://[::1]", false),
        ("app.example", "https://evil.example", true),
        ("app.example", "https://app.example@evil.example", true),
        ("app.example", "null", true),
    ] {
        let head = request("/ws").host(host).header("origin", origin);
        check(&handshake, &head, "");
        for credentials in ["cookie", "authorization"] {
            let head = head.clone().header(credentials, "a=1");
            check(
                &handshake,
                &head,
                if is_denied { "upgrade/origin" } else { "" },
            );
        }
    }
}

#[test]
fn denial_of_an_origin_suggests_the_line_that_allows_it() {
    let cause = |toml: &str, origin: &str| {
        let head = request("/ws").host("app.example").header("origin", origin);
        match judge(&handshake(toml), &head.header("cookie", "a=1")) {
            Verdict::Deny(denial) => {
                assert_eq!(denial.diagnosis, Some(Diagnosis::ForeignOrigin));
                denial.cause.to_string()
            }
            other => panic!("{other}"),
        }
    };
    let line = r#"set in [upgrade]: origins = ["http://app.example", "https://new.example"]"#;
    assert!(
        cause("", "https://new.example").contains(line),
        "{}",
        cause("", "https://new.example")
    );
    let line = r#"set in [upgrade]: origins = ["https://a.example", "https://new.example:1"]"#;
    let toml = "origins = 'https://a.example'";
    assert!(cause(toml, "https://new.example:1").contains(line));
    for origin in ["https://a\"]\nb", "https://x.example/%0a"] {
        let origin = origin.replace('\n', "\t");
        let cause = cause(toml, &origin);
        assert!(!cause.contains("origins ="), "{cause}");
        assert!(!cause.contains('\t'), "{cause}");
    }
    let long = format!("https://{}.example", "a".repeat(10_000));
    assert!(cause(toml, &long).len() < 400);
}

#[test]
fn offer_without_a_configured_subprotocol_is_denied() {
    let handshake = handshake("subprotocols = ['v2.chat', 'mqtt']");
    let offer = |lines: &[&str]| {
        let lines = lines.iter();
        lines.fold(request("/ws"), |head, line| {
            head.header("sec-websocket-protocol", line)
        })
    };
    check(&handshake, &offer(&[]), "");
    check(&handshake, &offer(&["mqtt"]), "");
    check(&handshake, &offer(&["old, mqtt"]), "");
    check(&handshake, &offer(&["old", " v2.chat "]), "");
    check(&handshake, &offer(&["old, MQTT"]), "upgrade/subprotocol");
    check(&handshake, &offer(&["v2.chat2"]), "upgrade/subprotocol");
    check(&self::handshake(""), &offer(&["whatever"]), "");
}

#[test]
fn only_handshakes_count_by_client() {
    let handshake = handshake("handshakes = '2/m'");
    for _ in 0..5 {
        check(&handshake, &OwnedHead::get("/ws"), "");
    }
    check(&handshake, &request("/ws"), "");
    check(&handshake, &request("/other"), "");
    let verdict = judge(&handshake, &request("/ws"));
    let Verdict::Deny(denial) = verdict else {
        panic!("{verdict}");
    };
    assert_eq!(denial.cause.rule.to_string(), "upgrade/handshakes");
    assert_eq!(denial.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        denial
            .retry_after
            .is_some_and(|wait| wait >= Duration::from_secs(30))
    );
    check(&handshake, &request("/ws").from("203.0.113.10"), "");
    check(&handshake, &request("/ws").at(Duration::from_secs(61)), "");
}

#[test]
fn explain_counts_no_handshake() {
    let handshake = handshake("handshakes = '1/h'");
    let head = request("/ws");
    let facts = head.facts(&ClientRules::default());
    for _ in 0..3 {
        let mut steps = Explanation::default();
        let mut state = RequestState::new(&facts);
        assert_eq!(
            handshake.explain(&facts, &mut state, &mut steps),
            Verdict::Pass
        );
        assert_eq!(steps.steps().len(), 1);
    }
    check(&handshake, &head, "");
    check(&handshake, &head, "upgrade/handshakes");
}

const ROUTES: &str = "
    origins = 'https://app.example'
    handshakes = '1/h'
    messages = '10/s'
    ping = '1m'

    [[route]]
    path = '/open'
    origins = 'https://partner.example'
    handshakes = '4/h'
    ping = 'off'

    [[route]]
    path = '/chat/'
    only = true
    messages = '50/s'
    compression = 'inflate'
    write_stall = '5s'
";

#[test]
fn route_inherits_omitted_keys_from_the_section() {
    let (_, routes) = compile(&config(ROUTES)).unwrap();
    let of = |path: &str| Arc::clone(routes.for_path(&PathViews::new(path.as_bytes())).unwrap());
    let seconds = Duration::from_secs;
    let (rest, open, chat) = (of("/x"), of("/open/1"), of("/CHAT"));
    assert_eq!(
        (&*rest.route, &*open.route, &*chat.route),
        ("", "/open", "/chat/")
    );
    assert_eq!(
        [rest.messages, open.messages, chat.messages],
        [Some(10), Some(10), Some(50)]
    );
    assert_eq!([rest.ping, open.ping], [Some(seconds(60)), None]);
    assert_eq!(chat.ping, Some(seconds(60)));
    assert_eq!(
        [rest.inflates, open.inflates, chat.inflates],
        [false, false, true]
    );
    assert_eq!(rest.write_stall, Some(seconds(30)));
    assert_eq!(chat.write_stall, Some(seconds(5)));
    assert_eq!(chat.max_message, 1 << 20);
    assert_eq!(chat.mode, Mode::Enforce);
}

#[test]
fn rules_of_every_route_of_any_view_apply() {
    let handshake = handshake(ROUTES);
    let from = |path: &str, origin: &str| request(path).header("origin", origin);
    let (app, partner) = ("https://app.example", "https://partner.example");
    check(&handshake, &from("/open", partner), "");
    check(&handshake, &from("/open;v=1", partner), "");
    check(&handshake, &from("/open", app), "upgrade/origin");
    check(&handshake, &from("/x", partner), "upgrade/origin");
    // Some routers resolve no dot segments, and Tomcat resolves those of both.
    check(&handshake, &from("/open/../x", partner), "upgrade/origin");
    check(&handshake, &from("/open/..;/x", partner), "upgrade/origin");
    // Each route counts by itself, including handshakes that lie in two routes.
    check(
        &handshake,
        &from("/open", partner),
        "upgrade/handshakes/open",
    );
    check(&handshake, &from("/x", app), "");
    check(&handshake, &from("/y", app), "upgrade/handshakes");
    check(&handshake, &from("/chat", app), "");
    check(&handshake, &from("/chat", app), "upgrade/handshakes/chat/");
}

#[test]
fn plain_http_on_a_websocket_only_path_gets_426() {
    let handshake = handshake(ROUTES);
    for path in ["/chat", "/chat/room", "/%63hat", "/chat;v=1"] {
        check(&handshake, &OwnedHead::get(path), "upgrade/plain");
        check(
            &handshake,
            &OwnedHead::get(path).header("upgrade", "h2c"),
            "upgrade/plain",
        );
        check(&handshake, &OwnedHead::get(path).method("POST"), "");
    }
    for path in ["/chatter", "/open", "/"] {
        check(&handshake, &OwnedHead::get(path), "");
    }
    let headers = |version| {
        let mut request = http::Request::get("/chat").body(()).unwrap();
        *request.version_mut() = version;
        let Verdict::Deny(denial) = judge(&handshake, &OwnedHead::from_request(request)) else {
            panic!("{version:?} passes");
        };
        assert_eq!(denial.status, StatusCode::UPGRADE_REQUIRED);
        assert_eq!(denial.diagnosis, Some(Diagnosis::PlainGet));
        let headers = denial.headers.iter();
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        headers.collect::<Vec<_>>()
    };
    assert_eq!(
        headers(Version::HTTP_11),
        [
            "sec-websocket-version: 13",
            "upgrade: websocket",
            "connection: Upgrade"
        ]
    );
    assert_eq!(headers(Version::HTTP_2), ["sec-websocket-version: 13"]);
}

#[test]
fn errors_have_the_path_of_the_entry() {
    let section = "
        origins = ['https://ok.example', 'ok.example', 'https://', 'https://a/b']
        subprotocols = ['ok', 'not ok']
        messages = '50/m'
        bytes = '1024/s'
        client_messages = '1/d'
        client_bytes = '1024/s'
        ping = '50ms'
    ";
    let routes = "
        [[route]]
        path = '/ok'

        [[route]]
        path = '/OK/'

        [[route]]
        path = 'chat'
        max_message = '2MiB'
        bytes = '1048576/s'
        origins = 'x'
    ";
    let error_paths = |toml: &str| {
        let errors = compile(&config(toml)).unwrap_err();
        let paths = errors.iter().map(|error| error.path.to_string());
        paths.collect::<Vec<_>>()
    };
    let expected = [
        "upgrade.origins[1]",
        "upgrade.origins[2]",
        "upgrade.origins[3]",
        "upgrade.subprotocols[1]",
        "upgrade.messages",
        "upgrade.bytes",
        "upgrade.client_messages",
        "upgrade.client_bytes",
        "upgrade.ping",
    ];
    assert_eq!(error_paths(section), expected);
    let expected = [
        "upgrade.route[1].path",
        "upgrade.route[2].path",
        "upgrade.route[2].origins[0]",
        "upgrade.route[2].bytes",
    ];
    assert_eq!(error_paths(routes), expected);
    let many = "[[route]]\npath = '/'\n".repeat(257);
    assert_eq!(error_paths(&many), ["upgrade.route"]);
}

#[test]
fn rates_are_converted_to_per_second() {
    let toml = "messages = '120/m'\ncontrols = '5/s'\nclient_bytes = '2097152/s'";
    let (_, routes) = compile(&config(toml)).unwrap();
    let session_limits = routes.for_path(&PathViews::new(b"/")).unwrap();
    assert_eq!(
        (
            session_limits.messages,
            session_limits.controls,
            session_limits.bytes
        ),
        (Some(2), Some(5), None)
    );
    assert_eq!(session_limits.client_bytes, Some(2 << 20));
    assert_eq!(session_limits.ping, Some(Ping::DEFAULT));
}

#[test]
fn pings_parse_and_print() {
    for (text, printed) in [
        ("25s", "25s"),
        ("off", "off"),
        ("200ms", "200ms"),
        ("60s", "1m"),
    ] {
        assert_eq!(text.parse::<Ping>().unwrap().to_string(), printed);
    }
    for text in ["", "on", "0s", "25", "never"] {
        assert_eq!(text.parse::<Ping>(), Err(PingError(text.to_owned())));
    }
}

use gabion_core::ClientRules;
use gabion_testkit::HeadOf;

use super::*;

fn handshake(origins: &[&str]) -> Handshake {
    let config = UpgradeConfig {
        origins: origins.iter().copied().collect(),
        ..UpgradeConfig::default()
    };
    Handshake::compile(&config, Mode::Enforce).unwrap()
}

fn ask(host: &str) -> HeadOf {
    let ask = HeadOf::get("/ws").host(host);
    ask.header("connection", "upgrade")
        .header("upgrade", "websocket")
}

fn refuses(handshake: &Handshake, head: &HeadOf) -> bool {
    let facts = head.facts(&ClientRules::default());
    let verdict = handshake.inspect(&facts, &mut Trace::new(&facts));
    verdict.refuses()
}

#[test]
fn only_named_origins_pass_where_some_are_named() {
    let handshake = handshake(&["https://app.example", "http://localhost:3000"]);
    for (origin, refused) in [
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
        let head = ask("api.example").header("origin", origin);
        assert_eq!(refuses(&handshake, &head), refused, "{origin}");
        let plain = HeadOf::get("/").header("origin", origin);
        assert!(!refuses(&handshake, &plain), "{origin}: no handshake");
    }
    assert!(!refuses(&handshake, &ask("api.example")), "no browser");
    let two = ask("a").header("origin", "https://app.example");
    assert!(refuses(&handshake, &two.header("origin", "https://evil")));
}

#[test]
fn pages_of_the_same_host_pass_where_none_is_named_and_others_without_credentials() {
    let handshake = handshake(&[]);
    for (host, origin, foreign) in [
        ("app.example", "https://app.example", false),
        ("app.example:8080", "https://APP.example", false),
        ("app.example", "http://app.example:3000", false),
        ("[::1]:80", "http://[::1]", false),
        ("app.example", "https://evil.example", true),
        ("app.example", "https://app.example@evil.example", true),
        ("app.example", "null", true),
    ] {
        let head = ask(host).header("origin", origin);
        assert!(!refuses(&handshake, &head), "{origin}: nothing to ride on");
        for credentials in ["cookie", "authorization"] {
            let head = head.clone().header(credentials, "a=1");
            assert_eq!(refuses(&handshake, &head), foreign, "{origin} for {host}");
        }
    }
}

#[test]
fn errors_name_their_place() {
    let config = UpgradeConfig {
        origins: ["https://ok.example", "ok.example", "null", "https://a/b"]
            .into_iter()
            .collect(),
        messages: Some("50/m".parse().unwrap()),
        bytes: Some("1024/s".parse().unwrap()),
        ..UpgradeConfig::default()
    };
    let mut errors: Vec<_> = Handshake::compile(&config, Mode::Enforce)
        .unwrap_err()
        .into_iter()
        .collect();
    errors.extend(config.terms(Mode::Enforce).unwrap_err());
    let places: Vec<_> = errors.iter().map(|error| error.place.to_string()).collect();
    let expected = [
        "upgrade.origins[1]",
        "upgrade.origins[2]",
        "upgrade.origins[3]",
        "upgrade.messages",
        "upgrade.bytes",
    ];
    assert_eq!(places, expected);
}

#[test]
fn rates_are_by_the_second() {
    let config = UpgradeConfig {
        messages: Some("120/m".parse().unwrap()),
        controls: Some("5/s".parse().unwrap()),
        ..UpgradeConfig::default()
    };
    let terms = config.terms(Mode::Enforce).unwrap();
    assert_eq!(
        (terms.messages, terms.controls, terms.bytes),
        (Some(2), Some(5), None)
    );
}

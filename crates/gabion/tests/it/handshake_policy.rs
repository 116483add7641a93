//! Who may open a WebSocket, and how often: held on HTTP/1.1 and HTTP/2 alike, by route.

use std::sync::Arc;

use gabion::Event;
use gabion_testkit::{Fate2, Recorder, Wire, Wire2};

use crate::support::{
    house::{House, TRUSTING},
    sockets::{builder, rule_of},
};

/// `/ws` and below are the house's sockets.
const POLICY: &str = "
    [upgrade]
    origins = ['https://app.example', 'https://admin.example']
    subprotocols = ['v2.chat', 'mqtt']
    handshakes = '3/h'

    [[upgrade.route]]
    path = '/ws/partner'
    origins = 'https://partner.example'
    subprotocols = []
    handshakes = '100/s'
";

async fn house(policy: &str, mode: &str) -> (House, Arc<Recorder>) {
    let events = Arc::new(Recorder::default());
    let policy = format!("mode = '{mode}'\n{TRUSTING}{policy}");
    let guard = builder(events.clone()).with_policy(&policy, "policy");
    (House::around(guard.unwrap()).await, events)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Over {
    Http1,
    Http2,
}

const OVER: [Over; 2] = [Over::Http1, Over::Http2];

/// The status that a handshake is answered with; 101 is said as 200, as on HTTP/2.
async fn knock(over: Over, house: &House, path: &str, lines: &[(&str, &str)]) -> u16 {
    match over {
        Over::Http1 => {
            let more = lines
                .iter()
                .map(|(name, value)| [name, ": ", value, "\r\n"].concat());
            let more: String = more.collect();
            let head = format!(
                "GET {path} HTTP/1.1\r\nhost: api.example\r\nconnection: upgrade\r\n\
                 upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
            );
            let mut wire = Wire::connect(house.addr()).await;
            wire.send(head.as_bytes()).await;
            let answer = wire.answer("GET").await.expect("an answer");
            let status = answer.status.as_u16();
            let waits = answer.headers.contains_key("retry-after");
            assert_eq!(waits, status == 429, "{status}");
            if status == 101 { 200 } else { status }
        }
        Over::Http2 => {
            let head = [
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "http"),
                (":path", path),
                (":authority", "api.example"),
                ("sec-websocket-version", "13"),
            ];
            let fields = head.iter().chain(lines);
            let fields: Vec<_> = fields
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect();
            let mut wire = Wire2::connect(house.addr()).await;
            match wire.ask(&fields, None).await {
                Fate2::Answered(status) => status.as_u16(),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn rules(events: &Recorder) -> Vec<String> {
    let events = events.take();
    events
        .iter()
        .filter_map(rule_of)
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn pages_of_named_origins_open_sockets_and_others_do_not() {
    for over in OVER {
        let (house, events) = house(&POLICY.replace("3/h", "100/h"), "enforce").await;
        for (path, origin, status) in [
            ("/ws", "https://app.example", 200),
            ("/ws", "https://ADMIN.example", 200),
            ("/ws", "https://partner.example", 403),
            ("/ws", "https://evil.example", 403),
            ("/ws", "null", 403),
            ("/ws/partner", "https://partner.example", 200),
            ("/ws/partner/1", "https://partner.example", 200),
            ("/ws/partner", "https://app.example", 403),
            ("/ws/%70artner", "https://app.example", 403),
            ("/ws/partners", "https://partner.example", 403),
        ] {
            let found = knock(over, &house, path, &[("origin", origin)]).await;
            assert_eq!(found, status, "{over:?}: {origin} on {path}");
            let expected = if status == 403 {
                &["upgrade/origin"][..]
            } else {
                &[]
            };
            assert_eq!(rules(&events), expected);
        }
        assert_eq!(knock(over, &house, "/ws", &[]).await, 200, "no browser");
    }
}

#[tokio::test]
async fn subprotocols_that_are_not_listed_open_no_socket() {
    for over in OVER {
        let (house, events) = house(&POLICY.replace("3/h", "100/h"), "enforce").await;
        for (path, offer, status) in [
            ("/ws", "mqtt", 200),
            ("/ws", "old, v2.chat", 200),
            ("/ws", "old", 400),
            ("/ws/partner", "old", 200),
        ] {
            let found = knock(over, &house, path, &[("sec-websocket-protocol", offer)]).await;
            assert_eq!(found, status, "{over:?}: {offer} on {path}");
        }
        assert_eq!(rules(&events), ["upgrade/subprotocol"]);
    }
}

#[tokio::test]
async fn handshakes_of_a_client_are_counted_over_both_protocols() {
    let (house, events) = house(POLICY, "enforce").await;
    let from = |client| [("x-forwarded-for", client)];
    let one = from("203.0.113.9");
    for over in [Over::Http1, Over::Http2, Over::Http1] {
        assert_eq!(knock(over, &house, "/ws", &one).await, 200, "{over:?}");
    }
    for over in OVER {
        assert_eq!(knock(over, &house, "/ws", &one).await, 429, "{over:?}");
        let other = from("198.51.100.7");
        assert_eq!(knock(over, &house, "/ws", &other).await, 200, "{over:?}");
        let status = knock(over, &house, "/ws/partner", &one).await;
        assert_eq!(status, 200, "{over:?}: a route of its own");
    }
    assert_eq!(rules(&events), ["upgrade/handshakes"; 2]);
    // What is no handshake is not counted.
    let mut wire = Wire::connect(house.addr()).await;
    let plain = wire
        .get("/", "x-forwarded-for: 203.0.113.9\r\n")
        .await
        .unwrap();
    assert_ne!(plain.status, 429);
}

#[tokio::test]
async fn document_that_observes_lets_every_handshake_in() {
    for over in OVER {
        let (house, events) = house(&POLICY.replace("3/h", "1/h"), "observe").await;
        let client = ("x-forwarded-for", "203.0.113.9");
        let evil = [client, ("origin", "https://evil.example")];
        assert_eq!(knock(over, &house, "/ws", &evil).await, 200, "{over:?}");
        for _ in 0..2 {
            assert_eq!(knock(over, &house, "/ws", &[client]).await, 200, "{over:?}");
        }
        let told = events.take();
        let observed = told
            .iter()
            .filter(|event| matches!(event, Event::Request(_)));
        let observed: Vec<_> = observed.filter_map(rule_of).collect();
        assert_eq!(
            observed,
            ["upgrade/origin", "upgrade/handshakes"],
            "{over:?}"
        );
    }
}

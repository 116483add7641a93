//! Limits on WebSocket handshakes by route (origins, subprotocols and rates), on HTTP/1.1 and
//! HTTP/2.

use std::sync::Arc;

use gabion::event::Event;
use gabion_testkit::{Http2Outcome, RawConnection, RawHttp2, Recorder};

use crate::support::{
    echo::{GuardedEcho, TRUSTING, echo_behind},
    guarded_proxy::{builder, rule_of},
};

/// `/ws` and below are the WebSocket routes of the echo server.
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

async fn server(policy: &str, mode: &str) -> (GuardedEcho, Arc<Recorder>) {
    let events = Arc::new(Recorder::default());
    let policy = format!("mode = '{mode}'\n{TRUSTING}{policy}");
    let guard = builder(events.clone()).with_policy(&policy, "policy");
    (echo_behind(guard.unwrap()).await, events)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Protocol {
    Http1,
    Http2,
}

const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// The status of a handshake. 101 is returned as 200, as on HTTP/2.
async fn handshake(
    protocol: Protocol,
    server: &GuardedEcho,
    path: &str,
    lines: &[(&str, &str)],
) -> u16 {
    match protocol {
        Protocol::Http1 => {
            let more = lines
                .iter()
                .map(|(name, value)| [name, ": ", value, "\r\n"].concat());
            let more: String = more.collect();
            let head = format!(
                "GET {path} HTTP/1.1\r\nhost: api.example\r\nconnection: upgrade\r\n\
                 upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
            );
            let mut connection = RawConnection::connect(server.addr()).await;
            connection.send(head.as_bytes()).await;
            let answer = connection.response("GET").await.expect("an answer");
            let status = answer.status.as_u16();
            let waits = answer.headers.contains_key("retry-after");
            assert_eq!(waits, status == 429, "{status}");
            if status == 101 { 200 } else { status }
        }
        Protocol::Http2 => {
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
            let mut connection = RawHttp2::connect(server.addr()).await;
            match connection.request(&fields, None).await {
                Http2Outcome::Answered(status) => status.as_u16(),
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
async fn only_pages_of_listed_origins_open_sockets() {
    for protocol in PROTOCOLS {
        let (server, events) = server(&POLICY.replace("3/h", "100/h"), "enforce").await;
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
            let found = handshake(protocol, &server, path, &[("origin", origin)]).await;
            assert_eq!(found, status, "{protocol:?}: {origin} on {path}");
            let expected = if status == 403 {
                &["upgrade/origin"][..]
            } else {
                &[]
            };
            assert_eq!(rules(&events), expected);
        }
        assert_eq!(
            handshake(protocol, &server, "/ws", &[]).await,
            200,
            "no browser"
        );
    }
}

#[tokio::test]
async fn only_listed_subprotocols_open_sockets() {
    for protocol in PROTOCOLS {
        let (server, events) = server(&POLICY.replace("3/h", "100/h"), "enforce").await;
        for (path, offer, status) in [
            ("/ws", "mqtt", 200),
            ("/ws", "old, v2.chat", 200),
            ("/ws", "old", 400),
            ("/ws/partner", "old", 200),
        ] {
            let found = handshake(
                protocol,
                &server,
                path,
                &[("sec-websocket-protocol", offer)],
            )
            .await;
            assert_eq!(found, status, "{protocol:?}: {offer} on {path}");
        }
        assert_eq!(rules(&events), ["upgrade/subprotocol"]);
    }
}

#[tokio::test]
async fn handshakes_of_a_client_are_counted_over_both_protocols() {
    let (server, events) = server(POLICY, "enforce").await;
    let from = |client| [("x-forwarded-for", client)];
    let one = from("203.0.113.9");
    for protocol in [Protocol::Http1, Protocol::Http2, Protocol::Http1] {
        assert_eq!(
            handshake(protocol, &server, "/ws", &one).await,
            200,
            "{protocol:?}"
        );
    }
    for protocol in PROTOCOLS {
        assert_eq!(
            handshake(protocol, &server, "/ws", &one).await,
            429,
            "{protocol:?}"
        );
        let other = from("198.51.100.7");
        assert_eq!(
            handshake(protocol, &server, "/ws", &other).await,
            200,
            "{protocol:?}"
        );
        let status = handshake(protocol, &server, "/ws/partner", &one).await;
        assert_eq!(status, 200, "{protocol:?}: a route of its own");
    }
    assert_eq!(rules(&events), ["upgrade/handshakes"; 2]);
    // Other requests are not counted.
    let mut connection = RawConnection::connect(server.addr()).await;
    let plain = connection
        .get("/", "x-forwarded-for: 203.0.113.9\r\n")
        .await
        .unwrap();
    assert_ne!(plain.status, 429);
}

#[tokio::test]
async fn observe_mode_lets_every_handshake_pass() {
    for protocol in PROTOCOLS {
        let (server, events) = server(&POLICY.replace("3/h", "1/h"), "observe").await;
        let client = ("x-forwarded-for", "203.0.113.9");
        let evil = [client, ("origin", "https://evil.example")];
        assert_eq!(
            handshake(protocol, &server, "/ws", &evil).await,
            200,
            "{protocol:?}"
        );
        for _ in 0..2 {
            assert_eq!(
                handshake(protocol, &server, "/ws", &[client]).await,
                200,
                "{protocol:?}"
            );
        }
        let all = events.take();
        let observed = all
            .iter()
            .filter(|event| matches!(event, Event::Request(_)));
        let observed: Vec<_> = observed.filter_map(rule_of).collect();
        assert_eq!(
            observed,
            ["upgrade/origin", "upgrade/handshakes"],
            "{protocol:?}"
        );
    }
}

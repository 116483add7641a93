//! What happens before HTTP: the handshake, its deadline, and peers that are not let in.

use std::{sync::Arc, time::Duration};

use gabion_core::{ClientRules, Event};
use gabion_proxy::ServeOptions;
use gabion_testkit::{ProxyServer, RawConnection, RawServer, Recorder};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::Instant};

use super::{Authority, GET, HTTP1, HTTP2, OK, SHORT, read_to_end};
use crate::{
    connections::{DENIED, DenyOnRecheck, OTHER, connections},
    support::Setup,
};

#[tokio::test]
async fn protocol_is_negotiated_and_the_scheme_is_forwarded() {
    let authority = Authority::new("tls-alpn");
    let backend = RawServer::bind().await;
    let front = authority.setup().before(&backend.url());
    for (offered, selected) in [
        (HTTP2, Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (HTTP1, Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = authority.connect(front.addr(), "localhost", offered).await;
        let stream = stream.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), selected, "{offered:?}");
        drop(stream);
        let relay = authority.relay(front.addr(), offered).await;
        let mut client = RawConnection::connect(relay.addr()).await;
        if selected == Some(b"h2") {
            let mut client = gabion_testkit::http2_sender(client.into_stream()).await;
            let get = http::Request::get("https://a/").body(crate::http2::empty());
            let (response, (_, head)) =
                tokio::join!(client.send_request(get.unwrap()), backend.answer(OK));
            assert_eq!(response.unwrap().status(), 200);
            assert!(head.contains("\r\nx-forwarded-proto: https\r\n"), "{head}");
            continue;
        }
        client.send(GET).await;
        let (_, head) = backend.answer(OK).await;
        client.until("ok").await;
        assert!(head.contains("\r\nx-forwarded-proto: https\r\n"), "{head}");
        assert!(
            head.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"),
            "{head}"
        );
    }
    // None that the server speaks.
    let foreign = authority
        .connect(front.addr(), "localhost", &["spdy/3"])
        .await;
    assert!(foreign.is_err());
}

#[tokio::test]
async fn handshake_has_a_deadline() {
    let authority = Authority::new("tls-deadline");
    let tls = authority.tls().with_handshake_timeout(SHORT);
    let setup = Setup {
        serve: ServeOptions::default().with_tls(tls),
        ..Setup::default()
    };
    let front = setup.before("http://127.0.0.1:1");
    // Nothing, the head of a record, and a record whose rest is missing.
    for part in [
        &b""[..],
        b"\x16\x03\x01",
        b"\x16\x03\x01\x01\0\x01\0\0\xfc\x03\x03",
    ] {
        let began = Instant::now();
        let mut client = TcpStream::connect(front.addr()).await.unwrap();
        client.write_all(part).await.unwrap();
        assert_eq!(read_to_end(&mut client).await, 0, "{part:?}");
        let elapsed = began.elapsed();
        assert!(
            elapsed >= SHORT && elapsed < SHORT * 10,
            "{part:?}: {elapsed:?}"
        );
    }
}

#[tokio::test]
async fn plain_http_is_answered_and_other_bytes_are_not() {
    let authority = Authority::new("tls-plain");
    let events = Arc::<Recorder>::default();
    let serve = ServeOptions::default().with_sink(events.clone());
    let front = authority.with(serve).before("http://127.0.0.1:1");
    for request in [GET, "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut client = front.connect().await;
        client.send(request).await;
        let answer = client.end().await;
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("this port speaks HTTPS: use https://"),
            "{answer}"
        );
        let texts = events.take_texts();
        assert!(
            texts.len() == 1 && texts[0].contains("W13") && texts[0].contains("accepts TLS only"),
            "{texts:?}"
        );
    }
    for garbage in ["\0\0", "get / http/1.1\r\n\r\n", "\x15\x03\x01"] {
        let mut client = front.connect().await;
        client.send(garbage).await;
        client.half_close().await;
        assert_eq!(client.end().await, "", "{garbage:?}");
    }
    assert_eq!(events.take_texts(), [""; 0]);
}

/// A proxy whose policy denies these peers.
fn guarded(
    authority: &Authority,
    deny_list: &DenyOnRecheck,
    events: &Arc<Recorder>,
    observes: bool,
) -> ProxyServer {
    let connections = connections(deny_list, ClientRules::default());
    let connections = connections.with_observe_switch(move || observes);
    let serve = ServeOptions::default()
        .with_sink(events.clone())
        .with_connections(Arc::new(connections));
    authority.with(serve).before("http://127.0.0.1:1")
}

/// An empty client hello, which a server answers with an alert.
pub(crate) const HELLO: &[u8] = b"\x16\x03\x01\0\x04\x01\0\0\0";

#[tokio::test]
async fn denied_peer_gets_no_handshake() {
    let authority = Authority::new("tls-denied");
    let (deny_list, events) = (DenyOnRecheck::default(), Arc::<Recorder>::default());
    deny_list.add(DENIED);
    let front = guarded(&authority, &deny_list, &events, false);
    let mut denied = RawConnection::connect_from(DENIED, front.addr()).await;
    denied.send(HELLO).await;
    assert_eq!(denied.end().await, "", "no alert");
    let refused = "connection of 127.0.0.2 refused: the policy denies the client";
    assert_eq!(events.take_texts(), [refused]);

    let mut other = RawConnection::connect_from(OTHER, front.addr()).await;
    other.send(HELLO).await;
    assert_ne!(other.end().await, "", "an alert");
}

#[tokio::test]
async fn peer_is_not_denied_while_every_rule_only_observes() {
    let authority = Authority::new("tls-observed");
    let (deny_list, events) = (DenyOnRecheck::default(), Arc::<Recorder>::default());
    deny_list.add(DENIED);
    let front = guarded(&authority, &deny_list, &events, true);
    let mut client = RawConnection::connect_from(DENIED, front.addr()).await;
    client.send(HELLO).await;
    assert_ne!(client.end().await, "", "an alert");
    let refused = events
        .take()
        .into_iter()
        .filter(|event| matches!(event, Event::ConnectionRefused(_)));
    assert_eq!(refused.count(), 0);
}

#[tokio::test]
async fn drain_ends_handshakes_and_idle_connections() {
    let authority = Authority::new("tls-drain");
    let front = authority.setup().before("http://127.0.0.1:1");
    let mut silent = TcpStream::connect(front.addr()).await.unwrap();
    let relay = authority.relay(front.addr(), HTTP1).await;
    let mut idle = RawConnection::connect(relay.addr()).await;
    idle.quiet(Duration::from_millis(100)).await;
    let drained = front.stop(Duration::from_secs(5)).await.unwrap();
    assert_eq!(drained.connections, 0);
    assert_eq!(read_to_end(&mut silent).await, 0);
    assert_eq!(idle.end().await, "");
}

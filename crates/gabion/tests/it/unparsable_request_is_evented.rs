//! Each request that hyper refuses is one event, with a rule, the status and the bytes as they arrived.
//! No layer sees such a request.

use std::{sync::Arc, time::Duration};

use gabion::{
    Guard,
    event::{Event, UnparsableEvent, UnparsablePart},
};
use gabion_proxy::Protocols;
use gabion_testkit::{Backend, RawConnection, Recorder, eventually};
use tokio::time::{sleep, timeout};

use crate::support::guarded_proxy::{GuardedProxy, builder};

/// The time in which no event must come.
const QUIET: Duration = Duration::from_millis(100);

const GOOD: &str = "GET /good HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A guarded proxy that records its events, and the server behind it.
struct Setup {
    proxy: GuardedProxy,
    events: Arc<Recorder>,
    backend: Backend,
}

// === impl Setup ===

impl Setup {
    async fn start() -> Self {
        Self::with_protocols(Protocols::Http1).await
    }

    async fn with_protocols(protocols: Protocols) -> Self {
        let backend = Backend::start().await;
        let events = Arc::new(Recorder::default());
        let guard: Guard = builder(events.clone())
            .with_policy("version = 1\n[scan]\n", "scan")
            .unwrap();
        Self {
            proxy: GuardedProxy::with_proxy_events(protocols, &backend.url(), guard),
            events,
            backend,
        }
    }

    /// Sends `bytes` on a new connection. Returns the status, `None` if the connection closes without a
    /// response, and the only event.
    async fn refused(&self, bytes: &[u8]) -> (Option<u16>, UnparsableEvent) {
        let mut client = self.proxy.connect().await;
        client.send(bytes).await;
        let status = status(&mut client).await;
        assert_eq!(client.end().await, "", "the response has no body");
        (status, self.only_event().await)
    }

    /// Waits for an event, and for no more than one.
    async fn only_event(&self) -> UnparsableEvent {
        let events = eventually(|| Some(self.events.take()).filter(|events| !events.is_empty()));
        let events = events.await.expect("an event");
        self.assert_no_event().await;
        match <[Event; 1]>::try_from(events) {
            Ok([Event::Unparsable(event)]) => event,
            other => panic!("not one refusal: {other:?}"),
        }
    }

    /// Waits for an event other than that of the proxy about a body that ends early.
    async fn assert_no_event(&self) {
        sleep(QUIET).await;
        let events = self.events.take().into_iter();
        let others = events.filter(|event| !matches!(event, Event::ProxyFailure(_)));
        let others: Vec<_> = others.map(|event| event.to_string()).collect();
        assert_eq!(others, [""; 0]);
    }
}

async fn status(client: &mut RawConnection) -> Option<u16> {
    let response = client.response("GET").await;
    response.map(|response| response.status.as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn target_with_invalid_bytes_is_evented_with_them() {
    let setup = Setup::start().await;
    let refused: &[&[u8]] = &[
        b"/a<b",
        b"/a>b",
        b"/a`b",
        b"/a?b<c",
        b"/a?b\"c",
        b"/\x01",
        b"/\x1b[2J",
        b"/\x7f",
        b"/a b",
        b"/\xff",
        b"/caf\xe9",
        b"http://[::1/",
        b"a<b",
    ];
    for target in refused {
        let line = [b"GET ", *target, b" HTTP/1.1"].concat();
        let shown = target.escape_ascii();
        let (status, event) = setup
            .refused(&[&line, &b"\r\nHost: localhost\r\nCookie: secret\r\n\r\n"[..]].concat())
            .await;
        assert_eq!(status, Some(400), "{shown}");
        let version = target.contains(&b' ');
        let part = if version {
            UnparsablePart::Version
        } else {
            UnparsablePart::Target
        };
        assert_eq!(event.part, part, "{shown}");
        assert_eq!(
            event.line,
            line.into(),
            "{shown}: those bytes and no header"
        );
        assert!(event.peer.is_loopback(), "{shown}");
        assert_eq!(event.part.status().map(|status| status.as_u16()), status);
    }
    assert!(setup.backend.take().is_empty(), "none is forwarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_is_evented_with_its_rule_and_status() {
    let setup = Setup::start().await;
    let many = format!("GET /many HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101));
    let large = format!("GET /large HTTP/1.1\r\nA: {}", "b".repeat(1 << 18));
    for (bytes, rule, status, line) in [
        (
            "G@T / HTTP/1.1\r\n\r\n",
            "method",
            Some(400),
            "G@T / HTTP/1.1",
        ),
        ("\x01\x02\x03", "method", Some(400), "\x01\x02\x03"),
        (
            "GET / HTTP/3.0\r\n\r\n",
            "version",
            Some(400),
            "GET / HTTP/3.0",
        ),
        (
            "GET / HTTP/1.1\r\nA b: c\r\n\r\n",
            "header",
            Some(400),
            "GET / HTTP/1.1",
        ),
        (
            "GET / HTTP/1.1\r\nA: b\x01\r\n\r\n",
            "header",
            Some(400),
            "GET / HTTP/1.1",
        ),
        (
            "GET / HTTP/1.1\r\n b\r\n\r\n",
            "header",
            Some(400),
            "GET / HTTP/1.1",
        ),
        (&many, "size", Some(431), "GET /many HTTP/1.1"),
        (&large, "size", Some(431), "GET /large HTTP/1.1"),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
            "length",
            Some(400),
            "GET / HTTP/1.1",
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "length",
            Some(400),
            "GET / HTTP/1.1",
        ),
        (
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            "coding",
            Some(400),
            "GET / HTTP/1.1",
        ),
        (
            "GET / HTTP/1.0\nTransfer-Encoding: chunked\n\n",
            "coding",
            Some(400),
            "GET / HTTP/1.0",
        ),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "preface", None, ""),
        ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "version", Some(400), ""),
    ] {
        let shown = &bytes[..bytes.len().min(60)];
        let (answered, event) = setup.refused(bytes.as_bytes()).await;
        assert_eq!(answered, status, "{shown:?}");
        assert_eq!(event.part.id(), format!("unparsable/{rule}"), "{shown:?}");
        assert_eq!(event.part.status().map(|status| status.as_u16()), status);
        // The preface is a head and the begin of another.
        if !line.is_empty() {
            assert_eq!(String::from_utf8_lossy(&event.line), line, "{shown:?}");
        }
    }
    // hyper refuses it at the first byte, and the rest of the line arrived with it.
    let early = "\x01 /a/path/beyond/the/bytes/that/detect/the/protocol";
    let (_, event) = setup.refused(early.as_bytes()).await;
    assert_eq!(&*event.line, early.as_bytes());
    let long = format!("GET /{} HTTP/9\r\n\r\n", "x".repeat(300));
    let (_, event) = setup.refused(long.as_bytes()).await;
    assert_eq!(event.line.len(), UnparsableEvent::MAX_LINE);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_http2_frames_are_evented() {
    let setup = Setup::with_protocols(Protocols::Http1AndPriorKnowledge).await;
    // SETTINGS, then HEADERS on stream 0.
    let frames = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\0\x82";
    let bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frames[..]].concat();
    let mut client = setup.proxy.connect().await;
    client.send(&bytes).await;
    client.end().await;
    let event = setup.only_event().await;
    assert_eq!(
        (event.part, &*event.line),
        (UnparsablePart::Frames, &b""[..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn line_is_that_of_the_refused_request_on_a_kept_connection() {
    const BODY: &str =
        "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 12\r\n\r\nGET /x< HTTP";
    let bad = "GET /bad< HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let setup = Setup::start().await;
    for first in [GOOD, BODY] {
        let mut client = setup.proxy.connect().await;
        for _ in 0..3 {
            client.send(first).await;
            assert_eq!(status(&mut client).await, Some(200));
        }
        setup.assert_no_event().await;
        client.send(bad).await;
        assert_eq!(status(&mut client).await, Some(400));
        let event = setup.only_event().await;
        assert_eq!(&*event.line, b"GET /bad< HTTP/1.1");

        // In one piece, and byte by byte.
        client = setup.proxy.connect().await;
        client.send(format!("{first}{bad}")).await;
        assert_eq!(status(&mut client).await, Some(200));
        assert_eq!(status(&mut client).await, Some(400));
        assert_eq!(&*setup.only_event().await.line, b"GET /bad< HTTP/1.1");
    }
    let mut client = setup.proxy.connect().await;
    for byte in bad.as_bytes() {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&mut client).await, Some(400));
    let line = setup.only_event().await.line;
    assert!(b"GET /bad< HTTP/1.1".starts_with(&line), "{line:?}");
    assert!(line.starts_with(b"GET /bad<"), "{line:?}");

    // Between two others in one piece: its line is unknown, and no other is taken for it.
    let mut client = setup.proxy.connect().await;
    client.send(format!("{GOOD}{bad}{GOOD}")).await;
    assert_eq!(status(&mut client).await, Some(200));
    assert_eq!(status(&mut client).await, Some(400));
    assert_eq!(&*setup.only_event().await.line, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_of_a_client_that_left_is_evented() {
    let setup = Setup::start().await;
    for _ in 0..20 {
        let mut client = setup.proxy.connect().await;
        client.send("GET /left< HTTP/1.1\r\n\r\n").await;
        drop(client);
        assert_eq!(&*setup.only_event().await.line, b"GET /left< HTTP/1.1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_request_and_connection_that_ends_early_are_not_evented() {
    let setup = Setup::start().await;
    for bytes in [
        "",
        "\r\n",
        "G",
        "GET /half HTTP/1.1\r\nHost: loc",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhal",
    ] {
        for half_closes in [true, false] {
            let mut client = setup.proxy.connect().await;
            client.send(bytes).await;
            if half_closes {
                client.half_close().await;
                // The server ends it too.
                let end = timeout(Duration::from_secs(5), client.end()).await;
                assert!(end.is_ok(), "{bytes:?}");
            }
        }
    }
    let mut client = setup.proxy.connect().await;
    for _ in 0..2 {
        client.send(GOOD).await;
        assert_eq!(status(&mut client).await, Some(200));
    }
    drop(client);
    setup.assert_no_event().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn target_that_hyper_accepts_arrives_unchanged() {
    let setup = Setup::start().await;
    for target in ["/a\"b", "/a{b}", "/a|b^c\\d", "/caf\u{e9}", "/a?b={}|^`"] {
        let mut client = setup.proxy.connect().await;
        let response = client.get(target, "").await.expect("a response");
        assert_eq!(response.status, 200, "{target}");
        let seen = setup.backend.take();
        assert_eq!(seen.len(), 1, "{target}");
        assert_eq!(seen[0].target, target);
    }
    setup.assert_no_event().await;
}

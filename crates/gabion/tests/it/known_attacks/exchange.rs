//! A guard between a raw client and a raw upstream.

use std::{future::pending, sync::Arc};

use gabion::event::Event;
use gabion_proxy::Protocols;
use gabion_testkit::{RawConnection, RawServer, Recorder};
use tokio::select;

use crate::support::guarded_proxy::{DEFAULT, GuardedProxy, builder, rule_of};

/// A handshake with the key of RFC 6455, 1.3.
pub(super) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The response that accepts [`HANDSHAKE`].
pub(super) const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// An honest request.
pub(super) const GET: &str = "GET /honest HTTP/1.1\r\nHost: a\r\n\r\n";
/// A request that must not reach the upstream.
pub(super) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// An honest response.
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A guard in front of an upstream that the test answers by hand.
pub(super) struct Exchange {
    pub(super) proxy: GuardedProxy,
    upstream: RawServer,
    events: Arc<Recorder>,
}

/// The number of responses in `text`.
pub(super) fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

impl Exchange {
    /// With the built-in policy.
    pub(super) async fn start() -> Self {
        Self::with_policy(DEFAULT).await
    }

    /// With a policy that judges handshakes, and not the frames after them.
    pub(super) async fn without_frame_rules() -> Self {
        Self::with_policy("version = 1\n").await
    }

    /// With the built-in policy in observe mode.
    pub(super) async fn observing() -> Self {
        Self::with_policy(&DEFAULT.replace("mode = \"enforce\" ", "mode = \"observe\" ")).await
    }

    pub(super) async fn with_policy(policy: &str) -> Self {
        Self::with_protocols(Protocols::Http1, policy).await
    }

    pub(super) async fn with_protocols(protocols: Protocols, policy: &str) -> Self {
        let upstream = RawServer::bind().await;
        let events = Arc::new(Recorder::default());
        let guard = builder(events.clone()).with_policy(policy, "policy");
        Self {
            proxy: GuardedProxy::with_protocols(protocols, &upstream.url(), guard.unwrap()),
            upstream,
            events,
        }
    }

    /// A client connection on which `text` was sent.
    pub(super) async fn client(&self, text: &str) -> RawConnection {
        let mut client = self.proxy.connect().await;
        client.send(text).await;
        client
    }

    /// The upstream's end of the next connection from the guard.
    #[track_caller]
    pub(super) fn accept(&self) -> impl Future<Output = RawConnection> {
        self.upstream.accept()
    }

    /// Accepts a connection at the upstream, reads one head and answers it.
    pub(super) async fn answer(&self, answer: &str) -> (RawConnection, String) {
        self.upstream.answer(answer).await
    }

    /// Fails if a request reached the upstream before the one sent now.
    pub(super) async fn assert_untouched(&self) {
        let mut client = self.client(GET).await;
        let (_connection, head) = self.answer(OK).await;
        assert!(head.starts_with("GET /honest "), "{head}");
        client.until("ok").await;
    }

    /// Like [`Self::assert_untouched`]; the guard may reuse the connection `known` to the upstream.
    pub(super) async fn assert_untouched_except(&self, known: &mut RawConnection) {
        let mut client = self.client(GET).await;
        let reused = async {
            if known.is_readable().await {
                let head = known.head().await;
                known.send(OK).await;
                head
            } else {
                pending().await
            }
        };
        let (_connection, head) = select! {
            (connection, head) = self.answer(OK) => (Some(connection), head),
            head = reused => (None, head),
        };
        assert!(head.starts_with("GET /honest "), "{head}");
        client.until("ok").await;
    }

    /// The rules of the denials so far.
    pub(super) fn rules(&self) -> Vec<String> {
        let events: Vec<Event> = self.events.take();
        let rules = events.iter().filter_map(rule_of);
        rules.map(ToOwned::to_owned).collect()
    }
}

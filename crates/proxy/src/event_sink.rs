//! Events of the proxy: diagnoses of WebSockets that do not open or do not stay open, requests that
//! were not forwarded, connections that were refused, removed claims, and states of upstreams.

use std::{borrow::Cow, fmt, net::IpAddr, sync::Arc, time::SystemTime};

use gabion_core::{
    Claim, ClaimRemovedEvent, ClientIp, ConnectionLimit, ConnectionRefusedEvent, Diagnosis,
    DiagnosisEvent, Event, PeerAddr, ProxyFailureEvent, Sink, UnparsableEvent, UnparsablePart,
    UpstreamEvent, UpstreamState,
};
use http::{Extensions, Method, Request, StatusCode};

/// Optional destination for events. If unset, they are dropped.
#[derive(Clone, Default)]
pub(crate) struct EventSink(Option<Arc<dyn Sink>>);

/// The client and path of a WebSocket, as a diagnosis event names them.
#[derive(Clone, Debug)]
pub(crate) struct Requester {
    client: IpAddr,
    path: Box<[u8]>,
}

// === impl EventSink ===

impl EventSink {
    pub(crate) fn new(sink: Arc<dyn Sink>) -> Self {
        Self(Some(sink))
    }

    /// Records a diagnosis of `requester`'s WebSocket, with the observation that led to it.
    pub(crate) fn record_diagnosis(
        &self,
        diagnosis: Diagnosis,
        requester: &Requester,
        observation: impl Into<Cow<'static, str>>,
    ) {
        let Some(sink) = &self.0 else { return };
        let event = DiagnosisEvent::new(
            wall_clock(),
            diagnosis,
            requester.client,
            &requester.path,
            observation,
        );
        sink.record(&Event::Diagnosis(event));
    }

    /// Records the removal of a header that `peer` may not write.
    pub(crate) fn record_removed_claim(
        &self,
        peer: PeerAddr,
        client: Option<&ClientIp>,
        header: &str,
        claim: Claim,
    ) {
        let Some(sink) = &self.0 else { return };
        let event = ClaimRemovedEvent::new(wall_clock(), peer, client, header, claim);
        sink.record(&Event::ClaimRemoved(event));
    }

    /// Records that a request of `client` for `target` was answered with `status` because of `error`.
    pub(crate) fn record_failure(
        &self,
        client: Option<IpAddr>,
        (method, target): (&Method, &[u8]),
        status: StatusCode,
        error: &dyn fmt::Display,
        upstream: &dyn fmt::Display,
    ) {
        let Some(sink) = &self.0 else { return };
        let (error, upstream) = (error.to_string(), upstream.to_string());
        let event = ProxyFailureEvent::new(
            wall_clock(),
            client,
            (method, target),
            status,
            &error,
            &upstream,
        );
        sink.record(&Event::ProxyFailure(event));
    }

    /// Records that no service was selected for a request.
    pub(crate) fn record_unrouted(
        &self,
        client: Option<IpAddr>,
        (method, target): (&Method, &str),
        (status, error): (StatusCode, &dyn fmt::Display),
    ) {
        let Some(sink) = &self.0 else { return };
        let (request, error) = ((method, target.as_bytes()), error.to_string());
        let event = ProxyFailureEvent::new(wall_clock(), client, request, status, &error, "none");
        sink.record(&Event::ProxyFailure(event));
    }

    /// Records that a connection of `peer` was closed because it reached a limit.
    pub(crate) fn record_refused_connection(&self, peer: PeerAddr, limit: ConnectionLimit) {
        let Some(sink) = &self.0 else { return };
        let event = ConnectionRefusedEvent::new(wall_clock(), peer.addr(), limit);
        sink.record(&Event::ConnectionRefused(event));
    }

    /// Records a change of the state of an upstream.
    pub(crate) fn record_upstream(
        &self,
        upstream: &str,
        states: (UpstreamState, UpstreamState),
        reason: &dyn fmt::Display,
    ) {
        let Some(sink) = &self.0 else { return };
        let event = UpstreamEvent::new(wall_clock(), upstream, states, &reason.to_string());
        sink.record(&Event::Upstream(event));
    }

    /// Records that hyper refused a request of `peer` that begins with `line`.
    pub(crate) fn record_unparsable(&self, peer: PeerAddr, part: UnparsablePart, line: &[u8]) {
        let Some(sink) = &self.0 else { return };
        let event = UnparsableEvent::new(wall_clock(), peer.addr(), part, line);
        sink.record(&Event::Unparsable(event));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an event carries the wall-clock time"
)]
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_set = self.0.is_some();
        f.debug_struct("EventSink")
            .field("is_set", &is_set)
            .finish()
    }
}

/// The resolved client of a request, or its peer if no layer resolved the client.
pub(crate) fn client_addr(extensions: &Extensions) -> Option<IpAddr> {
    let client = extensions.get().map(ClientIp::addr);
    client.or_else(|| extensions.get().map(|peer: &PeerAddr| peer.addr()))
}

// === impl Requester ===

impl Requester {
    /// Takes the resolved client of a request, or its peer if no layer resolved the client. Returns
    /// `None` if the extensions hold neither.
    pub(crate) fn from_request<B>(request: &Request<B>) -> Option<Self> {
        let path = request.uri().path().as_bytes();
        let end = path.len().min(DiagnosisEvent::MAX_PATH);
        Some(Self {
            client: client_addr(request.extensions())?,
            path: path[..end].into(),
        })
    }

    /// Names the peer of a connection on which no request was read.
    pub(crate) fn from_peer(peer: PeerAddr) -> Self {
        Self {
            client: peer.addr(),
            path: Box::default(),
        }
    }
}

//! Why a WebSocket does not open, or does not stay open, for whoever listens.

use std::{borrow::Cow, fmt, net::IpAddr, sync::Arc, time::SystemTime};

use gabion_core::{ClientIp, Diagnosis, DiagnosisEvent, Event, PeerAddr, Sink};
use http::Request;

/// Who is told.
#[derive(Clone, Default)]
pub(crate) struct DiagnosisSink(Option<Arc<dyn Sink>>);

/// Whose WebSocket it is, and on which path.
#[derive(Clone, Debug)]
pub(crate) struct Requester {
    client: IpAddr,
    path: Box<[u8]>,
}

// === impl DiagnosisSink ===

impl DiagnosisSink {
    pub(crate) fn new(sink: Arc<dyn Sink>) -> Self {
        Self(Some(sink))
    }

    /// Tells of `requester` socket, and what was `seen`.
    #[expect(
        clippy::disallowed_methods,
        reason = "what is told bears the time of day, for people"
    )]
    pub(crate) fn record(
        &self,
        diagnosis: Diagnosis,
        requester: &Requester,
        seen: impl Into<Cow<'static, str>>,
    ) {
        let Some(sink) = &self.0 else { return };
        let now = SystemTime::now();
        let event = DiagnosisEvent::new(now, diagnosis, requester.client, &requester.path, seen);
        sink.record(&Event::Diagnosis(event));
    }
}

impl fmt::Debug for DiagnosisSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listens = self.0.is_some();
        f.debug_struct("Told").field("listens", &listens).finish()
    }
}

// === impl Requester ===

impl Requester {
    /// The client of a request, or its peer where nobody resolved it; none where not even that is
    /// known.
    pub(crate) fn from_request<B>(request: &Request<B>) -> Option<Self> {
        let extensions = request.extensions();
        let client = extensions.get().map(ClientIp::addr);
        let peer = || extensions.get().map(|peer: &PeerAddr| peer.addr());
        let path = request.uri().path().as_bytes();
        let end = path.len().min(DiagnosisEvent::MAX_PATH);
        Some(Self {
            client: client.or_else(peer)?,
            path: path[..end].into(),
        })
    }

    /// Of a connection on which no request was read.
    pub(crate) fn from_peer(peer: PeerAddr) -> Self {
        Self {
            client: peer.addr(),
            path: Box::default(),
        }
    }
}

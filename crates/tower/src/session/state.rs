//! The shared state of one session.

use std::{
    net::IpAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use atomic_waker::AtomicWaker;
use gabion_core::{
    ClientIp, CloseReason, MessageKinds, Mode, SessionId, SessionKind, SessionLimits,
};
use gabion_frames::Negotiated;
use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};

use super::client_buckets::ClientBuckets;

/// The state of a session, shared by its stream, the table of sessions and the engine, with the
/// wakers of the tasks that poll the stream.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) kind: SessionKind,
    pub(crate) client: ClientIp,
    /// The judged path. A copy, since a slice of the request's target would keep the whole head in
    /// memory.
    pub(crate) path: Box<str>,
    pub(crate) generation: u64,
    pub(crate) limits: Option<Arc<SessionLimits>>,
    /// The token buckets that it shares with the other sessions of its client on the route.
    pub(crate) client_buckets: Option<Arc<ClientBuckets>>,
    /// The address of the other end of the connection.
    peer: Option<IpAddr>,
    installed: AtomicBool,
    /// `true` if the policy allows the client or the path, so that messages are not judged.
    skips_message_rules: AtomicBool,
    /// Unset before the handshake response; then `None` if the service accepted an extension whose
    /// frames cannot be parsed.
    negotiated: OnceLock<Option<Negotiated>>,
    close_reason: OnceLock<Box<CloseReason>>,
    /// The time, monotonic, at which a drain closes the session.
    end_at: OnceLock<Duration>,
    pub(crate) reader: AtomicWaker,
    pub(crate) writer: AtomicWaker,
}

/// The close reason of a session whose service accepted an extension whose frames cannot be parsed.
pub(crate) const UNOFFERED_EXTENSION: CloseReason = CloseReason::Uninspectable(
    "the service accepted a WebSocket extension that was removed from the handshake",
);

// === impl Session ===

impl Session {
    pub(crate) fn new(
        id: SessionId,
        kind: SessionKind,
        client: ClientIp,
        path: &str,
        generation: u64,
    ) -> Self {
        Self {
            id,
            kind,
            client,
            path: path.into(),
            generation,
            limits: None,
            client_buckets: None,
            peer: None,
            installed: AtomicBool::new(false),
            skips_message_rules: AtomicBool::new(false),
            negotiated: OnceLock::new(),
            close_reason: OnceLock::new(),
            end_at: OnceLock::new(),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }
    }

    /// Sets the limits.
    pub(crate) fn with_limits(self, limits: Option<&Arc<SessionLimits>>) -> Self {
        let limits = limits.cloned();
        Self { limits, ..self }
    }

    /// Sets the token buckets that the session shares with others.
    pub(crate) fn with_client_buckets(self, client_buckets: Option<Arc<ClientBuckets>>) -> Self {
        Self {
            client_buckets,
            ..self
        }
    }

    /// Sets the address of the other end of the connection.
    pub(crate) fn with_peer(self, peer: IpAddr) -> Self {
        let peer = Some(peer);
        Self { peer, ..self }
    }

    /// Returns the address of the other end of the connection, or the client's if unknown.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer.unwrap_or_else(|| self.client.addr())
    }

    /// Records that the internal upgrade is complete: from now on, bytes are the client's and the
    /// service's.
    pub(crate) fn set_installed(&self) {
        self.installed.store(true, Ordering::Release);
    }

    pub(crate) fn is_installed(&self) -> bool {
        self.installed.load(Ordering::Acquire)
    }

    /// Returns the route that the session counts for; `None` for event streams.
    pub(crate) fn route(&self) -> Option<&str> {
        let limits = self.limits.as_ref();
        let socket = self.kind == SessionKind::WebSocket;
        socket.then(|| limits.map_or("", |limits| &*limits.route))
    }

    /// Returns a shared handle of the limits, for the extensions of the request.
    pub(crate) fn shared_limits(&self) -> Option<Arc<SessionLimits>> {
        self.limits.clone()
    }

    /// Returns the limits.
    pub(crate) fn limits(&self) -> Option<&SessionLimits> {
        self.limits.as_deref()
    }

    /// Exempts the session's messages from judgment, whatever its limits.
    pub(crate) fn skip_message_rules(&self) {
        self.skips_message_rules.store(true, Ordering::Release);
    }

    /// Returns the kinds of messages that are judged.
    pub(crate) fn message_kinds(&self) -> MessageKinds {
        let limits = self.limits.as_ref();
        let judged = limits.filter(|_| !self.skips_message_rules.load(Ordering::Acquire));
        judged.map_or(MessageKinds::None, |limits| limits.message_kinds)
    }

    /// Returns [`Mode::Enforce`] if a rule about messages is enforced.
    pub(crate) fn message_mode(&self) -> Mode {
        let holds = self.limits.as_ref().is_some_and(|limits| limits.holds);
        if holds { Mode::Enforce } else { Mode::Observe }
    }

    /// Records the extensions in the handshake response, which arrives before the stream opens.
    /// Returns a close reason if messages must be inspected and cannot be.
    pub(crate) fn on_handshake_response(&self, headers: &HeaderMap) -> Option<CloseReason> {
        let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS);
        let lines = lines.iter().map(HeaderValue::as_bytes);
        let accepted = Negotiated::from_header(lines).ok();
        let message_kinds = self.message_kinds() != MessageKinds::None;
        let inflates = self.limits.as_ref().is_some_and(|limits| limits.inflates);
        // A service may accept an extension although it was removed from the offer.
        let readable = accepted.filter(|accepted| inflates || accepted.deflate().is_none());
        let negotiated = if message_kinds { readable } else { accepted };
        let _ = self.negotiated.set(negotiated);
        let is_uninspectable = message_kinds && negotiated.is_none();
        is_uninspectable.then_some(UNOFFERED_EXTENSION)
    }

    /// Returns the negotiated extensions, or none if an extension is unknown, whose bits are
    /// unknown too.
    pub(crate) fn negotiated(&self) -> Negotiated {
        self.try_negotiated().unwrap_or_default()
    }

    /// Returns the negotiated extensions, or `None` if frames cannot be parsed.
    pub(crate) fn try_negotiated(&self) -> Option<Negotiated> {
        self.negotiated.get().copied().flatten()
    }

    /// Closes the session. The first reason counts. Returns `true` if this was the first.
    pub(crate) fn end(&self, close_reason: CloseReason) -> bool {
        let is_first = self.close_reason.set(Box::new(close_reason)).is_ok();
        if is_first {
            self.wake_both();
        }
        is_first
    }

    pub(crate) fn close_reason(&self) -> Option<&CloseReason> {
        self.close_reason.get().map(AsRef::as_ref)
    }

    /// Closes the session at `time`, unless a time is already set.
    pub(crate) fn end_at(&self, time: Duration) {
        if self.end_at.set(time).is_ok() {
            self.wake_both();
        }
    }

    /// Returns the time at which the session closes by itself.
    pub(crate) fn ends_at(&self) -> Option<Duration> {
        self.end_at.get().copied()
    }

    /// Returns `true` if the session is being closed, or must be by `now`.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        self.close_reason().is_some() || self.ends_at().is_some_and(|time| time <= now)
    }

    /// Wakes the tasks that wait for the read half and the write half.
    pub(crate) fn wake_both(&self) {
        self.reader.wake();
        self.writer.wake();
    }

    /// Polls with a waker that wakes the reader and the writer, so that either continues.
    pub(crate) fn with_both_wakers<T>(
        self: &Arc<Self>,
        poll: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        poll(&mut Context::from_waker(&Waker::from(Arc::clone(self))))
    }
}

impl Wake for Session {
    fn wake(self: Arc<Self>) {
        self.wake_both();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_both();
    }
}

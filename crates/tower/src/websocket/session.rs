//! One session, as those outside of its stream see it.

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
use gabion_frames::{KeepAlive, Negotiated};
use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};

use super::{SessionEnforcer, Sessions, client_buckets::ClientBuckets};

/// What is known of a session, and how to reach whoever polls its stream.
pub(crate) struct Session {
    pub(super) id: SessionId,
    pub(super) kind: SessionKind,
    pub(super) client: ClientIp,
    /// The path that was judged. A copy: a part of the request's target would keep all of its head.
    pub(super) path: Box<str>,
    pub(super) generation: u64,
    pub(super) limits: Option<Arc<SessionLimits>>,
    /// What its client may send over all its sessions here.
    pub(super) client_buckets: Option<Arc<ClientBuckets>>,
    /// The other end of its connection.
    peer: Option<IpAddr>,
    installed: AtomicBool,
    /// The policy allows its client or its path, so that no message is judged.
    skips_message_rules: AtomicBool,
    /// None where the service granted what nobody here can read.
    negotiated: OnceLock<Option<Negotiated>>,
    close_reason: OnceLock<Box<CloseReason>>,
    /// When the server wants it to be gone: monotonic.
    end_at: OnceLock<Duration>,
    pub(super) reader: AtomicWaker,
    pub(super) writer: AtomicWaker,
}

/// The end of a session whose service granted what nobody here can read.
pub(super) const UNOFFERED_EXTENSION: CloseReason =
    CloseReason::Uninspectable("the service granted an extension that was taken off the offer");

/// A session's place among the others, which is free again when this is dropped.
pub(crate) struct SessionPermit {
    session: Arc<Session>,
    enforcer: Arc<SessionEnforcer>,
}

// === impl Session ===

impl Session {
    pub(super) fn new(
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

    /// Holds it to these.
    pub(super) fn with_limits(self, limits: Option<&Arc<SessionLimits>>) -> Self {
        let limits = limits.cloned();
        Self { limits, ..self }
    }

    /// Has it share this with others.
    pub(super) fn with_client_buckets(self, client_buckets: Option<Arc<ClientBuckets>>) -> Self {
        Self {
            client_buckets,
            ..self
        }
    }

    /// Says where it comes from.
    pub(super) fn with_peer(self, peer: IpAddr) -> Self {
        let peer = Some(peer);
        Self { peer, ..self }
    }

    /// Where it comes from, as far as that is known.
    pub(super) fn peer(&self) -> IpAddr {
        self.peer.unwrap_or_else(|| self.client.addr())
    }

    /// The canned part is over: what passes from now on is the client's and the service's.
    pub(super) fn set_installed(&self) {
        self.installed.store(true, Ordering::Release);
    }

    pub(super) fn is_installed(&self) -> bool {
        self.installed.load(Ordering::Acquire)
    }

    /// The route that it is counted on: a socket's.
    pub(super) fn route(&self) -> Option<&str> {
        let limits = self.limits.as_ref();
        let socket = self.kind == SessionKind::WebSocket;
        socket.then(|| limits.map_or("", |limits| &*limits.route))
    }

    /// What it is held to, to be handed on.
    pub(crate) fn shared_limits(&self) -> Option<Arc<SessionLimits>> {
        self.limits.clone()
    }

    /// What it is held to.
    pub(crate) fn limits(&self) -> Option<&SessionLimits> {
        self.limits.as_deref()
    }

    /// Its messages are not judged, whatever its terms.
    pub(crate) fn skip_message_rules(&self) {
        self.skips_message_rules.store(true, Ordering::Release);
    }

    /// Which of its messages are read and judged.
    pub(super) fn message_kinds(&self) -> MessageKinds {
        let limits = self.limits.as_ref();
        let judged = limits.filter(|_| !self.skips_message_rules.load(Ordering::Acquire));
        judged.map_or(MessageKinds::None, |limits| limits.message_kinds)
    }

    /// Whether some rule acts upon its messages.
    pub(super) fn message_mode(&self) -> Mode {
        let holds = self.limits.as_ref().is_some_and(|limits| limits.holds);
        if holds { Mode::Enforce } else { Mode::Observe }
    }

    /// Takes note of the answer to the handshake, which is there before the stream opens. It is to end
    /// where its messages are to be read and cannot be.
    pub(super) fn on_handshake_response(&self, headers: &HeaderMap) -> Option<CloseReason> {
        let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS);
        let lines = lines.iter().map(HeaderValue::as_bytes);
        let accepted = Negotiated::from_header(lines).ok();
        let message_kinds = self.message_kinds() != MessageKinds::None;
        let inflates = self.limits.as_ref().is_some_and(|limits| limits.inflates);
        // What was taken off the offer is granted nonetheless.
        let readable = accepted.filter(|accepted| inflates || accepted.deflate().is_none());
        let negotiated = if message_kinds { readable } else { accepted };
        let _ = self.negotiated.set(negotiated);
        let is_uninspectable = message_kinds && negotiated.is_none();
        is_uninspectable.then_some(UNOFFERED_EXTENSION)
    }

    /// What the handshake agreed on; of an extension that is not known, no bit is known either.
    pub(super) fn negotiated(&self) -> Negotiated {
        self.try_negotiated().unwrap_or_default()
    }

    /// The same; none where nobody here can read what was granted.
    pub(super) fn try_negotiated(&self) -> Option<Negotiated> {
        self.negotiated.get().copied().flatten()
    }

    /// Ends it; the first reason counts. Whether this was it.
    pub(super) fn end(&self, close_reason: CloseReason) -> bool {
        let is_first = self.close_reason.set(Box::new(close_reason)).is_ok();
        if is_first {
            self.wake_both();
        }
        is_first
    }

    pub(super) fn close_reason(&self) -> Option<&CloseReason> {
        self.close_reason.get().map(AsRef::as_ref)
    }

    /// Ends it at this time.
    pub(super) fn end_at(&self, time: Duration) {
        if self.end_at.set(time).is_ok() {
            self.wake_both();
        }
    }

    /// When it is to end by itself.
    pub(super) fn ends_at(&self) -> Option<Duration> {
        self.end_at.get().copied()
    }

    /// Whether there is something to be done about its end.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.close_reason().is_some() || self.ends_at().is_some_and(|time| time <= now)
    }

    /// Has whoever waits at either half look again.
    pub(super) fn wake_both(&self) {
        self.reader.wake();
        self.writer.wake();
    }

    /// Polls something on behalf of both, the reader and the writer: either goes on with it.
    pub(super) fn with_both_wakers<T>(
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

// === impl Seat ===

impl SessionPermit {
    pub(super) const fn new(session: Arc<Session>, enforcer: Arc<SessionEnforcer>) -> Self {
        Self { session, enforcer }
    }

    pub(crate) const fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(super) fn enforcer(&self) -> &SessionEnforcer {
        &self.enforcer
    }

    pub(super) fn sessions(&self) -> &Sessions {
        self.enforcer.sessions()
    }

    /// Whether the session is ended for what its terms ask.
    pub(super) fn mode(&self) -> Mode {
        self.session
            .limits()
            .map_or(Mode::Observe, |limits| limits.mode)
    }

    /// What keeps the socket open, where its terms ask for that and there is a timer.
    pub(super) fn keep_alive(&self) -> Option<KeepAlive> {
        let sessions = self.sessions();
        let every = self
            .session
            .limits()?
            .ping
            .filter(|_| sessions.has_timer())?;
        let tag = sessions.tag(&self.session);
        Some(KeepAlive::new(every, tag, sessions.now()))
    }
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        self.sessions().release(&self.session);
    }
}

//! What the service sends.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Poll, ready},
    time::Duration,
};

use gabion_frames::{Limits, MessageDecoding, Observer, Role, Seen, encode::ControlFrame};
use hyper::{rt::Write as _, upgrade::Upgraded};

use super::{Session, SessionPermit};

/// What the service sends. It is not judged; it is followed, so as to know where a frame of ours may
/// stand.
pub(super) struct Outgoing {
    observer: Observer,
    state: State,
    /// A frame of ours that stands between two of the service's, which wait for its last byte.
    injected: Option<Box<InjectedFrame>>,
    /// Since when the client has taken nothing of what the service has for it.
    blocked_since: Option<Duration>,
    /// When the service has sent something last.
    last_sent: Duration,
    /// It pings by itself.
    service_pings: bool,
}

struct InjectedFrame {
    frame: ControlFrame,
    sent: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Observed,
    /// What was sent are no frames that the observer knows.
    Unparsable,
    /// It has sent its close, or has shut its half down.
    Ended,
}

/// Where the service is in what it sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FramePosition {
    /// Between two frames.
    Boundary,
    /// So many bytes at least are missing to the end of a frame.
    Inside(usize),
    /// Behind its last frame.
    Ended,
    Unknown,
}

static NO_LIMITS: LazyLock<Arc<Limits>> = LazyLock::new(|| {
    let limits = Limits::new()
        .with_max_frame(u64::MAX)
        .with_max_message(u64::MAX)
        .with_max_fragments(u32::MAX)
        .with_message_time(Duration::MAX);
    Arc::new(limits)
});

// === impl Outgoing ===

impl Outgoing {
    pub(super) fn new(session: &Session) -> Self {
        let limits = Arc::clone(&NO_LIMITS);
        let negotiated = session.negotiated();
        Self {
            observer: Observer::new(Role::Server, limits, negotiated, MessageDecoding::None),
            state: State::Observed,
            injected: None,
            blocked_since: None,
            last_sent: Duration::ZERO,
            service_pings: false,
        }
    }

    /// Puts a frame of ours behind the last whole one of the service's, unless one is on its way.
    pub(super) fn inject(&mut self, frame: ControlFrame) {
        let injected = || Box::new(InjectedFrame { frame, sent: 0 });
        self.injected.get_or_insert_with(injected);
    }

    /// Sends what is left of our frame; ready once there is none.
    pub(super) fn poll_injected(
        &mut self,
        stream: &mut Upgraded,
        permit: &SessionPermit,
    ) -> Poll<io::Result<()>> {
        let Some(injected) = &mut self.injected else {
            return Poll::Ready(Ok(()));
        };
        let polled = permit.session().with_both_wakers(|cx| {
            while let rest @ [_, ..] = &injected.frame.as_bytes()[injected.sent..] {
                match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => injected.sent += count,
                }
            }
            Pin::new(&mut *stream).poll_flush(cx)
        });
        if polled.is_ready() {
            self.injected = None;
        }
        polled
    }

    /// The client took nothing now. Since when it has not.
    pub(super) fn mark_blocked(&mut self, now: Duration) -> Duration {
        *self.blocked_since.get_or_insert(now)
    }

    /// Since when the client has taken nothing, where there was something for it.
    pub(super) const fn blocked_since(&self) -> Option<Duration> {
        self.blocked_since
    }

    /// The client took something. Whether it had not before.
    pub(super) const fn unblock(&mut self) -> bool {
        self.blocked_since.take().is_some()
    }

    /// The first `count` bytes of `bufs` are on their way.
    pub(super) fn observe(
        &mut self,
        bufs: &[IoSlice<'_>],
        mut count: usize,
        permit: &SessionPermit,
    ) {
        let now = permit.sessions().now();
        self.last_sent = now;
        for buf in bufs {
            let mut bytes = &buf[..buf.len().min(count)];
            count -= bytes.len();
            while self.state == State::Observed {
                match self.observer.watch(&mut bytes, now) {
                    Ok(None) => break,
                    Ok(Some(step)) => match step.seen {
                        Some(Seen::Close { code, .. }) => {
                            let session = permit.session();
                            permit.sessions().diagnose_close(session, "service", code);
                            self.state = State::Ended;
                        }
                        Some(Seen::Ping(_)) => self.service_pings = true,
                        _ => {}
                    },
                    Err(_) => self.state = State::Unparsable,
                }
            }
        }
    }

    /// The service has shut its half down.
    pub(super) const fn set_ended(&mut self) {
        self.state = State::Ended;
    }

    /// When the service has sent something last.
    pub(super) const fn last_sent(&self) -> Duration {
        self.last_sent
    }

    /// Whether the service pings by itself.
    pub(super) const fn service_pings(&self) -> bool {
        self.service_pings
    }

    pub(super) fn position(&self) -> FramePosition {
        match (self.state, self.observer.boundary()) {
            (State::Ended, _) => FramePosition::Ended,
            (State::Unparsable, _) => FramePosition::Unknown,
            (State::Observed, Some(0)) => FramePosition::Boundary,
            (State::Observed, Some(missing)) => {
                FramePosition::Inside(usize::try_from(missing).unwrap_or(usize::MAX))
            }
            // Inside of a head at least one byte is missing.
            (State::Observed, None) => FramePosition::Inside(1),
        }
    }
}

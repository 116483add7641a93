//! The bytes that the service sends.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Poll, ready},
    time::Duration,
};

use gabion_frames::{Limits, MessageDecoding, Observer, Role, Seen, encode::ControlFrame};
use hyper::{rt::Write as _, upgrade::Upgraded};

use super::SessionPermit;
use crate::session::Session;

/// Observes the frames that the service sends, to find the boundaries at which a control frame can
/// be injected. The frames are not judged.
pub(super) struct Outgoing {
    observer: Observer,
    state: State,
    /// A control frame that is being sent between two frames of the service. The service's next
    /// frame waits for its last byte.
    injected: Option<Box<InjectedFrame>>,
    /// The time since which the client has accepted no bytes, although there were some for it.
    blocked_since: Option<Duration>,
    /// The time at which the service last sent a byte.
    last_sent: Duration,
    /// `true` once the service has sent a ping.
    service_pings: bool,
}

struct InjectedFrame {
    frame: ControlFrame,
    sent: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Observed,
    /// The service sent bytes that are not valid frames.
    Unparsable,
    /// The service has sent its close frame, or has shut down its half.
    Ended,
}

/// The position in the bytes that the service sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FramePosition {
    /// Between two frames.
    Boundary,
    /// Within a frame, at least this number of bytes before its end.
    Inside(usize),
    /// After the last frame.
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

    /// Schedules `frame` for the current boundary, unless another injected frame is being sent.
    pub(super) fn inject(&mut self, frame: ControlFrame) {
        let injected = || Box::new(InjectedFrame { frame, sent: 0 });
        self.injected.get_or_insert_with(injected);
    }

    /// Sends the rest of the injected frame. Ready once there is none.
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

    /// Records that the client accepted no bytes now. Returns the time since which it has not.
    pub(super) fn mark_blocked(&mut self, now: Duration) -> Duration {
        *self.blocked_since.get_or_insert(now)
    }

    /// Returns the time since which the client has accepted no bytes, although there were some for
    /// it.
    pub(super) const fn blocked_since(&self) -> Option<Duration> {
        self.blocked_since
    }

    /// Records that the client accepted bytes. Returns `true` if it had not before.
    pub(super) const fn unblock(&mut self) -> bool {
        self.blocked_since.take().is_some()
    }

    /// Observes the first `count` bytes of `bufs`, which were sent.
    pub(super) fn observe(
        &mut self,
        bufs: &[IoSlice<'_>],
        mut count: usize,
        permit: &SessionPermit,
    ) {
        let now = permit.now();
        self.last_sent = now;
        for buf in bufs {
            let mut bytes = &buf[..buf.len().min(count)];
            count -= bytes.len();
            while self.state == State::Observed {
                match self.observer.watch(&mut bytes, now) {
                    Ok(None) => break,
                    Ok(Some(step)) => match step.seen {
                        Some(Seen::Close { code, .. }) => {
                            permit.diagnose_close("service", code);
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

    /// Records that the service has shut down its half.
    pub(super) const fn set_ended(&mut self) {
        self.state = State::Ended;
    }

    /// Returns the time at which the service last sent a byte.
    pub(super) const fn last_sent(&self) -> Duration {
        self.last_sent
    }

    /// Returns `true` if the service has sent a ping.
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
            // Within a frame header at least one byte is missing.
            (State::Observed, None) => FramePosition::Inside(1),
        }
    }
}

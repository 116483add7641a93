//! What the service sends.

use std::{io::IoSlice, sync::Arc, time::Duration};

use gabion_frames::{Depth, Limits, Observer, Role, Seen};

use super::{Seat, Session};

/// What the service sends. It is not judged; it is followed, so as to know where a close may stand.
pub(super) struct Outgoing {
    observer: Observer,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Followed,
    /// What was sent are no frames that the observer knows.
    Lost,
    /// It has sent its close, or has shut its half down.
    Ended,
}

/// Where the service is in what it sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between two frames.
    Boundary,
    /// So many bytes at least are missing to the end of a frame.
    Inside(usize),
    /// Behind its last frame.
    Ended,
    Unknown,
}

// === impl Outgoing ===

impl Outgoing {
    pub(super) fn new(session: &Session) -> Self {
        let no_limits = Limits::new()
            .with_max_frame(u64::MAX)
            .with_max_message(u64::MAX)
            .with_max_fragments(u32::MAX)
            .with_message_time(Duration::MAX);
        let negotiated = session.negotiated();
        let limits = Arc::new(no_limits);
        Self {
            observer: Observer::new(Role::Server, limits, negotiated, Depth::Headers),
            state: State::Followed,
        }
    }

    /// The first `count` bytes of `bufs` are on their way.
    pub(super) fn follow(&mut self, bufs: &[IoSlice<'_>], mut count: usize, seat: &Seat) {
        let now = seat.sessions().now();
        for buf in bufs {
            let mut bytes = &buf[..buf.len().min(count)];
            count -= bytes.len();
            while self.state == State::Followed {
                match self.observer.watch(&mut bytes, now) {
                    Ok(None) => break,
                    Ok(Some(step)) => {
                        if let Some(Seen::Close { .. }) = step.seen {
                            self.state = State::Ended;
                        }
                    }
                    Err(_) => self.state = State::Lost,
                }
            }
        }
    }

    /// The service has shut its half down.
    pub(super) const fn end(&mut self) {
        self.state = State::Ended;
    }

    pub(super) fn place(&self) -> Place {
        match (self.state, self.observer.boundary()) {
            (State::Ended, _) => Place::Ended,
            (State::Lost, _) => Place::Unknown,
            (State::Followed, Some(0)) => Place::Boundary,
            (State::Followed, Some(missing)) => {
                Place::Inside(usize::try_from(missing).unwrap_or(usize::MAX))
            }
            // Inside of a head at least one byte is missing.
            (State::Followed, None) => Place::Inside(1),
        }
    }
}

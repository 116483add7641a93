//! What one side sends, followed frame by frame.

use std::{sync::Arc, time::Duration};

use gabion_frames::{Depth, Limits, Negotiated, Observer, Role, Seen};

/// Follows what one side sends. Nothing is judged: what keeps to no protocol passes as it came, and
/// is not followed any more.
#[derive(Debug)]
pub(super) struct Frames {
    observer: Observer,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Followed,
    /// A close frame has passed.
    Closed,
    /// What was sent are no frames that the observer knows.
    Lost,
}

/// Judging is the work of the layers in front.
pub(super) fn no_limits() -> Limits {
    Limits::new()
        .with_max_frame(u64::MAX)
        .with_max_message(u64::MAX)
        .with_max_fragments(u32::MAX)
        .with_message_time(Duration::MAX)
}

// === impl Frames ===

impl Frames {
    pub(super) fn new(role: Role, limits: Arc<Limits>, negotiated: Option<Negotiated>) -> Self {
        let state = match negotiated {
            Some(_) => State::Followed,
            None => State::Lost,
        };
        let negotiated = negotiated.unwrap_or_default();
        Self {
            observer: Observer::new(role, limits, negotiated, Depth::Headers),
            state,
        }
    }

    /// These bytes pass.
    pub(super) fn follow(&mut self, mut bytes: &[u8], now: Duration) {
        while self.state == State::Followed {
            match self.observer.watch(&mut bytes, now) {
                Ok(Some(step)) => {
                    if let Some(Seen::Close { .. }) = step.seen {
                        self.state = State::Closed;
                    }
                }
                Ok(None) => break,
                Err(_) => self.state = State::Lost,
            }
        }
    }
}

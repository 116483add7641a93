//! What one side sends, followed frame by frame.

use std::{borrow::Cow, mem, sync::Arc, time::Duration};

use gabion_frames::{
    CloseCode, Depth, KeepAlive, Limits, Negotiated, Observer, Opcode, Role, Seen,
};

/// Follows what one side sends. Nothing is judged: what keeps to no protocol passes as it came, and
/// is not followed any more.
#[derive(Debug)]
pub(super) struct FrameTracker {
    observer: Observer,
    /// A pong, as far as it has come: at most 131 bytes.
    held_pong: Vec<u8>,
    sent_message: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Tracking,
    /// A close frame has passed.
    Closed(CloseCode),
    /// What was sent are no frames that the observer knows.
    Untracked,
}

/// Stands for none (RFC 6455, 7.1.5).
const NO_STATUS: CloseCode = CloseCode::new(1005);

/// Judging is the work of the layers in front.
pub(super) fn unlimited() -> Limits {
    Limits::new()
        .with_max_frame(u64::MAX)
        .with_max_message(u64::MAX)
        .with_max_fragments(u32::MAX)
        .with_message_time(Duration::MAX)
}

// === impl FrameTracker ===

impl FrameTracker {
    pub(super) fn new(role: Role, limits: Arc<Limits>, negotiated: Option<Negotiated>) -> Self {
        let state = match negotiated {
            Some(_) => State::Tracking,
            None => State::Untracked,
        };
        let negotiated = negotiated.unwrap_or_default();
        Self {
            observer: Observer::new(role, limits, negotiated, Depth::Headers),
            held_pong: Vec::new(),
            sent_message: false,
            state,
        }
    }

    /// What of `bytes` passes: all but pongs that are `own_pings`, and a pong that is not whole yet.
    pub(super) fn filter<'b>(
        &mut self,
        bytes: &'b [u8],
        now: Duration,
        own_pings: Option<&KeepAlive>,
    ) -> Cow<'b, [u8]> {
        let mut before = Vec::new();
        // What passes in one go, and what of it was not looked at yet.
        let (mut run, mut rest) = (bytes, bytes);
        while self.state == State::Tracking {
            let observed = match self.observer.watch(&mut rest, now) {
                Ok(Some(observed)) => observed,
                Ok(None) => break,
                Err(_) => {
                    self.state = State::Untracked;
                    before.append(&mut self.held_pong);
                    break;
                }
            };
            self.sent_message |= !observed.opcode.is_control();
            match (observed.seen, own_pings) {
                (Some(Seen::Close { code, .. }), _) => {
                    self.state = State::Closed(code.unwrap_or(NO_STATUS));
                }
                (seen, Some(own_pings)) if observed.opcode == Opcode::Pong => {
                    let position = run.len() - rest.len() - observed.bytes.len();
                    before.extend(&run[..position]);
                    run = rest;
                    self.held_pong.extend(observed.bytes);
                    match seen {
                        Some(Seen::Pong(pong)) if own_pings.is_ours(pong) => {
                            self.held_pong = Vec::new()
                        }
                        Some(Seen::Pong(_)) => before.append(&mut self.held_pong),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        if before.is_empty() {
            return Cow::Borrowed(run);
        }
        before.extend(run);
        Cow::Owned(before)
    }

    /// What was kept of a pong that will not come to its end.
    pub(super) fn take_held(&mut self) -> Vec<u8> {
        mem::take(&mut self.held_pong)
    }

    /// A control frame may be put in behind all that has passed.
    pub(super) fn at_frame_boundary(&self) -> bool {
        self.state == State::Tracking && self.observer.boundary() == Some(0)
    }

    /// The close frame has passed, with this code.
    pub(super) const fn closed(&self) -> Option<CloseCode> {
        match self.state {
            State::Closed(code) => Some(code),
            _ => None,
        }
    }

    /// A message has begun to pass.
    pub(super) const fn has_sent_message(&self) -> bool {
        self.sent_message
    }

    /// It is known what passes: pongs are seen among it.
    pub(super) fn is_tracking(&self) -> bool {
        self.state == State::Tracking
    }
}

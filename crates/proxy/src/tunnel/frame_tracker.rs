//! WebSocket frame tracking in one direction of a tunnel.

use std::{borrow::Cow, mem, sync::Arc, time::Duration};

use gabion_frames::{
    CloseCode, KeepAlive, Limits, MessageDecoding, Negotiated, Observer, Opcode, Role, Seen,
};

/// Tracks the frames that one side sends. It rejects nothing: invalid frames pass unchanged, and
/// tracking stops.
#[derive(Debug)]
pub(super) struct FrameTracker {
    observer: Observer,
    /// The received part of a pong: at most 131 bytes.
    held_pong: Vec<u8>,
    sent_message: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Tracking,
    /// A close frame has passed.
    Closed(CloseCode),
    /// The bytes are not frames that the observer can parse.
    Untracked,
}

/// The status of a close frame without one (RFC 6455, 7.1.5).
const NO_STATUS: CloseCode = CloseCode::new(1005);

/// Limits are enforced by the layers in front.
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
            observer: Observer::new(role, limits, negotiated, MessageDecoding::None),
            held_pong: Vec::new(),
            sent_message: false,
            state,
        }
    }

    /// Returns the bytes of `bytes` that pass: all except pongs to `own_pings` and an incomplete
    /// pong.
    pub(super) fn filter<'b>(
        &mut self,
        bytes: &'b [u8],
        now: Duration,
        own_pings: Option<&KeepAlive>,
    ) -> Cow<'b, [u8]> {
        let mut output = Vec::new();
        // The contiguous bytes that pass, and the bytes that were not parsed yet.
        let (mut run, mut rest) = (bytes, bytes);
        while self.state == State::Tracking {
            let observed = match self.observer.watch(&mut rest, now) {
                Ok(Some(observed)) => observed,
                Ok(None) => break,
                Err(_) => {
                    self.state = State::Untracked;
                    output.append(&mut self.held_pong);
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
                    output.extend(&run[..position]);
                    run = rest;
                    self.held_pong.extend(observed.bytes);
                    match seen {
                        Some(Seen::Pong(pong)) if own_pings.is_ours(pong) => {
                            self.held_pong = Vec::new();
                        }
                        Some(Seen::Pong(_)) => output.append(&mut self.held_pong),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        if output.is_empty() {
            return Cow::Borrowed(run);
        }
        output.extend(run);
        Cow::Owned(output)
    }

    /// Returns the held part of a pong that will not be completed.
    pub(super) fn take_held(&mut self) -> Vec<u8> {
        mem::take(&mut self.held_pong)
    }

    /// Returns `true` if a control frame may be inserted after the bytes that passed.
    pub(super) fn at_frame_boundary(&self) -> bool {
        self.state == State::Tracking && self.observer.boundary() == Some(0)
    }

    /// Returns the status of the close frame, if one has passed.
    pub(super) const fn close_status(&self) -> Option<CloseCode> {
        match self.state {
            State::Closed(code) => Some(code),
            _ => None,
        }
    }

    /// Returns `true` if a message has begun to pass.
    pub(super) const fn has_sent_message(&self) -> bool {
        self.sent_message
    }

    /// Returns `true` if frames are parsed, so that pongs can be recognized.
    pub(super) fn is_tracking(&self) -> bool {
        self.state == State::Tracking
    }
}

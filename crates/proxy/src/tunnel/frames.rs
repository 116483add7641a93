//! What one side sends, followed frame by frame.

use std::{borrow::Cow, mem, sync::Arc, time::Duration};

use gabion_frames::{
    CloseCode, Depth, KeepAlive, Limits, Negotiated, Observer, Opcode, Role, Seen,
};

/// Follows what one side sends. Nothing is judged: what keeps to no protocol passes as it came, and
/// is not followed any more.
#[derive(Debug)]
pub(super) struct Frames {
    observer: Observer,
    /// A pong, as far as it has come: at most 131 bytes.
    held: Vec<u8>,
    said_something: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Followed,
    /// A close frame has passed.
    Closed(CloseCode),
    /// What was sent are no frames that the observer knows.
    Lost,
}

/// Stands for none (RFC 6455, 7.1.5).
const NO_CODE: CloseCode = CloseCode::new(1005);

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
            held: Vec::new(),
            said_something: false,
            state,
        }
    }

    /// What of `bytes` passes: all but pongs that are `ours`, and a pong that is not whole yet.
    pub(super) fn pass<'b>(
        &mut self,
        bytes: &'b [u8],
        now: Duration,
        ours: Option<&KeepAlive>,
    ) -> Cow<'b, [u8]> {
        let mut before = Vec::new();
        // What passes in one go, and what of it was not looked at yet.
        let (mut run, mut rest) = (bytes, bytes);
        while self.state == State::Followed {
            let step = match self.observer.watch(&mut rest, now) {
                Ok(Some(step)) => step,
                Ok(None) => break,
                Err(_) => {
                    self.state = State::Lost;
                    before.append(&mut self.held);
                    break;
                }
            };
            self.said_something |= !step.opcode.is_control();
            match (step.seen, ours) {
                (Some(Seen::Close { code, .. }), _) => {
                    self.state = State::Closed(code.unwrap_or(NO_CODE));
                }
                (seen, Some(ours)) if step.opcode == Opcode::Pong => {
                    let looked_at = run.len() - rest.len() - step.bytes.len();
                    before.extend(&run[..looked_at]);
                    run = rest;
                    self.held.extend(step.bytes);
                    match seen {
                        Some(Seen::Pong(pong)) if ours.is_ours(pong) => self.held = Vec::new(),
                        Some(Seen::Pong(_)) => before.append(&mut self.held),
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
    pub(super) fn end(&mut self) -> Vec<u8> {
        mem::take(&mut self.held)
    }

    /// A control frame may be put in behind all that has passed.
    pub(super) fn may_be_interrupted(&self) -> bool {
        self.state == State::Followed && self.observer.boundary() == Some(0)
    }

    /// The close frame has passed, with this code.
    pub(super) const fn closed(&self) -> Option<CloseCode> {
        match self.state {
            State::Closed(code) => Some(code),
            _ => None,
        }
    }

    /// A message has begun to pass.
    pub(super) const fn have_said_something(&self) -> bool {
        self.said_something
    }

    /// It is known what passes: pongs are seen among it.
    pub(super) fn are_followed(&self) -> bool {
        self.state == State::Followed
    }
}

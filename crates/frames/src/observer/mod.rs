//! Reading along.

mod read;

use std::{sync::Arc, time::Duration};

use crate::{
    Depth, Kind, Limits, Negotiated, Observation, Opcode, Role, Violation,
    control::Control,
    head::PartialHead,
    inflate::Inflater,
    message::{Message, Scratch},
    token_bucket::TokenBucket,
};

/// Watches what one side of a socket sends.
///
/// The same bytes yield the same, however they are cut into slices.
///
/// # Cost
///
/// At most 256 bytes while no inspected message is under way, and up to 43 KiB more from the first
/// compressed message on that is read, unless messages do not refer back. What is not read is skipped
/// without being looked at; heads and control frames are read without allocating.
#[derive(Debug)]
pub struct Observer {
    role: Role,
    depth: Depth,
    negotiated: Negotiated,
    limits: Arc<Limits>,
    state: State,
    /// The last step told of a whole control frame or message, which is kept until the next.
    told: bool,
    message: Option<Message>,
    scratch: Option<Box<Scratch>>,
    inflater: Option<Box<Inflater>>,
    /// How many bytes were handed out.
    offset: u64,
    /// Where the frame at hand begins.
    frame: u64,
    /// Nanoseconds; time never goes back.
    now: u64,
    /// When the message at hand began, or the control frame where there is no message.
    began: Option<u64>,
    messages: TokenBucket,
    bytes: TokenBucket,
    controls: TokenBucket,
}

#[derive(Debug)]
enum State {
    /// In a head, or between frames.
    Head(PartialHead),
    Control(Control),
    Data(Data),
    Closed,
    Violated {
        violation: Violation,
        at_boundary: bool,
    },
}

/// The payload of a data frame.
#[derive(Debug)]
struct Data {
    opcode: Opcode,
    key: [u8; 4],
    /// How many of its bytes were handed out.
    from: u64,
    left: u64,
}

impl Observer {
    /// An observer of what `role` sends, from the first byte after the handshake.
    pub fn new(role: Role, limits: Arc<Limits>, negotiated: Negotiated, depth: Depth) -> Self {
        Self {
            role,
            depth,
            negotiated,
            state: State::Head(PartialHead::default()),
            told: false,
            message: None,
            scratch: None,
            inflater: None,
            offset: 0,
            frame: 0,
            now: 0,
            began: None,
            messages: TokenBucket::full(limits.messages),
            bytes: TokenBucket::full(limits.bytes),
            controls: TokenBucket::full(limits.controls),
            limits,
        }
    }

    /// Takes the next step into `input`, and what it took off it. Call it until it has none: the
    /// last step may be there only once the input is empty.
    ///
    /// `now` is monotonic, since any start; should it go back, it stands still.
    ///
    /// # Errors
    ///
    /// Where the bytes break the protocol or a limit. Bytes of the step that found it are not handed
    /// out, and each later call says the same again.
    pub fn watch<'b>(
        &mut self,
        input: &mut &'b [u8],
        now: Duration,
    ) -> Result<Option<Observation<'_, 'b>>, Violation> {
        self.overdue(now)?;
        let at_boundary = self.hands_out_whole_frames();
        let step = match self.state {
            State::Head(_) => self.read_head(input),
            State::Control(_) => self.read_control(input),
            State::Data(_) => self.read_data(input),
            State::Closed if input.is_empty() => Ok(None),
            State::Closed => {
                self.frame = self.offset;
                Err(Kind::AfterClose)
            }
            State::Violated { violation, .. } => return Err(violation),
        };
        match step {
            Ok(None) => Ok(None),
            Ok(Some(part)) => {
                self.offset += part.bytes.len() as u64;
                Ok(Some(Observation {
                    bytes: part.bytes,
                    opcode: part.opcode,
                    hold: part.hold,
                    seen: self.seen(&part.told),
                }))
            }
            Err(kind) => Err(self.violate(kind, at_boundary)),
        }
    }

    /// Lets time pass.
    ///
    /// # Errors
    ///
    /// Where a message, or a control frame, should have ended before `now`; and after any violation,
    /// that one.
    pub fn overdue(&mut self, now: Duration) -> Result<(), Violation> {
        if let State::Violated { violation, .. } = self.state {
            return Err(violation);
        }
        self.settle();
        let now = nanos(now).max(self.now);
        let elapsed = now - self.now;
        self.now = now;
        self.messages.refill(self.limits.messages, elapsed);
        self.bytes.refill(self.limits.bytes, elapsed);
        self.controls.refill(self.limits.controls, elapsed);
        let time = self.limits.message_time;
        if self.began.is_some_and(|began| now - began > nanos(time)) {
            let at_boundary = self.hands_out_whole_frames();
            return Err(self.violate(Kind::TooSlow(time), at_boundary));
        }
        Ok(())
    }

    /// When what is under way must have ended; none between messages.
    pub fn deadline(&self) -> Option<Duration> {
        let began = Duration::from_nanos(self.began?);
        began.checked_add(self.limits.message_time)
    }

    /// How many bytes are missing until a frame ends; none inside of a head, where nobody knows.
    ///
    /// At zero a control frame may be put in, and after [`Seen::Close`](crate::Seen::Close) nothing.
    /// After a violation it is zero if all bytes that were handed out without [`Observation::hold`] are
    /// whole frames, so that a close frame may follow them, and else none.
    pub fn boundary(&self) -> Option<u64> {
        match &self.state {
            State::Head(head) => head.is_empty().then_some(0),
            State::Control(control) => Some(control.left() as u64),
            State::Data(data) => Some(data.left),
            State::Closed => Some(0),
            State::Violated { at_boundary, .. } => at_boundary.then_some(0),
        }
    }

    /// A message has begun and not ended: at a boundary control frames may be put in, messages not.
    pub const fn in_message(&self) -> bool {
        self.message.is_some()
    }

    /// How many bytes were handed out.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Lets go of what the last step told.
    fn settle(&mut self) {
        if !self.told {
            return;
        }
        self.told = false;
        match &self.state {
            State::Control(control) if control.opcode == Opcode::Close => {
                self.state = State::Closed;
                self.began = None;
            }
            State::Control(_) => self.end_frame(),
            _ => self.end_message(),
        }
    }

    fn end_message(&mut self) {
        self.message = None;
        self.scratch = None;
        self.end_frame();
    }

    fn end_frame(&mut self) {
        self.state = State::Head(PartialHead::default());
        if self.message.is_none() {
            self.began = None;
        }
    }

    fn violate(&mut self, kind: Kind, at_boundary: bool) -> Violation {
        let violation = Violation {
            kind,
            offset: self.frame,
        };
        self.scratch = None;
        self.inflater = None;
        self.message = None;
        self.began = None;
        self.state = State::Violated {
            violation,
            at_boundary,
        };
        violation
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

//! Incremental observer of one side's frames.

mod read;

use std::{sync::Arc, time::Duration};

use crate::{
    BudgetedBuffer, Kind, Limits, MessageDecoding, Negotiated, Observation, Opcode, Role,
    Violation,
    control::Control,
    head::PartialHead,
    inflate::Inflater,
    message::{Message, MessageBuffer},
    token_bucket::TokenBucket,
};

/// Passive, incremental parser of the frames that one side of a WebSocket sends.
///
/// The results do not depend on how the bytes are cut into slices.
///
/// # Cost
///
/// At most 224 bytes while no message is being decoded, 144 more while a control frame arrives, and up to 43 KiB
/// more from the first decoded compressed message on, unless messages do not refer back. Payload that is not decoded
/// is skipped without a look at its bytes; headers are parsed without allocation, and a control frame takes one.
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use gabion_frames::{CloseCode, Limits, MessageDecoding, Negotiated, Observer, Role, Seen};
///
/// let limits = Arc::new(Limits::new());
/// let mut observer =
///     Observer::new(Role::Server, limits, Negotiated::NONE, MessageDecoding::None);
/// let mut input = &b"\x89\x02hi\x83"[..];
/// observer.watch(&mut input, Duration::ZERO)?;
/// let ping = observer.watch(&mut input, Duration::ZERO)?.unwrap();
/// assert_eq!(ping.seen, Some(Seen::Ping(b"hi")));
/// let refused = observer.watch(&mut input, Duration::ZERO).unwrap_err();
/// assert_eq!(refused.code(), CloseCode::PROTOCOL);
/// # Ok::<(), gabion_frames::Violation>(())
/// ```
#[derive(Debug)]
pub struct Observer {
    role: Role,
    decoding: MessageDecoding,
    negotiated: Negotiated,
    limits: Arc<Limits>,
    state: State,
    /// The last observation reported a complete control frame or message, which is kept until the
    /// next call.
    delivered: bool,
    message: Option<Message>,
    buffer: Option<Box<MessageBuffer>>,
    inflater: Option<Box<Inflater>>,
    /// The number of bytes returned so far.
    offset: u64,
    /// The offset of the current frame.
    frame: u64,
    /// In nanoseconds. Never decreases.
    now: u64,
    /// The start time of the current message, or of the current control frame outside a message.
    began: Option<u64>,
    messages: TokenBucket,
    bytes: TokenBucket,
    controls: TokenBucket,
}

#[derive(Debug)]
enum State {
    /// In a header, or between frames.
    Head(PartialHead),
    /// Allocated while the frame arrives, since an idle WebSocket has several observers.
    Control(Box<Control>),
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
    /// The number of its bytes returned so far.
    from: u64,
    left: u64,
}

impl Observer {
    /// Creates an observer of the bytes that `role` sends, from the first byte after the handshake.
    pub fn new(
        role: Role,
        limits: Arc<Limits>,
        negotiated: Negotiated,
        decoding: MessageDecoding,
    ) -> Self {
        Self {
            role,
            decoding,
            negotiated,
            state: State::Head(PartialHead::default()),
            delivered: false,
            message: None,
            buffer: None,
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

    /// The buffer of the current message.
    fn buffer(&mut self) -> &mut MessageBuffer {
        let limits = &self.limits;
        self.buffer.get_or_insert_with(|| {
            let budget = limits.budget.clone();
            let with_budget = |budget| BudgetedBuffer::new(budget, limits.max_buffered);
            Box::new(MessageBuffer::new(
                budget.map(with_budget).unwrap_or_default(),
            ))
        })
    }

    /// Consumes a part of `input` and returns it as an observation. Call it until it returns
    /// `None`: the last observation may come only after the input is empty.
    ///
    /// `now` is monotonic, since any start; an earlier time than before counts as no progress.
    ///
    /// # Errors
    ///
    /// Fails if the bytes violate the protocol or a limit. The bytes of the failed call are not
    /// returned, and each later call returns the same violation.
    pub fn watch<'b>(
        &mut self,
        input: &mut &'b [u8],
        now: Duration,
    ) -> Result<Option<Observation<'_, 'b>>, Violation> {
        self.overdue(now)?;
        let at_boundary = self.hands_out_whole_frames();
        let observation = match self.state {
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
        match observation {
            Ok(None) => Ok(None),
            Ok(Some(part)) => {
                self.offset += part.bytes.len() as u64;
                Ok(Some(Observation {
                    bytes: part.bytes,
                    opcode: part.opcode,
                    hold: part.hold,
                    inflated: part.inflated,
                    seen: self.seen(&part.completed),
                }))
            }
            Err(kind) => Err(self.violate(kind, at_boundary)),
        }
    }

    /// Advances the time.
    ///
    /// # Errors
    ///
    /// Fails if a message, or a control frame, should have ended before `now`. After any violation,
    /// returns that violation.
    pub fn overdue(&mut self, now: Duration) -> Result<(), Violation> {
        if let State::Violated { violation, .. } = self.state {
            return Err(violation);
        }
        self.release();
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

    /// The time by which the current message must end; `None` between messages.
    pub fn deadline(&self) -> Option<Duration> {
        let began = Duration::from_nanos(self.began?);
        began.checked_add(self.limits.message_time)
    }

    /// The number of bytes until the current frame ends; `None` inside a header, where it is not
    /// known.
    ///
    /// At zero a control frame may be inserted; after [`Seen::Close`](crate::Seen::Close) no more
    /// frames may follow. After a violation it is zero if all bytes returned without
    /// [`Observation::hold`] are complete frames, so that a close frame may follow them, and `None`
    /// otherwise.
    pub fn boundary(&self) -> Option<u64> {
        match &self.state {
            State::Head(head) => head.is_empty().then_some(0),
            State::Control(control) => Some(control.left() as u64),
            State::Data(data) => Some(data.left),
            State::Closed => Some(0),
            State::Violated { at_boundary, .. } => at_boundary.then_some(0),
        }
    }

    /// Returns `true` if a message has begun and not ended: at a frame boundary, control frames may
    /// be inserted, messages may not.
    pub const fn in_message(&self) -> bool {
        self.message.is_some()
    }

    /// The number of bytes returned so far.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Releases the element reported by the last observation.
    fn release(&mut self) {
        if !self.delivered {
            return;
        }
        self.delivered = false;
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
        self.buffer = None;
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
        self.buffer = None;
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

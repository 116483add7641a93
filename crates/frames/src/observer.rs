//! Reading along.

use std::{sync::Arc, time::Duration};

use crate::{
    CloseCode, Depth, Kind, Limits, MessageKind, Negotiated, Opcode, Role, Violation,
    budget::Budget,
    control::Control,
    head::{Head, PartialHead},
    inflate::Inflater,
    message::{Message, Reading, Scratch},
};

/// Watches what one side of a socket sends.
///
/// The same bytes yield the same, however they are cut into slices.
///
/// # Cost
///
/// At most 256 bytes while no inspected message is under way, and up to 43 KiB more from the first
/// compressed message on that is read, unless messages do not refer back. What is not read is skipped without being looked at; heads and control
/// frames are read without allocating.
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
    messages: Budget,
    bytes: Budget,
    controls: Budget,
}

/// A part of the input: never of more than one frame.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "what a step is")]
pub struct Step<'o, 'b> {
    /// The bytes, as they came. All steps' bytes together are the input.
    pub bytes: &'b [u8],
    /// They belong to a message that a later step will show, or this one shows. Whoever enforces
    /// keeps them until then. Control frames between the fragments are not held: they may
    /// overtake, so that a ping is answered meanwhile (RFC 6455, 5.4).
    pub hold: bool,
    /// What the bytes complete.
    pub seen: Option<Seen<'o>>,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all that frames can be")]
pub enum Seen<'o> {
    /// The head of any frame, as its last byte comes.
    Frame {
        /// What it is.
        opcode: Opcode,
        /// It is its message's last.
        fin: bool,
        /// Bytes of payload to come.
        len: u64,
    },
    /// A whole message, unmasked and inflated, where [`Depth`] has it read.
    Message {
        /// Text is known to be UTF-8.
        kind: MessageKind,
        /// The message.
        payload: &'o [u8],
        /// Where its first frame begins: how many bytes this side sent before it.
        offset: u64,
    },
    /// A whole ping, and its payload.
    Ping(&'o [u8]),
    /// A whole pong, and its payload.
    Pong(&'o [u8]),
    /// A whole close frame. Nothing comes after it.
    Close {
        /// Why; none where the frame is empty.
        code: Option<CloseCode>,
        /// In words of the sender's.
        reason: &'o str,
    },
}

#[derive(Debug)]
enum State {
    /// In a head, or between frames.
    Head(PartialHead),
    Control(Control),
    Data {
        left: u64,
        key: [u8; 4],
        from: u64,
    },
    Closed,
    Violated {
        violation: Violation,
        at_boundary: bool,
    },
}

/// What a step completes, with its bytes still where they are.
enum Told {
    Nothing,
    Frame(Head),
    Control,
    Message,
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
            messages: Budget::full(limits.messages),
            bytes: Budget::full(limits.bytes),
            controls: Budget::full(limits.controls),
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
    ) -> Result<Option<Step<'_, 'b>>, Violation> {
        self.overdue(now)?;
        self.settle();
        let at_boundary = self.hands_out_whole_frames();
        let step = match self.state {
            State::Head(_) => self.read_head(input),
            State::Control(_) => self.read_control(input),
            State::Data { .. } => self.read_data(input),
            State::Closed if input.is_empty() => Ok(None),
            State::Closed => {
                self.frame = self.offset;
                Err(Kind::AfterClose)
            }
            State::Violated { violation, .. } => return Err(violation),
        };
        match step {
            Ok(None) => Ok(None),
            Ok(Some((bytes, hold, told))) => {
                self.offset += bytes.len() as u64;
                let seen = self.seen(&told);
                Ok(Some(Step { bytes, hold, seen }))
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
    /// At zero a control frame may be put in, and after [`Seen::Close`] nothing. After a violation
    /// it is zero if all bytes that were handed out without [`Step::hold`] are whole frames, so that
    /// a close frame may follow them, and else none.
    pub fn boundary(&self) -> Option<u64> {
        match &self.state {
            State::Head(head) => head.is_empty().then_some(0),
            State::Control(control) => Some(control.left() as u64),
            State::Data { left, .. } => Some(*left),
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

    /// Nothing of the frame at hand was handed out, or only to be held.
    fn hands_out_whole_frames(&self) -> bool {
        match &self.state {
            State::Head(head) => head.is_empty() || self.holds_head(head),
            State::Data { .. } => self.holds_message(),
            State::Control(_) => false,
            State::Closed => true,
            State::Violated { at_boundary, .. } => *at_boundary,
        }
    }

    fn holds_message(&self) -> bool {
        self.message
            .is_some_and(|message| message.reading == Reading::Shown)
    }

    fn holds_head(&self, head: &PartialHead) -> bool {
        let shown = |kind| self.reading(kind, head.compressed()) == Reading::Shown;
        match head.opcode() {
            Some(Opcode::Continuation) => self.holds_message(),
            Some(Opcode::Text) => shown(MessageKind::Text),
            Some(Opcode::Binary) => shown(MessageKind::Binary),
            _ => false,
        }
    }

    fn reading(&self, kind: MessageKind, compressed: bool) -> Reading {
        let refers_back = compressed && self.negotiated.refers_back(self.role);
        Reading::of(self.depth, kind, refers_back)
    }

    fn read_head<'b>(&mut self, input: &mut &'b [u8]) -> Part<'b> {
        let State::Head(mut head) = self.state else {
            return Ok(None);
        };
        if input.is_empty() {
            return Ok(None);
        }
        if head.is_empty() {
            self.frame = self.offset;
            self.began.get_or_insert(self.now);
        }
        let compression = self.negotiated.compresses();
        for (before, byte) in input.iter().enumerate() {
            if let Some(whole) = head.push(*byte, self.role, compression)? {
                let hold = self.holds_head(&head);
                self.begin(&whole)?;
                return Ok(Some((take(input, before + 1), hold, Told::Frame(whole))));
            }
        }
        let hold = self.holds_head(&head);
        self.state = State::Head(head);
        Ok(Some((take(input, input.len()), hold, Told::Nothing)))
    }

    fn begin(&mut self, head: &Head) -> Result<(), Kind> {
        if head.opcode.is_control() {
            let paid = self.controls.take(self.limits.controls, 1);
            paid.map_err(Kind::Controls)?;
            self.state = State::Control(Control::new(head));
            return Ok(());
        }
        let kind = match (head.opcode, &self.message) {
            (Opcode::Continuation, None) => return Err(Kind::ContinuationOfNothing),
            (Opcode::Continuation, Some(_)) => None,
            (opcode, Some(_)) => return Err(Kind::MessageInMessage(opcode)),
            (Opcode::Text, None) => Some(MessageKind::Text),
            (_, None) => Some(MessageKind::Binary),
        };
        if let Some(kind) = kind {
            let paid = self.messages.take(self.limits.messages, 1);
            paid.map_err(Kind::Messages)?;
            let reading = self.reading(kind, head.compressed);
            let message = Message::new(kind, head.compressed, reading, self.frame);
            self.message = Some(message);
        }
        if let Some(message) = &mut self.message {
            message.add(head, &self.limits)?;
        }
        self.state = State::Data {
            left: head.len,
            key: head.key,
            from: 0,
        };
        Ok(())
    }

    fn read_control<'b>(&mut self, input: &mut &'b [u8]) -> Part<'b> {
        let State::Control(control) = &mut self.state else {
            return Ok(None);
        };
        if input.is_empty() && control.left() > 0 {
            return Ok(None);
        }
        let bytes = take(input, control.left());
        let paid = self.bytes.take(self.limits.bytes, bytes.len() as u64);
        paid.map_err(Kind::Bytes)?;
        control.extend(bytes);
        if control.left() > 0 {
            return Ok(Some((bytes, false, Told::Nothing)));
        }
        if control.opcode == Opcode::Close {
            control.close()?;
        }
        self.told = true;
        Ok(Some((bytes, false, Told::Control)))
    }

    fn read_data<'b>(&mut self, input: &mut &'b [u8]) -> Part<'b> {
        let (State::Data { left, key, from }, Some(message)) = (&mut self.state, self.message)
        else {
            return Ok(None);
        };
        if input.is_empty() && *left > 0 {
            return Ok(None);
        }
        let bytes = take(input, usize::try_from(*left).unwrap_or(usize::MAX));
        let len = bytes.len() as u64;
        let paid = self.bytes.take(self.limits.bytes, len);
        paid.map_err(Kind::Bytes)?;
        if message.reading != Reading::Skipped {
            let scratch = self.scratch.get_or_insert_default();
            scratch.extend(bytes, *key, *from, &message)?;
        }
        *left -= len;
        *from += len;
        let whole = *left == 0;
        let hold = message.reading == Reading::Shown;
        let told = match (whole, message.last) {
            (false, _) => Told::Nothing,
            (true, false) => {
                self.end_frame();
                Told::Nothing
            }
            (true, true) => self.finish(&message)?,
        };
        Ok(Some((bytes, hold, told)))
    }

    /// The message is whole.
    fn finish(&mut self, message: &Message) -> Result<Told, Kind> {
        if let Some(scratch) = &mut self.scratch {
            scratch.finish(message, &mut self.inflater, &self.limits)?;
        }
        if !self.negotiated.refers_back(self.role) {
            self.inflater = None;
        }
        if message.reading == Reading::Shown {
            self.told = true;
            return Ok(Told::Message);
        }
        self.end_message();
        Ok(Told::Nothing)
    }

    fn seen(&self, told: &Told) -> Option<Seen<'_>> {
        match (told, &self.state) {
            (Told::Frame(head), _) => Some(Seen::Frame {
                opcode: head.opcode,
                fin: head.fin,
                len: head.len,
            }),
            (Told::Control, State::Control(control)) => match control.opcode {
                Opcode::Ping => Some(Seen::Ping(control.payload())),
                Opcode::Pong => Some(Seen::Pong(control.payload())),
                _ => {
                    let (code, reason) = control.close().ok()?;
                    Some(Seen::Close { code, reason })
                }
            },
            (Told::Message, _) => {
                let message = self.message.as_ref()?;
                Some(Seen::Message {
                    kind: message.kind,
                    payload: self.scratch.as_ref()?.bytes(),
                    offset: message.offset,
                })
            }
            _ => None,
        }
    }
}

/// A step's bytes, whether they are held, and what they complete.
type Part<'b> = Result<Option<(&'b [u8], bool, Told)>, Kind>;

/// Takes at most so many bytes off the input.
fn take<'b>(input: &mut &'b [u8], most: usize) -> &'b [u8] {
    let (taken, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    taken
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

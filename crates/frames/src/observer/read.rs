//! Parsing of one observation from the input.

use super::{Data, Observer, State};
use crate::{
    Kind, MessageKind, Opcode, Seen,
    control::Control,
    head::{Head, PartialHead},
    message::{Message, PayloadHandling},
};

/// An [`Observation`](crate::Observation) before the completed element is borrowed.
pub(super) struct Part<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) opcode: Opcode,
    pub(super) hold: bool,
    pub(super) inflated: u64,
    pub(super) completed: Completed,
}

pub(super) enum Completed {
    Nothing,
    Frame(Head),
    Control,
    Message,
}

impl Observer {
    /// Returns `true` if no bytes of the current frame were returned, or only bytes to hold.
    pub(super) fn hands_out_whole_frames(&self) -> bool {
        match &self.state {
            State::Head(head) => head.is_empty() || self.holds_head(head),
            State::Data(_) => self.holds_message(),
            State::Control(_) => false,
            State::Closed => true,
            State::Violated { at_boundary, .. } => *at_boundary,
        }
    }

    fn holds_message(&self) -> bool {
        self.message
            .is_some_and(|message| message.handling == PayloadHandling::Deliver)
    }

    fn holds_head(&self, head: &PartialHead) -> bool {
        let shown = |kind| self.handling(kind, head.compressed()) == PayloadHandling::Deliver;
        match head.opcode() {
            Ok(Opcode::Continuation) => self.holds_message(),
            Ok(Opcode::Text) => shown(MessageKind::Text),
            Ok(Opcode::Binary) => shown(MessageKind::Binary),
            _ => false,
        }
    }

    fn handling(&self, kind: MessageKind, compressed: bool) -> PayloadHandling {
        let refers_back = compressed && self.negotiated.refers_back(self.role);
        PayloadHandling::new(self.decoding, kind, refers_back)
    }

    pub(super) fn read_head<'b>(&mut self, input: &mut &'b [u8]) -> Result<Option<Part<'b>>, Kind> {
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
        let (mut taken, mut whole) = (0, None);
        for byte in *input {
            whole = head.push(*byte, self.role, compression)?;
            taken += 1;
            if whole.is_some() {
                break;
            }
        }
        let hold = self.holds_head(&head);
        let completed = if let Some(head) = whole {
            self.begin(&head)?;
            Completed::Frame(head)
        } else {
            self.state = State::Head(head);
            Completed::Nothing
        };
        Ok(Some(Part {
            bytes: take(input, taken),
            opcode: head.opcode()?,
            hold,
            inflated: 0,
            completed,
        }))
    }

    fn begin(&mut self, head: &Head) -> Result<(), Kind> {
        if head.opcode.is_control() {
            let allowed = self.controls.take(self.limits.controls, 1);
            allowed.map_err(Kind::Controls)?;
            self.state = State::Control(Box::new(Control::new(head)));
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
            let allowed = self.messages.take(self.limits.messages, 1);
            allowed.map_err(Kind::Messages)?;
            let handling = self.handling(kind, head.compressed);
            let message = Message::new(kind, head.compressed, handling, self.frame);
            self.message = Some(message);
        }
        if let Some(message) = &mut self.message {
            message.add(head, &self.limits)?;
        }
        self.state = State::Data(Data {
            opcode: head.opcode,
            key: head.key,
            from: 0,
            left: head.len,
        });
        Ok(())
    }

    pub(super) fn read_control<'b>(
        &mut self,
        input: &mut &'b [u8],
    ) -> Result<Option<Part<'b>>, Kind> {
        let State::Control(control) = &mut self.state else {
            return Ok(None);
        };
        if input.is_empty() && control.left() > 0 {
            return Ok(None);
        }
        let bytes = take(input, control.left());
        let allowed = self.bytes.take(self.limits.bytes, bytes.len() as u64);
        allowed.map_err(Kind::Bytes)?;
        control.extend(bytes);
        self.delivered = control.left() == 0;
        if self.delivered && control.opcode == Opcode::Close {
            control.close()?;
        }
        Ok(Some(Part {
            bytes,
            opcode: control.opcode,
            hold: false,
            inflated: 0,
            completed: if self.delivered {
                Completed::Control
            } else {
                Completed::Nothing
            },
        }))
    }

    pub(super) fn read_data<'b>(&mut self, input: &mut &'b [u8]) -> Result<Option<Part<'b>>, Kind> {
        let (State::Data(data), Some(message)) = (&mut self.state, self.message) else {
            return Ok(None);
        };
        if input.is_empty() && data.left > 0 {
            return Ok(None);
        }
        let bytes = take(input, usize::try_from(data.left).unwrap_or(usize::MAX));
        let len = bytes.len() as u64;
        let allowed = self.bytes.take(self.limits.bytes, len);
        allowed.map_err(Kind::Bytes)?;
        let (opcode, key, from) = (data.opcode, data.key, data.from);
        data.left -= len;
        data.from += len;
        let frame_ends = data.left == 0;
        if message.handling != PayloadHandling::Skip {
            self.buffer().extend(bytes, key, from, &message)?;
        }
        let (completed, inflated) = match (frame_ends, message.last) {
            (false, _) => (Completed::Nothing, 0),
            (true, false) => {
                self.end_frame();
                (Completed::Nothing, 0)
            }
            (true, true) => self.finish(&message)?,
        };
        Ok(Some(Part {
            bytes,
            opcode,
            hold: message.handling == PayloadHandling::Deliver,
            inflated,
            completed,
        }))
    }

    /// Completes the current message. Also returns the number of bytes by which it grew when it was
    /// inflated.
    fn finish(&mut self, message: &Message) -> Result<(Completed, u64), Kind> {
        let mut inflated = 0;
        if let Some(buffer) = &mut self.buffer {
            inflated = buffer.finish(message, &mut self.inflater, &self.limits)?;
            let allowed = self.bytes.take(self.limits.bytes, inflated);
            allowed.map_err(Kind::Bytes)?;
        }
        if !self.negotiated.refers_back(self.role) {
            self.inflater = None;
        }
        if message.handling == PayloadHandling::Deliver {
            self.delivered = true;
            return Ok((Completed::Message, inflated));
        }
        self.end_message();
        Ok((Completed::Nothing, inflated))
    }

    pub(super) fn seen(&self, completed: &Completed) -> Option<Seen<'_>> {
        match (completed, &self.state) {
            (Completed::Frame(head), _) => Some(Seen::Frame {
                opcode: head.opcode,
                fin: head.fin,
                len: head.len,
            }),
            (Completed::Control, State::Control(control)) => match control.opcode {
                Opcode::Ping => Some(Seen::Ping(control.payload())),
                Opcode::Pong => Some(Seen::Pong(control.payload())),
                _ => {
                    let (code, reason) = control.close().ok()?;
                    Some(Seen::Close { code, reason })
                }
            },
            (Completed::Message, _) => {
                let message = self.message.as_ref()?;
                Some(Seen::Message {
                    kind: message.kind,
                    payload: self.buffer.as_ref()?.bytes(),
                    offset: message.offset,
                })
            }
            _ => None,
        }
    }
}

/// Splits at most `most` bytes off the input.
fn take<'b>(input: &mut &'b [u8], most: usize) -> &'b [u8] {
    let (taken, rest) = input.split_at(most.min(input.len()));
    *input = rest;
    taken
}

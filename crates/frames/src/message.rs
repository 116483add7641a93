//! Messages: one data frame or several (RFC 6455, 5.4).

use std::str;

use crate::{
    BudgetedBuffer, Kind, Limits,
    head::{Head, unmask},
    inflate::Inflater,
};

/// The kinds of messages that an [`Observer`](crate::Observer) decodes. Frame headers and control
/// frames are always decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "nothing, one kind, both kinds")]
pub enum MessageDecoding {
    /// No messages.
    #[default]
    None,
    /// Text messages.
    Text,
    /// Text and binary messages.
    All,
}

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "all that RFC 6455 defines")]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Arbitrary bytes.
    Binary,
}

/// The handling of a message's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadHandling {
    /// Not decoded.
    Skip,
    /// Inflated and discarded, since later messages may refer back to it.
    Inflate,
    /// Decoded, and reported when complete.
    Deliver,
}

impl PayloadHandling {
    pub(crate) fn new(decoding: MessageDecoding, kind: MessageKind, refers_back: bool) -> Self {
        match (decoding, kind) {
            (MessageDecoding::All, _) | (MessageDecoding::Text, MessageKind::Text) => Self::Deliver,
            (MessageDecoding::Text, MessageKind::Binary) if refers_back => Self::Inflate,
            (MessageDecoding::Text | MessageDecoding::None, _) => Self::Skip,
        }
    }
}

/// A message of which at least one frame has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) kind: MessageKind,
    pub(crate) compressed: bool,
    pub(crate) handling: PayloadHandling,
    /// The offset of its first frame.
    pub(crate) offset: u64,
    /// `true` if the current frame is its last.
    pub(crate) last: bool,
    fragments: u32,
    bytes: u64,
}

impl Message {
    pub(crate) const fn new(
        kind: MessageKind,
        compressed: bool,
        handling: PayloadHandling,
        offset: u64,
    ) -> Self {
        Self {
            kind,
            compressed,
            handling,
            offset,
            last: false,
            fragments: 0,
            bytes: 0,
        }
    }

    /// Counts a further frame.
    pub(crate) fn add(&mut self, head: &Head, limits: &Limits) -> Result<(), Kind> {
        if head.len > limits.max_frame {
            return Err(Kind::FrameTooBig {
                bytes: head.len,
                limit: limits.max_frame,
            });
        }
        self.bytes = self.bytes.saturating_add(head.len);
        if self.bytes > limits.max_message {
            return Err(Kind::MessageTooBig {
                bytes: self.bytes,
                limit: limits.max_message,
            });
        }
        self.fragments = self.fragments.saturating_add(1);
        if self.fragments > limits.max_fragments {
            return Err(Kind::TooManyFragments(limits.max_fragments));
        }
        self.last = head.fin;
        Ok(())
    }
}

/// The payload of a message under decoding. Allocated only while such a message is incomplete.
#[derive(Debug)]
pub(crate) struct MessageBuffer {
    bytes: BudgetedBuffer,
    /// The number of leading bytes that are known to be UTF-8.
    valid: usize,
}

impl MessageBuffer {
    pub(crate) const fn new(bytes: BudgetedBuffer) -> Self {
        Self { bytes, valid: 0 }
    }

    pub(crate) const fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    /// Adds received bytes, which begin at offset `from` of their frame's payload.
    pub(crate) fn extend(
        &mut self,
        bytes: &[u8],
        key: [u8; 4],
        from: u64,
        message: &Message,
    ) -> Result<(), Kind> {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(bytes)?;
        if let Some(added) = self.bytes.as_mut_slice().get_mut(begin..) {
            unmask(added, key, from);
        }
        if message.kind == MessageKind::Text && !message.compressed {
            self.check_text()?;
        }
        Ok(())
    }

    /// Inflates and validates the complete message. Returns the number of bytes by which it grew.
    pub(crate) fn finish(
        &mut self,
        message: &Message,
        inflater: &mut Option<Box<Inflater>>,
        limits: &Limits,
    ) -> Result<u64, Kind> {
        let mut grown = 0;
        if message.compressed {
            let sent = self.bytes.as_slice();
            let decoded = inflater.get_or_insert_default().inflate(sent, limits)?;
            grown = decoded.len().saturating_sub(sent.len()) as u64;
            self.bytes.replace(decoded)?;
        }
        if message.kind == MessageKind::Text {
            self.check_text()?;
            if self.valid < self.bytes.len() {
                return Err(Kind::TextNotUtf8);
            }
        }
        Ok(grown)
    }

    /// Validates the bytes not validated yet, except an incomplete character at the end.
    fn check_text(&mut self) -> Result<(), Kind> {
        let rest = self.bytes().get(self.valid..).unwrap_or_default();
        match str::from_utf8(rest) {
            Ok(_) => self.valid = self.bytes.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(Kind::TextNotUtf8),
        }
        Ok(())
    }
}

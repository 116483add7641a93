//! Messages: one data frame or several (RFC 6455, 5.4).

use std::{mem, str};

use crate::{
    Kind, Limits,
    head::{Head, unmask},
    inflate::Inflater,
};

/// How much of what passes is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "nothing, one kind, both kinds")]
pub enum Depth {
    /// Heads and control frames only.
    #[default]
    Headers,
    /// Text messages too.
    Text,
    /// Text and binary messages.
    Messages,
}

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "all that RFC 6455 defines")]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// What is done with a message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadHandling {
    /// They pass.
    Skipped,
    /// They are inflated, since later messages may refer to them, and not shown.
    Inflated,
    /// They are gathered and shown.
    Shown,
}

impl PayloadHandling {
    pub(crate) fn of(depth: Depth, kind: MessageKind, refers_back: bool) -> Self {
        match (depth, kind) {
            (Depth::Messages, _) | (Depth::Text, MessageKind::Text) => Self::Shown,
            (Depth::Text, MessageKind::Binary) if refers_back => Self::Inflated,
            (Depth::Text | Depth::Headers, _) => Self::Skipped,
        }
    }
}

/// A message of which at least one frame has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) kind: MessageKind,
    pub(crate) compressed: bool,
    pub(crate) reading: PayloadHandling,
    /// Of its first frame.
    pub(crate) offset: u64,
    /// The frame at hand is its last.
    pub(crate) last: bool,
    fragments: u32,
    bytes: u64,
}

impl Message {
    pub(crate) const fn new(
        kind: MessageKind,
        compressed: bool,
        reading: PayloadHandling,
        offset: u64,
    ) -> Self {
        Self {
            kind,
            compressed,
            reading,
            offset,
            last: false,
            fragments: 0,
            bytes: 0,
        }
    }

    /// Counts a further frame in.
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

/// The bytes of a message that is read. There is one only while such a message is under way.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    /// How many of the bytes are known to be UTF-8.
    valid: usize,
}

impl Scratch {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds what was sent, the first byte of it being byte `from` of its frame.
    pub(crate) fn extend(
        &mut self,
        bytes: &[u8],
        key: [u8; 4],
        from: u64,
        message: &Message,
    ) -> Result<(), Kind> {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if let Some(added) = self.bytes.get_mut(begin..) {
            unmask(added, key, from);
        }
        if message.kind == MessageKind::Text && !message.compressed {
            self.check_text()?;
        }
        Ok(())
    }

    /// The message is whole.
    pub(crate) fn finish(
        &mut self,
        message: &Message,
        inflater: &mut Option<Box<Inflater>>,
        limits: &Limits,
    ) -> Result<(), Kind> {
        if message.compressed {
            let sent = mem::take(&mut self.bytes);
            self.bytes = inflater.get_or_insert_default().inflate(sent, limits)?;
        }
        if message.kind == MessageKind::Text {
            self.check_text()?;
            if self.valid < self.bytes.len() {
                return Err(Kind::TextNotUtf8);
            }
        }
        Ok(())
    }

    /// Checks what has not been checked, and leaves a character that is cut for later.
    fn check_text(&mut self) -> Result<(), Kind> {
        let rest = self.bytes.get(self.valid..).unwrap_or_default();
        match str::from_utf8(rest) {
            Ok(_) => self.valid = self.bytes.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(Kind::TextNotUtf8),
        }
        Ok(())
    }
}

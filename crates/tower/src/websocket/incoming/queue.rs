//! What may pass and finds no room with the reader.

use std::mem;

use hyper::rt::ReadBufCursor;

/// Bytes that wait for the service to read on. While there are any, no more is taken from the client.
#[derive(Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    /// How many of them have gone.
    written: usize,
}

/// Where to: the reader, as far as it has room, and the queue.
pub(super) struct Output<'w, 'b> {
    reader: Option<&'w mut ReadBufCursor<'b>>,
    queue: &'w mut Queue,
    has_output: bool,
}

// === impl Queue ===

impl Queue {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Gives the reader what it has room for.
    pub(super) fn write_to(&mut self, reader: &mut ReadBufCursor<'_>) {
        let waiting = &self.bytes[self.written..];
        let max_len = waiting.len().min(reader.remaining());
        reader.put_slice(&waiting[..max_len]);
        self.written += max_len;
        if self.written == self.bytes.len() {
            drop(mem::take(self));
        }
    }
}

// === impl Way ===

impl<'w, 'b> Output<'w, 'b> {
    pub(super) const fn new(
        reader: Option<&'w mut ReadBufCursor<'b>>,
        queue: &'w mut Queue,
    ) -> Self {
        let has_output = false;
        Self {
            reader,
            queue,
            has_output,
        }
    }

    /// Lets bytes pass.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        self.has_output |= !bytes.is_empty();
        if let Some(reader) = &mut self.reader
            && self.queue.is_empty()
        {
            let (now, rest) = bytes.split_at(bytes.len().min(reader.remaining()));
            reader.put_slice(now);
            bytes = rest;
        }
        self.queue.bytes.extend_from_slice(bytes);
    }

    /// Whether anything has passed.
    pub(super) const fn has_output(&self) -> bool {
        self.has_output
    }
}
